package maintain_test

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

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

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
	laketest.Footprint
	live   int           // data files of the tables' heads
	commit time.Duration // median of the hours' commits, silver and gold
	cpu    time.Duration // likewise, on the processors: what other programs do matters less to it
	cost   ioCost        // of an hour's commits, on average
}

func (d day) String() string {
	return fmt.Sprintf("%s, %d live; an hour's commits: %d opens, %d kB of metadata, %s, %s of processors", d.Footprint,
		d.live, d.cost.opens, d.cost.bytes>>10,
		d.commit.Round(time.Millisecond), d.cpu.Round(time.Millisecond))
}

// ioCost counts what is done to metadata and manifests: unlike the time that it takes, this is the same on any machine.
type ioCost struct{ opens, bytes int64 }

// countingFS is the local disk as the lake has it, and counts.
type countingFS struct {
	objects.LocalFS
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

// TestMonth ingests hour after hour, with maintenance once a day and without: with it, the lake stays small, and
// the hours' commits as cheap as they were. VERSIONLAKE_DAYS=30 makes it a month of 24 hours a day. It runs in a
// process of its own, since it has another clock, and pools of the libraries do not take what was made under
// another one.
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
	icebergio.Register("file",
		func(context.Context, *url.URL, map[string]string) (icebergio.IO, error) { return fs, nil })
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
	// While its rows are kept, an hour has four files: two of bronze.events, one of rejects, one of silver.events.
	// The newest two days have four an hour in silver.sightings, silver.bindings and the ledger; a day before them
	// has four. Gold has a few in each of its buckets, and a month of daily aggregates two.
	kept := min(days, keptDays+1) * hours
	within("live files", last.live, 4*kept+4*maintain.DefaultOpenDays*hours+4*(days-maintain.DefaultOpenDays)+32)
	within("live files of the days since", last.live-settled.live, 4*(days-1-since)+8)
	// A table keeps what was committed within two days, and a manifest for each of the newest days.
	tables := len(lake.TableDefinitions)
	within("metadata files", last.Metadata, tables*(6+2*hours+8))
	within("manifests and lists", last.Manifests, tables*(2*(2*hours+8)+maintain.DaysApart+2*(days/28+1))+2*days)
	within("bytes of metadata", int(last.MetadataBytes), int(settled.MetadataBytes)*5/4)
	within("bytes of metadata that an hour's commits read and write", int(last.cost.bytes), int(settled.cost.bytes)*5/4)
	within("files of metadata that an hour's commits open", int(last.cost.opens), int(settled.cost.opens)*5/4)
	// Without maintenance all of it grows: in a few days to more than what it is at the end with it.
	within("bytes of metadata, twice", 2*int(last.MetadataBytes), int(unkept.MetadataBytes))
	// A table's metadata is read once for as long as the table stays as it is, so this grows slower.
	within("bytes that commits read and write, and half as many", int(last.cost.bytes)*3/2, int(unkept.cost.bytes))
	within("bytes that commits read and write without maintenance, at half of the time",
		int(without[len(without)/2].cost.bytes)*5/4, int(unkept.cost.bytes))
}

// unkeptHours is how long the lake without maintenance is compared: it becomes slow.
const unkeptHours = 96

// month ingests days of hours into two lakes, one with maintenance and one without, by turns and by a clock that
// jumps. Where there is maintenance, bronze and silver.events are kept for some days.
func month(t *testing.T, fs countingFS, days, hours, keptDays int) (with, without []day) {
	maintained, unkept := laketest.NewWorld(t), laketest.NewWorld(t)
	first := laketest.HourAt(t, "2022-05-01T00")
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
		upkeep.Daily(maintained)
		for _, layer := range []string{ledger.LayerBronze, ledger.LayerEvents} {
			_, err := maintain.DropBefore(t.Context(), maintained.Lake, layer, until-telemetry.Hour(24*keptDays), false)
			maintained.Must(err)
		}
		upkeep.Maintain(maintained, maintain.Upkeep{
			SnapshotAge: maintain.DefaultSnapshotAge,
			Grace:       maintain.DefaultGrace,
			OpenDays:    maintain.DefaultOpenDays,
		})
		with = append(with, today[0].day(t, maintained.Lake))
		if compared {
			without = append(without, today[1].day(t, unkept.Lake))
		}
	}
	checks.Verify(t, maintained.Lake)
	checks.Verify(t, unkept.Lake)
	return with, without
}

// dayMeter measures a day's commits.
type dayMeter struct {
	took, cpu []time.Duration
	cost      ioCost
}

// ingest takes an hour in, of one chunk or of many, and measures its commits, of silver and of gold.
func (m *dayMeter) ingest(in *laketest.Ingester, fs countingFS, hour telemetry.Hour, many bool) {
	t := in.TB
	name := strings.TrimPrefix(hour.String(), "2022-05-")
	files := 1
	if many {
		files = 5
	}
	for file := range files {
		in.Put(fmt.Sprintf("%s/%d.tsv", name, file), laketest.MonthLines(name, file)...)
	}
	staged := in.Stage(hour)
	start, cpu, opens, bytes := realTime(t), laketest.ProcessorTime(t), fs.opens.Load(), fs.bytes.Load()
	_, err := in.CommitHour(staged)
	in.Must(err)
	plan, merged := in.MergeGold()
	_, err = gold.CommitUsers(t.Context(), in.Lake, plan, merged, []lake.Run{staged.Run})
	in.Must(err)
	m.took, m.cpu = append(m.took, realTime(t).Sub(start)), append(m.cpu, laketest.ProcessorTime(t)-cpu)
	m.cost.opens, m.cost.bytes = m.cost.opens+fs.opens.Load()-opens, m.cost.bytes+fs.bytes.Load()-bytes
	in.Must(gold.DropRound(t.Context(), in.Lake, plan))
	in.Must(hours.DropStaging(t.Context(), in.Lake, staged.Run))
}

func (m *dayMeter) day(t testing.TB, l *lake.Lake) day {
	hours := int64(len(m.took))
	slices.Sort(m.took)
	slices.Sort(m.cpu)
	return day{
		Footprint: laketest.FootprintOf(t, l), live: liveCount(t, l), commit: m.took[len(m.took)/2],
		cpu:  m.cpu[len(m.cpu)/2],
		cost: ioCost{m.cost.opens / hours, m.cost.bytes / hours},
	}
}

func liveCount(t testing.TB, l *lake.Lake) (n int) {
	t.Helper()
	for _, definition := range lake.TableDefinitions {
		n += len(laketest.FilesNow(t, l, definition))
	}
	return n
}
