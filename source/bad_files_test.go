//go:build unix

package source

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/versionlake/versionlake/testserver"
)

// Whatever lies in an hour's folder and can't be opened is one bad file, whose tag stays the same.
func TestLocalBadFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not let such files be made")
	}
	dir := t.TempDir()
	b := localBackend(dir)
	b.put(t, hourFolder+"/a.tsv", "x")
	b.put(t, hourFolder+`/caf\xe9.tsv`, "the name of a file, and the escaped one of another")
	b.put(t, "elsewhere/a.tsv", "x")
	in := func(name string) string { return filepath.Join(dir, filepath.FromSlash(hourFolder), name) }
	for name, target := range map[string]string{
		"dangling.tsv": "gone.tsv", "dangling.log.gz": "/gone", "loop.tsv": "loop.tsv", "loop2.tsv": "loop3.tsv",
		"loop3.tsv": "loop2.tsv",
		"absolute.tsv": in(
			"a.tsv"), "outside.tsv": "../../../../../outside.tsv", "etc.tsv": "/etc/hostname",
		"through.tsv": "a.tsv/b.tsv",
		"inside.tsv":  "../../../../elsewhere/a.tsv", "folder-link.tsv": "../../../../elsewhere",
		"region": "../../../../elsewhere", "notes.pdf": "gone",
		"null.tsv": "/dev/null", "pipe-link.tsv": "pipe.tsv",
	} {
		must(t, os.Symlink(target, in(name)))
	}
	must(t, syscall.Mkfifo(in("pipe.tsv"), 0o644))
	must(t, syscall.Mkfifo(in("pipe.pdf"), 0o644))
	must(t, os.Mkdir(in("d.tsv"), 0o755))
	must(t, os.Mkdir(in("d.tsv.gz"), 0o755))
	must(t, os.Mkdir(in("empty"), 0o755))
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: in("s.tsv"), Net: "unix"})
	must(t, err)
	defer socket.Close()
	for _, name := range []string{"caf\xe9.tsv", "\xff", "a\\b\xc3.tsv", "\xed\xa0\x80.log", "\xff.pdf"} {
		must(t, os.WriteFile(in(name), []byte("x"), 0o644))
	}
	src := openSource(t, dir)
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if got, want := keys(listing.Files), []string{"a.tsv", `caf\xe9.tsv`, "inside.tsv"}; !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
	want := []string{
		`\xed\xa0\x80.log`, `\xff`, "absolute.tsv", `a\\b\xc3.tsv`, `caf\xe9.tsv (2)`, "d.tsv.gz/", "d.tsv/",
		"dangling.log.gz", "dangling.tsv", "etc.tsv",
		"folder-link.tsv/", "loop.tsv", "loop2.tsv", "loop3.tsv", "null.tsv", "outside.tsv", "pipe-link.tsv",
		"pipe.tsv", "s.tsv", "through.tsv",
	}
	slices.Sort(want)
	if got := leftOut(listing.Bad); !slices.Equal(got, want) {
		t.Errorf("bad are\n%q, want\n%q", got, want)
	}
	if got, want := leftOut(listing.Passed), []string{`\xff.pdf`, "notes.pdf", "pipe.pdf",
		"region/a.tsv"}; !slices.Equal(got, want) {
		t.Errorf("passed over are %q, want %q", got, want)
	}
	for _, bad := range listing.Bad {
		if bad.Why == "" || bad.ETag == "" {
			t.Errorf("%+v says too little", bad)
		}
	}
	again, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if !slices.Equal(again.Bad, listing.Bad) {
		t.Errorf("listed again: %+v", again.Bad)
	}
}

