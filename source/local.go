package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/versionlake/versionlake/telemetry"
)

// local is a folder. Symbolic links are followed as long as they are relative and stay inside it; a telemetry file that is any
// other link is an error rather than a file left out in silence.
type local struct {
	dir string // absolute
}

func openFileURL(location string) (Source, error) {
	u, err := url.Parse(location)
	if err != nil { // which repeats the text: it may hold a secret
		return nil, fmt.Errorf("open source: %w: it is not a URL; write it as file:///absolute/folder, a blank as %%20", ErrConfig)
	}
	if (u.Host != "" && u.Host != "localhost") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("open source: %w: %s is not of the form file:///absolute/folder (? is %%3F, # is %%23)", ErrConfig, u.Redacted())
	}
	dir := u.Path
	if runtime.GOOS == "windows" {
		dir = strings.TrimPrefix(dir, "/") // file:///C:/folder
	}
	return openLocal(filepath.FromSlash(dir))
}

func openLocal(dir string) (Source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open source: %w: %w", ErrConfig, err)
	}
	l := &local{dir: dir}
	root, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", l, err)
	}
	return l, root.Close()
}

func (l *local) String() string {
	dir := filepath.ToSlash(l.dir)
	if !strings.HasPrefix(dir, "/") {
		dir = "/" + dir
	}
	return (&url.URL{Scheme: "file", Path: dir}).String()
}

// open is called for every operation: a folder that was moved away or unmounted must not look like one without files.
func (l *local) open() (*os.Root, error) {
	root, err := os.OpenRoot(l.dir)
	if err == nil {
		return root, nil
	}
	if info, serr := os.Stat(l.dir); errors.Is(serr, fs.ErrNotExist) || (serr == nil && !info.IsDir()) {
		return nil, fmt.Errorf("%w: %w; create the folder or correct the location", ErrConfig, err)
	}
	return nil, localError(err)
}

func (l *local) List(ctx context.Context, hour telemetry.Hour) (Listing, error) {
	files, err := l.files(ctx, hour.Folder())
	if err != nil {
		return Listing{}, fmt.Errorf("list hour %s of %s: %w", hour, l, err)
	}
	return Listing{Files: files}, nil
}

func (l *local) files(ctx context.Context, folder string) ([]File, error) {
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := readFolder(root, folder)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !isTelemetry(entry.Name()) {
			continue
		}
		if err := checkName(folder, entry.Name()); err != nil {
			return nil, err
		}
		f, err := statFile(root, path.Join(folder, entry.Name()))
		if errors.Is(err, ErrNotFound) {
			continue // a folder or a pipe, or gone since it was listed
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Key, b.Key) })
	return files, nil
}

func (l *local) Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	root, err := l.open()
	if err == nil {
		root.Close()
		var hours []telemetry.Hour
		if hours, err = findHours(ctx, l, from, to); err == nil {
			return hours, nil
		}
	}
	return nil, fmt.Errorf("list hours %s to %s of %s: %w", from, to, l, err)
}

func (l *local) folders(_ context.Context, folder string) ([]string, error) {
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := readFolder(root, folder)
	var names []string
	for _, entry := range entries {
		if entry.IsDir() || entry.Type()&fs.ModeSymlink != 0 { // what is no folder has nothing in it when it is read
			names = append(names, entry.Name())
		}
	}
	return names, err
}

func (l *local) holdsTelemetry(ctx context.Context, folder string) (bool, error) {
	files, err := l.files(ctx, folder)
	return len(files) > 0, err
}

func (l *local) Stat(ctx context.Context, key string) (File, error) {
	f, err := l.stat(ctx, key)
	if err != nil {
		return File{}, fmt.Errorf("look at %s in %s: %w", key, l, err)
	}
	return f, nil
}

func (l *local) stat(ctx context.Context, key string) (File, error) {
	if err := cmp.Or(ctx.Err(), checkKey(key)); err != nil {
		return File{}, err
	}
	root, err := l.open()
	if err != nil {
		return File{}, err
	}
	defer root.Close()
	return statFile(root, key)
}

