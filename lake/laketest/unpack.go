//go:build unix

package laketest

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/versionlake/versionlake/lake"
)

// keptLakes is where kept lakes were written and are unpacked: their tables hold absolute paths.
const keptLakes = "/tmp/versionlake-lakes"

// UnpackLake brings back a lake that an earlier version wrote, from lake/testdata: lake/ is its --dir, later/ has hours
// that it had not read. One test at a time may have it, in whatever process.
func UnpackLake(t *testing.T, name string) (dir string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(keptLakes, 0o777))
	lock, err := os.OpenFile(filepath.Join(keptLakes, name+".lock"), os.O_CREATE|os.O_RDWR, 0o666)
	must(err)
	must(syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	dir = filepath.Join(keptLakes, name)
	t.Cleanup(func() { must(errors.Join(os.RemoveAll(dir), lock.Close())) })
	must(os.RemoveAll(dir))
	packed, err := os.Open(InCheckout(t, "lake/testdata/lake-"+name+".tar.zst"))
	must(err)
	defer packed.Close()
	unpacked, err := zstd.NewReader(packed)
	must(err)
	defer unpacked.Close()
	for files := tar.NewReader(unpacked); ; {
		entry, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		must(err)
		path := filepath.Join(dir, filepath.FromSlash(entry.Name))
		if entry.FileInfo().IsDir() {
			must(os.MkdirAll(path, 0o755))
			continue
		}
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		content, err := io.ReadAll(files)
		must(err)
		must(os.WriteFile(path, content, 0o644))
	}
}

// KeptConfig is the configuration of a lake that was unpacked.
func KeptConfig(dir string) lake.Config {
	return lake.Config{Catalog: "sqlite://" + dir + "/lake/catalog.db", Warehouse: "file://" + dir + "/lake/warehouse"}
}
