package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/testserver"
)

// backend is a fresh, empty place that the conformance suite fills behind the source's back.
type backend struct {
	location string
	put      func(tb testing.TB, key, content string)
	remove   func(tb testing.TB, key string)
}

// backends names every kind of source; each call makes a new place.
func backends(tb testing.TB) map[string]func(testing.TB) backend {
	server := testserver.S3(tb)
	server.Setenv(tb)
	return map[string]func(testing.TB) backend{
		"local":              func(tb testing.TB) backend { return localBackend(tb.TempDir()) },
		"file URL":           func(tb testing.TB) backend { return fileURLBackend(tb) },
		"S3":                 func(tb testing.TB) backend { return s3Backend(tb, server, "") },
		"S3 with a prefix":   func(tb testing.TB) backend { return s3Backend(tb, server, "service-logs/eu") },
		"S3 with odd prefix": func(tb testing.TB) backend { return s3Backend(tb, server, "a b/100%25 +ü") },
	}
}

func localBackend(dir string) backend {
	return backend{
		location: dir,
		put: func(tb testing.TB, key, content string) {
			tb.Helper()
			file := filepath.Join(dir, filepath.FromSlash(key))
			must(tb, os.MkdirAll(filepath.Dir(file), 0o755))
			must(tb, os.WriteFile(file, []byte(content), 0o644))
		},
		remove: func(tb testing.TB, key string) {
			tb.Helper()
			must(tb, os.Remove(filepath.Join(dir, filepath.FromSlash(key))))
		},
	}
}

func fileURLBackend(tb testing.TB) backend {
	dir := filepath.Join(tb.TempDir(), "a b#c?d 100%25 ü")
	must(tb, os.Mkdir(dir, 0o755))
	b := localBackend(dir)
	b.location = (&local{dir: dir}).String()
	return b
}

func s3Backend(tb testing.TB, server testserver.S3Server, prefix string) backend {
	bucket := server.NewBucket(tb)
	client := server.Client()
	return backend{
		location: strings.TrimSuffix("s3://"+bucket+"/"+prefix, "/"),
		put: func(tb testing.TB, key, content string) {
			tb.Helper()
			_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
				Bucket: &bucket, Key: aws.String(path.Join(prefix, key)), Body: strings.NewReader(content),
			})
			must(tb, err)
		},
		remove: func(tb testing.TB, key string) {
			tb.Helper()
			_, err := client.DeleteObject(context.Background(),
				&s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(path.Join(prefix, key))})
			must(tb, err)
		},
	}
}

// TestConformance is what every backend must do.
func TestConformance(t *testing.T) {
	cases := map[string]func(*testing.T, Source, backend){
		"Files":               testFiles,
		"FilesOfOddNames":     testFilesOfOddNames,
		"ManyFiles":           testManyFiles,
		"Hours":               testHours,
		"Layouts":             testLayouts,
		"Unpadded":            testUnpadded,
		"InPlaceOfAFolder":    testInPlaceOfAFolder,
		"ManyPassed":          testManyPassed,
		"NoHours":             testNoHours,
		"Strays":              testStrays,
		"OpenSections":        testOpenSections,
		"OpenChanged":         testOpenChanged,
		"OpenBadKeys":         testOpenBadKeys,
		"ChangedWhileReading": testChangedWhileReading,
		"Cancelled":           testCancelled,
		"Reopened":            testReopened,
	}
	for name, fresh := range backends(t) {
		t.Run(name, func(t *testing.T) {
			for name, test := range cases {
				t.Run(name, func(t *testing.T) {
					b := fresh(t)
					test(t, openSource(t, b.location), b)
				})
			}
		})
	}
}

const hourFolder = "2022/05/27/05"

