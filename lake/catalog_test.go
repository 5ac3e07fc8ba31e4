package lake

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

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// catalogs runs a test on each kind of catalog.
func catalogs(t *testing.T, test func(t *testing.T, config Config)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 2})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, Config{Catalog: testserver.Postgres(t), Warehouse: "file://" + t.TempDir(), Buckets: 2})
	})
}

func TestCatalogs(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Postgres")
	}
	catalogs(t, func(t *testing.T, config Config) {
		if l, err := OpenExisting(t.Context(), config); !errors.Is(err, ErrNoLake) {
			t.Fatalf("opened a lake that is not there: %v, %v", l, err)
		}
		// Both make what is not there yet, at once.
		var handles [2]*Lake
		var work errgroup.Group
		for i := range handles {
			work.Go(func() (err error) { handles[i], err = Open(t.Context(), config); return err })
		}
		if err := work.Wait(); err != nil {
			t.Fatal(err)
		}
		existing, err := OpenExisting(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range append(handles[:], existing) {
			t.Cleanup(func() { l.Close() })
		}

		in := newIngester(t, handles[0], t.TempDir())
		hour := hourAt(t, "2022-05-27T05")
		var staged []stagedHour
		for i := range 8 {
			at := fmt.Sprintf("27T%02d", 5+i)
			in.put(at+"/a.tsv", sighting(at+":10", "s1", fmt.Sprintf("1.%d", i)), login(at+":11", "s2", "p1"), "broken")
			staged = append(staged, in.stage(hour+telemetry.Hour(i)))
		}
		for i, s := range staged {
			work.Go(func() error {
				_, err := handles[i%2].CommitHour(t.Context(), s.run, s.plan, s.chunks, s.silver, time.Now())
				return err
			})
		}
		in.must(work.Wait())
		rows, err := existing.Hours(t.Context(), hour, hour+8)
		in.must(err)
		if len(rows) != 8 {
			t.Errorf("%d hours in the ledger", len(rows))
		}
		if events, rejects := rowsOf[eventRow](t, existing, bronzeEvents), rowsOf[rejectRow](t, existing, bronzeRejects); len(events) != 16 || len(rejects) != 8 {
			t.Errorf("%d events, %d rejects", len(events), len(rejects))
		}
		for _, definition := range append(hourTables, opsFiles, opsHours) {
			if ids, _ := snapshots(t, existing, definition); len(ids) != 8 {
				t.Errorf("%s has %d snapshots", definition.name, len(ids))
			}
		}
		in.gold()
		checkGold(t, in)

		t.Run("conflicts are redone", func(t *testing.T) { conflictIsRedone(t, in, handles[1]) })
		t.Run("a stale base is plain text", func(t *testing.T) { staleBase(t, in, handles[1]) })
	})
}

