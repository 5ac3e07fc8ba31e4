package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/lost"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// listedAtOnce is how many hours are listed at the same time.
const listedAtOnce = 16

// CompareInput asks which hours of [From, To) have other files than those that were read.
type CompareInput struct {
	From     telemetry.Hour `json:"from"`
	To       telemetry.Hour `json:"to"`
	Degraded bool           `json:"degraded"` // also those that are degraded and whose files did not change
	Limit    int            `json:"limit"`    // ends once so many hours are found
	// RemoveGone: also those with files that left the source or are bad, and whose rows stayed so far.
	RemoveGone bool `json:"remove_gone,omitempty"`
}

// Comparison is what was found in [From, Until) of its input.
type Comparison struct {
	Until   telemetry.Hour   `json:"until"`
	Hours   []telemetry.Hour `json:"hours,omitempty"` // to be ingested
	Empty   int              `json:"empty"`           // hours without files, which the ledger now knows
	Dropped int              `json:"dropped"`         // hours that were dropped: they are not looked at
	Same    int              `json:"same"`            // hours whose files are those that were read
	Differ  int              `json:"differ"`          // of Hours
	Added   int64            `json:"added"`           // files
	Changed int64            `json:"changed"`         // files
	Removed int64            `json:"removed"`         // files of which no row stays
	Gone    int64            `json:"gone,omitempty"`  // files that left the source, and whose rows stay
	// GoneHours are the hours of these files.
	GoneHours int `json:"gone_hours,omitempty"`
	// Refused are folders that can't be listed: nothing is known or recorded of their hours.
	Refused []source.RefusedFolder `json:"refused,omitempty"`
}

// CompareHours lists hours again and compares with ops.files. Hours that differ are noted in ops.findings, and are
// left to be ingested; hours without files that the ledger does not know are recorded in it.
func (a *Ingest) CompareHours(ctx context.Context, input CompareInput) (result Comparison, err error) {
	var until atomic.Int64
	defer keepAlive(ctx, func() any { return surveyed{telemetry.Hour(until.Load())} })()
	started := time.Now()
	var unknown []telemetry.Hour
	var findings []ledger.Finding
	result.Until = input.From
	if err := a.Source.CheckHours(ctx); err != nil {
		return Comparison{}, temporalError(ctx,
			fmt.Errorf("compare the hours from %s with the source: %w", input.From, err))
	}
	before, dropped, err := maintain.DroppedBefore(ctx, metered(ctx, a.Lake))
	if err != nil {
		return Comparison{}, temporalError(ctx, err)
	}
	if dropped && before > input.From {
		result.Until = min(before, input.To)
		result.Dropped = int(result.Until - input.From)
	}
	for result.Until < input.To && result.Until-input.From < surveyMost && len(result.Hours) < input.Limit {
		until.Store(int64(result.Until))
		month, err := a.compareMonth(ctx, result.Until, min(input.To, result.Until+surveyStep), input)
		if err != nil {
			return Comparison{}, temporalError(ctx,
				fmt.Errorf("compare the hours from %s with the source: %w", result.Until, err))
		}
		month.cut(input.Limit - len(result.Hours))
		result.Refused = append(result.Refused, month.refused...)
		result.Same += int(month.until-result.Until) - len(month.run) - len(month.empty.Known) -
			len(month.empty.Unknown) - month.refusedHours()
		result.Until = month.until
		result.Hours = append(result.Hours, month.run...)
		result.Empty += len(month.empty.Known) + len(month.empty.Unknown)
		unknown = append(unknown, month.empty.Unknown...)
		for _, finding := range month.findings {
			if finding.Hour < month.until {
				findings = append(findings, finding)
				result.Differ++
				result.Added, result.Changed, result.Removed = result.Added+finding.Added, result.Changed+
					finding.Changed, result.Removed+finding.Removed
				if finding.Gone > 0 {
					result.Gone, result.GoneHours = result.Gone+finding.Gone, result.GoneHours+1
				}
			}
		}
	}
	if err := ledger.RecordEmpty(ctx, metered(ctx, a.Lake), surveyRun(ctx), a.Source.String(), unknown,
		started); err != nil {
		return Comparison{}, temporalError(ctx, err)
	}
	if err := ledger.RecordFindings(ctx, metered(ctx, a.Lake), surveyRun(ctx), findings); err != nil {
		return Comparison{}, temporalError(ctx, err)
	}
	if result.Gone > 0 {
		activity.GetLogger(ctx).Warn("files have left the source: their rows stay until somebody takes them out "+
			"with --remove-gone",
			"source", a.Source.String(), "hours", result.GoneHours, "files", result.Gone)
	}
	activity.GetLogger(ctx).Info("compared with the source", "from", input.From.String(),
		"until", result.Until.String(), "same", result.Same,
		"differ", result.Differ, "empty", result.Empty, "to ingest", len(result.Hours))
	return result, nil
}

// refusedHours counts the hours of which nothing is known.
func (m *surveyedMonth) refusedHours() (n int) {
	next := telemetry.Hour(math.MinInt64)
	for _, folder := range slices.SortedFunc(slices.Values(m.refused),
		func(a, b source.RefusedFolder) int { return int(a.From - b.From) }) {
		n += int(max(0, folder.To-max(folder.From, next)))
		next = max(next, folder.To)
	}
	return n
}

// comparedMonth is a month, and what of it differs.
type comparedMonth struct {
	surveyedMonth
	findings []ledger.Finding
}

