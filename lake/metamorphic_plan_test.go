package lake

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

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
		"together", "silver", "users", "spoil", "remove-gone"}
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

// planRun is a lake on its way through a plan.
type planRun struct {
	in      *ingester
	world   map[string][]string
	spoilt  map[string]bool
	waiting []Run    // that gold was not seen to show
	late    []string // erasures of which hours brought new sessions
	truth   *truth
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
			p.truth.unsure[hour] = true
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
	p.truth.check(t, p)
}

func (p *planRun) mend(name string) {
	p.in.put(name, p.world[name]...)
	delete(p.spoilt, name)
}

// ingest takes an hour as far as the ledger, anew whenever a user was forgotten meanwhile.
func (p *planRun) ingest(hour telemetry.Hour) {
	p.in.tb.Helper()
	for range 5 {
		s, err := p.stage(Run{Hour: hour, ID: p.in.newRun()})
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
		switch r.IntN(5) {
		case 0, 1:
			in.put(step.file)
		case 2:
			in.putBytes(step.file, []byte("\x1f\x8b\x08torn"))
		case 3:
			in.putBytes(step.file, nil)
		default:
			in.put(step.file, smallWorldLines(r, p.world[step.file])...)
		}
	case "remove-gone":
		in.removeGone = true
		defer func() { in.removeGone = false }()
		p.ingest(hour)
	case "mend":
		if p.spoilt[step.file] {
			p.mend(step.file)
		}
	case "die": // a run that dies half-way and is given up: the next run of the hour finds what it left
		s, err := p.stage(Run{Hour: hour, ID: in.newRun()})
		p.noteLate(s.chunks)
		if err == nil {
			err = in.tryCommitTables([]StagedHour{s.ready()}, hourTables[:1+r.IntN(len(hourTables))]...)
		}
		if !errors.Is(err, ErrStale) {
			in.must(err)
		}
	case "silver": // from bronze, of a range of hours
		for n := step.hour; n <= min(step.hour+r.IntN(3), 4); n++ {
			run, _, err := in.silverAgain(p.hour(n), telemetry.Options{})
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
		s, err := p.stage(Run{Hour: each, ID: id})
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
