package checks

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// recent are the ledger's rows of the window, in order.
func (k *looker) recent() []ledger.Hour {
	from := telemetry.HourOf(k.Now) - window
	first := slices.IndexFunc(k.rows, func(row ledger.Hour) bool { return row.Hour >= from })
	if first < 0 {
		return nil
	}
	return k.rows[first:]
}

// weeksBefore are the rows of the same hour of the weekday in the weeks before.
func (k *looker) weeksBefore(hour telemetry.Hour) (rows []ledger.Hour) {
	for back := hour - week; back >= hour-baseline; back -= week {
		at, found := slices.BinarySearchFunc(k.rows, back,
			func(row ledger.Hour, hour telemetry.Hour) int { return int(row.Hour - hour) })
		if found {
			rows = append(rows, k.rows[at])
		}
	}
	return rows
}

// fewestWeeks are needed to say what is usual.
const fewestWeeks = 3

// late finds hours that are over and that the ledger does not have.
func (k *looker) late(_ context.Context, d Definition) (Result, error) {
	if len(k.rows) == 0 {
		return d.Result(0, nil, "no hours yet"), nil
	}
	known := map[telemetry.Hour]bool{}
	for _, row := range k.rows {
		known[row.Hour] = true
	}
	now := telemetry.HourOf(k.Now)
	oldest := 0.0
	var late []string
	for hour := max(now-window, k.rows[0].Hour); hour < now; hour++ {
		if age := since(k.Now, hour.End()); !known[hour] && d.stateOf(age) != OK {
			late, oldest = append(late, hour.String()), max(oldest, age)
		}
	}
	if len(late) == 0 {
		return d.Result(0, nil, "every hour of the last days that is due was ingested"), nil
	}
	return d.Result(oldest, late, "%s not ingested: %s; the first of them ended %.1f hours ago",
		count(len(late), "hour"), named(late), oldest), nil
}

// freshness is the age of the newest hour with files: a schedule notes hours without files, too.
func (k *looker) freshness(_ context.Context, d Definition) (Result, error) {
	for _, row := range slices.Backward(k.rows) {
		if row.Files > 0 {
			age := since(k.Now, row.Hour.End())
			return d.Result(age, nil, "the newest hour with files, %s, ended %.1f hours ago", row.Hour, age), nil
		}
	}
	return d.silent(Warn, "no hour with files yet"), nil
}

func (k *looker) degraded(_ context.Context, d Definition) (Result, error) {
	var hours []string
	files := int64(0)
	for _, row := range k.recent() {
		if row.State == ledger.HourDegraded {
			hours, files = append(hours, row.Hour.String()), files+row.BadFiles
		}
	}
	if len(hours) == 0 {
		return d.Result(0, nil, "none in the last seven days"), nil
	}
	return d.Result(float64(len(hours)),
		hours, "%s without %s that could not be read: %s; see versionlake status --files",
		count(len(hours), "hour"), count(int(files), "file"), named(hours)), nil
}

func (k *looker) empty(_ context.Context, d Definition) (Result, error) {
	var hours []string
	for _, row := range k.recent() {
		before := k.weeksBefore(row.Hour)
		wasEmpty := func(row ledger.Hour) bool { return row.State == ledger.HourEmpty }
		if wasEmpty(row) && len(before) >= fewestWeeks && !slices.ContainsFunc(before, wasEmpty) {
			hours = append(hours, row.Hour.String())
		}
	}
	if len(hours) == 0 {
		return d.Result(0, nil, "none that was not empty before"), nil
	}
	return d.Result(float64(len(hours)), hours, "%s without a file, and never so in the weeks before: %s",
		count(len(hours), "hour"), named(hours)), nil
}

// worstHour judges hours by a figure each, and finds the worst of them.
func (k *looker) worstHour(d Definition, figure func(ledger.Hour) (float64, bool)) (worst float64, hours []string) {
	for _, row := range k.recent() {
		if d.Least != nil && float64(row.Lines) < *d.Least && row.State == ledger.HourEmpty {
			continue
		}
		f, ok := figure(row)
		if !ok {
			continue
		}
		worst = max(worst, f)
		if d.stateOf(f) != OK {
			hours = append(hours, row.Hour.String())
		}
	}
	return worst, hours
}

func (k *looker) rejects(_ context.Context, d Definition) (Result, error) {
	judged := false
	worst, hours := k.worstHour(d, func(row ledger.Hour) (float64, bool) {
		lines := row.Lines - row.Blanks
		enough := d.Least == nil || float64(lines) >= *d.Least
		judged = judged || enough
		return float64(row.Rejects) / max(float64(lines), 1), enough
	})
	switch {
	case !judged:
		return d.silent(OK, "no hour of the last seven days has lines enough to judge"), nil
	case len(hours) == 0:
		return d.Result(worst, nil, "at most %.2g %% of the lines of each hour of the last seven days",
			100*worst), nil
	}
	return d.Result(worst, hours, "up to %.3g %% of the lines of %s: %s; the view rejects_by_reason says why",
		100*worst, count(len(hours), "hour"), named(hours)), nil
}

// lines compares hours that have files with what is usual for them.
func (k *looker) lines(_ context.Context, d Definition) (Result, error) {
	compared := 0
	worst, hours := k.worstHour(d, func(row ledger.Hour) (float64, bool) {
		var before []int64
		for _, each := range k.weeksBefore(row.Hour) {
			before = append(before, each.Lines)
		}
		if len(before) < fewestWeeks || row.State == ledger.HourEmpty {
			return 0, false
		}
		slices.Sort(before)
		usual, lines := float64(before[(len(before)-1)/2]), max(float64(row.Lines), 1)
		if d.Least != nil && max(usual, lines) < *d.Least {
			return 0, false
		}
		compared++
		return math.Max(lines/max(usual, 1), usual/lines), true
	})
	switch {
	case compared == 0:
		return d.silent(OK, "there are no weeks to compare with yet"), nil
	case len(hours) == 0:
		return d.Result(worst, nil, "at most %.2g times what is usual, either way", worst), nil
	}
	return d.Result(worst, hours, "up to %.3g times as many lines as usual, or as few, in %s: %s", worst,
		count(len(hours), "hour"), named(hours)), nil
}

func (k *looker) gone(_ context.Context, d Definition) (Result, error) {
	var hours []string
	files := int64(0)
	for _, row := range k.recent() {
		if row.GoneFiles > 0 {
			hours, files = append(hours, row.Hour.String()), files+row.GoneFiles
		}
	}
	if files == 0 {
		return d.Result(0, nil, "none of the last seven days"), nil
	}
	return d.Result(float64(files), hours, "%s of %s left the source, and their rows stay: %s; see versionlake "+
		"status --gone", count(int(files), "file"), count(len(hours), "hour"), named(hours)), nil
}

// source says whether a schedule found the source without hours since an hour was ingested.
func (k *looker) source(ctx context.Context, d Definition) (Result, error) {
	now := telemetry.HourOf(k.Now)
	findings, err := ledger.FindingsBetween(ctx, k.lake, now-window, now+2)
	if err != nil {
		return Result{}, err
	}
	last := time.Time{}
	for _, row := range k.rows {
		if row.FinishedAt.After(last) {
			last = row.FinishedAt
		}
	}
	for _, f := range findings {
		if f.Note != "" && f.FoundAt.After(last) {
			return d.Result(1, nil, "the schedule changes nothing: %s", f.Note), nil
		}
	}
	return d.Result(0, nil, "has hours, as far as schedules looked"), nil
}
