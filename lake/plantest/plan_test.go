package plantest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/faults"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// PlanStep is one step of a plan.
type PlanStep struct {
	Do   string
	How  string // "": it goes well; killed: its process dies in it, after n calls; faults: of disk and source befall it
	Hour int    // of the five
	File string // of the world
	N    uint64
}

// PlanRun is a lake on its way through a plan.
type PlanRun struct {
	In      *laketest.Ingester
	World   map[string][]string
	Spoilt  map[string]bool
	Waiting []lake.Run // that gold was not seen to show
	late    []string   // erasures of which hours brought new sessions
	Truth   *truth
	// lost are hours that a run left half-way, whose snapshots, by which verify knows them, were expired since. Of
	// these it rightly complains, until the hour is ingested.
	Lost map[telemetry.Hour]bool
}

func (p *PlanRun) Hour(n int) telemetry.Hour {
	return laketest.HourAt(p.In.TB, "2022-05-27T04") + telemetry.Hour(n)
}

// Take takes a step. One whose process dies is not taken again; the next one finds what it left.
func (p *PlanRun) Take(t testing.TB, step PlanStep) {
	if step.Do == "maintain" {
		for hour := range p.half() {
			p.Lost[hour] = true
			p.Truth.unsure[hour] = true
		}
	}
	if step.How == "" {
		p.do(step)
	} else {
		p.befallen(t, step)
	}
	p.ForgetLate()
	if step.Do == "gold" || step.Do == "daily" || step.Do == "overtake" {
		p.Verify(t)
	}
}

// befallen takes a step in a process that faults befall, or that dies.
func (p *PlanRun) befallen(t testing.TB, step PlanStep) {
	sound, before := p.In, *p
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := rand.New(rand.NewPCG(step.N, 3))
	befalls := &faults.Faults{Random: r, Die: cancel}
	in := *sound
	process := &faults.Mortal{TB: t, Ctx: ctx}
	in.TB, in.Source = process, faults.Source{Source: sound.Source, Faults: befalls}
	if step.How == "killed" {
		befalls.Left = 1 + r.IntN(1<<(2+r.IntN(9)))
	} else {
		befalls.Share = 30
		in.Failed = func(err error) {
			if process.Failures++; process.Failures > 200 || errors.Is(err, lake.ErrConflict) {
				process.Fatal(err)
			}
		}
	}
	root := strings.TrimPrefix(sound.Lake.Config.Warehouse, "file://")
	faults.Below.Store(root, befalls)
	p.In = &in
	ended := process.Outlives(func() { p.do(step) })
	faults.Below.Delete(root)
	if !ended {
		p.Waiting = before.Waiting
		in.TB = t
		p.In = in.Reopen()
	}
	p.In.TB, p.In.Source, p.In.Failed = t, sound.Source, nil
}

// half are the hours whose newest run did not end, as far as snapshots tell.
func (p *PlanRun) half() map[telemetry.Hour]time.Time {
	half, err := verify.HalfCommitted(p.In.TB.Context(), p.In.Lake)
	p.In.Must(err)
	return half
}

// Verify wants no difference, unless an hour is lost, or an erasure is half-way.
func (p *PlanRun) Verify(t testing.TB) {
	t.Helper()
	erasures, err := forgotten.Erasures(t.Context(), p.In.Lake)
	p.In.Must(err)
	begun := slices.ContainsFunc(erasures, func(e forgotten.Erasure) bool { return e.State != forgotten.ErasureDone })
	if ids, _ := laketest.Snapshots(t, p.In.Lake, lake.GoldUsers); len(ids) > 0 && len(p.Lost) == 0 && !begun {
		checks.Verify(t, p.In.Lake)
	}
	p.Truth.Check(t, p)
}

func (p *PlanRun) Mend(name string) {
	p.In.Put(name, p.World[name]...)
	delete(p.Spoilt, name)
}

// Ingest takes an hour as far as the ledger, anew whenever a user was forgotten meanwhile.
func (p *PlanRun) Ingest(hour telemetry.Hour) {
	p.In.TB.Helper()
	for range 5 {
		s, err := p.stage(lake.Run{Hour: hour, ID: p.In.NewRun()})
		p.noteLate(s.Chunks)
		if err == nil {
			err = p.In.Try(func() error { _, err := p.In.CommitHour(s); return err })
		}
		p.In.Do(func() error { return hours.DropStaging(p.In.TB.Context(), p.In.Lake, s.Run) })
		if errors.Is(err, lake.ErrStale) {
			continue
		}
		p.In.Must(err)
		p.ended(s.Run)
		return
	}
	p.In.TB.Fatalf("hour %s never ends", hour)
}

