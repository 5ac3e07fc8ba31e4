package repair_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/repair"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// world is a lake whose tables all have rows.
func world(t *testing.T) *laketest.Ingester {
	in := laketest.PlantedWorld(t)
	upkeep.Daily(in)
	return in
}

// steps do the work of a repair in this process.
type steps struct{ *laketest.Ingester }

func (s steps) Hour(ctx context.Context, hour telemetry.Hour, fromBronze, removeGone bool) (err error) {
	s.RemoveGone = removeGone
	defer func() { s.RemoveGone = false }()
	run := lake.Run{Hour: hour, ID: s.NewRun()}
	var staged laketest.StagedHour
	if fromBronze {
		staged, err = s.TryStageSilver(run, telemetry.Options{})
	} else {
		staged, err = s.TryStage(run)
	}
	if err != nil {
		return err
	}
	staged.Plan.Check = true
	_, err = commit.Hour(ctx, s.Lake, staged.Ready())
	return err
}

func (s steps) Gold(_ context.Context, all bool) error {
	plan, merged := s.MergeScope(gold.Scope{Remake: gold.Remake{All: all}})
	s.CommitGold(plan, merged)
	return nil
}

func (s steps) Follow(context.Context) error {
	upkeep.Daily(s.Ingester)
	return nil
}

// verified is what verify says, and what it looked at.
func verified(t *testing.T, in *laketest.Ingester) (found []verify.Difference, checked verify.Verified) {
	t.Helper()
	checked, err := verify.Run(t.Context(), in.Lake, verify.Options{}, func(d verify.Difference) error {
		found = append(found, d)
		return nil
	})
	in.Must(err)
	return found, checked
}

// repaired repairs a lake by what verify says, until it has nothing more to say.
func repaired(t *testing.T, in *laketest.Ingester, accept bool) (last repair.Mended) {
	t.Helper()
	options := repair.Options{AcceptLoss: accept, Tell: func(format string, args ...any) {
		t.Logf(format, args...)
	}}
	for range 5 {
		found, _ := verified(t, in)
		if len(found) == 0 {
			in.Must(steps{in}.Gold(t.Context(), false))
			upkeep.Daily(in)
			return last
		}
		var err error
		last, err = repair.Mend(t.Context(), in.Lake, found, steps{in}, options)
		in.Must(err)
		if len(last.Lost)+len(last.Left) > 0 && !accept {
			return last
		}
	}
	return last
}

// answers is what the lake says of everybody.
func answers(t *testing.T, in *laketest.Ingester) string {
	t.Helper()
	text, err := json.Marshal([]any{laketest.RowsOf[lake.UserRow](t, in.Lake, lake.GoldUsers),
		laketest.RowsOf[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily)})
	in.Must(err)
	return string(text)
}

// object is something that a lake consists of.
type object struct {
	name string
	path func(t *testing.T, in *laketest.Ingester) string
}

// objects are one of each kind.
func objects() (all []object) {
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents,
		lake.SilverSightings, lake.SilverBindings, lake.GoldUsers, lake.GoldVersions, lake.GoldEvents,
		lake.GoldVersionDaily, lake.GoldEventDaily, lake.OpsHours, lake.OpsFiles} {
		all = append(all, object{definition.Name + " data file", func(t *testing.T, in *laketest.Ingester) string {
			loaded, err := in.Lake.Load(t.Context(), definition)
			in.Must(err)
			live, err := lake.LiveFiles(t.Context(), loaded)
			in.Must(err)
			paths := make([]string, len(live))
			for i, file := range live {
				paths[i] = file.FilePath()
			}
			slices.Sort(paths)
			return paths[0]
		}})
	}
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.SilverSightings, lake.GoldUsers,
		lake.OpsHours, lake.OpsFiles} {
		all = append(all, object{definition.Name + " metadata", func(t *testing.T, in *laketest.Ingester) string {
			location, _, err := in.Lake.Catalog.Locations(t.Context(), definition.Identifier())
			in.Must(err)
			return location
		}}, object{definition.Name + " manifest list", func(t *testing.T, in *laketest.Ingester) string {
			loaded, err := in.Lake.Load(t.Context(), definition)
			in.Must(err)
			return loaded.CurrentSnapshot().ManifestList
		}}, object{definition.Name + " manifest", func(t *testing.T, in *laketest.Ingester) string {
			loaded, err := in.Lake.Load(t.Context(), definition)
			in.Must(err)
			manifests, err := loaded.CurrentSnapshot().Manifests(in.Lake.Objects.IO)
			in.Must(err)
			return manifests[len(manifests)-1].FilePath()
		}})
	}
	return all
}

