package plantest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
)

const day = 24 * time.Hour

// machines work on one lake, one after the other, each by a clock of its own. Between them the lake must stay what
// the files say.
var machines = []struct {
	name  string
	after time.Duration // since 2000
	works func(*laketest.Ingester)
}{
	{"an hour ahead", 30*day + time.Hour, func(in *laketest.Ingester) {
		in.Put("27T05/a.tsv", laketest.Login("27T05:10", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"),
			laketest.Login("27T05:11", "s2", laketest.Gone), laketest.Sighting("27T05:11", "s2", "1.0"))
		in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.1"))
		in.Ingest(laketest.HourAt(in.TB, "2022-05-27T05"))
		// This run of the hour is given up half-way.
		staged := in.Stage(laketest.HourAt(in.TB, "2022-05-27T06"))
		in.CommitTables(staged, lake.HourTables...)
	}},
	{"right", 30 * day, func(in *laketest.Ingester) {
		in.Put("27T05/b.tsv", laketest.Sighting("27T05:50", "s1", "1.2"))
		hour := laketest.HourAt(in.TB, "2022-05-27T05")
		run, _ := in.Silver(hour)
		in.Gold(run)
		if row := in.LedgerRow(hour); row.RunID != run.ID || row.Files != 2 {
			in.TB.Errorf("the newest run of %s is %+v, and the last was %s", hour, row, run.ID)
		}
		again := in.Ingest(laketest.HourAt(in.TB, "2022-05-27T06"))
		if len(again.Waiting) > 0 {
			in.TB.Errorf("gold waits for the run that was given up, by the clock: %v", again.Waiting)
		}
		upkeep.Daily(in)
		forgetting.Forget(in, laketest.Gone)
	}},
	{"a month behind", time.Minute, func(in *laketest.Ingester) {
		in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.3"))
		in.Ingest(laketest.HourAt(in.TB, "2022-05-27T07"))
		upkeep.Daily(in)
		upkeep.Maintain(in, maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge, Grace: maintain.DefaultGrace,
			OpenDays: maintain.DefaultOpenDays})
	}},
	{"right again", 30*day + 2*time.Hour, func(in *laketest.Ingester) {
		in.Put("27T08/a.tsv", laketest.Sighting("27T08:10", "s1", "1.4"))
		in.Ingest(laketest.HourAt(in.TB, "2022-05-27T08"))
		upkeep.Daily(in)
		_, tags := laketest.Snapshots(in.TB, in.Lake, lake.GoldUsers)
		if len(tags) != 4 {
			in.TB.Errorf("tags of young hours are gone: %v", tags)
		}
	}},
	{"four days later", 34 * day, func(in *laketest.Ingester) {
		upkeep.Maintain(in, maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge, Grace: maintain.DefaultGrace,
			OpenDays: maintain.DefaultOpenDays})
		if _, tags := laketest.Snapshots(in.TB, in.Lake, lake.GoldUsers); len(tags) != 0 {
			in.TB.Errorf("tags are kept too long: %v", tags)
		}
	}},
}

// TestClocksOfMachines: whoever commits by a clock that is behind, or after one that was ahead, is neither refused nor
// taken for older. Each machine is a process: what libraries pool is not for use under another clock.
func TestClocksOfMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process for each clock")
	}
	if name := os.Getenv("VERSIONLAKE_CLOCK"); name != "" {
		synctest.Test(t, func(t *testing.T) { worksBy(t, name) })
		return
	}
	dir := t.TempDir()
	for _, machine := range machines {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClocksOfMachines$")
		command.Env = append(os.Environ(), "VERSIONLAKE_CLOCK="+machine.name, "VERSIONLAKE_CLOCK_DIR="+dir)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("by a clock that is %s: %s", machine.name, out)
		}
	}
}

func worksBy(t *testing.T, name string) {
	dir := os.Getenv("VERSIONLAKE_CLOCK_DIR")
	for _, machine := range machines {
		if machine.name != name {
			continue
		}
		time.Sleep(machine.after)
		l, err := lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + dir + "/catalog.db",
			Warehouse: "file://" + dir + "/warehouse", Buckets: 4})
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, "source"), 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		in := laketest.NewIngester(t, l, filepath.Join(dir, "source"))
		machine.works(in)
		if !strings.HasPrefix(name, "an hour") { // which leaves a run half-way
			checks.Verify(t, l)
		}
		inOrder(t, l)
	}
}

// inOrder: the times of a table's versions never go back, nor do the runs of an hour end before they began.
func inOrder(t *testing.T, l *lake.Lake) {
	t.Helper()
	for _, definition := range lake.TableDefinitions {
		loaded, err := l.Load(t.Context(), definition)
		if err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for entry := range loaded.Metadata().SnapshotLogs() {
			if entry.TimestampMs < last {
				t.Errorf("%s: snapshot %d is of before the one that it follows", definition.Name, entry.SnapshotID)
			}
			last = entry.TimestampMs
		}
		if updated := loaded.Metadata().LastUpdatedMillis(); updated < last {
			t.Errorf("%s was last changed at %d, and its newest version is of %d", definition.Name, updated, last)
		}
	}
	rows, err := ledger.Runs(t.Context(), l, laketest.HourAt(t, "2022-05-27T00"), laketest.HourAt(t, "2022-05-28T00"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.FinishedAt.Before(row.StartedAt) {
			t.Errorf("run %s of %s ended before it began", row.RunID, row.Hour)
		}
	}
}