func (a *Ingest) compareMonth(ctx context.Context, from, to telemetry.Hour,
	input CompareInput) (month comparedMonth, err error) {
	month.until = to
	newest, err := a.newestRows(ctx, from, to)
	if err != nil {
		return month, err
	}
	known, err := ledger.FilesBetween(ctx, metered(ctx, a.Lake), from, to)
	if err != nil {
		return month, err
	}
	files, refused, err := a.hoursWithFiles(ctx, from, to)
	if err != nil {
		return month, err
	}
	month.refused = refused
	var without []telemetry.Hour
	var mutex sync.Mutex
	now := time.Now().UTC().Truncate(time.Microsecond)
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(listedAtOnce)
	for hour := from; hour < to; hour++ {
		if month.refuses(hour) {
			continue
		}
		if !files[hour] {
			without = append(without, hour)
			continue
		}
		work.Go(func() error {
			listed, err := a.Source.List(workCtx, hour)
			if err != nil {
				return err
			}
			finding, differs := ledger.CompareFiles(known[hour], listed, input.RemoveGone)
			row, read := newest[hour]
			if finding.Hour, finding.FoundAt, finding.State = hour, now, row.State; !read {
				finding.State, differs = ledger.HourUnknown, true
			}
			mutex.Lock()
			defer mutex.Unlock()
			if differs {
				month.findings = append(month.findings, finding)
			}
			if differs || input.Degraded && row.State == ledger.HourDegraded {
				month.run = append(month.run, hour)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return month, err
	}
	if month.empty, err = ledger.SortEmpty(ctx, metered(ctx, a.Lake), without, newest); err != nil {
		return month, err
	}
	month.compareOccupied(known, newest, input.RemoveGone, now)
	month.run = merge(month.run, month.empty.Occupied)
	slices.SortFunc(month.findings, func(a, b ledger.Finding) int { return int(a.Hour - b.Hour) })
	return month, nil
}

// compareOccupied compares hours without files that have rows; those that differ stay among the occupied ones.
func (m *comparedMonth) compareOccupied(known map[telemetry.Hour][]ledger.File, newest map[telemetry.Hour]ledger.Hour,
	removeGone bool, now time.Time) {
	m.empty.Occupied = slices.DeleteFunc(m.empty.Occupied, func(hour telemetry.Hour) bool {
		finding, differs := ledger.CompareFiles(known[hour], source.Listing{}, removeGone)
		state := newest[hour].State
		if !differs && len(known[hour]) > 0 && state != "" && state != ledger.HourEmpty {
			return true // all that it had is known to be gone, and stays
		}
		if finding.Hour, finding.FoundAt, finding.State = hour, now, state; state == "" {
			finding.State = ledger.HourUnknown
		}
		m.findings = append(m.findings, finding)
		return false
	})
}

// NoteNoHours makes a finding of a source in which not one folder of an hour is, once for as long as it stays the
// newest one: the schedule comes every hour. hour is the first one that was looked for.
func (a *Ingest) NoteNoHours(ctx context.Context, hour telemetry.Hour) error {
	defer keepAlive(ctx, nil)()
	found := a.Source.CheckHours(ctx)
	if !errors.Is(found, source.ErrNoHours) {
		return temporalError(ctx, found) // there are some by now, or it can't be told
	}
	activity.GetLogger(ctx).Warn("nothing was changed, since the source has no hours", "hour", hour.String(),
		"error", found)
	findings, err := ledger.Findings(ctx, metered(ctx, a.Lake))
	if err != nil {
		return temporalError(ctx, err)
	}
	if len(findings) > 0 && findings[0].Note == found.Error() {
		return nil
	}
	rows, err := a.newestRows(ctx, hour, hour+1)
	if err != nil {
		return temporalError(ctx, err)
	}
	finding := ledger.Finding{Hour: hour, FoundAt: time.Now().UTC().Truncate(time.Microsecond),
		State: ledger.HourUnknown, Note: found.Error()}
	if row, known := rows[hour]; known {
		finding.State = row.State
	}
	return temporalError(ctx,
		ledger.RecordFindings(ctx, metered(ctx, a.Lake), surveyRun(ctx), []ledger.Finding{finding}))
}

// LostFiles are the files of hours in [from, to) whose rows --remove-gone would take out.
func LostFiles(ctx context.Context, src source.Source, l *lake.Lake, from,
	to telemetry.Hour) (found []ledger.File, err error) {
	if err := src.CheckHours(ctx); err != nil {
		return nil, err
	}
	if before, dropped, err := maintain.DroppedBefore(ctx, l); err != nil {
		return nil, err
	} else if dropped {
		from = max(from, before) // those are not ingested again
	}
	rows, err := ledger.Hours(ctx, l, from, to)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	from, to = rows[0].Hour, rows[len(rows)-1].Hour+1
	for ; from < to; from += surveyStep {
		until := min(to, from+surveyStep)
		known, err := ledger.FilesBetween(ctx, l, from, until)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(known, func(hour telemetry.Hour, _ []ledger.File) bool { return hour < from || hour >= until })
		more, err := lostOf(ctx, src, known)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

func lostOf(ctx context.Context, src source.Source,
	known map[telemetry.Hour][]ledger.File) (found []ledger.File, err error) {
	var mutex sync.Mutex
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(listedAtOnce)
	for hour, files := range known {
		work.Go(func() error {
			listed, err := src.List(workCtx, hour)
			if err != nil {
				return fmt.Errorf("list hour %s: %w", hour, err)
			}
			mutex.Lock()
			defer mutex.Unlock()
			found = append(found, lost.Files(files, listed)...)
			return nil
		})
	}
	err = work.Wait()
	slices.SortFunc(found, func(a, b ledger.File) int { return strings.Compare(a.Key, b.Key) })
	return found, err
}
