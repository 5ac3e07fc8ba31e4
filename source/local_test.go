package source

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestOpenLocation(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_REGION", "eu-central-1")
	for _, location := range []string{
		"", filepath.Join(dir, "none"), file, "file://" + filepath.ToSlash(dir) +
			"/none", "file://otherhost/tmp", "file:///tmp?x=1", "file:///%zz",
		"http://example.com/x", "s3://", "s3:///prefix", "s3://bucket/a/../b", "s3://bucket/a//b",
		"s3://key:hunter2@bucket/x",
	} {
		src, err := Open(t.Context(), location)
		if !errors.Is(err, ErrConfig) || src != nil {
			t.Errorf("Open(%q) is %v, %v", location, src, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) repeats a secret: %v", location, err)
		}
	}
	for location, want := range map[string]string{
		"s3://bucket": "s3://bucket", "s3://bucket/": "s3://bucket", "s3://bucket/a/b/": "s3://bucket/a/b",
		"s3://bucket/a%20b c": "s3://bucket/a%20b c",
	} {
		if src, err := Open(t.Context(), location); err != nil || src.String() != want {
			t.Errorf("Open(%q) is %v, %v, want %s", location, src, err, want)
		}
	}
}

func TestLocalRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	b := localBackend("logs")
	b.put(t, hourFolder+"/a.tsv", "x")
	src := openSource(t, "logs")
	t.Chdir(t.TempDir())
	if files := listFiles(t, src, "2022-05-27T05"); len(files) != 1 {
		t.Errorf("after a change of folder, %s has the files %v", src, files)
	}
}

// A folder that vanished, say an unmounted disk, must not look like hours without files.
func TestLocalFolderVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	must(t, os.Mkdir(dir, 0o755))
	src := openSource(t, dir)
	must(t, os.Remove(dir))
	if files, err := src.List(t.Context(), hour(t, "2022-05-27T05")); !errors.Is(err, ErrConfig) {
		t.Errorf("Files: %v, %v", files, err)
	}
	if hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T05"), hour(t, "2022-05-27T06")); !errors.Is(err,
		ErrConfig) {
		t.Errorf("Hours: %v, %v", hours, err)
	}
	if err := src.CheckHours(t.Context()); !errors.Is(err, ErrConfig) {
		t.Errorf("CheckHours: %v", err)
	}
}

//nolint:cyclop // links are added one after the other, and after each all ways to read are tried
func TestLocalLinks(t *testing.T) {
	dir := t.TempDir()
	b := localBackend(dir)
	b.put(t, hourFolder+"/a.tsv", "inside")
	src := openSource(t, dir)
	inHour := filepath.Join(dir, filepath.FromSlash(hourFolder))
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, name); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}

	link("a.tsv", filepath.Join(inHour, "b.tsv"))
	link("05", filepath.Join(dir, "2022", "05", "27", "06"))
	link("gone.tsv", filepath.Join(inHour, "dangling.tsv"))
	for _, text := range []string{"2022-05-27T05", "2022-05-27T06"} {
		files := listFiles(t, src, text)
		if len(files) != 2 || readAll(t, src, files[1], 0, -1) != "inside" {
			t.Errorf("with links inside, hour %s has %v", text, files)
		}
	}
	if hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T00"), hour(t, "2022-05-28T00")); err != nil ||
		len(hours) != 2 {
		t.Errorf("with links inside, the hours are %v, %v", hours, err)
	}

	outside := filepath.Join(t.TempDir(), "secret.tsv")
	must(t, os.WriteFile(outside, []byte("outside"), 0o644))
	link(outside, filepath.Join(inHour, "c.tsv"))
	link(filepath.Dir(outside), filepath.Join(dir, "2022", "05", "28"))
	link("gone", filepath.Join(dir, "2022", "05", "27", "07"))
	link(filepath.Dir(outside), filepath.Join(dir, "2022", "05", "27", "08"))
	for text, tag := range map[string]string{"2022-05-27T07": "link-dangling", "2022-05-27T08": "link-outside"} {
		listing, err := src.List(t.Context(), hour(t, text))
		if err != nil || len(listing.Files) != 0 || len(listing.Bad) != 1 || listing.Bad[0].ETag != tag {
			t.Errorf("with a link in the place of hour %s, the listing is %+v, %v", text, listing, err)
		}
	}
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	var bad []string
	for _, left := range listing.Bad {
		bad = append(bad, strings.TrimPrefix(left.Key, hourFolder+"/")+" "+left.ETag)
	}
	if want := []string{"c.tsv link-outside", "dangling.tsv link-dangling"}; len(listing.Files) != 2 ||
		!slices.Equal(bad, want) {
		t.Errorf("with bad links, the listing is %+v", listing)
	}
	hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T00"), hour(t, "2022-05-29T00"))
	var refused *RefusedError
	if !errors.As(err, &refused) || len(refused.Folders) != 1 || refused.Folders[0].Folder != "2022/05/28" ||
		len(hours) != 4 {
		t.Errorf("with a link outwards, Hours is %v, %v", hours, err)
	}
	for _, key := range []string{hourFolder + "/c.tsv", "2022/05/28/secret.tsv"} {
		if r, err := src.Open(t.Context(), File{Key: key}, 0, -1); !errors.Is(err, ErrConfig) {
			t.Errorf("Open(%s) is %v, %v", key, r, err)
		}
	}
}

