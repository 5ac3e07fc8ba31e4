package gold_test

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
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// TestUnsortedFile lets another engine rewrite gold's files without their order: reads and merges go on.
func TestUnsortedFile(t *testing.T) {
	in := laketest.NewIngester(t, laketest.NewLake(t), laketest.Shared(t, laketest.RealTelemetry))
	hours := in.Hours()
	in.Ingest(hours[0])
	in.Ingest(hours[1])
	want := laketest.Users(t, in.Lake, "")

	in.Must(in.Lake.Commit(t.Context(), lake.GoldUsers, func(loaded *table.Table) (*lake.Change, error) {
		c := &lake.Change{Summary: iceberg.Properties{}}
		for key, value := range loaded.CurrentSnapshot().Summary.Properties {
			if len(key) > 12 && key[:12] == "versionlake." {
				c.Summary[key] = value
			}
		}
		if c.Summary[lake.SummaryRound] == "rewritten" {
			return nil, nil
		}
		c.Summary[lake.SummaryRound] = "rewritten"
		live, err := lake.LiveFiles(t.Context(), loaded)
		in.Must(err)
		for _, file := range live {
			var rows []parquet.Row
			parsed, closeFile, err := in.Lake.OpenParquet(file)
			in.Must(err)
			reader := parquet.NewGenericReader[any](parsed, parquet.SchemaOf(lake.UserRow{}))
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
			in.Must(closeFile())
			slices.Reverse(rows)
			bucket := file.Partition()[lake.PartitionFieldID].(int32)
			writer, err := lake.NewDataWriter[lake.UserRow](in.Lake, lake.GoldUsers,
				gold.BucketPartition(int(bucket)))
			in.Must(err)
			in.Must(writer.WriteRaw(rows))
			written, err := writer.Close("rewritten")
			in.Must(err)
			entry, err := in.Lake.Entry(*written, lake.GoldUsers)
			in.Must(err)
			c.Remove, c.Add = append(c.Remove, file), append(c.Add, entry)
		}
		return c, nil
	}))
	if got := laketest.Users(t, in.Lake, ""); got != want {
		t.Error("other users are read from files out of order")
	}
	in.Ingest(hours[2])
	plain := laketest.NewIngester(t, laketest.NewLake(t), laketest.Shared(t, laketest.RealTelemetry))
	for _, hour := range hours[:3] {
		plain.Ingest(hour)
	}
	if laketest.Users(t, in.Lake, "") != laketest.Users(t, plain.Lake, "") {
		t.Error("other users are merged from files out of order")
	}
}

// TestOldManifestsStayClosed: the files of a session are found among those of its time, without opening manifests
// of hours long before. Such a manifest is taken away: only who looks into its time misses it.
func TestOldManifestsStayClosed(t *testing.T) {
	in := laketest.NewWorld(t)
	root := strings.TrimPrefix(in.Source.String(), "file://")
	old := laketest.HourAt(t, "2022-05-01T05")
	now := old + telemetry.Hour((telemetry.LargestMaxFuture + history.DefaultWindow).Hours()) + 48
	for _, hour := range []telemetry.Hour{old, now} {
		name := fmt.Sprintf("%s.tsv", hour)
		in.Must(os.MkdirAll(filepath.Join(root, hour.Folder()), 0o755))
		line := "Telemetry\t" + hour.Start().Format(time.RFC3339) +
			"\tApp\ts1\t20\t{'Name': 'SoftwareVersion', 'Version': '1.0'}\n"
		in.Must(os.WriteFile(filepath.Join(root, hour.Folder(), name), []byte(line), 0o644))
		in.Ingest(hour)
	}
	loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
	in.Must(err)
	head := loaded.CurrentSnapshot()
	manifests, err := head.Manifests(in.Lake.Objects.IO)
	in.Must(err)
	for _, manifest := range manifests {
		if day, _ := maintain.DaysOf(manifest); int32(day) == old.Date() {
			in.Must(in.Lake.Objects.IO.Remove(manifest.FilePath()))
		}
	}
	near := func(hour telemetry.Hour) ([]iceberg.DataFile, error) {
		at := hour.Start().UnixMicro()
		return sessions.FilesNear(t.Context(), loaded, head.SnapshotID,
			sessions.Span{Low: at, High: at}.Widened(ledger.WindowMicros), nil)
	}
	if files, err := near(now); err != nil || len(files) != 1 {
		t.Errorf("there are %d files, %v", len(files), err)
	}
	if files, err := near(old); err == nil {
		t.Errorf("without its manifest, the old hour has %d files", len(files))
	}
}
