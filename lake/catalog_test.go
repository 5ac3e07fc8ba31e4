package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// catalogs runs a test on each kind of catalog.
func catalogs(t *testing.T, test func(t *testing.T, config lake.Config)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse",
			Buckets: 2})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, lake.Config{Catalog: testserver.Postgres(t), Warehouse: "file://" + t.TempDir(), Buckets: 2})
	})
}

func TestCatalogs(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postgres")
	}
	catalogs(t, func(t *testing.T, config lake.Config) {
		if l, err := lake.OpenExisting(t.Context(), config); !errors.Is(err, lake.ErrNoLake) {
			t.Fatalf("opened a lake that is not there: %v, %v", l, err)
		}
		// Both make what is not there yet, at once.
		var handles [2]*lake.Lake
		var work errgroup.Group
		for i := range handles {
			work.Go(func() (err error) { handles[i], err = lake.Open(t.Context(), config); return err })
		}
		if err := work.Wait(); err != nil {
			t.Fatal(err)
		}
		existing, err := lake.OpenExisting(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range append(handles[:], existing) {
			t.Cleanup(func() { l.Close() })
		}

		in := laketest.NewIngester(t, handles[0], t.TempDir())
		hour := laketest.HourAt(t, "2022-05-27T05")
		var staged []laketest.StagedHour
		for i := range 8 {
			at := fmt.Sprintf("27T%02d", 5+i)
			in.Put(at+"/a.tsv", laketest.Sighting(at+":10", "s1", fmt.Sprintf("1.%d", i)),
				laketest.Login(at+":11", "s2", "p1"), "broken")
			staged = append(staged, in.Stage(hour+telemetry.Hour(i)))
		}
		for i, s := range staged {
			work.Go(func() error {
				_, err := commit.Hour(t.Context(), handles[i%2], s.Ready())
				return err
			})
		}
		in.Must(work.Wait())
		rows, err := ledger.Hours(t.Context(), existing, hour, hour+8)
		in.Must(err)
		if len(rows) != 8 {
			t.Errorf("%d hours in the ledger", len(rows))
		}
		if events, rejects := laketest.RowsOf[lake.EventRow](t, existing,
			lake.BronzeEvents), laketest.RowsOf[lake.RejectRow](t, existing, lake.BronzeRejects); len(events) != 16 ||
			len(rejects) != 8 {
			t.Errorf("%d events, %d rejects", len(events), len(rejects))
		}
		for _, definition := range append(lake.HourTables, lake.OpsFiles, lake.OpsHours) {
			if ids, _ := laketest.Snapshots(t, existing, definition); len(ids) != 8 {
				t.Errorf("%s has %d snapshots", definition.Name, len(ids))
			}
		}
		in.Gold()
		checks.Gold(t, in)

		t.Run("conflicts are redone", func(t *testing.T) { conflictIsRedone(t, in, handles[1]) })
		t.Run("a stale base is plain text", func(t *testing.T) { staleBase(t, in, handles[1]) })
	})
}