func testFiles(t *testing.T, src Source, b backend) {
	for _, key := range []string{
		"b.tsv", "a.tsv.zst", "a.tsv", "c.tsv.gz", "empty.tsv", // ours
		// never read, never counted
		".hidden.tsv", "_SUCCESS", "_part.tsv", "05_$folder$", ".hidden/h.tsv", "_temporary/0/a.tsv",
		"notes.pdf", "x.tsv.xz", "nested/d.tsv", "folder.tsv/e.tsv",
	} {
		content := key
		if key == "empty.tsv" {
			content = ""
		}
		b.put(t, hourFolder+"/"+key, content)
	}
	b.put(t, hourFolder+"/05_$folder$", "")
	b.put(t, "2022/05/27/05x/f.tsv", "another folder with the same beginning")
	b.put(t, "2022/05/27/g.tsv", "above the hour")

	files := listFiles(t, src, "2022-05-27T05")
	if got, want := keys(files), []string{"a.tsv", "a.tsv.zst", "b.tsv", "c.tsv.gz", "empty.tsv"}; !slices.Equal(got,
		want) {
		t.Fatalf("files are %q, want %q", got, want)
	}
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if got, want := leftOut(listing.Bad), []string{"folder.tsv/"}; !slices.Equal(got, want) {
		t.Errorf("bad are %q, want %q", got, want)
	}
	if got, want := leftOut(listing.Passed), []string{"nested/d.tsv", "notes.pdf", "x.tsv.xz"}; !slices.Equal(got,
		want) || listing.PassedOver != 3 {
		t.Errorf("passed over are %q, %d, want %q", got, listing.PassedOver, want)
	}
	for _, f := range files {
		want := strings.TrimPrefix(f.Key, hourFolder+"/")
		if want == "empty.tsv" {
			want = ""
		}
		if f.Size != int64(len(want)) || f.ETag == "" {
			t.Errorf("%+v: want size %d and a tag", f, len(want))
		}
		if got := readAll(t, src, f, 0, -1); got != want {
			t.Errorf("%s holds %q, want %q", f.Key, got, want)
		}
	}
	if again := listFiles(t, src, "2022-05-27T05"); !slices.Equal(again, files) {
		t.Errorf("listed again: %v, before: %v", again, files)
	}
	if files := listFiles(t, src, "2022-05-27T06"); files != nil {
		t.Errorf("an hour without a folder has files: %v", files)
	}
}

var oddNames = []string{
	"a b.tsv", "a+b.tsv", "100%.tsv", "%41.tsv", "ü日本.tsv", "u\u0308.tsv", "a&b=c;d,e.tsv", "a?b#c.tsv",
	"it's \"quoted\".tsv",
	"~x.tsv", "a..b.tsv", "<a>.tsv", "(1).tsv", "a\\b.tsv", "a:b|c*.tsv", "-rf.tsv", "a.tsv.tsv.gz",
}

func testFilesOfOddNames(t *testing.T, src Source, b backend) {
	for _, name := range oddNames {
		b.put(t, hourFolder+"/"+name, "content of "+name)
	}
	files := listFiles(t, src, "2022-05-27T05")
	want := slices.Clone(oddNames)
	slices.Sort(want)
	if got := keys(files); !slices.Equal(got, want) {
		t.Fatalf("files are\n%q, want\n%q", got, want)
	}
	for _, f := range files {
		f = viaJSON(t, f)
		if got, want := readAll(t, src, f, 0, -1), "content of "+path.Base(f.Key); got != want {
			t.Errorf("%s holds %q, want %q", f.Key, got, want)
		}
	}
}

func testManyFiles(t *testing.T, src Source, b backend) {
	if testing.Short() {
		t.Skip("makes more than a thousand files")
	}
	const many = 1100 // S3 lists 1000 at a time
	var group errgroup.Group
	group.SetLimit(8)
	var want []string
	for i := range many {
		name := fmt.Sprintf("%05d.tsv", i)
		want = append(want, name)
		group.Go(func() error { b.put(t, hourFolder+"/"+name, "x"); return nil })
	}
	must(t, group.Wait())
	if got := keys(listFiles(t, src, "2022-05-27T05")); !slices.Equal(got, want) {
		t.Fatalf("%d files, want %d", len(got), many)
	}
}

