package laketest

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
)

// Footprint is what a lake takes on disk.
type Footprint struct {
	Data, Manifests, Metadata, other int // files: Parquet, Avro, JSON
	MetadataBytes                    int64
}

func (f Footprint) String() string {
	return fmt.Sprintf("%d data files, %d manifests and lists, %d metadata files, %d kB of metadata",
		f.Data, f.Manifests, f.Metadata, f.MetadataBytes>>10)
}

func FootprintOf(t testing.TB, l *lake.Lake) (f Footprint) {
	t.Helper()
	if err := l.Objects.Walk(t.Context(), l.Objects.Root, func(object string, size int64) error {
		switch filepath.Ext(object) {
		case ".parquet":
			f.Data++
		case ".avro":
			f.Manifests++
			f.MetadataBytes += size
		case ".json":
			f.Metadata++
			f.MetadataBytes += size
		default:
			f.other++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return f
}

// ProcessorTime is what this process has taken of the processors, by all its threads.
func ProcessorTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Leftovers are the files below a folder that belong to work in progress.
func Leftovers(t testing.TB, folder string) (left []string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() &&
			(strings.Contains(path, "_staging") || strings.HasPrefix(entry.Name(), ".versionlake-")) {
			left = append(left, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return left
}
