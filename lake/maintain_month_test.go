package lake

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	icebergio "github.com/apache/iceberg-go/io"

	"github.com/versionlake/versionlake/telemetry"
)

// footprint is what a lake takes on disk.
type footprint struct {
	data, manifests, metadata, other int // files: Parquet, Avro, JSON
	metadataBytes                    int64
}

func (f footprint) String() string {
	return fmt.Sprintf("%d data files, %d manifests and lists, %d metadata files, %d kB of metadata", f.data, f.manifests, f.metadata, f.metadataBytes>>10)
}

func footprintOf(t testing.TB, l *Lake) (f footprint) {
	t.Helper()
	if err := l.objects.walk(t.Context(), l.objects.root, func(object string, size int64) error {
		switch filepath.Ext(object) {
		case ".parquet":
			f.data++
		case ".avro":
			f.manifests++
			f.metadataBytes += size
		case ".json":
			f.metadata++
			f.metadataBytes += size
		default:
			f.other++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return f
}

// maintain does what the workflow does, once.
func (in *ingester) maintain(u Upkeep) (all []Saving) {
	in.tb.Helper()
	savings, err := in.lake.maintainAll(in.tb.Context(), u)
	in.must(err)
	return savings
}

func (l *Lake) maintainAll(ctx context.Context, u Upkeep) (all []Saving, err error) {
	saving, err := l.SweepStaging(ctx, u.Grace, func(string) (bool, error) { return false, nil }, u.DryRun)
	if err != nil {
		return nil, err
	}
	all = append(all, saving)
	for _, name := range TableNames() {
		savings, err := l.MaintainTable(ctx, name, u, func(string) {})
		if err != nil {
			return nil, err
		}
		all = append(all, savings...)
	}
	return all, nil
}

// realTime is the time outside of the bubble.
func realTime(t testing.TB) time.Time {
	var now syscall.Timeval
	if err := syscall.Gettimeofday(&now); err != nil {
		t.Fatal(err)
	}
	return time.Unix(now.Unix())
}

// day is how a lake does on one day of a month.
type day struct {
	footprint
	live   int           // data files of the tables' heads
	commit time.Duration // median of the hours' commits, silver and gold
	cost   ioCost        // of an hour's commits, on average
}

func (d day) String() string {
	return fmt.Sprintf("%s, %d live; an hour's commits: %d opens, %d kB of metadata, %s", d.footprint, d.live, d.cost.opens, d.cost.bytes>>10, d.commit.Round(time.Millisecond))
}

// ioCost counts what is done to metadata and manifests: unlike the time that it takes, this is the same on any machine.
type ioCost struct{ opens, bytes int64 }

// countingFS is Iceberg's local file system, and counts.
type countingFS struct {
	icebergio.LocalFS
	opens, bytes *atomic.Int64
}

func (f countingFS) count(name string, bytes int) {
	if filepath.Ext(name) != ".parquet" {
		f.opens.Add(1)
		f.bytes.Add(int64(bytes))
	}
}

func (f countingFS) ReadFile(name string) ([]byte, error) {
	data, err := f.LocalFS.ReadFile(name)
	f.count(name, len(data))
	return data, err
}

func (f countingFS) Open(name string) (icebergio.File, error) {
	file, err := f.LocalFS.Open(name)
	if err == nil {
		if info, err := file.Stat(); err == nil {
			f.count(name, int(info.Size()))
		}
	}
	return file, err
}

func (f countingFS) WriteFile(name string, data []byte) error {
	f.count(name, len(data))
	return f.LocalFS.WriteFile(name, data)
}

// TestMonth ingests hour after hour, with maintenance once a day and without: with it, the lake stays small, and the hours'
// commits as cheap as they were. VERSIONLAKE_DAYS=30 makes it a month of 24 hours a day. It runs in a process of its own,
// since it has another clock, and pools of the libraries do not take what was made under another one.
func TestMonth(t *testing.T) {
	if testing.Short() {
		t.Skip("ingests dozens of hours")
	}
	if os.Getenv("VERSIONLAKE_MONTH") == "" {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMonth$", "-test.v", "-test.timeout=2h")
		command.Env = append(os.Environ(), "VERSIONLAKE_MONTH=1")
		out, err := command.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	days, hours := 8, 3
	if text := os.Getenv("VERSIONLAKE_DAYS"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 5 {
			t.Fatalf("VERSIONLAKE_DAYS=%s: give five or more", text)
		}
		hours = 24
	}
	fs := countingFS{opens: new(atomic.Int64), bytes: new(atomic.Int64)}
	icebergio.Unregister("file")
	icebergio.Register("file", func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) { return fs, nil })
	var with, without []day
	synctest.Test(t, func(t *testing.T) { with = month(t, fs, days, hours, true) })
	synctest.Test(t, func(t *testing.T) { without = month(t, fs, days, hours, false) })
	for i := range days {
		t.Logf("day %2d with     %s", i+1, with[i])
		t.Logf("day %2d without  %s", i+1, without[i])
	}
	// By then the first files have gone, and the first days' manifests are their month's.
	settled, last, unkept := with[min(days/2, 9)], with[days-1], without[days-1]
	within := func(what string, is, most int) {
		t.Helper()
		if is > most {
			t.Errorf("%s: %d, more than %d", what, is, most)
		}
	}
	// An hour keeps seven files: two of bronze.events, and one in each other table of hours. The ledger has one a day, gold a few
	// in each of its buckets.
	within("live files", last.live, 7*days*hours+days+hours+24)
	// A table keeps what was committed within two days, and a manifest for each of the newest days.
	tables := len(tableDefinitions)
	within("metadata files", last.metadata, tables*(6+2*hours+8))
	within("manifests and lists", last.manifests, tables*(2*(2*hours+8)+daysApart+2*(days/28+1))+2*days)
	within("bytes of metadata", int(last.metadataBytes), int(settled.metadataBytes)*5/4)
	within("bytes of metadata that an hour's commits read and write", int(last.cost.bytes), int(settled.cost.bytes)*5/4)
	within("files of metadata that an hour's commits open", int(last.cost.opens), int(settled.cost.opens)*5/4)
	// Without maintenance all of it grows.
	within("bytes of metadata, twice", 2*int(last.metadataBytes), int(unkept.metadataBytes))
	within("bytes that commits read and write, twice", 2*int(last.cost.bytes), int(unkept.cost.bytes))
	within("bytes that commits read and write without maintenance, at half of the time", int(without[days/2].cost.bytes)*5/4, int(unkept.cost.bytes))
}

// month ingests days of hours, by a clock that jumps.
func month(t *testing.T, fs countingFS, days, hours int, maintained bool) (all []day) {
	in := newWorld(t)
	first := hourAt(t, "2022-05-01T00")
	for n := range days {
		var commits []time.Duration
		var cost ioCost
		for h := range hours {
			hour := first + telemetry.Hour(24*n+h*24/hours)
			name := strings.TrimPrefix(hour.String(), "2022-05-")
			files := 1
			if h%6 == 0 {
				files = 5 // many chunks
			}
			for file := range files {
				in.put(fmt.Sprintf("%s/%d.tsv", name, file), monthLines(name, file)...)
			}
			staged := in.stage(hour)
			start, opens, bytes := realTime(t), fs.opens.Load(), fs.bytes.Load()
			_, err := in.commitHour(staged)
			in.must(err)
			plan, merged := in.mergeGold()
			_, err = in.lake.CommitUsers(t.Context(), plan, merged, []Run{staged.run})
			in.must(err)
			commits = append(commits, realTime(t).Sub(start))
			cost.opens, cost.bytes = cost.opens+fs.opens.Load()-opens, cost.bytes+fs.bytes.Load()-bytes
			in.must(in.lake.DropRound(t.Context(), plan))
			in.must(in.lake.DropStaging(t.Context(), staged.run))
			time.Sleep(24 * time.Hour / time.Duration(hours))
		}
		if maintained {
			in.maintain(Upkeep{SnapshotAge: DefaultSnapshotAge, Grace: DefaultGrace})
		}
		slices.Sort(commits)
		cost.opens, cost.bytes = cost.opens/int64(hours), cost.bytes/int64(hours)
		all = append(all, day{footprint: footprintOf(t, in.lake), live: liveCount(t, in.lake), commit: commits[len(commits)/2], cost: cost})
	}
	checkVerify(t, in.lake)
	return all
}

func liveCount(t *testing.T, l *Lake) (n int) {
	t.Helper()
	for _, definition := range tableDefinitions {
		loaded, err := l.load(t.Context(), definition)
		if err != nil {
			t.Fatal(err)
		}
		files, err := liveFiles(t.Context(), loaded)
		if err != nil {
			t.Fatal(err)
		}
		n += len(files)
	}
	return n
}

func monthLines(hour string, file int) []string {
	var lines []string
	for i := range 5 {
		session := fmt.Sprintf("s%s-%d-%d", hour, file, i)
		lines = append(lines, sighting(fmt.Sprintf("%s:%02d", hour, 10+i), session, "1."+hour[:2]), event(fmt.Sprintf("%s:%02d", hour, 20+i), session, "Click"))
		if i%2 == 0 {
			lines = append(lines, login(fmt.Sprintf("%s:%02d", hour, 30+i), session, fmt.Sprintf("p%d-%d", file, i)))
		}
	}
	return append(lines, "not a line")
}