func testHours(t *testing.T, src Source, b backend) {
	for _, key := range []string{
		"2021/12/31/23/a.tsv", "2022/01/01/00/a.tsv.gz", "2022/05/27/05/a.tsv", "2022/05/27/05/b.tsv",
		"2022/05/27/06/a.tsv.zst",
		"2022/05/28/00/a.tsv", "2024/02/29/12/a.tsv", "0001/01/01/00/a.tsv", "9999/12/31/23/a.tsv",
		// Something lies there that a listing names:
		"2022/06/01/08/nested/a.tsv", "2022/06/01/09", "2022/6/1/10/a.tsv", "2022/06/1/11/a.pdf",
		// Not hours of telemetry:
		"2022/05/27/07/_SUCCESS", "2022/05/27/24/a.tsv", "2022/13/01/00/a.tsv", "2022/02/30/00/a.tsv",
		"2022/006/01/12/a.tsv",
		"22/05/27/10/a.tsv", "2022/05/27/a.tsv", "a.tsv", "backup/2022/05/27/11/a.tsv",
		"2022 /05/27/12/a.tsv", "2022/05/27/+1/a.tsv", "10000/01/01/00/a.tsv",
	} {
		b.put(t, key, "x")
	}
	for _, test := range []struct{ from, to, want string }{
		{"2022-05-27T05", "2022-05-27T06", "2022-05-27T05"},
		{"2022-05-27T00", "2022-05-28T00", "2022-05-27T05 2022-05-27T06"},
		{"2022-05-27T06", "2022-05-28T01", "2022-05-27T06 2022-05-28T00"},
		{"2021-12-31T23", "2022-01-01T01", "2021-12-31T23 2022-01-01T00"},
		{"2022-05-27T07", "2022-05-28T00", ""},
		{"2022-05-27T06", "2022-05-27T06", ""},
		{"2022-05-27T07", "2022-05-27T05", ""},
		{"0001-01-01T00", "9999-12-31T23", "0001-01-01T00 2021-12-31T23 2022-01-01T00 2022-05-27T05 " +
			"2022-05-27T06 2022-05-28T00 2022-06-01T08 2022-06-01T09 2022-06-01T10 2022-06-01T11 2024-02-29T12"},
	} {
		hours, err := src.Hours(t.Context(), hour(t, test.from), hour(t, test.to))
		must(t, err)
		var got []string
		for _, h := range hours {
			got = append(got, h.String())
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("hours in [%s, %s) are %v, want %s", test.from, test.to, got, test.want)
		}
	}
}

func testOpenSections(t *testing.T, src Source, b backend) {
	content := strings.Repeat("0123456789", 1000)
	b.put(t, hourFolder+"/a.tsv", content)
	f := listFiles(t, src, "2022-05-27T05")[0]
	size := int64(len(content))
	for _, test := range []struct{ offset, length, start, end int64 }{
		{0, -1, 0, size}, {0, size, 0, size}, {0, size + 5, 0, size}, {0, 0, 0, 0}, {0, 1, 0, 1}, {17, 100, 17, 117},
		{size - 1, 1, size - 1, size}, {size - 1, -1, size - 1, size}, {size, -1, size, size}, {size, 10,
			size, size}, {500, 0, 500, 500},
	} {
		if got := readAll(t, src, f, test.offset, test.length); got != content[test.start:test.end] {
			t.Errorf("Open(%d, %d) gives %d bytes, want [%d, %d)", test.offset, test.length, len(got), test.start,
				test.end)
		}
	}
	for _, offset := range []int64{-1, size + 1} {
		if r, err := src.Open(t.Context(), f, offset, -1); err == nil {
			r.Close()
			t.Errorf("Open at %d of %d bytes succeeds", offset, size)
		}
	}
}

func testOpenChanged(t *testing.T, src Source, b backend) {
	for name, change := range map[string]string{"SameSize": "two", "Longer": "longer", "Shorter": "x", "Emptied": ""} {
		t.Run(name, func(t *testing.T) {
			key := hourFolder + "/" + name + ".tsv"
			b.put(t, key, "one")
			f := fileNamed(t, src, key)
			tick(t, src, b)
			b.put(t, key, change)
			for _, length := range []int64{-1, 1, 0} {
				if r, err := src.Open(t.Context(), f, 0, length); !errors.Is(err, ErrChanged) {
					t.Errorf("Open of the former version, length %d: %v, %v", length, r, err)
				}
			}
			b.remove(t, key)
			for _, length := range []int64{-1, 0} {
				if _, err := src.Open(t.Context(), f, 0, length); !errors.Is(err, ErrNotFound) {
					t.Errorf("Open of a removed file, length %d: %v", length, err)
				}
			}
		})
	}
}

