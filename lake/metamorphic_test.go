package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// smallWorld makes up the files of a few hours: few users, sessions and devices, so that everything meets everything.
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
				session := pick("s1", "s2", "s3", "s4")
				attributes := []string{}
				if r.IntN(4) == 0 {
					attributes = append(attributes, "UserId", pick("p1", "p2", "session:s1"))
				}
				if r.IntN(3) == 0 {
					attributes = append(attributes, "Device", pick("D1", "D2"))
				}
				line := ""
				switch r.IntN(10) {
				case 0:
					line = login(at, session, pick("p1", "p2", "p3"))
				case 1:
					line = deviceInfo(at, session, pick("D1", "D2"))
				case 2:
					line = event(at, session, "Other", attributes...)
				case 3:
					line = event(at, session, "Notification", append(attributes, "Target", "1.10", "Status", pick("Sent", "Shown", "Accepted", "Failed", "Odd"))...)
				case 4:
					line = event(at, session, "SessionEnd", append(attributes, "Duration", pick("0.5", "60", "-1", "x", "1e9"))...)
				case 5:
					line = event(at, session, pick("Issue", "Crash", "FeatureUsed", "Install"), append(attributes, "Feature", pick("f", "g"), "Code", "c")...)
				default:
					line = sighting(at, session, pick("1.0", "1.1", "1.10"), attributes...)
				}
				for range 1 + r.IntN(8)/7 {
					files[name] = append(files[name], line)
				}
			}
		}
	}
	return files
}

// TestAnyPlanGivesTheSameGold takes random worlds through random plans: hours in any order, runs repeated and given up, files
// taken away, changed and put back, silver compacted, the lake maintained, rounds of gold overtaken, processes begun anew.
// VERSIONLAKE_SEED repeats a run, VERSIONLAKE_PLANS says how many plans there are. A plan that fails is shrunk.
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
			steps := anySteps(r, world)
			plain, failure := attempt(t, func(t testing.TB) string { return inPlainOrder(t, world) })
			if failure != "" {
				t.Fatalf("the plain order: %s", failure)
			}
			if plain == "" {
				t.Skip("a world without a sighting")
			}
			run := func(steps []planStep) string {
				_, failure := attempt(t, func(t testing.TB) string { anyPlan(t, world, steps, plain); return "" })
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
			t.Errorf("VERSIONLAKE_SEED=%d VERSIONLAKE_PLANS=1\n%d steps are enough: %+v\nat first: %s\nthen: %s", seed, len(steps), steps, failure, run(steps))
		})
	}
}

// planStep is one step of a plan.
type planStep struct {
	do   string
	hour int    // of the five
	file string // of the world
	n    uint64
}

func anySteps(r *rand.Rand, world map[string][]string) (steps []planStep) {
	names := slices.Sorted(maps.Keys(world))
	order := r.Perm(5)
	for i := range 24 {
		step := planStep{hour: r.IntN(5), n: r.Uint64()}
		if i%4 == 0 && i/4 < len(order) {
			step.hour = order[i/4]
			step.do = "ingest"
		} else if step.do = []string{"ingest", "ingest", "spoil", "spoil", "mend", "die", "gold", "gold", "daily", "compact", "overtake", "reopen", "cancel", "maintain", "maintain", "together", "together"}[r.IntN(17)]; len(names) > 0 {
			step.file = names[r.IntN(len(names))]
		}
		steps = append(steps, step)
	}
	return steps
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
func (a *attempted) Error(args ...any)                 { a.Errorf("%s", fmt.Sprint(args...)) }
func (a *attempted) Fatalf(format string, args ...any) { a.Errorf(format, args...); panic(a) }
func (a *attempted) Fatal(args ...any)                 { a.Fatalf("%s", fmt.Sprint(args...)) }

// inPlainOrder ingests a world hour by hour, and returns all that bronze, silver and gold have; "" without a user.
func inPlainOrder(t testing.TB, world map[string][]string) string {
	in := newWorld(t)
	for name, lines := range world {
		in.put(name, lines...)
	}
	for hour := range telemetry.Hour(5) {
		in.silver(hourAt(t, "2022-05-27T04") + hour)
	}
	in.gold()
	if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) == 0 {
		return ""
	}
	in.daily()
	checkVerify(t, in.lake)
	return dumpAll(t, in.lake)
}