func (l *local) Open(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	r, err := l.openFile(ctx, f, offset, length)
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", f.Key, l, err)
	}
	return r, nil
}

func (l *local) openFile(ctx context.Context, f File, offset, length int64) (io.ReadCloser, error) {
	start, end, err := f.section(offset, length)
	if err := cmp.Or(ctx.Err(), err, checkKey(f.Key)); err != nil {
		return nil, err
	}
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if _, err := statFile(root, f.Key); err != nil { // before opening: to open a pipe would wait for its writer
		return nil, err
	}
	file, err := root.Open(filepath.FromSlash(f.Key))
	if err != nil {
		return nil, localError(err)
	}
	r := &localReader{ctx: ctx, source: l, f: f, file: file, left: end - start}
	if err = r.check(); err == nil {
		_, err = file.Seek(start, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return r, nil
}

// localReader reads a section of an open file and then makes sure that nobody wrote to it meanwhile.
type localReader struct {
	ctx      context.Context
	source   *local
	f        File
	file     *os.File
	left     int64
	verified bool // the whole section was read, and the file was unchanged after that
}

func (r *localReader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read %s in %s: %w", r.f.Key, r.source, err)
	}
	return n, err
}

func (r *localReader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left == 0 {
		if err := r.check(); err != nil {
			return 0, err
		}
		r.verified = true
		return 0, io.EOF
	}
	n, err := r.file.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF { // too early, for left is not 0
		return n, cmp.Or(r.check(), io.ErrUnexpectedEOF)
	}
	return n, err
}

// check compares the open file with the version that was asked for.
func (r *localReader) check() error {
	info, err := r.file.Stat()
	if err != nil {
		return localError(err)
	}
	if now := fileOf(r.f.Key, info); now != r.f {
		return r.f.changed(now)
	}
	return nil
}

// Close fails with ErrChanged if the file changed before a reader that did not go on to io.EOF was done with it.
func (r *localReader) Close() error {
	var err error
	if !r.verified {
		err = r.check()
	}
	if err = cmp.Or(err, r.file.Close()); err != nil {
		return fmt.Errorf("close %s in %s: %w", r.f.Key, r.source, err)
	}
	return nil
}

// readFolder lists a folder, "" being the root. One that does not exist, or that is a file, has nothing in it.
func readFolder(root *os.Root, folder string) ([]fs.DirEntry, error) {
	dir, err := root.Open(filepath.FromSlash(cmp.Or(folder, ".")))
	if err == nil {
		defer dir.Close()
		var entries []fs.DirEntry
		if entries, err = dir.ReadDir(-1); err == nil {
			return entries, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	return nil, linkError(root, folder, err)
}

// statFile follows links. Errors: ErrNotFound when there is no regular file.
func statFile(root *os.Root, key string) (File, error) {
	info, err := root.Stat(filepath.FromSlash(key))
	if err != nil {
		return File{}, linkError(root, key, err)
	}
	if !info.Mode().IsRegular() {
		return File{}, fmt.Errorf("%w: it is not a regular file", ErrNotFound)
	}
	return fileOf(key, info), nil
}

// fileOf makes the ETag out of more than the time: that can be set back, and it is coarse on some file systems.
func fileOf(key string, info fs.FileInfo) File {
	return File{
		Key:  key,
		Size: info.Size(),
		ETag: fmt.Sprintf("%x-%x%s", info.Size(), info.ModTime().UnixNano(), identity(info)),
	}
}

// linkError explains a failure on the way to key that comes from a link out of the root.
func linkError(root *os.Root, key string, err error) error {
	for at := key; at != "."; at = path.Dir(at) {
		info, lerr := root.Lstat(filepath.FromSlash(at))
		if lerr == nil && info.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: %w; links are followed only when relative and inside the source: put the file itself there", ErrConfig, err)
		}
	}
	return localError(err)
}

func localError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w; let the worker's user read it", ErrDenied, err)
	default:
		return err
	}
}