func testOpenBadKeys(t *testing.T, src Source, b backend) {
	b.put(t, hourFolder+"/a.tsv", "x")
	for _, key := range []string{"", ".", "..", "../a.tsv", "2022/../../a.tsv", "/etc/passwd", hourFolder + "//a.tsv",
		hourFolder + "/./a.tsv",
		hourFolder + "/a.tsv/", hourFolder + "/a.tsv/b", hourFolder, hourFolder + "/b.tsv", "\x00.tsv", "\xff.tsv"} {
		if r, err := src.Open(t.Context(), File{Key: key, Size: 1, ETag: `"x"`}, 0, -1); err == nil {
			r.Close()
			t.Errorf("Open(%q) succeeds", key)
		}
	}
}

// testChangedWhileReading overwrites a file under a reader: it must get all of the old version or ErrChanged, never
// a mixture.
func testChangedWhileReading(t *testing.T, src Source, b backend) {
	const size = 8 << 20 // more than the buffers on the way hold
	key := hourFolder + "/a.tsv"
	b.put(t, key, strings.Repeat("a", size))
	f := fileNamed(t, src, key)
	r, err := src.Open(t.Context(), f, 0, -1)
	must(t, err)
	head := make([]byte, 1000)
	_, err = io.ReadFull(r, head)
	must(t, err)
	b.put(t, key, strings.Repeat("b", size))
	rest, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err == nil && (len(rest) != size-len(head) || bytes.ContainsRune(rest, 'b')) {
		t.Errorf("read %d bytes without an error, of which %d are of the new version", len(rest),
			bytes.Count(rest, []byte("b")))
	}
	if err != nil && !errors.Is(err, ErrChanged) {
		t.Errorf("reading fails with %v", err)
	}
}

func testCancelled(t *testing.T, src Source, b backend) {
	b.put(t, hourFolder+"/a.tsv", strings.Repeat("x", 4<<20))
	f := listFiles(t, src, "2022-05-27T05")[0]
	ctx, cancel := context.WithCancel(t.Context())
	r, err := src.Open(ctx, f, 0, -1)
	must(t, err)
	defer r.Close()
	_, err = r.Read(make([]byte, 10))
	must(t, err)
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	if _, err := src.List(ctx, hour(t, "2022-05-27T05")); !errors.Is(err, context.Canceled) {
		t.Errorf("Files: %v", err)
	}
	if _, err := src.Hours(ctx, hour(t, "2022-05-27T05"), hour(t, "2022-05-27T06")); !errors.Is(err, context.Canceled) {
		t.Errorf("Hours: %v", err)
	}
	if _, err := src.Open(ctx, f, 0, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

func testReopened(t *testing.T, src Source, b backend) {
	b.put(t, hourFolder+"/a.tsv", "x")
	again := openSource(t, src.String())
	if again.String() != src.String() {
		t.Errorf("%s opens as %s", src, again)
	}
	if got, want := listFiles(t, again, "2022-05-27T05"), listFiles(t, src, "2022-05-27T05"); len(got) != 1 ||
		!slices.Equal(got, want) {
		t.Errorf("%s has %v, opened again %v", src, want, got)
	}
}

// tick waits until the backend's clock gives a new time: on some systems a file written twice within a few
// milliseconds keeps its time, which no ETag made of it can tell.
func tick(t *testing.T, src Source, b backend) {
	t.Helper()
	if _, isLocal := src.(*local); !isLocal {
		return
	}
	const key = "1999/01/01/00/tick"
	b.put(t, key, "")
	before := fileNamed(t, src, key)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		b.put(t, key, "")
		if fileNamed(t, src, key) != before {
			return
		}
	}
	t.Fatal("the file system's clock stands still")
}