// dumpAll is every row of bronze, silver and gold.
func dumpAll(t testing.TB, l *Lake) string {
	return users(t, l, "") + dumpHours(t, l) + dump[versionDailyRow](t, l, goldVersionDaily) + dump[eventDailyRow](t, l, goldEventDaily)
}

// anyPlan takes a world through the steps of a plan, ends with all files as they should be, and wants what the plain order gave.
func anyPlan(t testing.TB, world map[string][]string, steps []planStep, plain string) {
	in := newWorld(t)
	for name, lines := range world {
		in.put(name, lines...)
	}
	spoilt := map[string]bool{}
	// Hours that a run left half-way are known by its snapshots. Once these are expired, verify rightly complains of them.
	half, complains := map[telemetry.Hour]bool{}, false
	verify := func() {
		if ids, _ := snapshots(t, in.lake, goldUsers); len(ids) > 0 && (len(half) == 0 || !complains) {
			checkVerify(t, in.lake)
		}
	}
	mend := func(name string) {
		in.put(name, world[name]...)
		delete(spoilt, name)
	}
	var waiting []Run
	gold := func() {
		commit := in.gold(waiting...)
		waiting = commit.Waiting
		if len(waiting) == 0 {
			verify()
		}
	}
	for _, step := range steps {
		r := rand.New(rand.NewPCG(step.n, 2))
		hour := hourAt(t, "2022-05-27T04") + telemetry.Hour(step.hour)
		in.chunkSize = []int64{64, 300, 1 << 20}[r.IntN(3)]
		switch step.do {
		case "ingest":
			run, _ := in.silver(hour)
			waiting = append(waiting, run)
			delete(half, hour)
		case "together": // some hours in one commit, which may die at first, and meet other runs of its hours
			var hours []telemetry.Hour
			for _, n := range r.Perm(5)[:1+r.IntN(5)] {
				hours = append(hours, hourAt(t, "2022-05-27T04")+telemetry.Hour(n))
			}
			slices.Sort(hours)
			staged := in.stageTogether(hours...)
			if r.IntN(2) == 0 {
				in.commitTablesOf(staged, hourTables[:1+r.IntN(len(hourTables))]...)
			}
			if r.IntN(2) == 0 {
				run, _ := in.silver(hour)
				waiting = append(waiting, run)
			}
			_, left, err := in.lake.CommitHours(t.Context(), staged)
			in.must(err)
			for _, run := range staged {
				delete(half, run.Run.Hour)
				if left[run.Run.Hour] == nil {
					waiting = append(waiting, run.Run)
					continue
				}
				if !errors.Is(left[run.Run.Hour], ErrConflict) {
					t.Errorf("left out: %v", left)
				}
				run, _ := in.silver(run.Run.Hour)
				waiting = append(waiting, run)
			}
		case "spoil":
			if step.file == "" || spoilt[step.file] {
				continue
			}
			spoilt[step.file] = true
			if r.IntN(2) == 0 {
				in.put(step.file)
			} else {
				in.put(step.file, smallWorldLines(r, world[step.file])...)
			}
		case "mend":
			if spoilt[step.file] {
				mend(step.file)
			}
		case "die": // a run that dies half-way and is given up: the next run of the hour finds what it left
			in.commitTables(in.stage(hour), hourTables[:1+r.IntN(len(hourTables))]...)
			half[hour], complains = true, complains && len(half) > 0
		case "cancel": // a run that is cancelled anywhere in its commit, and then finished
			staged := in.stage(hour)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(30))*time.Millisecond)
			_, _ = in.lake.CommitHour(ctx, staged.run, staged.plan, staged.chunks, staged.silver, time.Now())
			cancel()
			_, err := in.commitHour(staged)
			in.must(err)
			waiting = append(waiting, staged.run)
			delete(half, hour)
		case "gold":
			gold()
		case "daily":
			in.anyDaily(r)
			verify()
		case "overtake": // a round that another one overtakes
			plan, merged := in.mergeGold()
			before, _ := snapshots(t, in.lake, goldUsers)
			gold()
			after, _ := snapshots(t, in.lake, goldUsers)
			if _, err := in.lake.CommitUsers(t.Context(), plan, merged, nil); len(after) > len(before) && !errors.Is(err, ErrConflict) {
				t.Errorf("a round that was overtaken: %v", err)
			}
		case "compact":
			if ids, _ := snapshots(t, in.lake, silverSightings); len(ids) > 0 && len(rowsOf[sightingRow](t, in.lake, silverSightings)) > 0 {
				compact[sightingRow](t, in.lake, silverSightings)
			}
			if ids, _ := snapshots(t, in.lake, silverBindings); len(ids) > 0 && len(rowsOf[bindingRow](t, in.lake, silverBindings)) > 0 {
				compact[bindingRow](t, in.lake, silverBindings)
			}
		case "reopen": // another process goes on
			in = in.reopen()
		case "maintain": // all that need not be kept goes, and what a round has staged when it is overtaken
			plan, merged := in.mergeGold()
			in.maintain(Upkeep{OpenDays: r.IntN(2)}) // all hours are of one day
			complains = len(half) > 0
			if _, err := in.lake.CommitUsers(t.Context(), plan, merged, nil); !errors.Is(err, ErrConflict) {
				t.Errorf("a round whose staged work was swept: %v", err)
			}
		}
	}
	for name := range maps.Clone(spoilt) {
		mend(name)
	}
	for hour := range telemetry.Hour(5) {
		run, _ := in.silver(hourAt(t, "2022-05-27T04") + hour)
		waiting = append(waiting, run)
	}
	gold()
	if len(waiting) > 0 {
		t.Errorf("gold does not show %v", waiting)
	}
	in.daily()
	if got := dumpAll(t, in.lake); got != plain {
		t.Errorf("the tables are\n%s\nand in the plain order\n%s", got, plain)
	}
	checkGold(t, in)
	checkVerify(t, in.lake)
	checkVersions(t, in.lake)
	checkInstalledBase(t, in.lake)
}

