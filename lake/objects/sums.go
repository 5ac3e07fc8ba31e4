package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	icebergio "github.com/apache/iceberg-go/io"
	"github.com/cespare/xxhash/v2"
)

// A data file has the digest of its contents in its name. The metadata that Iceberg's library writes (table
// metadata, lists of manifests, manifests) has none, and a bit that flips in it may change an answer without a
// word. So on a local disk each of these files has its sum beside it, in a hidden file, and whoever reads it
// compares. S3 keeps sums itself. A file without a sum, as another engine or an earlier version wrote it, is read
// as it is.

func init() {
	icebergio.Unregister("file")
	icebergio.Register("file", func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) {
		return LocalFS{}, nil
	})
}

// Damage is an object that is not what was written.
type Damage struct {
	Object string
	What   string // is missing, has 3 bytes instead of 4, …
}

func (d *Damage) Error() string { return d.Object + " " + d.What }

// IsDamage tells that an object is known not to be what was written. One that is missing may just have been replaced:
// IsMissing tells of that.
func IsDamage(err error) bool {
	var damage *Damage
	return errors.As(err, &damage)
}

// Unreadable tells that what was to be read is gone or damaged.
func Unreadable(err error) bool { return IsDamage(err) || IsMissing(err) }

// LocalFS is the local disk as Iceberg reads and writes it, with sums of metadata.
type LocalFS struct{ icebergio.LocalFS }

// summed tells whether an object of a table has its sum beside it.
func summed(object string) bool {
	return strings.HasSuffix(object, ".avro") || strings.HasSuffix(object, ".metadata.json")
}

const sumSuffix = ".sum"

// sumOf is where the sum of a local file lies.
func sumOf(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+sumSuffix)
}

// isSum tells a sum by its name.
func isSum(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, sumSuffix) &&
		summed(strings.TrimSuffix(name, sumSuffix))
}

// sumText says a sum twice: a sum that is damaged itself is as good as none, and must not make a sound file look bad.
func sumText(contents []byte) string {
	return fmt.Sprintf("%016x %016x\n", xxhash.Sum64(contents), ^xxhash.Sum64(contents))
}

// writeSum keeps the sum of a local file.
func writeSum(path string, contents []byte) error {
	return os.WriteFile(sumOf(path), []byte(sumText(contents)), fileRights)
}

// checkSum compares a local file with its sum, if it has one.
func checkSum(object, path string, contents []byte) error {
	text, err := os.ReadFile(sumOf(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var sum, inverse uint64
	if n, err := fmt.Sscanf(string(text), "%16x %16x\n", &sum, &inverse); n != 2 || err != nil || sum != ^inverse {
		return nil
	}
	if sum != xxhash.Sum64(contents) {
		return &Damage{object, fmt.Sprintf("is not what was written: its %d bytes have another sum", len(contents))}
	}
	return nil
}

// pathOf is the path of a local object, by its URL or as it is.
func pathOf(object string) string {
	if path := localPath(object); path != "" {
		return path
	}
	return object
}

func (f LocalFS) ReadFile(object string) ([]byte, error) {
	contents, err := f.LocalFS.ReadFile(object)
	if err != nil || !summed(object) {
		return contents, err
	}
	return contents, checkSum(object, pathOf(object), contents)
}

func (f LocalFS) Open(object string) (icebergio.File, error) {
	file, err := f.LocalFS.Open(object)
	if err != nil || !summed(object) {
		return file, err
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	contents, err := f.ReadFile(object)
	if err != nil {
		return nil, err
	}
	return &readFile{Reader: bytes.NewReader(contents), info: info}, nil
}

// readFile is a file that was read whole.
type readFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f *readFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *readFile) Close() error               { return nil }

func (f LocalFS) WriteFile(object string, contents []byte) error {
	path := pathOf(object)
	if err := os.MkdirAll(filepath.Dir(path), folderRights); err != nil {
		return err
	}
	if err := os.WriteFile(path, contents, fileRights); err != nil || !summed(object) {
		return err
	}
	return writeSum(path, contents)
}

func (f LocalFS) Create(object string) (icebergio.FileWriter, error) {
	path := pathOf(object)
	if err := os.MkdirAll(filepath.Dir(path), folderRights); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, fileRights)
	if err != nil || !summed(object) {
		return file, err
	}
	return &summedFile{File: file, sum: xxhash.New()}, nil
}

// summedFile is a file that is being written.
type summedFile struct {
	*os.File
	sum *xxhash.Digest
}

func (w *summedFile) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	_, _ = w.sum.Write(p[:n]) // never fails
	return n, err
}

// ReadFrom is not the file's own, which would pass the sum by.
func (w *summedFile) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{w}, r) }

func (w *summedFile) Close() error {
	if err := w.File.Close(); err != nil {
		return err
	}
	sum := w.sum.Sum64()
	return os.WriteFile(sumOf(w.Name()), fmt.Appendf(nil, "%016x %016x\n", sum, ^sum), fileRights)
}

// Remove takes the sum first: what a crash leaves is a file without one, which is removed again.
func (f LocalFS) Remove(object string) error {
	if summed(object) {
		if err := os.Remove(sumOf(pathOf(object))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.LocalFS.Remove(object)
}

// Check looks whether an object is there and has so many bytes; with a digest as we put it into names, also whether
// they are those that were written. The names of other engines hold no such digest: they are not compared. Errors:
// a missing object is IsMissing, any other fault IsDamage.
func (o *Store) Check(object string, size int64, digest string) (err error) {
	opened, err := o.Open(object)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	info, err := opened.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", object, err)
	}
	if info.Size() != size {
		return &Damage{Object: object, What: fmt.Sprintf("has %d bytes instead of %d", info.Size(), size)}
	}
	if decoded, err := hex.DecodeString(digest); err != nil || len(decoded) != 16 {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, opened); err != nil {
		return fmt.Errorf("read %s: %w", object, err)
	}
	if is := hex.EncodeToString(sum.Sum(nil)[:16]); is != digest {
		return &Damage{Object: object, What: "is not what was written: its bytes have the digest " + is}
	}
	return nil
}