// oneFile writes an uncommitted data file of silver.bindings.
func oneFile(t *testing.T, l *Lake, hour telemetry.Hour, name string) iceberg.DataFile {
	t.Helper()
	writer, err := newDataWriter[bindingRow](l, silverBindings, dayOf(hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.write([]bindingRow{{SessionID: name, Kind: bindingUser, IngestDate: hour.Date(), IngestHourOfDay: hour.OfDay()}}, 0); err != nil {
		t.Fatal(err)
	}
	file, err := writer.close(name)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := l.entry(*file, silverBindings)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// conflictIsRedone lets another writer commit between a plan and its commit: the plan is asked again, on the new base.
func conflictIsRedone(t *testing.T, in *ingester, other *Lake) {
	hour := hourAt(t, "2022-05-29T00")
	add := func(l *Lake, name string, before func()) {
		file := oneFile(t, l, hour, name)
		in.must(l.commit(t.Context(), silverBindings, func(*table.Table) (*change, error) {
			before()
			return &change{add: []iceberg.DataFile{file}}, nil
		}))
	}
	asked := 0
	add(in.lake, "mine", func() {
		if asked++; asked < 3 {
			add(other, fmt.Sprintf("other%d", asked), func() {})
		}
	})
	if asked != 3 {
		t.Errorf("the plan was asked %d times", asked)
	}
	var names []string
	for _, row := range rowsOf[bindingRow](t, in.lake, silverBindings) {
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
	file := oneFile(t, in.lake, hour, "never")
	err := in.lake.commit(ctx, silverBindings, func(*table.Table) (*change, error) {
		add(other, "again", func() {})
		cancel()
		return &change{add: []iceberg.DataFile{file}}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled commit: %v", err)
	}
}

// staleBase holds isConflict against what the catalog really says.
func staleBase(t *testing.T, in *ingester, other *Lake) {
	hour := hourAt(t, "2022-05-30T00")
	stale, err := in.lake.load(t.Context(), silverBindings)
	in.must(err)
	wins := oneFile(t, other, hour, "wins")
	in.must(other.commit(t.Context(), silverBindings, func(*table.Table) (*change, error) { return &change{add: []iceberg.DataFile{wins}}, nil }))
	err = in.lake.tryCommit(t.Context(), stale, &change{add: []iceberg.DataFile{oneFile(t, in.lake, hour, "loses")}})
	if err == nil || !isConflict(err) {
		t.Errorf("a commit on a stale base: %v", err)
	}
	if errors.Is(err, table.ErrCommitFailed) || !strings.Contains(err.Error(), "requirement failed") {
		t.Errorf("iceberg-go tells a stale base by its type now (%v): isConflict need not look at the text", err)
	}
	// The tag of another may be taken meanwhile, too.
	fresh, err := in.lake.load(t.Context(), silverBindings)
	in.must(err)
	tag := &change{tags: []string{"hour-2022-05-30T00"}}
	in.must(in.lake.tryCommit(t.Context(), fresh, tag))
	if err := in.lake.tryCommit(t.Context(), fresh, tag); err == nil || !isConflict(err) {
		t.Errorf("a tag given twice: %v", err)
	}
}

// TestWriteAfterWriteRowsLosesRows is about parquet-go 0.32.0, and why a dataWriter takes rows in one form only.
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
	config := Config{Catalog: testserver.Postgres(t), Warehouse: "s3://" + bucket + "/some/lake/", Buckets: 2, Scratch: t.TempDir()}
	// The context of Open is only Open's.
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Open(ctx, config)
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	in := newIngester(t, l, t.TempDir())
	in.chunkSize = 200
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), sighting("27T05:20", "s2", "1.1"), "broken")
	in.putBytes("27T05/b.tsv.gz", gzipped(t, sighting("27T05:30", "s3", "1.2"))[:30])
	in.put("27T06/a.tsv", login("27T06:10", "s1", "p1"), deviceInfo("27T06:11", "s2", "D"))
	if commit := in.ingest(hour); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05"}) {
		t.Errorf("commit %+v", commit)
	}
	in.ingest(hour + 1)
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), sighting("27T05:40", "s1", "1.3"))
	in.putBytes("27T05/b.tsv.gz", gzipped(t, sighting("27T05:30", "s3", "1.2")))
	in.ingest(hour)
	if got, want := show(t, l), []string{"p1 App 1.0 27T05:10..27T05:40 ×1", "p1 App 1.3 27T05:40.. ×1", "session:s3 App 1.2 27T05:30.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q", got)
	}
	if got, want := users(t, l, ""), naive(t, l); got != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", got, want)
	}
	checkVersions(t, l)
	// Maintenance lists and removes objects of a bucket.
	in.manyChunks("27T07", 5)
	in.ingest(hour + 2)
	before := footprintOf(t, l)
	in.maintain(Upkeep{Grace: time.Hour})
	in.maintain(maintainNow)
	checkVerify(t, l)
	if after := footprintOf(t, l); after.data >= before.data || after.manifests >= before.manifests {
		t.Errorf("%s, and after maintenance %s", before, after)
	}
	status, err := l.Status(t.Context())
	in.must(err)
	if status.Hours != 3 || status.Users < 2 || status.Behind {
		t.Errorf("status %+v", status)
	}
	if left := leftovers(t, config.Scratch); len(left) > 0 {
		t.Errorf("left in scratch: %v", left)
	}
	// Nothing staged is left, and nothing lies outside the warehouse's folder.
	client := server.Client()
	for _, prefix := range []string{"", "some/lake/_staging/"} {
		listed, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		in.must(err)
		for _, object := range listed.Contents {
			if key := *object.Key; prefix != "" || !strings.HasPrefix(key, "some/lake/") {
				t.Errorf("left behind: %s", key)
			}
		}
	}
}