// Whoever reads to the end, or only a part and closes, learns of a change that happened meanwhile.
func TestLocalChangeIsNoticed(t *testing.T) {
	for name, length := range map[string]int64{"ToTheEnd": -1, "PartOnly": 10} {
		for how, change := range map[string]func(file string) error{
			"Appended": func(file string) error {
				f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteString("more")
				}
				return errors.Join(err, f.Close())
			},
			"Truncated": func(file string) error { return os.Truncate(file, 5) },
			"Replaced": func(file string) error {
				return errors.Join(os.WriteFile(file+".new", []byte(strings.Repeat("b", 1000)), 0o644),
					os.Rename(file+".new", file))
			},
		} {
			t.Run(name+how, func(t *testing.T) {
				if how == "Replaced" && runtime.GOOS == "windows" {
					t.Skip("an open file cannot be replaced")
				}
				dir := t.TempDir()
				b := localBackend(dir)
				key := hourFolder + "/a.tsv"
				b.put(t, key, strings.Repeat("a", 1000))
				src := openSource(t, dir)
				f := fileNamed(t, src, key)
				tick(t, src, b)
				reader, closer := open(t, src, f, length), open(t, src, f, length)
				_, err := closer.Read(make([]byte, 10))
				must(t, err)
				must(t, change(filepath.Join(dir, filepath.FromSlash(key))))
				if _, err := io.ReadAll(reader); !errors.Is(err, ErrChanged) {
					t.Errorf("ReadAll: %v", err)
				}
				if err := closer.Close(); !errors.Is(err, ErrChanged) {
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

func open(tb testing.TB, src Source, f File, length int64) io.ReadCloser {
	tb.Helper()
	r, err := src.Open(tb.Context(), f, 0, length)
	must(tb, err)
	tb.Cleanup(func() { r.Close() })
	return r
}

func TestLocalDenied(t *testing.T) {
	if os.Getuid() <= 0 {
		t.Skip("nothing is denied to root, nor by mode bits on Windows")
	}
	dir := t.TempDir()
	b := localBackend(dir)
	b.put(t, hourFolder+"/a.tsv", "x")
	src := openSource(t, dir)
	f := listFiles(t, src, "2022-05-27T05")[0]
	inHour := filepath.Join(dir, filepath.FromSlash(hourFolder))
	must(t, os.Chmod(inHour, 0))
	t.Cleanup(func() { os.Chmod(inHour, 0o755) })
	if files, err := src.List(t.Context(), hour(t, "2022-05-27T05")); !errors.Is(err, ErrDenied) {
		t.Errorf("Files: %v, %v", files, err)
	}
	if _, err := src.Open(t.Context(), f, 0, -1); !errors.Is(err, ErrDenied) {
		t.Errorf("Open: %v", err)
	}
}
