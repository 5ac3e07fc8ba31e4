package laketest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/telemetry"
)

// Quickly is one place in the middle of several, in the quick tests.
func Quickly(places ...int) []int {
	if testing.Short() {
		return places[1:2]
	}
	return places
}

// Compact rewrites the files of a silver table one by one, as maintenance does: other files, the same rows.
func Compact[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition) {
	t.Helper()
	ctx := t.Context()
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		t.Fatal(err)
	}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		t.Fatal(err)
	}
	transaction := loaded.NewTransaction()
	rewrite := transaction.NewRewrite(nil)
	for n, file := range files {
		var rows []T
		if err := lake.ScanRows(ctx, l, file,
			func(batch []T) error { rows = append(rows, batch...); return nil }); err != nil {
			t.Fatal(err)
		}
		writer, err := lake.NewDataWriter[T](l, definition,
			lake.Partition{Folder: "compacted", Values: file.Partition()})
		if err == nil {
			err = writer.Append(rows, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		written, err := writer.Close(fmt.Sprintf("compacted-%d-%d", loaded.CurrentSnapshot().SnapshotID, n))
		if err != nil {
			t.Fatal(err)
		}
		entry, err := l.Entry(*written, definition)
		if err != nil {
			t.Fatal(err)
		}
		rewrite.DeleteFile(file).AddDataFile(entry)
	}
	if err := rewrite.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := transaction.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if after.CurrentSnapshot().Summary.Operation != table.OpReplace {
		t.Fatalf("compaction made a snapshot %v", after.CurrentSnapshot().Summary)
	}
}

func Gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

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

func MaintainAll(ctx context.Context, l *lake.Lake, u maintain.Upkeep) (all []maintain.Saving, err error) {
	saving, err := maintain.SweepStaging(ctx, l, u.Grace, func(string) (bool, error) { return false, nil }, u.DryRun)
	if err != nil {
		return nil, err
	}
	all = append(all, saving)
	for _, name := range maintain.TableNames() {
		savings, err := maintain.MaintainTable(ctx, l, name, u, func(string) {})
		if err != nil {
			return nil, err
		}
		all = append(all, savings...)
	}
	return all, nil
}

// ProcessorTime is what this process has taken of the processors, by all its threads.
func ProcessorTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func MonthLines(hour string, file int) []string {
	var lines []string
	for i := range 5 {
		session := fmt.Sprintf("s%s-%d-%d", hour, file, i)
		lines = append(lines, Sighting(fmt.Sprintf("%s:%02d", hour, 10+i), session, "1."+hour[:2]),
			Event(fmt.Sprintf("%s:%02d", hour, 20+i), session, "Click"))
		if i%2 == 0 {
			lines = append(lines, Login(fmt.Sprintf("%s:%02d", hour, 30+i), session, fmt.Sprintf("p%d-%d", file, i)))
		}
	}
	return append(lines, "not a line")
}

// now: nothing is kept for its age's sake.
var MaintainNow = maintain.Upkeep{}

// ManyChunks puts an hour of several files, each of them a chunk.
func (in *Ingester) ManyChunks(at string, files int) {
	in.TB.Helper()
	for n := range files {
		in.Put(fmt.Sprintf("%s/%d.tsv", at, n), MonthLines(at, n)...)
	}
}

// IngestBeside takes an hour in while others may commit to gold.
func (in *Ingester) IngestBeside(hour telemetry.Hour) {
	in.TB.Helper()
	run, _ := in.Silver(hour)
	in.Must(in.Follow(in.TB.Context(), []lake.Run{run}))
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
