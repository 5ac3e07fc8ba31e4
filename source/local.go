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
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/versionlake/versionlake/telemetry"
)

// local is a folder. Symbolic links are followed as long as they are relative and stay inside it; any other one is
// left out, and named.
type local struct {
	setup
	dir string // absolute
}

func openFileURL(location string, set setup) (Source, error) {
	u, err := url.Parse(location)
	if err != nil { // which repeats the text: it may hold a secret
		return nil, fmt.Errorf("open source: %w: it is not a URL; write it as file:///absolute/folder, a blank as %%20",
			ErrConfig)
	}
	if (u.Host != "" && u.Host != "localhost") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("open source: %w: %s is not of the form file:///absolute/folder (? is %%3F, # is %%23)",
			ErrConfig, u.Redacted())
	}
	dir := u.Path
	if runtime.GOOS == "windows" {
		dir = strings.TrimPrefix(dir, "/") // file:///C:/folder
	}
	return openLocal(filepath.FromSlash(dir), set)
}

func openLocal(dir string, set setup) (Source, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open source: %w: %w", ErrConfig, err)
	}
	l := &local{setup: set, dir: dir}
	root, err := l.open()
	if err != nil {
		return nil, err
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

// looksLikeURL finds s3:/bucket and s3:bucket.
var looksLikeURL = regexp.MustCompile(`(^|/)(s3|gs|https?|file):`)

// open is called for every operation: a folder that was moved away or unmounted must not look like one without files.
func (l *local) open() (*os.Root, error) {
	root, err := os.OpenRoot(l.dir)
	if err == nil {
		return root, nil
	}
	switch info, serr := os.Stat(l.dir); {
	case errors.Is(serr, fs.ErrNotExist) && looksLikeURL.MatchString(l.dir):
		return nil, faultf(ErrConfig, err, "the source %s does not exist: a bucket is written s3://bucket/prefix", l.dir)
	case errors.Is(serr, fs.ErrNotExist):
		return nil, faultf(ErrConfig, err, "the source %s does not exist: create the folder or correct the location",
			l.dir)
	case serr == nil && !info.IsDir():
		return nil, faultf(ErrConfig, err, "the source %s is a file: name the folder that holds the hours", l.dir)
	}
	return nil, localError(err)
}

func (l *local) List(ctx context.Context, hour telemetry.Hour) (Listing, error) {
	listing, err := l.list(ctx, l, hour)
	if err != nil {
		return Listing{}, fmt.Errorf("list hour %s of %s: %w", hour, l, err)
	}
	return listing, nil
}

func (l *local) Hours(ctx context.Context, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	hours, err := l.hours(ctx, l, from, to)
	if err != nil {
		return hours, fmt.Errorf("list hours %s to %s of %s: %w", from, to, l, err)
	}
	return hours, nil
}

func (l *local) CheckHours(ctx context.Context) error { return l.lookout(l).checkHours(ctx) }

func (l *local) Strays(ctx context.Context) []string { return l.lookout(l).strays(ctx) }

func (l *local) names(ctx context.Context, folder, prefix string, most int) ([]name, error) {
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := readFolder(root, folder)
	var names []name
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) {
			continue
		}
		found := name{text: entry.Name(), folder: entry.IsDir()}
		if entry.Type()&fs.ModeSymlink != 0 {
			var info fs.FileInfo
			info, found.broken = followLink(root, path.Join(folder, entry.Name()))
			found.folder = info != nil && info.IsDir()
		}
		if names = append(names, found); len(names) == most {
			break
		}
	}
	slices.SortFunc(names, func(a, b name) int { return strings.Compare(a.text, b.text) })
	return names, cmp.Or(err, ctx.Err())
}

func (l *local) holds(ctx context.Context, folder string) (bool, error) {
	names, err := l.names(ctx, folder, "", 0)
	i := slices.IndexFunc(names, func(n name) bool { return !isIgnored(n.text) })
	if err != nil || i < 0 {
		return false, err
	}
	root, err := l.open()
	if err != nil {
		return false, err
	}
	defer root.Close()
	// Whoever may read a folder, but not enter it, sees names only.
	if _, err := root.Lstat(filepath.FromSlash(path.Join(folder, names[i].text))); errors.Is(err, fs.ErrPermission) {
		return false, localError(err)
	}
	return true, nil
}

func (l *local) entries(ctx context.Context, folder string) ([]entry, error) {
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	found, err := readFolder(root, folder)
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, each := range found {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if isIgnored(each.Name()) {
			continue
		}
		e := entry{name: each.Name()}
		info, odd := fs.FileInfo(nil), (*oddity)(nil)
		if each.Type()&fs.ModeSymlink != 0 {
			info, odd = followLink(root, path.Join(folder, e.name))
		} else if info, err = root.Lstat(filepath.FromSlash(path.Join(folder, e.name))); errors.Is(err,
			fs.ErrNotExist) {
			continue // gone since it was listed
		} else if err != nil {
			return nil, localError(err)
		}
		switch {
		case odd != nil:
			e.odd = odd
		case info.IsDir():
			e.folder = true
		case info.Mode().IsRegular():
			e.file = fileOf("", info)
		default:
			e.odd = oddityOf(info.Mode())
		}
		entries = append(entries, e)
	}
	return entries, nil
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
	if errors.Is(err, fs.ErrPermission) { // its folders let us in, or it could not have been looked at
		return nil, fmt.Errorf("%w: %w; let the worker's user read this file", ErrUnreadable, err)
	}
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
	place := filepath.FromSlash(cmp.Or(folder, "."))
	if info, err := root.Stat(place); err == nil && !info.IsDir() {
		return nil, nil // nor is it opened: to open a pipe would wait for its writer
	}
	dir, err := root.Open(place)
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

// errLink: a link to a folder is not followed.
var errLink = errors.New("a link that is not followed")

// followLink looks at what a link leads to, or says why it is not followed.
func followLink(root *os.Root, key string) (fs.FileInfo, *oddity) {
	info, err := root.Stat(filepath.FromSlash(key))
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, &oddity{"link-dangling", "it is a link to nothing; put the file itself there, or remove the link"}
	case errors.Is(err, syscall.ELOOP):
		return nil, &oddity{"link-loop",
			"it is a link that leads to itself; put the file itself there, or remove the link"}
	case errors.Is(err, fs.ErrPermission):
		return nil, &oddity{"link-denied", "it is a link into a folder that the worker's user may not enter; " +
			"grant that, or put the file itself there"}
	}
	return nil, &oddity{"link-outside", "it is a link that is absolute or leads out of the source; " +
		"links are followed only when relative and inside it: put the file itself there"}
}

func oddityOf(mode fs.FileMode) *oddity {
	kind := "device"
	switch {
	case mode&fs.ModeNamedPipe != 0:
		kind = "pipe"
	case mode&fs.ModeSocket != 0:
		kind = "socket"
	}
	return &oddity{kind, "it is a " + kind + ", not a file; put a file there, or remove it"}
}

// linkError explains a failure on the way to key that comes from a link out of the root.
func linkError(root *os.Root, key string, err error) error {
	for at := key; at != "." && at != ""; at = path.Dir(at) {
		info, lerr := root.Lstat(filepath.FromSlash(at))
		if lerr == nil && info.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrNotExist) &&
			!errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: %w; links are followed only when relative and inside the source: put the file "+
				"itself there", ErrConfig, err)
		}
	}
	return localError(err)
}

func localError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return faultf(ErrDenied, err, "access denied: let the worker's user read it (%s)", err)
	default:
		return err
	}
}