// asNobody runs a test of this package once more, as a user who may not read everything, and tells whether this is
// that user.
func asNobody(t *testing.T, dir string) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	binary := filepath.Join(dir, "test")
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("this program can't be copied here")
	}
	must(t, os.WriteFile(binary, text, 0o755))
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o777))
	}
	cmd := exec.Command(binary, "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

// A file without read rights is one bad file; a folder without is a folder of which nothing is known, and no other
// suffers.
func TestLocalWithoutRights(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("made for Linux")
	}
	dir := t.TempDir()
	if !asNobody(t, dir) {
		return
	}
	b := localBackend(dir)
	for _, key := range []string{
		"2022/05/27/05/a.tsv", "2022/05/27/05/b.tsv", "2022/05/27/06/a.tsv", "2022/05/27/07/a.tsv",
		"2022/05/28/05/a.tsv", "2022/05/29/05/a.tsv",
	} {
		b.put(t, key, "x")
	}
	deny := func(key string, mode os.FileMode) {
		path := filepath.Join(dir, filepath.FromSlash(key))
		must(t, os.Chmod(path, mode))
		t.Cleanup(func() { os.Chmod(path, 0o755) })
	}
	deny("2022/05/27/05/b.tsv", 0)
	deny("2022/05/27/06", 0)
	deny("2022/05/27/07", 0o444) // names may be read, files not looked at
	deny("2022/05/28", 0)
	src := openSource(t, dir)
	files := listFiles(t, src, "2022-05-27T05")
	if _, err := src.Open(t.Context(), files[1], 0, -1); !errors.Is(err, ErrUnreadable) ||
		!strings.Contains(err.Error(), "let the worker's user read this file") {
		t.Errorf("Open: %v", err)
	}
	if got := readAll(t, src, files[0], 0, -1); got != "x" {
		t.Errorf("the file beside it holds %q", got)
	}
	hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T00"), hour(t, "2022-05-30T00"))
	var refused *RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, ErrDenied) || len(hours) != 2 {
		t.Fatalf("hours are %v, %v", hours, err)
	}
	var folders []string
	for _, folder := range refused.Folders {
		folders = append(folders, folder.Folder+" "+folder.From.String()+" "+folder.To.String())
	}
	want := []string{
		"2022/05/27/06 2022-05-27T06 2022-05-27T07", "2022/05/27/07 2022-05-27T07 2022-05-27T08",
		"2022/05/28 2022-05-28T00 2022-05-29T00",
	}
	if !slices.Equal(folders, want) {
		t.Errorf("refused are %q", folders)
	}
	for _, text := range []string{"2022-05-27T06", "2022-05-27T07", "2022-05-28T05"} {
		if listing, err := src.List(t.Context(), hour(t, text)); !errors.Is(err, ErrDenied) {
			t.Errorf("hour %s: %+v, %v", text, listing, err)
		}
	}
	must(t, src.CheckHours(t.Context()))
	deny("2022", 0)
	if err := src.CheckHours(t.Context()); !errors.Is(err, ErrDenied) || errors.Is(err, ErrNoHours) {
		t.Errorf("CheckHours: %v", err)
	}
	deny("", 0)
	if hours, err := src.Hours(t.Context(), hour(t, "2022-05-27T00"), hour(t, "2022-05-30T00")); !errors.Is(err,
		ErrDenied) || errors.As(err, &refused) {
		t.Errorf("with nothing to be read, hours are %v, %v", hours, err)
	}
}

// On S3 an object may be refused, archived, or locked by its key, while all else can be read.
//
//nolint:cyclop // it tries every fault with every kind of object
func TestS3BadObjects(t *testing.T) {
	server := testserver.S3(t)
	server.Setenv(t)
	b := s3Backend(t, server, "logs")
	for _, name := range []string{"a.tsv", "bad.tsv", "empty.tsv"} {
		content := name
		if name == "empty.tsv" {
			content = ""
		}
		b.put(t, hourFolder+"/"+name, content)
	}
	for what, test := range map[string]struct {
		fault testserver.Fault
		want  string
	}{
		"refused": {testserver.Forbidden, "allow s3:GetObject on this object"}, "archived": {testserver.Archived,
			"restore it"},
		"locked": {testserver.NoKey, "KMS key"},
	} {
		behind := server.Behind(t, func(r *http.Request) testserver.Fault {
			if strings.HasSuffix(r.URL.Path, "/bad.tsv") || strings.HasSuffix(r.URL.Path, "/empty.tsv") &&
				test.fault == testserver.Forbidden {
				return test.fault
			}
			return testserver.NoFault
		})
		t.Setenv("AWS_ENDPOINT_URL_S3", behind.Endpoint)
		src := openSource(t, b.location)
		files := listFiles(t, src, "2022-05-27T05")
		for _, f := range files {
			r, err := src.Open(t.Context(), f, 0, -1)
			bad := strings.HasSuffix(f.Key, "/bad.tsv") || f.Size == 0 && test.fault == testserver.Forbidden
			switch {
			case bad && (!errors.Is(err, ErrUnreadable) || f.Size > 0 && !strings.Contains(err.Error(), test.want)):
				t.Errorf("%s: Open(%s): %v", what, f.Key, err)
			case !bad:
				must(t, err)
				if text, err := io.ReadAll(r); err != nil || len(text) != int(f.Size) {
					t.Errorf("%s: %s holds %q, %v", what, f.Key, text, err)
				}
			}
		}
	}
	// Whoever may list nothing either is refused altogether: no file is at fault.
	behind := server.Behind(t, func(*http.Request) testserver.Fault { return testserver.Forbidden })
	files := listFiles(t, openSource(t, b.location), "2022-05-27T05")
	t.Setenv("AWS_ENDPOINT_URL_S3", behind.Endpoint)
	if _, err := openSource(t, b.location).Open(t.Context(), files[0], 0, -1); !errors.Is(err, ErrDenied) ||
		errors.Is(err, ErrUnreadable) {
		t.Errorf("without any right: %v", err)
	}
}

