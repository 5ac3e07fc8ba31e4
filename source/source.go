// Package source finds and reads the hours of telemetry files, in a local folder or on S3.
//
// A source is a tree of UTC hours, 2022/05/27/05/access.tsv or as a Layout says, that others write and that we only
// read. Files may appear, change and vanish at any moment, so a File names one version of a file, and Open reads
// that version or fails.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/versionlake/versionlake/telemetry"
)

// Errors on which a caller decides. The errors that wrap them say which file, what was being done, and what to do next.
var (
	// ErrChanged: the file is there, but it is no longer the version that was asked for. List its hour again.
	ErrChanged = errors.New("file changed")
	// ErrNotFound: there is no such file (any more).
	ErrNotFound = errors.New("no such file")
	// ErrDenied: the source refuses us. Trying again helps only once someone grants access.
	ErrDenied = errors.New("access denied")
	// ErrUnreadable: this one file can't be read, whatever is tried; others can. The error says what to do with it.
	ErrUnreadable = errors.New("the file can't be read")
	// ErrConfig: the location or its settings cannot work. Trying again helps only once someone changes them.
	ErrConfig = errors.New("source is not set up")
)

// fault is an error whose text says it all; of is what a caller decides by.
type fault struct {
	text string
	of   []error
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() []error { return f.of }

// faultf makes a fault of a kind, such as ErrConfig, for a reason, which its text need not repeat.
func faultf(kind, reason error, format string, args ...any) error {
	of := []error{kind}
	if reason != nil {
		of = append(of, reason)
	}
	return &fault{fmt.Sprintf(format, args...), of}
}

// File is one version of a file.
type File struct {
	// Key is the path relative to the source's root, separated by slashes: 2022/05/27/05/access.tsv.
	Key string `json:"key"`
	// Size is in bytes, as stored: before decompression.
	Size int64 `json:"size"`
	// ETag is opaque and differs between versions of a key. Compare it only with ETags of the same source.
	ETag string `json:"etag"`
}

// Listing is what lies directly in an hour's folder; each list is sorted by Key.
type Listing struct {
	// Files are the telemetry files that can be read.
	Files []File
	// Bad are telemetry files that can't be opened, whatever is tried again: each is one bad file of its hour.
	Bad []LeftOut
	// Passed is whatever else lies there and is not read, the first thousand of it.
	Passed []LeftOut
	// PassedOver counts all of that.
	PassedOver int64
}

// LeftOut is something in an hour's folder that is not read, and why. Its ETag stays the same while the reason does.
type LeftOut struct {
	File
	Why string `json:"why"`
}

// Source is a tree of hours of files. Its methods may be called concurrently, and return the context's error when
// it ends.
type Source interface {
	// String is the location as a URL that Open accepts. It never holds a secret.
	String() string

	// List lists what lies directly in the folders of the hour, of which there may be several: one for each layout,
	// and way to write a number. An hour without a folder has nothing, which is no error. Errors: ErrDenied,
	// ErrConfig.
	List(ctx context.Context, hour telemetry.Hour) (Listing, error)

	// Hours lists the hours in [from, to) in which something lies that List names, ascending. It costs a listing
	// per folder that exists in the range, however long the range is. Errors: ErrDenied, ErrConfig; a *RefusedError
	// names the folders that can't be listed, beside the hours of all others.
	Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error)

	// CheckHours fails with ErrNoHours where not one folder is that of an hour, and says what lies there and how to
	// read it.
	CheckHours(ctx context.Context) error

	// Strays tells of folders that look like hours and that no layout names: a sentence each, with the setting that
	// reads them.
	Strays(ctx context.Context) []string

	// Open reads length bytes of f from offset on, or to its end if length is negative or reaches beyond it. All
	// bytes are of the version f: when that cannot be kept, Open, Read or Close fails with ErrChanged. The context
	// governs the reading, too. Errors: ErrChanged, ErrNotFound, ErrDenied, ErrConfig; an offset outside [0,
	// f.Size] is an error.
	Open(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error)
}

// Open returns the source at a location: a path, file:///absolute/path (a URL: a blank is %20) or
// s3://bucket/prefix (taken literally, as the AWS tools do). A local folder must exist; S3 is first asked when the
// source is used. Errors: ErrDenied, ErrConfig.
func Open(ctx context.Context, location string, options ...Option) (Source, error) {
	set := newSetup(options)
	scheme, rest, isURL := strings.Cut(location, "://")
	switch {
	case location == "":
		return nil, faultf(ErrConfig, nil, "the source has no location: give a folder or s3://bucket/prefix")
	case !isURL:
		return openLocal(location, set)
	case scheme == "file":
		return openFileURL(location, set)
	case scheme == "s3":
		return openS3(ctx, rest, set)
	default:
		return nil, faultf(ErrConfig, nil, "the source can't be of the scheme %q: give a folder, file:///folder or "+
			"s3://bucket/prefix", scheme)
	}
}

// checkKey refuses keys that no listing returns, such as those with ".." in them.
func checkKey(key string) error {
	if !fs.ValidPath(key) || key == "." || strings.ContainsRune(key, 0) {
		return fmt.Errorf("%w: %q is not the path of a file inside the source", ErrNotFound, key)
	}
	return nil
}

// section turns a range of f, as given to Open, into its first byte and the byte after its last.
func (f File) section(offset, length int64) (start, end int64, err error) {
	if offset < 0 || offset > f.Size {
		return 0, 0, fmt.Errorf("offset %d is outside of its %d bytes", offset, f.Size)
	}
	if length < 0 || length > f.Size-offset {
		length = f.Size - offset
	}
	return offset, offset + length, nil
}

// changed is the ErrChanged for a file that is now another version.
func (f File) changed(now File) error {
	return fmt.Errorf("%w: listed with %d bytes and tag %s, now %d bytes and tag %s", ErrChanged, f.Size, f.ETag,
		now.Size, now.ETag)
}
