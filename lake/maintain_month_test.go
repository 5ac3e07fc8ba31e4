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
	cpu    time.Duration // likewise, on the processors: what other programs do matters less to it
	cost   ioCost        // of an hour's commits, on average
}

func (d day) String() string {
	return fmt.Sprintf("%s, %d live; an hour's commits: %d opens, %d kB of metadata, %s, %s of processors", d.footprint, d.live, d.cost.opens, d.cost.bytes>>10,
		d.commit.Round(time.Millisecond), d.cpu.Round(time.Millisecond))
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
	days, hours, keptDays := 9, 3, 3
	if text := os.Getenv("VERSIONLAKE_DAYS"); text != "" {
		var err error
		if days, err = strconv.Atoi(text); err != nil || days < 5 {
			t.Fatalf("VERSIONLAKE_DAYS=%s: give five or more", text)
		}
		hours, keptDays = 24, 7
	}
	fs := countingFS{opens: new(atomic.Int64), bytes: new(atomic.Int64)}
	icebergio.Unregister("file")
	icebergio.Register("file", func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) { return fs, nil })
	var with, without []day
	synctest.Test(t, func(t *testing.T) { with, without = month(t, fs, days, hours, keptDays) })
	for i := range with {
		t.Logf("day %2d with     %s", i+1, with[i])
		if i < len(without) {
			t.Logf("day %2d without  %s", i+1, without[i])
		}
	}
	// By then the first files have gone, and the first days' manifests are their month's.
	since := min(days/2, 9)
	settled, last, unkept := with[since], with[days-1], without[len(without)-1]
	within := func(what string, is, most int) {
		t.Helper()
		if is > most {
			t.Errorf("%s: %d, more than %d", what, is, most)
		}
	}
	// While its rows are kept, an hour has four files: two of bronze.events, one of rejects, one of silver.events. The newest two
	// days have four an hour in silver.sightings, silver.bindings and the ledger; a day before them has four. Gold has a few in each
	// of its buckets, and a month of daily aggregates two.
	kept := min(days, keptDays+1) * hours
	within("live files", last.live, 4*kept+4*DefaultOpenDays*hours+4*(days-DefaultOpenDays)+32)
	within("live files of the days since", last.live-settled.live, 4*(days-1-since)+8)
	// A table keeps what was committed within two days, and a manifest for each of the newest days.
	tables := len(tableDefinitions)
	within("metadata files", last.metadata, tables*(6+2*hours+8))
	within("manifests and lists", last.manifests, tables*(2*(2*hours+8)+daysApart+2*(days/28+1))+2*days)
	within("bytes of metadata", int(last.metadataBytes), int(settled.metadataBytes)*5/4)
	within("bytes of metadata that an hour's commits read and write", int(last.cost.bytes), int(settled.cost.bytes)*5/4)
	within("files of metadata that an hour's commits open", int(last.cost.opens), int(settled.cost.opens)*5/4)
	// Without maintenance all of it grows: in a few days to more than what it is at the end with it.
	within("bytes of metadata, twice", 2*int(last.metadataBytes), int(unkept.metadataBytes))
	within("bytes that commits read and write, twice", 2*int(last.cost.bytes), int(unkept.cost.bytes))
	within("bytes that commits read and write without maintenance, at half of the time", int(without[len(without)/2].cost.bytes)*5/4, int(unkept.cost.bytes))
}

// unkeptHours is how long the lake without maintenance is compared: it becomes slow.
const unkeptHours = 96

// month ingests days of hours into two lakes, one with maintenance and one without, by turns and by a clock that jumps. Where there
// is maintenance, bronze and silver.events are kept for some days.
func month(t *testing.T, fs countingFS, days, hours, keptDays int) (with, without []day) {
	maintained, unkept := newWorld(t), newWorld(t)
	first := hourAt(t, "2022-05-01T00")
	for n := range days {
		var today [2]dayMeter
		compared := n*hours < unkeptHours
		for h := range hours {
			hour := first + telemetry.Hour(24*n+h*24/hours)
			today[0].ingest(maintained, fs, hour, h%6 == 0)
			if compared {
				today[1].ingest(unkept, fs, hour, h%6 == 0)
			}
			time.Sleep(24 * time.Hour / time.Duration(hours))
		}
		until := first + telemetry.Hour(24*(n+1))
		maintained.daily()
		for _, layer := range []string{LayerBronze, LayerEvents} {
			_, err := maintained.lake.DropBefore(t.Context(), layer, until-telemetry.Hour(24*keptDays), false)
			maintained.must(err)
		}
		maintained.maintain(Upkeep{SnapshotAge: DefaultSnapshotAge, Grace: DefaultGrace, OpenDays: DefaultOpenDays})
		with = append(with, today[0].day(t, maintained.lake))
		if compared {
			without = append(without, today[1].day(t, unkept.lake))
		}
	}
	checkVerify(t, maintained.lake)
	checkVerify(t, unkept.lake)
	return with, without
}

// dayMeter measures a day's commits.
type dayMeter struct {
	took, cpu []time.Duration
	cost      ioCost
}

// ingest takes an hour in, of one chunk or of many, and measures its commits, of silver and of gold.
func (m *dayMeter) ingest(in *ingester, fs countingFS, hour telemetry.Hour, many bool) {
	t := in.tb
	name := strings.TrimPrefix(hour.String(), "2022-05-")
	files := 1
	if many {
		files = 5
	}
	for file := range files {
		in.put(fmt.Sprintf("%s/%d.tsv", name, file), monthLines(name, file)...)
	}
	staged := in.stage(hour)
	start, cpu, opens, bytes := realTime(t), processorTime(t), fs.opens.Load(), fs.bytes.Load()
	_, err := in.commitHour(staged)
	in.must(err)
	plan, merged := in.mergeGold()
	_, err = in.lake.CommitUsers(t.Context(), plan, merged, []Run{staged.run})
	in.must(err)
	m.took, m.cpu = append(m.took, realTime(t).Sub(start)), append(m.cpu, processorTime(t)-cpu)
	m.cost.opens, m.cost.bytes = m.cost.opens+fs.opens.Load()-opens, m.cost.bytes+fs.bytes.Load()-bytes
	in.must(in.lake.DropRound(t.Context(), plan))
	in.must(in.lake.DropStaging(t.Context(), staged.run))
}

func (m *dayMeter) day(t testing.TB, l *Lake) day {
	hours := int64(len(m.took))
	slices.Sort(m.took)
	slices.Sort(m.cpu)
	return day{
		footprint: footprintOf(t, l), live: liveCount(t, l), commit: m.took[len(m.took)/2], cpu: m.cpu[len(m.cpu)/2],
		cost: ioCost{m.cost.opens / hours, m.cost.bytes / hours},
	}
}

// processorTime is what this process has taken of the processors, by all its threads.
func processorTime(t testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func liveCount(t testing.TB, l *Lake) (n int) {
	t.Helper()
	for _, definition := range tableDefinitions {
		n += len(filesNow(t, l, definition))
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