// Marks of folders are nothing, and keys that no file system has are named.
func TestS3OddKeys(t *testing.T) {
	server := testserver.S3(t)
	server.Setenv(t)
	bucket, client := server.NewBucket(t), server.Client()
	put := func(key string) bool {
		_, err := client.PutObject(context.Background(),
			&s3.PutObjectInput{Bucket: &bucket, Key: aws.String(key), Body: strings.NewReader("")})
		return err == nil
	}
	for _, key := range []string{"2022/", "2022/05/27/05/", "2022/05/27/05_$folder$", "2022/05/27/05/a.tsv",
		"2022/05/27/05/sub/", "2022/05/27/05/x_$folder$"} {
		if !put(key) {
			t.Fatalf("the server takes no %s", key)
		}
	}
	src := openSource(t, "s3://"+bucket)
	listing, err := src.List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if len(listing.Files) != 1 || len(listing.Bad) != 0 || listing.PassedOver != 0 {
		t.Errorf("the listing is %+v", listing)
	}
}

func prefixes(all ...string) (text string) {
	for _, prefix := range all {
		text += `<CommonPrefixes><Prefix>` + prefix + `</Prefix></CommonPrefixes>`
	}
	return text
}

func contents(keys ...string) (text string) {
	for _, key := range keys {
		text += `<Contents><Key>` + key + `</Key><Size>3</Size></Contents>`
	}
	return text
}

// Some servers keep keys that are no paths.
func TestS3KeysThatAreNoPaths(t *testing.T) {
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := map[string]string{
			"2022/05/27/": prefixes("2022/05/27/05/", "2022/05/27//"),
			"2022/05/27/05/": prefixes("2022/05/27/05//", "2022/05/27/05/../", "2022/05/27/05/./",
				"2022/05/27/05/a.tsv/") +
				contents("2022/05/27/05/", "2022/05/27/05/a.tsv", "2022/05/27/05/b%00.tsv", "2022/05/27/05/c%E9.tsv"),
		}[r.URL.Query().Get("prefix")]
		if strings.HasPrefix(r.URL.Query().Get("prefix"), "2022/05/27/05/") && list == "" {
			list = contents(r.URL.Query().Get("prefix") + "x")
		}
		_, _ = io.WriteString(w, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>`+
			list+`</ListBucketResult>`)
	}))
	t.Cleanup(fake.Close)
	testserver.S3Server{Endpoint: fake.URL, Region: "us-east-1", AccessKey: "k", SecretKey: "s"}.Setenv(t)
	listing, err := openSource(t, "s3://bucket").List(t.Context(), hour(t, "2022-05-27T05"))
	must(t, err)
	if got, want := keys(listing.Files), []string{"a.tsv"}; !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
	if got, want := leftOut(listing.Bad), []string{"a.tsv/", `b\x00.tsv`, `c\xe9.tsv`}; !slices.Equal(got, want) {
		t.Errorf("bad are %q, want %q", got, want)
	}
	if got, want := leftOut(listing.Passed), []string{"../", "./", "/", "/ (2)"}; !slices.Equal(got, want) {
		t.Errorf("passed over are %q, want %q", got, want)
	}
}
