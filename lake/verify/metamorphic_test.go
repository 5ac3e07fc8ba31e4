package verify_test

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
	"github.com/versionlake/versionlake/telemetry"
)

// smallWorld makes up the files of a few hours: few users, sessions and devices, so that everything meets
// everything. One of the users is to be forgotten, and is in three of the sessions.
func smallWorld(r *rand.Rand) map[string][]string {
	files := map[string][]string{}
	pick := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	for hour := range 5 {
		for file := range r.IntN(3) {
			name := fmt.Sprintf("27T%02d/%c.tsv", 4+hour, 'a'+file)
			for range 1 + r.IntN(6) {
				// Late by up to three hours, early by one, now and then a day off: across the window's edge.
				day, clock := 27, (4+hour)*60+r.IntN(60)-r.IntN(4)*60+r.IntN(2)*60
				if r.IntN(8) == 0 {
					day--
				}
				at := fmt.Sprintf("%dT%02d:%02d", day, clock/60, clock%60)
				session := pick("s1", "s2", "s3", "s4", laketest.GoneSession)
				named := func(others ...string) string {
					if session != "s1" && session != "s2" && r.IntN(2) == 0 {
						return pick(laketest.Gone, `\u0070layer-7f3a91c0`)
					}
					return pick(others...)
				}
				attributes := []string{}
				if r.IntN(4) == 0 {
					attributes = append(attributes, "UserId", named("p1", "p2", "session:s1"))
				}
				if r.IntN(3) == 0 {
					attributes = append(attributes, "Device", pick("D1", "D2"))
				}
				line := ""
				switch r.IntN(14) {
				case 11:
					line = laketest.LoginOfNobody(at, session)
				case 12:
					if line = laketest.Logout(at, session); r.IntN(2) == 0 {
						line = laketest.Logout(at, session, "UserId", named("p1", "p2", "p3"))
					}
				case 13: // without a session
					if line = laketest.Sighting(at, pick("null", "N/A"), pick("1.0", "1.1"),
						attributes...); r.IntN(2) == 0 {
						line = laketest.Event(at, "none", pick("Login", "Notification", "DeviceInfo", "Logout"),
							"UserId", pick("p1", laketest.Gone), "Device", "D1")
					}
				case 0:
					line = laketest.Login(at, session, named("p1", "p2", "p3"))
				case 1:
					line = laketest.DeviceInfo(at, session, pick("D1", "D2"))
				case 2:
					line = laketest.Event(at, session, "Other", attributes...)
				case 3:
					line = laketest.Event(at, session, "Notification",
						append(attributes, "Target", "1.10",
							"Status", pick("Sent", "Shown", "Accepted", "Failed", "Odd"))...)
				case 4:
					line = laketest.Event(at, session, "SessionEnd",
						append(attributes, "Duration", pick("0.5", "60", "-1", "x", "1e9"))...)
				case 5:
					line = laketest.Event(at, session, pick("Issue", "Crash", "FeatureUsed", "Install"),
						append(attributes, "Feature", pick("f", "g"), "Code", "c", "Message",
							"of "+pick(laketest.Gone, laketest.GoneSession, "p1"))...)
				case 6:
					line = "broken, of " + pick(laketest.Gone, laketest.GoneSession, "s1")
				default:
					line = laketest.Sighting(at, session, pick("1.0", "1.1", "1.10"), attributes...)
				}
				for range 1 + r.IntN(8)/7 {
					files[name] = append(files[name], line)
				}
			}
		}
	}
	return files
}

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
			plain, failure := attempt(t, func(t testing.TB) string { return inPlainOrder(t, world, forget) })
			if failure != "" {
				t.Fatalf("the plain order: %s", failure)
			}
			if plain == "" {
				t.Skip("a world without a sighting")
			}
			run := func(steps []laketest.PlanStep) string {
				_, failure := attempt(t,
					func(t testing.TB) string { anyPlan(t, world, steps, forget, plain); return "" })
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
func inPlainOrder(t testing.TB, world map[string][]string, forget bool) string {
	in := laketest.NewWorld(t)
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
		in.Forget(laketest.Gone)
	}
	in.Daily()
	laketest.CheckVerify(t, in.Lake)
	return laketest.DumpAll(t, in.Lake)
}

// anyPlan takes a world through the steps of a plan, ends with all files as they should be, and wants what the
// plain order gave.
func anyPlan(t testing.TB, world map[string][]string, steps []laketest.PlanStep, forget bool, plain string) {
	p := &laketest.PlanRun{In: laketest.NewWorld(t), World: world, Spoilt: map[string]bool{},
		Lost: map[telemetry.Hour]bool{}, Truth: laketest.NewTruth(forget)}
	for name, lines := range world {
		p.In.Put(name, lines...)
	}
	for _, step := range steps {
		p.Take(t, step)
	}
	p.Truth.Check(t, p)
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
	p.In.Daily()
	if got := laketest.DumpAll(t, p.In.Lake); got != plain {
		t.Errorf("the tables are\n%s\nand in the plain order\n%s", got, plain)
	}
	if got, want := laketest.UsersNow(t, p.In.Lake), laketest.Naive(t, p.In.Lake); got != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", got, want)
	}
	if forget {
		if found := p.In.Remains(laketest.Gone); len(found) > 0 {
			t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
		}
	} else {
		laketest.CheckGold(t, p.In)
	}
	laketest.CheckVerify(t, p.In.Lake)
	laketest.CheckVersions(t, p.In.Lake)
	laketest.CheckInstalledBase(t, p.In.Lake)
}
