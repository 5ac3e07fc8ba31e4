package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// surveyStep is how many hours are listed and compared with the ledger at once: about a month.
	surveyStep = 31 * 24
	// surveyMost bounds one survey of hours that have no files: some four years.
	surveyMost = 48 * surveyStep
)

// SurveyInput asks which hours of [From, To) a range has to run.
type SurveyInput struct {
	From  telemetry.Hour `json:"from"`
	To    telemetry.Hour `json:"to"`
	Layer string         `json:"layer,omitempty"` // LayerBronze when empty
	// Since: an hour whose last run began then or later is done.
	Since time.Time `json:"since,omitzero"`
	Limit int       `json:"limit"` // the survey ends once it has found so many hours to run
}

// Survey is what was found in [From, Until) of its input.
type Survey struct {
	Until telemetry.Hour   `json:"until"`
	Hours []telemetry.Hour `json:"hours,omitempty"` // to be run
	Empty int              `json:"empty"`           // hours without files, which the ledger now knows
	Done  []lake.Run       `json:"done,omitempty"`  // the last runs of hours that are done since
	// Refused are folders that can't be listed: nothing is known or recorded of their hours.
	Refused []source.RefusedFolder `json:"refused,omitempty"`
}

// surveyed is the progress of a survey, as its heartbeats tell it.
type surveyed struct {
	Until telemetry.Hour `json:"until"`
}

// SurveyHours finds the hours of a range that have files, by prefix and not one by one, and records those that have
// none in the ledger, all in one commit. For LayerSilver these are the hours that the ledger knows, and nothing is
// recorded.
func (a *Ingest) SurveyHours(ctx context.Context, input SurveyInput) (survey Survey, err error) {
	var until atomic.Int64
	defer keepAlive(ctx, func() any { return surveyed{telemetry.Hour(until.Load())} })()
	started := time.Now()
	var unknown []telemetry.Hour
	survey.Until = input.From
	if input.Layer != LayerSilver {
		if err := a.Source.CheckHours(ctx); err != nil {
			return Survey{}, temporalError(ctx, fmt.Errorf("survey the hours from %s: %w", input.From, err))
		}
		for _, stray := range a.Source.Strays(ctx) {
			activity.GetLogger(ctx).Warn(stray, "source", a.Source.String())
		}
	}
	for survey.Until < input.To && survey.Until-input.From < surveyMost && len(survey.Hours) < input.Limit {
		until.Store(int64(survey.Until))
		month, err := a.surveyMonth(ctx, survey.Until, min(input.To, survey.Until+surveyStep), input)
		if err != nil {
			return Survey{}, temporalError(ctx, fmt.Errorf("survey the hours from %s: %w", survey.Until, err))
		}
		month.cut(input.Limit - len(survey.Hours))
		survey.Until = month.until
		survey.Hours = append(survey.Hours, month.run...)
		survey.Empty += len(month.empty.Known) + len(month.empty.Unknown)
		survey.Done = append(survey.Done, month.done...)
		survey.Refused = append(survey.Refused, month.refused...)
		unknown = append(unknown, month.empty.Unknown...)
	}
	if err := ledger.RecordEmpty(ctx, metered(ctx, a.Lake), surveyRun(ctx), a.Source.String(), unknown,
		started); err != nil {
		return Survey{}, temporalError(ctx, err)
	}
	activity.GetLogger(ctx).Info("surveyed", "from", input.From.String(), "until", survey.Until.String(), "hours",
		len(survey.Hours),
		"empty", survey.Empty, "recorded", len(unknown), "done", len(survey.Done))
	return survey, nil
}

// SpanInput asks for all hours that a range may have to run.
type SpanInput struct {
	Layer string `json:"layer,omitempty"` // LayerBronze when empty
}

// Span are the hours in [From, To).
type Span struct {
	From telemetry.Hour `json:"from"`
	To   telemetry.Hour `json:"to"`
}

// SpanHours finds the first and the last hour that the ledger has a row of, or, for LayerBronze, the source a file.
func (a *Ingest) SpanHours(ctx context.Context, input SpanInput) (span Span, err error) {
	defer keepAlive(ctx, nil)()
	first, end := telemetry.HourOf(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), telemetry.HourOf(time.Date(9999, 12,
		31, 0, 0, 0, 0, time.UTC))
	var hours []telemetry.Hour
	if input.Layer == "" || input.Layer == LayerBronze {
		if err = a.Source.CheckHours(ctx); err == nil {
			hours, err = a.Source.Hours(ctx, first, end)
		}
		var refused *source.RefusedError
		if errors.As(err, &refused) { // the survey names them
			for _, folder := range refused.Folders {
				hours = append(hours, folder.From, folder.To-1)
			}
		} else if err != nil {
			return span, temporalError(ctx, fmt.Errorf("find the hours of the source: %w", err))
		}
	}
	rows, err := ledger.Hours(ctx, metered(ctx, a.Lake), first, end)
	if err != nil {
		return span, temporalError(ctx, fmt.Errorf("find the hours of the ledger: %w", err))
	}
	for _, row := range rows {
		hours = append(hours, row.Hour)
	}
	if len(hours) == 0 {
		return span, nil
	}
	return Span{From: slices.Min(hours), To: slices.Max(hours) + 1}, nil
}

