package plantest_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// TestAnyPlanGivesTheSameGold takes random worlds through random plans: hours in any order, runs repeated, given up
// and killed at any call, faults of disk and source, files that go, are changed, torn or emptied, and come back,
// what is gone taken out, hours made again by layer, silver compacted, the lake maintained, rounds of gold
// overtaken, processes begun anew, a user forgotten in between. Every row of bronze, silver and gold must then be
// that of the plain order, and so must every answer of the views of trino/, which read these tables and ops.hours
// alone: asking Trino itself for each plan would take minutes. VERSIONLAKE_SEED repeats a run, VERSIONLAKE_PLANS
// says how many plans there are. A plan that fails is shrunk.
func TestAnyPlanGivesTheSameGold(t *testing.T) {
	number := func(variable string, otherwise uint64) uint64 {
		if text := os.Getenv(variable); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		return otherwise
	}
	plans := uint64(10)
	if testing.Short() {
		plans = 2
	}
	seed := number("VERSIONLAKE_SEED", rand.Uint64())
	for n := range number("VERSIONLAKE_PLANS", plans) {
		seed := seed + n
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			world := smallWorld(r)
			forget := r.IntN(2) == 0
			steps := anySteps(r, world, forget)
			most := 1 + r.IntN(12) // half of the worlds have users with more intervals
			plain, failure := attempt(t, func(t testing.TB) string { return inPlainOrder(t, world, forget, most) })
			if failure != "" {
				t.Fatalf("the plain order: %s", failure)
			}
			if plain == "" {
				t.Skip("a world without a sighting")
			}
			run := func(steps []PlanStep) string {
				_, failure := attempt(t,
					func(t testing.TB) string { anyPlan(t, world, steps, forget, most, plain); return "" })
				return failure
			}
			failure = run(steps)
			if failure == "" {
				return
			}
			// Steps go as long as it fails without them.
			for at := len(steps) - 1; at >= 0; at-- {
				if less := slices.Delete(slices.Clone(steps), at, at+1); run(less) != "" {
					steps = less
				}
			}
			t.Errorf("VERSIONLAKE_SEED=%d VERSIONLAKE_PLANS=1\n%d steps are enough: %+v\nat first: %s\nthen: %s",
				seed, len(steps), steps, failure, run(steps))
		})
	}
}

// attempt runs a test that may fail without failing the test it is part of.
func attempt(t *testing.T, run func(testing.TB) string) (result, failure string) {
	a := &attempted{TB: t}
	defer func() {
		failure = a.failure
		if r := recover(); r != nil && r != any(a) {
			panic(r)
		}
	}()
	return run(a), ""
}

// attempted keeps the first failure for itself.
type attempted struct {
	testing.TB
	failure string
}

func (a *attempted) Errorf(format string, args ...any) {
	if a.failure == "" {
		a.failure = fmt.Sprintf(format, args...)
	}
}

func (a *attempted) Error(args ...any) { a.Errorf("%s", fmt.Sprint(args...)) }

func (a *attempted) Fatalf(format string, args ...any) { a.Errorf(format, args...); panic(a) }

func (a *attempted) Fatal(args ...any) { a.Fatalf("%s", fmt.Sprint(args...)) }

// inPlainOrder ingests a world hour by hour, and returns all that bronze, silver and gold have; "" without a user.
func inPlainOrder(t testing.TB, world map[string][]string, forget bool, most int) string {
	in := laketest.NewWorld(t)
	holdAtMost(in, most)
	for name, lines := range world {
		in.Put(name, lines...)
	}
	for hour := range telemetry.Hour(5) {
		in.Silver(laketest.HourAt(t, "2022-05-27T04") + hour)
	}
	in.Gold()
	if ids, _ := laketest.Snapshots(t, in.Lake, lake.GoldUsers); len(ids) == 0 {
		return ""
	}
	if forget {
		forgetting.Forget(in, laketest.Gone)
	}
	upkeep.Daily(in)
	checks.Verify(t, in.Lake)
	return laketest.DumpAll(t, in.Lake)
}

// Everything is as large as what does not fit into memory, and the smallest files are read along with others, but not
// many.
func init() {
	objects.LargeSection, objects.SortBytes = 0, 256
	sessions.LeastAlong, sessions.MostAlong = 0, 3
}

// holdAtMost lets rows of gold.users hold so many intervals, from the next round on.
func holdAtMost(in *laketest.Ingester, most int) {
	in.TB.Helper()
	in.Do(func() error {
		return ledger.KeepSettings(in.TB.Context(), in.Lake,
			map[string]string{ledger.SettingMaxIntervals: strconv.Itoa(most)})
	})
}

// anyPlan takes a world through the steps of a plan, ends with all files as they should be, and wants what the
// plain order gave.
func anyPlan(t testing.TB, world map[string][]string, steps []PlanStep, forget bool, most int, plain string) {
	p := &PlanRun{In: laketest.NewWorld(t), World: world, Spoilt: map[string]bool{},
		Lost: map[telemetry.Hour]bool{}, Truth: NewTruth(forget)}
	holdAtMost(p.In, most)
	for name, lines := range world {
		p.In.Put(name, lines...)
	}
	for _, step := range steps {
		p.Take(t, step)
	}
	p.Truth.Check(t, p)
	holdAtMost(p.In, most)
	for name := range maps.Clone(p.Spoilt) {
		p.Mend(name)
	}
	if forget {
		p.Forget()
	}
	// Once more for as long as hours bring to light what sessions of the forgotten one said.
	for more := true; more; {
		known, err := forgotten.ErasuresAt(t.Context(), p.In.Lake)
		p.In.Must(err)
		for hour := range telemetry.Hour(5) {
			p.Ingest(p.Hour(int(hour)))
		}
		p.ForgetLate()
		now, err := forgotten.ErasuresAt(t.Context(), p.In.Lake)
		p.In.Must(err)
		more = now != known
	}
	p.Gold()
	p.Verify(t)
	if len(p.Waiting) > 0 {
		t.Errorf("gold does not show %v", p.Waiting)
	}
	upkeep.Daily(p.In)
	if got := laketest.DumpAll(t, p.In.Lake); got != plain {
		t.Errorf("the tables are\n%s\nand in the plain order\n%s", got, plain)
	}
	if got, want := laketest.UsersNow(t, p.In.Lake), checks.Naive(t, p.In.Lake); got != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", got, want)
	}
	if forget {
		if found := forgetting.Remains(p.In, laketest.Gone); len(found) > 0 {
			t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
		}
	} else {
		checks.Gold(t, p.In)
	}
	checks.Verify(t, p.In.Lake)
	checks.Versions(t, p.In.Lake)
	checks.InstalledBase(t, p.In.Lake)
}
