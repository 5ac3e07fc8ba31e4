package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
)

// Store reads and writes the warehouse's files through Iceberg's own I/O, so that one set of settings reaches S3.
type Store struct {
	Root    string // file:///abs/warehouse or s3://bucket/prefix, no slash at the end
	Scratch string
	IO      icebergio.IO
	meter   *Meter  // nil: nobody counts
	bundle  *Bundle // takes the documents, where there is one
	passing bool    // its objects are gone with the process: no power cut can matter to them
}

func Open(ctx context.Context, warehouse, scratch string, properties map[string]string) (*Store, error) {
	root := strings.TrimRight(warehouse, "/")
	location, err := url.Parse(root)
	if err != nil || location.User != nil { // the text may hold a secret: it is not repeated
		return nil, fmt.Errorf("%w: the warehouse is neither file:///absolute/folder nor s3://bucket/prefix; "+
			"credentials do not belong in it: set AWS_ACCESS_KEY_ID or AWS_PROFILE", ErrConfig)
	}
	if (location.Scheme != "file" && location.Scheme != "s3") || (location.Scheme == "s3") != (location.Host != "") {
		return nil, fmt.Errorf("%w: the warehouse %q is neither file:///absolute/folder nor s3://bucket/prefix",
			ErrConfig, warehouse)
	}
	// An S3 I/O keeps its context for every request to come: the end of Open's must not end them.
	files, err := icebergio.LoadFS(context.WithoutCancel(ctx), properties, root)
	if err != nil {
		return nil, fmt.Errorf("open the warehouse %s: %w", root, err)
	}
	if scratch == "" {
		scratch = os.TempDir()
	}
	return &Store{Root: root, Scratch: scratch, IO: files}, nil
}

// What is written on a local disk is personal data: it is for its owner alone.
const (
	folderRights = 0o700
	fileRights   = 0o600
)

// LocalPath is the path of an object on a file:// warehouse, "" elsewhere.
func (o *Store) LocalPath(object string) string { return localPath(object) }

func localPath(object string) string {
	if !strings.HasPrefix(object, "file://") {
		return ""
	}
	location, err := url.Parse(object)
	if err != nil {
		return ""
	}
	return filepath.FromSlash(location.Path)
}

// Writer writes an object that appears whole or not at all. Its bytes are hashed on the way, so that equal
// contents can be told by their names.
type Writer struct {
	objects *Store
	folder  string    // the local one in which it is written
	file    *os.File  // nil for as long as all is held in memory
	held    []byte    // what was written and did not go to the file yet
	sum     hash.Hash // nil where nobody names the object by its contents
	Size    int64
}

// TemporaryPrefix begins the names of objects that are being written.
const TemporaryPrefix = ".versionlake-"

// heldBytes is how much of an object is held before it goes to the disk: a small one is written in one go, and one
// that nobody writes to makes no file.
const heldBytes = 64 << 10

// Create starts an object; folder says where it will lie, so that a local one is written on the same file system.
func (o *Store) Create(folder string) *Writer {
	w := o.createUnhashed(folder)
	w.sum = sha256.New()
	return w
}

func (o *Store) createUnhashed(folder string) *Writer {
	w := &Writer{objects: o, folder: o.Scratch}
	if local := o.LocalPath(folder); local != "" {
		w.folder = local
	}
	return w
}

func (w *Writer) Write(p []byte) (int, error) {
	if w.sum != nil {
		w.sum.Write(p)
	}
	w.Size += int64(len(p))
	w.objects.meter.wrote(len(p))
	if len(w.held)+len(p) > heldBytes {
		if err := w.flush(); err != nil {
			return 0, err
		}
		if len(p) > heldBytes {
			return w.file.Write(p)
		}
	}
	w.held = append(w.held, p...)
	return len(p), nil
}

// flush takes what is held to the disk.
func (w *Writer) flush() (err error) {
	if w.file == nil {
		if err := os.MkdirAll(w.folder, folderRights); err != nil {
			return err
		}
		if w.file, err = os.CreateTemp(w.folder, TemporaryPrefix+"*"); err != nil {
			return err
		}
	}
	_, err = w.file.Write(w.held)
	w.held = w.held[:0]
	return err
}