// surveyRun names the rows that an attempt of a survey writes into the ledger.
func surveyRun(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return fmt.Sprintf("%s.%s.%d", info.WorkflowExecution.RunID, info.ActivityID, info.Attempt)
}

// surveyedMonth is what was found in [from, until); each list is in order.
type surveyedMonth struct {
	until telemetry.Hour
	run   []telemetry.Hour
	empty ledger.EmptyHours
	done  []lake.Run
	// refused are folders, within the month, that can't be listed; their hours are in none of the lists above.
	refused []source.RefusedFolder
}

func (a *Ingest) surveyMonth(ctx context.Context, from, to telemetry.Hour,
	input SurveyInput) (month surveyedMonth, err error) {
	month.until = to
	newest, err := a.newestRows(ctx, from, to)
	if err != nil {
		return month, err
	}
	var files map[telemetry.Hour]bool
	if input.Layer == LayerSilver {
		files = map[telemetry.Hour]bool{}
		for hour, row := range newest {
			files[hour] = row.State != ledger.HourEmpty
		}
	} else if files, month.refused, err = a.hoursWithFiles(ctx, from, to); err != nil {
		return month, err
	}
	var without []telemetry.Hour
	for hour := from; hour < to; hour++ {
		row, known := newest[hour]
		switch {
		case month.refuses(hour):
		case known && !input.Since.IsZero() && !row.StartedAt.Before(input.Since) &&
			(files[hour] || row.State != ledger.HourEmpty):
			month.done = append(month.done, lake.Run{Hour: hour, ID: row.RunID})
		case files[hour]:
			month.run = append(month.run, hour)
		default:
			without = append(without, hour)
		}
	}
	if input.Layer == LayerSilver {
		month.empty.Known = without // or unknown: either way there is no bronze
		return month, nil
	}
	if month.empty, err = ledger.SortEmpty(ctx, metered(ctx, a.Lake), without, newest); err != nil {
		return month, err
	}
	month.run = merge(month.run, month.empty.Occupied)
	return month, nil
}

// newestRows are the ledger's newest rows of the hours in [from, to).
func (a *Ingest) newestRows(ctx context.Context, from, to telemetry.Hour) (map[telemetry.Hour]ledger.Hour, error) {
	rows, err := ledger.Hours(ctx, metered(ctx, a.Lake), from, to)
	if err != nil {
		return nil, err
	}
	newest := make(map[telemetry.Hour]ledger.Hour, len(rows))
	for _, row := range rows {
		newest[row.Hour] = row
	}
	return newest, nil
}

// hoursWithFiles are the hours in [from, to) that have files, and the folders that can't be listed.
func (a *Ingest) hoursWithFiles(ctx context.Context,
	from, to telemetry.Hour) (map[telemetry.Hour]bool, []source.RefusedFolder, error) {
	hours, err := a.Source.Hours(ctx, from, to)
	var refused []source.RefusedFolder
	if some := (*source.RefusedError)(nil); errors.As(err, &some) {
		refused, err = some.Folders, nil
	}
	if err != nil {
		return nil, nil, err
	}
	files := make(map[telemetry.Hour]bool, len(hours))
	for _, hour := range hours {
		files[hour] = true
	}
	return files, refused, nil
}

// refuses tells whether a folder of the hour, or above it, can't be listed.
func (m *surveyedMonth) refuses(hour telemetry.Hour) bool {
	return slices.ContainsFunc(m.refused, func(f source.RefusedFolder) bool { return f.From <= hour && hour < f.To })
}

// cut ends the month after so many hours to run.
func (m *surveyedMonth) cut(limit int) {
	if len(m.run) <= limit {
		return
	}
	m.run = m.run[:limit]
	m.until = m.run[limit-1] + 1
	before := func(hours []telemetry.Hour) []telemetry.Hour {
		n, _ := slices.BinarySearch(hours, m.until)
		return hours[:n]
	}
	m.empty.Known, m.empty.Unknown = before(m.empty.Known), before(m.empty.Unknown)
	n, _ := slices.BinarySearchFunc(m.done, m.until,
		func(run lake.Run, hour telemetry.Hour) int { return int(run.Hour - hour) })
	m.done = m.done[:n]
	m.refused = slices.DeleteFunc(m.refused, func(f source.RefusedFolder) bool { return f.From >= m.until })
	for i := range m.refused {
		m.refused[i].To = min(m.refused[i].To, m.until)
	}
}

// merge puts two ascending lists together.
func merge(a, b []telemetry.Hour) []telemetry.Hour {
	all := append(a, b...)
	slices.Sort(all)
	return all
}