func (p *PlanRun) ended(run lake.Run) {
	p.Waiting = append(slices.Clip(p.Waiting), run)
	delete(p.Lost, run.Hour)
}

func (p *PlanRun) noteLate(chunks []hours.StagedChunk) {
	for _, chunk := range chunks {
		p.late = append(p.late, chunk.Late...)
	}
}

// Forget forgets the user, as far as the process gets.
func (p *PlanRun) Forget() {
	p.In.TB.Helper()
	var erasure string
	p.In.Do(func() (err error) {
		erasure, err = forget.BeginForget(p.In.TB.Context(), p.In.Lake, laketest.Gone)
		return err
	})
	_, err := forgetting.LikeWorkflow(p.In, erasure)
	p.In.Must(err)
}

// ForgetLate is what an hour's workflow asks for when it brought new sessions.
func (p *PlanRun) ForgetLate() {
	if len(p.late) > 0 {
		p.late = nil
		p.Forget()
	}
}

func (p *PlanRun) Gold() {
	p.Waiting = p.In.Gold(p.Waiting...).Waiting
}

//nolint:cyclop,funlen // a case for each kind of step
func (p *PlanRun) do(step PlanStep) {
	in, r := p.In, rand.New(rand.NewPCG(step.N, 2))
	ctx, hour := in.TB.Context(), p.Hour(step.Hour)
	in.ChunkSize = []int64{64, 300, 1 << 20}[r.IntN(3)]
	switch step.Do {
	case "ingest":
		p.Ingest(hour)
	case "together":
		p.together(hour, r)
	case "spoil":
		if step.File == "" || p.Spoilt[step.File] {
			return
		}
		p.Spoilt[step.File] = true
		switch r.IntN(5) {
		case 0, 1:
			in.Put(step.File)
		case 2:
			in.PutBytes(step.File, []byte("\x1f\x8b\x08torn"))
		case 3:
			in.PutBytes(step.File, nil)
		default:
			in.Put(step.File, smallWorldLines(r, p.World[step.File])...)
		}
	case "remove-gone":
		in.RemoveGone = true
		defer func() { in.RemoveGone = false }()
		p.Ingest(hour)
	case "mend":
		if p.Spoilt[step.File] {
			p.Mend(step.File)
		}
	case "die": // a run that dies half-way and is given up: the next run of the hour finds what it left
		s, err := p.stage(lake.Run{Hour: hour, ID: in.NewRun()})
		p.noteLate(s.Chunks)
		if err == nil {
			err = in.TryCommitTables([]hours.StagedHour{s.Ready()}, lake.HourTables[:1+r.IntN(len(lake.HourTables))]...)
		}
		if !errors.Is(err, lake.ErrStale) {
			in.Must(err)
		}
	case "silver": // from bronze, of a range of hours
		for n := step.Hour; n <= min(step.Hour+r.IntN(3), 4); n++ {
			run, _, err := in.SilverAgain(p.Hour(n), telemetry.Options{})
			if errors.Is(err, hours.ErrNoBronze) || errors.Is(err, lake.ErrStale) {
				continue // what the workflow would ingest from the source
			}
			in.Must(err)
			p.Waiting = append(slices.Clip(p.Waiting), run)
		}
	case "users": // from silver: those of a range of hours, or all
		plan, merged := in.MergeScope(gold.Scope{Remake: gold.Remake{All: r.IntN(3) == 0,
			Hours: []gold.HourRange{{From: hour, To: hour + 1 + telemetry.Hour(r.IntN(3))}}}})
		p.Waiting = in.CommitGold(plan, merged, p.Waiting...).Waiting
	case "gold":
		p.Gold()
	case "daily":
		anyDaily(in, r)
	case "overtake": // a round that another one overtakes
		plan, merged := in.MergeGold()
		before, _ := laketest.Snapshots(in.TB, in.Lake, lake.GoldUsers)
		p.Gold()
		after, _ := laketest.Snapshots(in.TB, in.Lake, lake.GoldUsers)
		if _, err := gold.CommitUsers(ctx, in.Lake, plan, merged, nil); len(after) > len(before) &&
			!errors.Is(err, lake.ErrConflict) {
			in.TB.Errorf("a round that was overtaken: %v", err)
		}
	case "compact":
		if ids, _ := laketest.Snapshots(in.TB, in.Lake, lake.SilverSightings); len(ids) > 0 &&
			len(laketest.RowsOf[lake.SightingRow](in.TB, in.Lake, lake.SilverSightings)) > 0 {
			laketest.Compact[lake.SightingRow](in.TB, in.Lake, lake.SilverSightings)
		}
		if ids, _ := laketest.Snapshots(in.TB, in.Lake, lake.SilverBindings); len(ids) > 0 &&
			len(laketest.RowsOf[lake.BindingRow](in.TB, in.Lake, lake.SilverBindings)) > 0 {
			laketest.Compact[lake.BindingRow](in.TB, in.Lake, lake.SilverBindings)
		}
	case "cut": // rows may hold fewer intervals, or more
		holdAtMost(in, 1+r.IntN(6))
	case "reopen": // another process goes on
		p.In = in.Reopen()
	case "maintain": // all that need not be kept goes, and what a round has staged when it is overtaken
		settings := maintain.Upkeep{OpenDays: r.IntN(2)} // all hours are of one day
		plan, merged := in.MergeGold()
		in.Do(func() error { _, err := upkeep.All(ctx, in.Lake, settings); return err })
		if _, err := gold.CommitUsers(ctx, in.Lake, plan, merged, nil); !errors.Is(err, lake.ErrConflict) {
			in.TB.Errorf("a round whose staged work was swept: %v", err)
		}
	case "forget":
		p.Forget()
	}
}

