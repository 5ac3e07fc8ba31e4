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
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// smallWorld makes up the files of a few hours: few users, sessions and devices, so that everything meets everything. One of
// the users is to be forgotten, and is in three of the sessions.
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
				session := pick("s1", "s2", "s3", "s4", goneSession)
				named := func(others ...string) string {
					if session != "s1" && session != "s2" && r.IntN(2) == 0 {
						return pick(gone, `\u0070layer-7f3a91c0`)
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
				switch r.IntN(11) {
				case 0:
					line = login(at, session, named("p1", "p2", "p3"))
				case 1:
					line = deviceInfo(at, session, pick("D1", "D2"))
				case 2:
					line = event(at, session, "Other", attributes...)
				case 3:
					line = event(at, session, "Notification", append(attributes, "Target", "1.10", "Status", pick("Sent", "Shown", "Accepted", "Failed", "Odd"))...)
				case 4:
					line = event(at, session, "SessionEnd", append(attributes, "Duration", pick("0.5", "60", "-1", "x", "1e9"))...)
				case 5:
					line = event(at, session, pick("Issue", "Crash", "FeatureUsed", "Install"), append(attributes, "Feature", pick("f", "g"), "Code", "c", "Message", "of "+pick(gone, goneSession, "p1"))...)
				case 6:
					line = "broken, of " + pick(gone, goneSession, "s1")
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

// TestAnyPlanGivesTheSameGold takes random worlds through random plans: hours in any order, runs repeated, given up and killed at
// any call, faults of disk and source, files taken away, changed and put back, hours made again by layer, silver compacted, the lake
// maintained, rounds of gold overtaken, processes begun anew, a user forgotten in between. Every row of bronze, silver and gold must
// then be that of the plain order, and so must every answer of the views of trino/, which read these tables and ops.hours alone:
// asking Trino itself for each plan would take minutes. VERSIONLAKE_SEED repeats a run, VERSIONLAKE_PLANS says how many plans
// there are. A plan that fails is shrunk.
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
			run := func(steps []planStep) string {
				_, failure := attempt(t, func(t testing.TB) string { anyPlan(t, world, steps, forget, plain); return "" })
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
	how  string // "": it goes well; killed: its process dies in it, after n calls; faults: of disk and source befall it
	hour int    // of the five
	file string // of the world
	n    uint64
}

func anySteps(r *rand.Rand, world map[string][]string, forget bool) (steps []planStep) {
	names := slices.Sorted(maps.Keys(world))
	order := r.Perm(5)
	kinds := []string{"ingest", "ingest", "spoil", "spoil", "mend", "die", "gold", "gold", "daily", "compact", "overtake", "reopen", "maintain", "together",
		"together", "silver", "users"}
	if forget {
		kinds = append(kinds, "forget", "forget")
	}
	for i := range 16 {
		step := planStep{hour: r.IntN(5), n: r.Uint64(), how: []string{"", "", "", "killed", "faults"}[r.IntN(5)]}
		if i%3 == 0 && i/3 < len(order) {
			step.hour, step.how = order[i/3], ""
			step.do = "ingest"
		} else if step.do = kinds[r.IntN(len(kinds))]; len(names) > 0 {
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
func inPlainOrder(t testing.TB, world map[string][]string, forget bool) string {
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
	if forget {
		in.forget(gone)
	}
	in.daily()
	checkVerify(t, in.lake)
	return dumpAll(t, in.lake)
}

// dumpAll is every row of bronze, silver and gold.
func dumpAll(t testing.TB, l *Lake) string {
	return usersNow(t, l) + dumpHours(t, l) + dump[versionDailyRow](t, l, goldVersionDaily) + dump[eventDailyRow](t, l, goldEventDaily)
}

// usersNow is gold; empty where nobody has come into it yet.
func usersNow(t testing.TB, l *Lake) string {
	t.Helper()
	if ids, _ := snapshots(t, l, goldUsers); len(ids) == 0 {
		return ""
	}
	return users(t, l, "")
}

// anyPlan takes a world through the steps of a plan, ends with all files as they should be, and wants what the plain order gave.
func anyPlan(t testing.TB, world map[string][]string, steps []planStep, forget bool, plain string) {
	p := &planRun{in: newWorld(t), world: world, spoilt: map[string]bool{}, lost: map[telemetry.Hour]bool{}}
	for name, lines := range world {
		p.in.put(name, lines...)
	}
	for _, step := range steps {
		p.take(t, step)
	}
	for name := range maps.Clone(p.spoilt) {
		p.mend(name)
	}
	if forget {
		p.forget()
	}
	// Once more for as long as hours bring to light what sessions of the forgotten one said.
	for more := true; more; {
		known, err := p.in.lake.erasuresAt(t.Context())
		p.in.must(err)
		for hour := range telemetry.Hour(5) {
			p.ingest(p.hour(int(hour)))
		}
		p.forgetLate()
		now, err := p.in.lake.erasuresAt(t.Context())
		p.in.must(err)
		more = now != known
	}
	p.gold()
	p.verify(t)
	if len(p.waiting) > 0 {
		t.Errorf("gold does not show %v", p.waiting)
	}
	p.in.daily()
	if got := dumpAll(t, p.in.lake); got != plain {
		t.Errorf("the tables are\n%s\nand in the plain order\n%s", got, plain)
	}
	if got, want := usersNow(t, p.in.lake), naive(t, p.in.lake); got != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", got, want)
	}
	if forget {
		if found := p.in.remains(gone); len(found) > 0 {
			t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
		}
	} else {
		checkGold(t, p.in)
	}
	checkVerify(t, p.in.lake)
	checkVersions(t, p.in.lake)
	checkInstalledBase(t, p.in.lake)
}

// planRun is a lake on its way through a plan.
type planRun struct {
	in      *ingester
	world   map[string][]string
	spoilt  map[string]bool
	waiting []Run    // that gold was not seen to show
	late    []string // erasures of which hours brought new sessions
	// lost are hours that a run left half-way, whose snapshots, by which verify knows them, were expired since. Of these it rightly
	// complains, until the hour is ingested.
	lost map[telemetry.Hour]bool
}

func (p *planRun) hour(n int) telemetry.Hour {
	return hourAt(p.in.tb, "2022-05-27T04") + telemetry.Hour(n)
}

// take takes a step. One whose process dies is not taken again; the next one finds what it left.
func (p *planRun) take(t testing.TB, step planStep) {
	if step.do == "maintain" {
		for hour := range p.half() {
			p.lost[hour] = true
		}
	}
	if step.how == "" {
		p.do(step)
	} else {
		p.befallen(t, step)
	}
	p.forgetLate()
	if step.do == "gold" || step.do == "daily" || step.do == "overtake" {
		p.verify(t)
	}
}

// befallen takes a step in a process that faults befall, or that dies.
func (p *planRun) befallen(t testing.TB, step planStep) {
	sound, before := p.in, *p
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := rand.New(rand.NewPCG(step.n, 3))
	befalls := &faults{random: r, die: cancel}
	in := *sound
	process := &mortal{TB: t, ctx: ctx}
	in.tb, in.source = process, faultySource{sound.source, befalls}
	if step.how == "killed" {
		befalls.left = 1 + r.IntN(1<<(2+r.IntN(9)))
	} else {
		befalls.share = 30
		in.failed = func(err error) {
			if process.failures++; process.failures > 200 || errors.Is(err, ErrConflict) {
				process.Fatal(err)
			}
		}
	}
	root := strings.TrimPrefix(sound.lake.config.Warehouse, "file://")
	faultsBelow.Store(root, befalls)
	p.in = &in
	ended := process.outlives(func() { p.do(step) })
	faultsBelow.Delete(root)
	if !ended {
		p.waiting = before.waiting
		in.tb = t
		p.in = in.reopen()
	}
	p.in.tb, p.in.source, p.in.failed = t, sound.source, nil
}

// mortal is the testing.TB of a process that may die: a failure ends the process, not the test.
type mortal struct {
	testing.TB
	ctx      context.Context
	failures int
}

func (m *mortal) Context() context.Context { return m.ctx }
func (m *mortal) Errorf(string, ...any)    {}
func (m *mortal) Error(...any)             {}
func (m *mortal) Fatalf(string, ...any)    { panic(m) }
func (m *mortal) Fatal(...any)             { panic(m) }
func (m *mortal) outlives(step func()) (ended bool) {
	defer func() {
		if r := recover(); r != nil && r != any(m) {
			panic(r)
		}
	}()
	step()
	return m.ctx.Err() == nil
}

// half are the hours whose newest run did not end, as far as snapshots tell.
func (p *planRun) half() map[telemetry.Hour]time.Time {
	v := &verifier{lake: p.in.lake, options: VerifyOptions{From: -1 << 31, To: 1<<31 - 1}}
	p.in.must(v.load(p.in.tb.Context()))
	return v.unsettled()
}

// verify wants no difference, unless an hour is lost, or an erasure is half-way.
func (p *planRun) verify(t testing.TB) {
	t.Helper()
	erasures, err := p.in.lake.Erasures(t.Context())
	p.in.must(err)
	begun := slices.ContainsFunc(erasures, func(e Erasure) bool { return e.State != ErasureDone })
	if ids, _ := snapshots(t, p.in.lake, goldUsers); len(ids) > 0 && len(p.lost) == 0 && !begun {
		checkVerify(t, p.in.lake)
	}
}

func (p *planRun) mend(name string) {
	p.in.put(name, p.world[name]...)
	delete(p.spoilt, name)
}

// ingest takes an hour as far as the ledger, anew whenever a user was forgotten meanwhile.
func (p *planRun) ingest(hour telemetry.Hour) {
	p.in.tb.Helper()
	for range 5 {
		s, err := p.in.tryStage(Run{Hour: hour, ID: p.in.newRun()})
		p.noteLate(s.chunks)
		if err == nil {
			err = p.in.try(func() error { _, err := p.in.commitHour(s); return err })
		}
		p.in.do(func() error { return p.in.lake.DropStaging(p.in.tb.Context(), s.run) })
		if errors.Is(err, ErrStale) {
			continue
		}
		p.in.must(err)
		p.ended(s.run)
		return
	}
	p.in.tb.Fatalf("hour %s never ends", hour)
}

func (p *planRun) ended(run Run) {
	p.waiting = append(slices.Clip(p.waiting), run)
	delete(p.lost, run.Hour)
}

func (p *planRun) noteLate(chunks []StagedChunk) {
	for _, chunk := range chunks {
		p.late = append(p.late, chunk.Late...)
	}
}

// forget forgets the user, as far as the process gets.
func (p *planRun) forget() {
	p.in.tb.Helper()
	var erasure string
	p.in.do(func() (err error) { erasure, err = p.in.lake.BeginForget(p.in.tb.Context(), gone); return err })
	_, err := p.in.forgetLikeWorkflow(erasure)
	p.in.must(err)
}

// forgetLate is what an hour's workflow asks for when it brought new sessions.
func (p *planRun) forgetLate() {
	if len(p.late) > 0 {
		p.late = nil
		p.forget()
	}
}

func (p *planRun) gold() {
	p.waiting = p.in.gold(p.waiting...).Waiting
}

func (p *planRun) do(step planStep) {
	in, r := p.in, rand.New(rand.NewPCG(step.n, 2))
	ctx, hour := in.tb.Context(), p.hour(step.hour)
	in.chunkSize = []int64{64, 300, 1 << 20}[r.IntN(3)]
	switch step.do {
	case "ingest":
		p.ingest(hour)
	case "together":
		p.together(hour, r)
	case "spoil":
		if step.file == "" || p.spoilt[step.file] {
			return
		}
		p.spoilt[step.file] = true
		if r.IntN(2) == 0 {
			in.put(step.file)
		} else {
			in.put(step.file, smallWorldLines(r, p.world[step.file])...)
		}
	case "mend":
		if p.spoilt[step.file] {
			p.mend(step.file)
		}
	case "die": // a run that dies half-way and is given up: the next run of the hour finds what it left
		s, err := in.tryStage(Run{Hour: hour, ID: in.newRun()})
		p.noteLate(s.chunks)
		if err == nil {
			err = in.tryCommitTables([]StagedHour{s.ready()}, hourTables[:1+r.IntN(len(hourTables))]...)
		}
		if !errors.Is(err, ErrStale) {
			in.must(err)
		}
	case "silver": // from bronze, of a range of hours
		for n := step.hour; n <= min(step.hour+r.IntN(3), 4); n++ {
			run, _, err := in.silverAgain(p.hour(n), telemetry.Catalogue{})
			if errors.Is(err, ErrNoBronze) || errors.Is(err, ErrStale) {
				continue // what the workflow would ingest from the source
			}
			in.must(err)
			p.waiting = append(slices.Clip(p.waiting), run)
		}
	case "users": // from silver: those of a range of hours, or all
		plan, merged := in.mergeAgain(Again{All: r.IntN(3) == 0, Hours: []HourRange{{hour, hour + 1 + telemetry.Hour(r.IntN(3))}}})
		p.waiting = in.commitGold(plan, merged, p.waiting...).Waiting
	case "gold":
		p.gold()
	case "daily":
		in.anyDaily(r)
	case "overtake": // a round that another one overtakes
		plan, merged := in.mergeGold()
		before, _ := snapshots(in.tb, in.lake, goldUsers)
		p.gold()
		after, _ := snapshots(in.tb, in.lake, goldUsers)
		if _, err := in.lake.CommitUsers(ctx, plan, merged, nil); len(after) > len(before) && !errors.Is(err, ErrConflict) {
			in.tb.Errorf("a round that was overtaken: %v", err)
		}
	case "compact":
		if ids, _ := snapshots(in.tb, in.lake, silverSightings); len(ids) > 0 && len(rowsOf[sightingRow](in.tb, in.lake, silverSightings)) > 0 {
			compact[sightingRow](in.tb, in.lake, silverSightings)
		}
		if ids, _ := snapshots(in.tb, in.lake, silverBindings); len(ids) > 0 && len(rowsOf[bindingRow](in.tb, in.lake, silverBindings)) > 0 {
			compact[bindingRow](in.tb, in.lake, silverBindings)
		}
	case "reopen": // another process goes on
		p.in = in.reopen()
	case "maintain": // all that need not be kept goes, and what a round has staged when it is overtaken
		upkeep := Upkeep{OpenDays: r.IntN(2)} // all hours are of one day
		plan, merged := in.mergeGold()
		in.do(func() error { _, err := in.lake.maintainAll(ctx, upkeep); return err })
		if _, err := in.lake.CommitUsers(ctx, plan, merged, nil); !errors.Is(err, ErrConflict) {
			in.tb.Errorf("a round whose staged work was swept: %v", err)
		}
	case "forget":
		p.forget()
	}
}

// together commits some hours in one, which may die at first, and meet another run of one of them.
func (p *planRun) together(hour telemetry.Hour, r *rand.Rand) {
	in := p.in
	var hours []telemetry.Hour
	for _, n := range r.Perm(5)[:1+r.IntN(5)] {
		hours = append(hours, p.hour(n))
	}
	slices.Sort(hours)
	id := in.newRun()
	var staged []StagedHour
	stale := false
	for _, each := range hours {
		s, err := in.tryStage(Run{Hour: each, ID: id})
		p.noteLate(s.chunks)
		stale = stale || err != nil
		staged = append(staged, s.ready())
	}
	if !stale && r.IntN(2) == 0 {
		stale = in.tryCommitTables(staged, hourTables[:1+r.IntN(len(hourTables))]...) != nil
	}
	if r.IntN(2) == 0 {
		p.ingest(hour)
	}
	var left map[telemetry.Hour]error
	err := error(ErrStale)
	if !stale {
		err = in.try(func() (err error) { _, left, err = in.lake.CommitHours(in.tb.Context(), staged); return err })
	}
	if !errors.Is(err, ErrStale) {
		in.must(err)
	}
	for _, run := range staged {
		switch {
		case err != nil:
			p.ingest(run.Run.Hour)
		case left[run.Run.Hour] == nil:
			p.ended(run.Run)
		default:
			if !errors.Is(left[run.Run.Hour], ErrConflict) {
				in.tb.Errorf("left out: %v", left)
			}
			p.ingest(run.Run.Hour)
		}
	}
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