// flip turns one bit of a file.
func flip(t *testing.T, path string, bit int64) {
	t.Helper()
	contents, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	contents[bit/8] ^= 1 << (bit % 8)
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRepairs damages one object of each kind after the other in every way: verify says so, and what it asks for mends
// it, so that the lake answers as before.
func TestRepairs(t *testing.T) {
	in := world(t)
	want := answers(t, in)
	for n, object := range objects() {
		for i, damage := range []struct {
			name string
			do   func(path string) error
		}{
			{"removed", os.Remove},
			{"truncated", func(path string) error { return os.Truncate(path, 100) }},
			{"flipped", func(path string) error {
				info, err := os.Stat(path)
				if err == nil {
					flip(t, path, info.Size()*4)
				}
				return err
			}},
		} {
			if testing.Short() && (n+i)%9 != 0 {
				continue
			}
			if !t.Run(object.name+" "+damage.name, func(t *testing.T) {
				path := object.path(t, in)
				in.Must(damage.do(in.Lake.Objects.LocalPath(path)))
				found, checked := verified(t, in)
				if checked.Unreadable == 0 || !slices.ContainsFunc(found,
					func(d verify.Difference) bool { return d.Object == path }) {
					t.Fatalf("nothing says that %s is %s: %v", path, damage.name, found)
				}
				if last := repaired(t, in, false); len(last.Lost)+len(last.Left) > 0 {
					t.Fatalf("left %+v", last)
				}
				if found, _ := verified(t, in); len(found) > 0 {
					t.Fatalf("verify says, after the repair: %+v", found)
				}
				if is := answers(t, in); is != want {
					t.Errorf("the lake says\n%s\nand said\n%s", is, want)
				}
			}) {
				return
			}
		}
	}
}

// TestFlips turns bits at random: each is found, or changes nothing that anybody can see.
func TestFlips(t *testing.T) {
	in := world(t)
	want := answers(t, in)
	_, sound := verified(t, in)
	seeds := 50
	if testing.Short() {
		seeds = 1
	}
	for _, object := range objects() {
		path := in.Lake.Objects.LocalPath(object.path(t, in))
		info, err := os.Stat(path)
		in.Must(err)
		for seed := range seeds {
			bit := rand.New(rand.NewPCG(uint64(seed), 15)).Int64N(info.Size() * 8)
			flip(t, path, bit)
			_, checked := verified(t, in)
			if checked.Unreadable == 0 && (fmt.Sprint(checked) != fmt.Sprint(sound) || answers(t, in) != want) {
				t.Errorf("bit %d of %s (seed %d): not found, and verify looked at %+v", bit, object.name, seed, checked)
			}
			flip(t, path, bit)
		}
	}
}

// TestPlainIngestMends: what is missing or cut is written again by the run of the hour that the docs name as the cure.
func TestPlainIngestMends(t *testing.T) {
	in := world(t)
	for _, object := range objects()[:5] { // those that a run replaces
		path := object.path(t, in)
		in.Must(os.Truncate(in.Lake.Objects.LocalPath(path), 50))
		found, _ := verified(t, in)
		in.Ingest(laketest.HourAt(t, found[0].Hour))
		upkeep.Daily(in)
		if found, _ := verified(t, in); len(found) > 0 {
			t.Errorf("%s: after the hour was ingested again, verify says %+v", object.name, found)
		}
	}
}

// TestDayFile: a file that holds a day is gone. The hours of the day come back one by one, and gold waits for the last.
func TestDayFile(t *testing.T) {
	in := laketest.NewWorld(t)
	for _, at := range []string{"24T05", "24T06", "25T05", "26T05", "27T05"} {
		in.ManyChunks(at, 2)
		in.Ingest(laketest.HourAt(t, "2022-05-"+at))
	}
	upkeep.Daily(in)
	upkeep.Maintain(in, maintain.Upkeep{OpenDays: 1, SnapshotAge: maintain.DefaultSnapshotAge})
	want := answers(t, in)
	object := objects()[3]
	path := object.path(t, in)
	if !lake.IsCompacted(path) {
		t.Fatalf("%s is no file of a day", path)
	}
	in.Must(os.Remove(in.Lake.Objects.LocalPath(path)))

	in.Must(steps{in}.Hour(t.Context(), laketest.HourAt(t, "2022-05-24T05"), true, false))
	if _, half, err := gold.Behind(t.Context(), in.Lake); err != nil || !slices.Contains(half, "2022-05-24T06") {
		t.Errorf("gold waits for %q, %v", half, err)
	}
	in.Must(steps{in}.Hour(t.Context(), laketest.HourAt(t, "2022-05-24T06"), true, false))
	repaired(t, in, false)
	if found, checked := verified(t, in); len(found) > 0 {
		t.Errorf("verify says %+v, %+v", found, checked)
	}
	if is := answers(t, in); is != want {
		t.Errorf("the lake says\n%s\nand said\n%s", is, want)
	}
}

// TestLost: what is gone with its source is told, by hour and count, and goes only when somebody accepts that.
func TestLost(t *testing.T) {
	in := world(t)
	path := objects()[0].path(t, in)
	in.Must(os.Remove(in.Lake.Objects.LocalPath(path)))
	in.Put("27T05/a.tsv")
	before := answers(t, in)

	last := repaired(t, in, false)
	if len(last.Lost) != 1 || last.Lost[0].Hour != "2022-05-27T05" || last.Lost[0].Events == 0 {
		t.Fatalf("lost %+v", last)
	}
	if is := answers(t, in); is != before {
		t.Error("the lake answers otherwise, though nobody accepted that")
	}
	repaired(t, in, true)
	if found, _ := verified(t, in); len(found) > 0 {
		t.Errorf("verify says %+v", found)
	}
	if files, err := ledger.Files(t.Context(), in.Lake, laketest.HourAt(t, "2022-05-27T05")); err != nil ||
		!slices.ContainsFunc(files, func(file ledger.File) bool { return file.State == ledger.FileRemoved }) {
		t.Errorf("files %+v, %v", files, err)
	}
}

// TestBronzeIsChecked: nothing is made from a file of bronze that is not what was written.
func TestBronzeIsChecked(t *testing.T) {
	in := world(t)
	path := in.Lake.Objects.LocalPath(objects()[0].path(t, in))
	flip(t, path, 8*40)
	err := steps{in}.Hour(t.Context(), laketest.HourAt(t, "2022-05-27T05"), true, false)
	if err == nil || !strings.Contains(err.Error(), "is not what was written") {
		t.Errorf("silver was made from a damaged file: %v", err)
	}
}

// TestAnotherEngine: what another engine did to gold, rows deleted beside their files, is said, planned anew and
// survived.
func TestAnotherEngine(t *testing.T) {
	in := world(t)
	want := answers(t, in)
	deleteRow := func() {
		loaded, err := in.Lake.Load(t.Context(), lake.GoldUsers)
		in.Must(err)
		_, err = loaded.Delete(t.Context(), iceberg.EqualTo(iceberg.Reference("user_id"), "p1"), nil)
		in.Must(err)
	}
	in.Must(in.Lake.Commit(t.Context(), lake.GoldUsers, func(loaded *table.Table) (*lake.Change, error) {
		return lake.MetadataChange(loaded,
			iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead}), nil
	}))
	deleteRow()
	if found, _ := verified(t, in); len(found) != 1 || !strings.Contains(found[0].Text, "another engine deleted rows") {
		t.Errorf("verify says %+v", found)
	}
	// The next hour plans gold anew by itself.
	plan, merged := in.MergeGold()
	if !plan.Rebuild || !strings.Contains(plan.Why, "does not go back to a commit of versionlake") {
		t.Errorf("the plan is %+v", plan)
	}
	in.CommitGold(plan, merged)
	upkeep.Daily(in)
	if found, _ := verified(t, in); len(found) > 0 {
		t.Errorf("verify says %+v", found)
	}
	if is := answers(t, in); is != want {
		t.Errorf("the lake says\n%s\nand said\n%s", is, want)
	}
	// And so does a repair.
	deleteRow()
	repaired(t, in, false)
	if found, _ := verified(t, in); len(found) > 0 {
		t.Errorf("verify says %+v", found)
	}
}