// Held is all that was written, where it is in memory still.
func (w *Writer) Held() (data []byte, all bool) { return w.held, w.file == nil }

// Digest names the contents written so far.
func (w *Writer) Digest() string { return hex.EncodeToString(w.sum.Sum(nil)[:16]) }

// Abort drops the object.
func (w *Writer) Abort() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
	}
}

// Publish gives the object its place.
func (w *Writer) Publish(object string) (err error) {
	defer func() {
		if err != nil {
			w.Abort()
			err = fmt.Errorf("write %s: %w", object, err)
		}
	}()
	local := w.objects.LocalPath(object)
	if local == "" {
		return w.upload(object)
	}
	if err := w.flush(); err != nil {
		return err
	}
	// A committed snapshot must not name a file that a power cut can empty.
	if !w.objects.passing {
		if err := w.file.Sync(); err != nil {
			return err
		}
	}
	if err := w.file.Chmod(fileRights); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if folder := filepath.Dir(local); folder != w.folder {
		if err := os.MkdirAll(folder, folderRights); err != nil {
			return err
		}
	}
	if summed(object) {
		contents, err := os.ReadFile(w.file.Name())
		if err != nil {
			return err
		}
		if err := writeSum(local, contents); err != nil {
			return err
		}
	}
	return os.Rename(w.file.Name(), local)
}

func (w *Writer) upload(object string) error {
	var source io.Reader = bytes.NewReader(w.held)
	if w.file != nil {
		if err := w.flush(); err != nil {
			return err
		}
		if _, err := w.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		source = w.file
	}
	writable, ok := w.objects.IO.(icebergio.WriteFileIO)
	if !ok {
		return errors.New("the warehouse is read-only")
	}
	target, err := writable.Create(object)
	if err != nil {
		return err
	}
	// An upload that fails is not closed: closing would publish what was sent so far.
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	w.Abort()
	return nil
}

func (o *Store) Open(object string) (icebergio.File, error) {
	file, err := o.IO.Open(object)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", object, err)
	}
	return o.meter.reading(file), nil
}

// ReadAll reads an object whole.
func (o *Store) ReadAll(object string) ([]byte, error) {
	file, err := o.Open(object)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", object, err)
	}
	return text, nil
}

// WriteJSON and ReadJSON keep the small documents of a run.
func (o *Store) WriteJSON(object string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", object, err)
	}
	if o.bundle.put(object, text) {
		return nil
	}
	w := o.Create(object[:strings.LastIndexByte(object, '/')])
	if _, err := w.Write(text); err != nil {
		w.Abort()
		return fmt.Errorf("write %s: %w", object, err)
	}
	return w.Publish(object)
}

func (o *Store) ReadJSON(object string, value any) error {
	if text, bundled := o.bundle.get(object); bundled {
		if err := json.Unmarshal(text, value); err != nil {
			return fmt.Errorf("read %s: %w", object, err)
		}
		return nil
	}
	file, err := o.Open(object)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := json.NewDecoder(file).Decode(value); err != nil {
		return fmt.Errorf("read %s: %w", object, err)
	}
	return nil
}

var (
	// ErrConfig: a setting can't work; the text says what to change.
	ErrConfig = errors.New("setting")
)

func UnsafeString(bytes []byte) string { return unsafe.String(unsafe.SliceData(bytes), len(bytes)) }

// ReadBuffer is the size of the pieces in which a column is read: of a remote file larger, since a request costs
// more than its bytes.
func (o *Store) ReadBuffer(file iceberg.DataFile) int {
	most := int64(1 << 20)
	if o.LocalPath(file.FilePath()) != "" {
		most = 64 << 10
	}
	return int(max(min(file.FileSizeBytes(), most), 4<<10))
}

func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ErrDamaged: what was spilled can't be read back.
var ErrDamaged = errors.New("it is damaged")
