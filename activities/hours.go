package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// smallHour is the most that an hour may hold that is read together with others, in bytes of plain text: below
	// that, the steps and commits of an hour of its own cost more than its work.
	smallHour = 4 << 20
	// stagedAtOnce is how many hours one StageHours reads at the same time: while one waits for the disk or S3,
	// another works.
	stagedAtOnce = 4
)

// MostLeftOut is how many files a workflow names that were left out; ops.files has them all.
const MostLeftOut = 20

// errLarge: an hour holds too much to be read together with others.
var errLarge = errors.New("too large to be read together with others")

// HoursInput names hours to be read together, in order.
type HoursInput struct {
	Hours      []telemetry.Hour `json:"hours"`
	ChunkBytes int64            `json:"chunk_bytes,omitempty"` // DefaultChunkBytes when zero
	Listing    int              `json:"listing"`               // counts the listings of one workflow run, from 1
	Layer      string           `json:"layer,omitempty"`       // LayerBronze when empty
	RemoveGone bool             `json:"remove_gone,omitempty"` // as in ListInput
	NoteGone   bool             `json:"note_gone,omitempty"`   // as in ListInput
	Check      bool             `json:"check,omitempty"`       // as in ListInput
	StartedAt  time.Time        `json:"started_at"`
}

// StagedHours are hours that were read together.
type StagedHours struct {
	RunID string             `json:"run_id"`
	Hours []hours.StagedHour `json:"hours"`          // ready to be committed
	Left  []LeftHour         `json:"left,omitempty"` // to be ingested one by one
	Late  []string           `json:"late,omitempty"` // as in lake.StagedChunk
}

// RunsOf are the runs with these ids, each of all the hours.
func RunsOf(hours []telemetry.Hour, ids ...string) []lake.Run {
	runs := make([]lake.Run, 0, len(hours)*len(ids))
	for _, id := range ids {
		for _, hour := range hours {
			runs = append(runs, lake.Run{Hour: hour, ID: id})
		}
	}
	return runs
}

// LeftHour is an hour that can't go with others, and why.
type LeftHour struct {
	Hour telemetry.Hour `json:"hour"`
	Why  string         `json:"why"`
}

// hoursDone is the progress of StageHours, as its heartbeats tell it.
type hoursDone struct {
	Hours int64 `json:"hours"`
	Of    int   `json:"of"`
}

// StageHours does for small hours, each by itself, what ListHour, ParseChunk and BuildSilver do. An hour that is
// large or that fails is left to be ingested alone, where it holds up no other.
func (a *Ingest) StageHours(ctx context.Context, input HoursInput) (result StagedHours, err error) {
	var done atomic.Int64
	defer keepAlive(ctx, func() any { return hoursDone{done.Load(), len(input.Hours)} })()
	result.RunID = newRunID(ctx, input.Listing)
	defer func() {
		if err != nil {
			a.giveUp(ctx, input.Hours, result.RunID)
		}
	}()
	head, err := hours.LedgerNow(ctx, metered(ctx, a.Lake))
	if err != nil {
		return result, temporalError(ctx, err)
	}
	// After the ledger: a run that ends from now on is one that it does not have.
	read, err := ledger.Occupied(ctx, a.Lake, input.Hours, lake.OpsFiles)
	if err != nil {
		return result, temporalError(ctx, err)
	}
	together := hours.NewTogether(metered(ctx, a.Lake), input.Hours, result.RunID)
	staged, failures := make([]hours.StagedHour, len(input.Hours)), make([]error, len(input.Hours))
	var work errgroup.Group
	work.SetLimit(stagedAtOnce)
	for i, hour := range input.Hours {
		work.Go(func() error {
			if failures[i] = ctx.Err(); failures[i] == nil {
				run := lake.Run{Hour: hour, ID: result.RunID}
				staged[i], failures[i] = a.stageHour(ctx, together.Lake, run, input, !read[hour])
			}
			staged[i].Plan.Ledger, staged[i].Plan.Check = head, input.Check
			done.Add(1)
			return nil
		})
	}
	_ = work.Wait() // the failures are told by hour
	if err := ctx.Err(); err != nil {
		return result, err
	}
	var failure error
	var ready []hours.StagedHour
	for i, hour := range staged {
		for n := range hour.Chunks {
			result.Late = append(result.Late, hour.Chunks[n].Late...)
			hour.Chunks[n].Late = nil
		}
		if err := failures[i]; err != nil {
			result.Left = append(result.Left, LeftHour{Hour: input.Hours[i], Why: err.Error()})
			if !errors.Is(err, errLarge) {
				failure = err
			}
			continue
		}
		ready = append(ready, hour)
	}
	if failure != nil && len(ready)+len(result.Late) == 0 {
		return result, temporalError(ctx, failure) // an outage, most likely: all of them one by one would end no better
	}
	if result.Hours, err = together.Write(ready); err != nil {
		return result, temporalError(ctx, err)
	}
	slices.Sort(result.Late)
	result.Late = slices.Compact(result.Late)
	activity.GetLogger(ctx).Info("staged together", "hours", len(result.Hours), "left", len(result.Left))
	return result, nil
}

// giveUp removes what an attempt staged that nobody will hear of.
func (a *Ingest) giveUp(ctx context.Context, hours []telemetry.Hour, runID string) {
	var runs []lake.Run
	for _, hour := range hours {
		runs = append(runs, lake.Run{Hour: hour, ID: runID})
	}
	if err := a.DropStagedHours(context.WithoutCancel(ctx), runs); err != nil {
		activity.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "runs", len(runs),
			"error", err)
	}
}