// together commits some hours in one, which may die at first, and meet another run of one of them.
func (p *PlanRun) together(hour telemetry.Hour, r *rand.Rand) {
	in := p.In
	var hourList []telemetry.Hour
	for _, n := range r.Perm(5)[:1+r.IntN(5)] {
		hourList = append(hourList, p.Hour(n))
	}
	slices.Sort(hourList)
	id := in.NewRun()
	var staged []hours.StagedHour
	stale := false
	for _, each := range hourList {
		s, err := p.stage(lake.Run{Hour: each, ID: id})
		p.noteLate(s.Chunks)
		stale = stale || err != nil
		staged = append(staged, s.Ready())
	}
	if !stale && r.IntN(2) == 0 {
		stale = in.TryCommitTables(staged, lake.HourTables[:1+r.IntN(len(lake.HourTables))]...) != nil
	}
	if r.IntN(2) == 0 {
		p.Ingest(hour)
	}
	var left map[telemetry.Hour]error
	err := error(lake.ErrStale)
	if !stale {
		err = in.Try(func() (err error) {
			_,
				left, err = commit.Hours(in.TB.Context(), in.Lake, staged)
			return err
		})
	}
	if !errors.Is(err, lake.ErrStale) {
		in.Must(err)
	}
	for _, run := range staged {
		switch {
		case err != nil:
			p.Ingest(run.Run.Hour)
		case left[run.Run.Hour] == nil:
			p.ended(run.Run)
		default:
			if !errors.Is(left[run.Run.Hour], lake.ErrConflict) {
				in.TB.Errorf("left out: %v", left)
			}
			p.Ingest(run.Run.Hour)
		}
	}
}

// stage stages an hour, and notes what its files hold.
func (p *PlanRun) stage(run lake.Run) (laketest.StagedHour, error) {
	found := stagedTruth{good: map[string][]byte{}, removeGone: p.In.RemoveGone}
	folder := filepath.Dir(p.In.Path(fmt.Sprintf("27T%02d/x", run.Hour.OfDay())))
	files, _ := os.ReadDir(folder)
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file.Name()))
		p.In.Must(err)
		key := run.Hour.Folder() + "/" + file.Name()
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			found.bad = append(found.bad, key)
		} else {
			found.good[key] = data
		}
	}
	p.Truth.staged[run] = found
	p.In.NoteGone = len(p.Truth.staged)%2 == 0
	return p.In.TryStage(run)
}

// anyDaily refreshes them, or dies between the commits of the two tables, or is overtaken.
func anyDaily(in *laketest.Ingester, r *rand.Rand) {
	in.TB.Helper()
	switch r.IntN(4) {
	case 0:
		plan, counted := upkeep.CountDaily(in)
		in.Must(upkeep.HalfCommitDaily(in, plan, counted))
	case 1:
		plan, counted := upkeep.CountDaily(in)
		upkeep.Daily(in)
		if _, err := daily.CommitDaily(in.TB.Context(), in.Lake, plan, counted); err != nil &&
			!errors.Is(err, lake.ErrConflict) {
			in.TB.Errorf("a refresh that was overtaken: %v", err)
		}
	default:
		upkeep.Daily(in)
	}
}