// smallWorldLines spoils a file: a line goes, and another session's comes.
func smallWorldLines(r *rand.Rand, lines []string) []string {
	spoilt := slices.Delete(slices.Clone(lines), 0, r.IntN(2))
	return append(spoilt, sighting("27T05:55", "s1", "6.6"), login("27T03:00", "s2", "px"))
}

// checkVersions looks at every version of gold that a reader can name: one row a user, in order, each row consistent.
func checkVersions(t testing.TB, l *Lake) {
	t.Helper()
	versions, err := l.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		for _, name := range append(version.Tags, strconv.FormatInt(version.SnapshotID, 10)) {
			if at, err := l.Version(t.Context(), name); err != nil || at.SnapshotID != version.SnapshotID {
				t.Errorf("version %s is %+v, %v", name, at, err)
			}
		}
		last := ""
		for user, err := range l.Users(t.Context(), version) {
			if err != nil {
				t.Fatal(err)
			}
			if user.ID <= last {
				t.Errorf("version %+v: %q comes after %q", version, user.ID, last)
			}
			last = user.ID
			checkIntervals(t, user)
			if one, found, err := l.User(t.Context(), version, user.ID); err != nil || !found || marshal(t, one) != marshal(t, user) {
				t.Errorf("version %+v: user %q alone is %+v, %v, %v", version, user.ID, one, found, err)
			}
		}
	}
}

// checkIntervals: those of an installation do not overlap, are in order, and last at least a tick; the last is open.
func checkIntervals(t testing.TB, user history.User) {
	t.Helper()
	if len(user.History) == 0 {
		t.Errorf("user %q has no history", user.ID)
	}
	before := map[[2]string]history.Interval{}
	for _, i := range user.History {
		at := [2]string{i.Service, i.Device}
		// The last sighting may share the microsecond at which the next version begins: of two at one moment, the last counts.
		if b, ok := before[at]; ok && (b.Open || b.ValidTo != i.ValidFrom || b.Version == i.Version || b.LastSeenAt > i.ValidFrom) {
			t.Errorf("user %q: %+v is followed by %+v", user.ID, b, i)
		}
		if !i.Open && i.ValidTo <= i.ValidFrom || i.Sightings < 1 || i.LastSeenAt < i.ValidFrom {
			t.Errorf("user %q: interval %+v", user.ID, i)
		}
		before[at] = i
	}
	for _, i := range before {
		if !i.Open {
			t.Errorf("user %q: the last interval is closed: %+v", user.ID, i)
		}
	}
}