func (a *Ingest) stageHour(ctx context.Context, l *lake.Lake, run lake.Run, input HoursInput,
	unread bool) (staged hours.StagedHour, err error) {
	staged = hours.StagedHour{Run: run, StartedAt: input.StartedAt}
	listing := ListInput{Hour: run.Hour, ChunkBytes: input.ChunkBytes, Layer: input.Layer, RemoveGone: input.RemoveGone,
		NoteGone: input.NoteGone, unread: unread}
	if staged.Plan, err = a.plan(ctx, l, run, listing, smallHour, func(int64) {}); err != nil {
		return staged, err
	}
	parser, err := a.parser(run.Hour)
	if err != nil {
		return staged, err
	}
	for n := range staged.Plan.Chunks {
		chunk, err := hours.StageChunk(ctx, l, run, staged.Plan, n, a.Source, parser, func(hours.ChunkCounts) {})
		if err != nil {
			return staged, err
		}
		warnPassed(ctx, run, chunk)
		a.Record.Rejected(chunk.Rejected)
		staged.Chunks = append(staged.Chunks, chunk)
	}
	sections := hours.GroupSections(staged.Chunks, smallHour)
	for i := range staged.Chunks {
		staged.Chunks[i].SectionBytes = nil
	}
	for _, each := range sections {
		silver, err := hours.StageSilver(ctx, l, run, staged.Plan, staged.Chunks, each, func(int) {})
		if err != nil {
			return staged, err
		}
		staged.Silver = append(staged.Silver, silver)
	}
	return staged, nil
}

// CommittedHours are hours that the ledger has.
type CommittedHours struct {
	RunID    string           `json:"run_id"`
	Hours    []telemetry.Hour `json:"hours"`
	Left     []LeftHour       `json:"left,omitempty"`     // to be ingested one by one
	Rest     []telemetry.Hour `json:"rest,omitempty"`     // of later parts: those that are left come first
	LeftOut  []string         `json:"left_out,omitempty"` // the first files that were left out, and why
	Empty    int              `json:"empty"`
	Degraded int              `json:"degraded"`
	Bytes    int64            `json:"bytes"`
	Lines    int64            `json:"lines"`
	Rejects  int64            `json:"rejects"`
	Gone     int64            `json:"gone_files,omitempty"` // files that left the source, and whose rows stay
}

// CommitHours makes hours visible in bronze, silver and the ledger, in one commit a table for those of a part, one part
// after the other. Where a part leaves hours, the parts after it are not committed.
func (a *Ingest) CommitHours(ctx context.Context, staged []hours.StagedHour) (result CommittedHours, err error) {
	defer keepAlive(ctx, nil)()
	l, staged, err := hours.OpenTogether(metered(ctx, a.Lake), staged)
	if err != nil {
		return CommittedHours{}, temporalError(ctx, err)
	}
	result.RunID = staged[0].Run.ID
	for len(staged) > 0 && len(result.Left) == 0 {
		n := slices.IndexFunc(staged, func(hour hours.StagedHour) bool { return hour.Part != staged[0].Part })
		if n < 0 {
			n = len(staged)
		}
		if err := a.commitPart(ctx, l, staged[:n], &result); err != nil {
			return CommittedHours{}, temporalError(ctx,
				fmt.Errorf("commit %d hours from %s: %w", n, staged[0].Run.Hour, err))
		}
		staged = staged[n:]
	}
	for _, hour := range staged {
		result.Rest = append(result.Rest, hour.Run.Hour)
	}
	result.LeftOut = result.LeftOut[:min(len(result.LeftOut), MostLeftOut)]
	activity.GetLogger(ctx).Info("committed together", "hours", len(result.Hours), "left", len(result.Left), "lines",
		result.Lines)
	return result, nil
}

// commitPart adds what one commit of hours brought.
func (a *Ingest) commitPart(ctx context.Context, l *lake.Lake, staged []hours.StagedHour,
	result *CommittedHours) error {
	rows, left, err := commit.Hours(ctx, l, staged)
	if err != nil {
		return err
	}
	for _, hour := range staged {
		if err := left[hour.Run.Hour]; err != nil {
			result.Left = append(result.Left, LeftHour{Hour: hour.Run.Hour, Why: err.Error()})
		}
	}
	for _, hour := range staged {
		told := hour.Plan.LeftOut
		for _, chunk := range hour.Chunks {
			told = append(told, chunk.LeftOut...)
		}
		if left[hour.Run.Hour] == nil {
			result.LeftOut = append(result.LeftOut, told...)
		}
	}
	for _, row := range rows {
		result.Hours = append(result.Hours, row.Hour)
		result.Bytes, result.Lines, result.Rejects = result.Bytes+row.Bytes, result.Lines+row.Lines, result.Rejects+
			row.Rejects
		result.Gone += row.GoneFiles
		warnOfGone(ctx, row)
		a.Record.Hour(row)
		switch row.State {
		case ledger.HourEmpty:
			result.Empty++
		case ledger.HourDegraded:
			result.Degraded++
		}
	}
	return nil
}

// DropStagedHours removes what the runs of hours staged together. Those of an id are of all these hours.
func (a *Ingest) DropStagedHours(ctx context.Context, runs []lake.Run) error {
	of := map[string][]telemetry.Hour{}
	for _, run := range runs {
		of[run.ID] = append(of[run.ID], run.Hour)
	}
	for id, together := range of {
		if err := hours.DropTogether(ctx, metered(ctx, a.Lake), together, id); err != nil {
			return temporalError(ctx, err)
		}
	}
	return nil
}