// oneFile writes an uncommitted data file of silver.bindings.
func oneFile(t *testing.T, l *lake.Lake, hour telemetry.Hour, name string) iceberg.DataFile {
	t.Helper()
	writer, err := lake.NewDataWriter[lake.BindingRow](l, lake.SilverBindings, lake.DayOf(hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Append([]lake.BindingRow{
		{SessionID: name, Kind: lake.BindingUser, IngestDate: hour.Date(), IngestHourOfDay: hour.OfDay()},
	}, 0); err != nil {
		t.Fatal(err)
	}
	file, err := writer.Close(name)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := l.Entry(*file, lake.SilverBindings)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// conflictIsRedone lets another writer commit between a plan and its commit: the plan is asked again, on the new base.
func conflictIsRedone(t *testing.T, in *laketest.Ingester, other *lake.Lake) {
	hour := laketest.HourAt(t, "2022-05-29T00")
	add := func(l *lake.Lake, name string, before func()) {
		file := oneFile(t, l, hour, name)
		in.Must(l.Commit(t.Context(), lake.SilverBindings, func(*table.Table) (*lake.Change, error) {
			before()
			return &lake.Change{Add: []iceberg.DataFile{file}}, nil
		}))
	}
	asked := 0
	add(in.Lake, "mine", func() {
		if asked++; asked < 3 {
			add(other, fmt.Sprintf("other%d", asked), func() {})
		}
	})
	if asked != 3 {
		t.Errorf("the plan was asked %d times", asked)
	}
	var names []string
	for _, row := range laketest.RowsOf[lake.BindingRow](t, in.Lake, lake.SilverBindings) {
		if row.IngestDate == hour.Date() {
			names = append(names, row.SessionID)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"mine", "other1", "other2"}) {
		t.Errorf("committed %v", names)
	}

	// A context that ends while others always win ends the commit.
	ctx, cancel := context.WithCancel(t.Context())
	file := oneFile(t, in.Lake, hour, "never")
	err := in.Lake.Commit(ctx, lake.SilverBindings, func(*table.Table) (*lake.Change, error) {
		add(other, "again", func() {})
		cancel()
		return &lake.Change{Add: []iceberg.DataFile{file}}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled commit: %v", err)
	}
}

// staleBase holds IsConflict against what the catalog really says.
func staleBase(t *testing.T, in *laketest.Ingester, other *lake.Lake) {
	hour := laketest.HourAt(t, "2022-05-30T00")
	stale, err := in.Lake.Load(t.Context(), lake.SilverBindings)
	in.Must(err)
	wins := oneFile(t, other, hour, "wins")
	in.Must(other.Commit(t.Context(), lake.SilverBindings,
		func(*table.Table) (*lake.Change, error) { return &lake.Change{Add: []iceberg.DataFile{wins}}, nil }))
	err = in.Lake.TryCommit(t.Context(),
		stale, &lake.Change{Add: []iceberg.DataFile{oneFile(t, in.Lake, hour, "loses")}})
	if err == nil || !lake.IsConflict(err) {
		t.Errorf("a commit on a stale base: %v", err)
	}
	if errors.Is(err, table.ErrCommitFailed) || !strings.Contains(err.Error(), "requirement failed") {
		t.Errorf("iceberg-go tells a stale base by its type now (%v): isConflict need not look at the text", err)
	}
	// The tag of another may be taken meanwhile, too.
	fresh, err := in.Lake.Load(t.Context(), lake.SilverBindings)
	in.Must(err)
	tag := &lake.Change{Tags: []string{"hour-2022-05-30T00"}}
	in.Must(in.Lake.TryCommit(t.Context(), fresh, tag))
	if err := in.Lake.TryCommit(t.Context(), fresh, tag); err == nil || !lake.IsConflict(err) {
		t.Errorf("a tag given twice: %v", err)
	}
}

// TestWriteAfterWriteRowsLosesRows is about parquet-go 0.32.0, and why a DataWriter takes rows in one form only.
func TestWriteAfterWriteRowsLosesRows(t *testing.T) {
	type row struct {
		A int64 `parquet:"a"`
	}
	var file bytes.Buffer
	w := parquet.NewGenericWriter[row](&file)
	_, err1 := w.WriteRows([]parquet.Row{{parquet.Int64Value(1).Level(0, 0, 0)}})
	_, err2 := w.Write([]row{{2}})
	if err := errors.Join(err1, err2, w.Close()); err != nil {
		t.Fatal(err)
	}
	rows := make([]row, 3)
	n, err := parquet.NewGenericReader[row](bytes.NewReader(file.Bytes())).Read(rows)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if n == 2 {
		t.Error("parquet-go keeps both rows now: dataWriter.writeRaw's warning can go")
	}
}

// TestRemoteLake takes hours through a lake on S3 and Postgres.
func TestRemoteLake(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	server := testserver.S3(t)
	server.Setenv(t)
	bucket := server.NewBucket(t)
	config := lake.Config{Catalog: testserver.Postgres(t), Warehouse: "s3://" + bucket + "/some/lake/", Buckets: 2,
		Scratch: t.TempDir()}
	// The context of Open is only Open's.
	ctx, cancel := context.WithCancel(t.Context())
	l, err := lake.Open(ctx, config)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	in := laketest.NewIngester(t, l, t.TempDir())
	in.ChunkSize = 200
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Sighting("27T05:20", "s2", "1.1"),
		"broken")
	in.PutBytes("27T05/b.tsv.gz", laketest.Gzipped(t, laketest.Sighting("27T05:30", "s3", "1.2"))[:30])
	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s1", "p1"), laketest.DeviceInfo("27T06:11", "s2", "D"))
	if commit := in.Ingest(hour); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("commit %+v", commit)
	}
	in.Ingest(hour + 1)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Sighting("27T05:40", "s1", "1.3"))
	in.PutBytes("27T05/b.tsv.gz", laketest.Gzipped(t, laketest.Sighting("27T05:30", "s3", "1.2")))
	in.Ingest(hour)
	if got, want := laketest.Show(t, l), []string{"p1 App 1.0 27T05:10..27T05:40 ×1", "p1 App 1.3 27T05:40.. ×1",
		"session:s3 App 1.2 27T05:30.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q", got)
	}
	if got, want := laketest.Users(t, l, ""), checks.Naive(t, l); got != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", got, want)
	}
	checks.Versions(t, l)
	// Maintenance lists and removes objects of a bucket.
	in.ManyChunks("27T07", 5)
	in.Ingest(hour + 2)
	before := laketest.FootprintOf(t, l)
	upkeep.Maintain(in, maintain.Upkeep{Grace: time.Hour})
	upkeep.Maintain(in, upkeep.Now)
	checks.Verify(t, l)
	if after := laketest.FootprintOf(t, l); after.Data >= before.Data || after.Manifests >= before.Manifests {
		t.Errorf("%s, and after maintenance %s", before, after)
	}
	status, err := status.Read(t.Context(), l)
	in.Must(err)
	if status.Hours != 3 || status.Users < 2 || status.Behind {
		t.Errorf("status %+v", status)
	}
	if left := laketest.Leftovers(t, config.Scratch); len(left) > 0 {
		t.Errorf("left in scratch: %v", left)
	}
	// Nothing staged is left, and nothing lies outside the warehouse's folder.
	client := server.Client()
	for _, prefix := range []string{"", "some/lake/_staging/"} {
		listed, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		in.Must(err)
		for _, object := range listed.Contents {
			if key := *object.Key; prefix != "" || !strings.HasPrefix(key, "some/lake/") {
				t.Errorf("left behind: %s", key)
			}
		}
	}
}
