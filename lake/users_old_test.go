package lake

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// TestUnsortedFile lets another engine rewrite gold's files without their order: reads and merges go on.
func TestUnsortedFile(t *testing.T) {
	in := newIngester(t, newLake(t), shared(t, realTelemetry))
	hours := in.hours()
	in.ingest(hours[0])
	in.ingest(hours[1])
	want := users(t, in.lake, "")

	in.must(in.lake.commit(t.Context(), goldUsers, func(loaded *table.Table) (*change, error) {
		c := &change{summary: iceberg.Properties{}}
		for key, value := range loaded.CurrentSnapshot().Summary.Properties {
			if len(key) > 12 && key[:12] == "versionlake." {
				c.summary[key] = value
			}
		}
		if c.summary[summaryRound] == "rewritten" {
			return nil, nil
		}
		c.summary[summaryRound] = "rewritten"
		live, err := liveFiles(t.Context(), loaded)
		in.must(err)
		for _, file := range live {
			var rows []parquet.Row
			parsed, closeFile, err := in.lake.openParquet(file)
			in.must(err)
			reader := parquet.NewGenericReader[any](parsed, userSchema)
			for {
				batch := make([]parquet.Row, 10)
				n, _ := reader.ReadRows(batch)
				if n == 0 {
					break
				}
				for _, row := range batch[:n] {
					rows = append(rows, row.Clone())
				}
			}
			in.must(closeFile())
			slices.Reverse(rows)
			bucket := file.Partition()[partitionFieldID].(int32)
			writer, err := newDataWriter[userRow](in.lake, goldUsers, bucketOf("user_id", int(bucket)))
			in.must(err)
			in.must(writer.writeRaw(rows))
			written, err := writer.close("rewritten")
			in.must(err)
			entry, err := in.lake.entry(*written, goldUsers)
			in.must(err)
			c.remove, c.add = append(c.remove, file), append(c.add, entry)
		}
		return c, nil
	}))
	if got := users(t, in.lake, ""); got != want {
		t.Error("other users are read from files out of order")
	}
	in.ingest(hours[2])
	plain := newIngester(t, newLake(t), shared(t, realTelemetry))
	for _, hour := range hours[:3] {
		plain.ingest(hour)
	}
	if users(t, in.lake, "") != users(t, plain.lake, "") {
		t.Error("other users are merged from files out of order")
	}
}

// TestOldManifestsStayClosed: the files of a session are found among those of its time, without opening manifests of hours long
// before. Such a manifest is taken away: only who looks into its time misses it.
func TestOldManifestsStayClosed(t *testing.T) {
	in := newWorld(t)
	root := strings.TrimPrefix(in.source.String(), "file://")
	old := hourAt(t, "2022-05-01T05")
	now := old + telemetry.Hour((telemetry.LargestMaxFuture + history.DefaultWindow).Hours()) + 48
	for _, hour := range []telemetry.Hour{old, now} {
		name := fmt.Sprintf("%s.tsv", hour)
		in.must(os.MkdirAll(filepath.Join(root, hour.Folder()), 0o755))
		line := "Telemetry\t" + hour.Start().Format(time.RFC3339) + "\tApp\ts1\t20\t{'Name': 'SoftwareVersion', 'Version': '1.0'}\n"
		in.must(os.WriteFile(filepath.Join(root, hour.Folder(), name), []byte(line), 0o644))
		in.ingest(hour)
	}
	loaded, err := in.lake.load(t.Context(), silverSightings)
	in.must(err)
	head := loaded.CurrentSnapshot()
	manifests, err := head.Manifests(in.lake.objects.io)
	in.must(err)
	for _, manifest := range manifests {
		if day, _ := daysOf(manifest); int32(day) == old.Date() {
			in.must(in.lake.objects.io.Remove(manifest.FilePath()))
		}
	}
	near := func(hour telemetry.Hour) ([]iceberg.DataFile, error) {
		at := hour.Start().UnixMicro()
		return keptFiles(t.Context(), loaded, head.SnapshotID, nil, span{at, at}.widened(windowMicros), sightingTimeField)
	}
	if files, err := near(now); err != nil || len(files) != 1 {
		t.Errorf("there are %d files, %v", len(files), err)
	}
	if files, err := near(old); err == nil {
		t.Errorf("without its manifest, the old hour has %d files", len(files))
	}
}
