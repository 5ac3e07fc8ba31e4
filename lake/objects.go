package lake

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	icebergio "github.com/apache/iceberg-go/io"
)

// objects reads and writes the warehouse's files through Iceberg's own I/O, so that one set of settings reaches S3.
type objects struct {
	root    string // file:///abs/warehouse or s3://bucket/prefix, no slash at the end
	scratch string
	io      icebergio.IO
}

// icebergLocal serves spills, whatever the warehouse is.
var icebergLocal icebergio.IO = icebergio.LocalFS{}

func openObjects(ctx context.Context, warehouse, scratch string, properties map[string]string) (*objects, error) {
	root := strings.TrimRight(warehouse, "/")
	location, err := url.Parse(root)
	if err != nil || location.User != nil { // the text may hold a secret: it is not repeated
		return nil, fmt.Errorf("%w: the warehouse is neither file:///absolute/folder nor s3://bucket/prefix; credentials do not belong in it: set AWS_ACCESS_KEY_ID or AWS_PROFILE", ErrConfig)
	}
	if (location.Scheme != "file" && location.Scheme != "s3") || (location.Scheme == "s3") != (location.Host != "") {
		return nil, fmt.Errorf("%w: the warehouse %q is neither file:///absolute/folder nor s3://bucket/prefix", ErrConfig, warehouse)
	}
	// An S3 I/O keeps its context for every request to come: the end of Open's must not end them.
	files, err := icebergio.LoadFS(context.WithoutCancel(ctx), properties, root)
	if err != nil {
		return nil, fmt.Errorf("open the warehouse %s: %w", root, err)
	}
	if scratch == "" {
		scratch = os.TempDir()
	}
	return &objects{root: root, scratch: scratch, io: files}, nil
}

// localPath is the path of an object on a file:// warehouse, "" elsewhere.
func (o *objects) localPath(object string) string {
	if !strings.HasPrefix(object, "file://") {
		return ""
	}
	location, err := url.Parse(object)
	if err != nil {
		return ""
	}
	return filepath.FromSlash(location.Path)
}

// objectWriter writes an object that appears whole or not at all. Its bytes are hashed on the way, so that equal
// contents can be told by their names.
type objectWriter struct {
	objects *objects
	file    *os.File
	buffer  *bufio.Writer
	sum     hash.Hash
	size    int64
}

// temporaryPrefix begins the names of objects that are being written.
const temporaryPrefix = ".versionlake-"

// create starts an object; folder says where it will lie, so that a local one is written on the same file system.
func (o *objects) create(folder string) (*objectWriter, error) {
	scratch := o.scratch
	if local := o.localPath(folder); local != "" {
		scratch = local
		if err := os.MkdirAll(scratch, 0o755); err != nil {
			return nil, fmt.Errorf("create %s: %w", folder, err)
		}
	}
	file, err := os.CreateTemp(scratch, temporaryPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("create an object in %s: %w", folder, err)
	}
	return &objectWriter{objects: o, file: file, buffer: bufio.NewWriterSize(file, 1<<16), sum: sha256.New()}, nil
}

func (w *objectWriter) Write(p []byte) (int, error) {
	w.sum.Write(p)
	w.size += int64(len(p))
	return w.buffer.Write(p)
}

// digest names the contents written so far.
func (w *objectWriter) digest() string { return hex.EncodeToString(w.sum.Sum(nil)[:16]) }

// abort drops the object.
func (w *objectWriter) abort() {
	w.file.Close()
	os.Remove(w.file.Name())
}

// publish gives the object its place.
func (w *objectWriter) publish(object string) (err error) {
	defer func() {
		if err != nil {
			w.abort()
			err = fmt.Errorf("write %s: %w", object, err)
		}
	}()
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	local := w.objects.localPath(object)
	if local == "" {
		return w.upload(object)
	}
	// A committed snapshot must not name a file that a power cut can empty.
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Chmod(0o644); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return err
	}
	return os.Rename(w.file.Name(), local)
}

func (w *objectWriter) upload(object string) error {
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	writable, ok := w.objects.io.(icebergio.WriteFileIO)
	if !ok {
		return errors.New("the warehouse is read-only")
	}
	target, err := writable.Create(object)
	if err != nil {
		return err
	}
	// An upload that fails is not closed: closing would publish what was sent so far.
	if _, err := io.Copy(target, w.file); err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	w.abort()
	return nil
}

func (o *objects) open(object string) (icebergio.File, error) {
	file, err := o.io.Open(object)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", object, err)
	}
	return file, nil
}

// writeJSON and readJSON keep the small documents of a run.
func (o *objects) writeJSON(object string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", object, err)
	}
	w, err := o.create(object[:strings.LastIndexByte(object, '/')])
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		w.abort()
		return fmt.Errorf("write %s: %w", object, err)
	}
	return w.publish(object)
}

func (o *objects) readJSON(object string, value any) error {
	file, err := o.open(object)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := json.NewDecoder(file).Decode(value); err != nil {
		return fmt.Errorf("read %s: %w", object, err)
	}
	return nil
}
