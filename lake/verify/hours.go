package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Rules 2 and 3: the ledger, the files and the rows of each hour must tell the same.

// verifyHours compares the ledger's newest row of each hour with the files it read and with the rows that are there.
func (v *verifier) verifyHours(ctx context.Context) error {
	hours := map[telemetry.Hour]bool{}
	for hour := range v.ledger {
		hours[hour] = true
	}
	for _, files := range v.files {
		for hour := range files {
			hours[hour] = true
		}
	}
	unsettled := v.halfCommitted()
	chosen := slices.DeleteFunc(slices.Sorted(maps.Keys(hours)),
		func(hour telemetry.Hour) bool { return !v.chosen(hour) })
	chosen = v.unsureHours(chosen)
	for n, hour := range chosen {
		v.progress("comparing bronze, silver and the ledger", n, len(chosen), "hours")
		if since, half := unsettled[hour]; half {
			if age := time.Since(since); age > halfCommittedFor {
				v.differ(Difference{Rule: 3, Hour: hour.String(), Table: lake.OpsHours.Name},
					"half committed since %s: no run of the hour has ended since; ingest it again",
					since.UTC().Format(time.RFC3339))
			}
			v.note("hour %s is half committed: a run is under way, or was given up; its rows were not checked", hour)
			continue
		}
		if err := v.verifyHour(ctx, hour); err != nil {
			return err
		}
	}
	v.noteOlderSilver()
	return nil
}

// verifiedHour gathers what the tables say of an hour.
type verifiedHour struct {
	hour   telemetry.Hour
	ledger *ledger.Hour            // nil: unknown
	files  map[string]lake.FileRow // the versions that were read, by key
	lines  map[string]*fileLines
}

func (v *verifier) verifyHour(ctx context.Context, hour telemetry.Hour) error {
	v.checked.Hours++
	h := &verifiedHour{hour: hour, files: map[string]lake.FileRow{}, lines: map[string]*fileLines{}}
	if runs := v.ledger[hour]; len(runs) > 0 {
		h.ledger = &runs[len(runs)-1]
	}
	if h.ledger == nil {
		for _, definition := range verifiedTables {
			if rows := lake.CountOf(v.files[definition.Name][hour]); rows > 0 {
				v.differ(h.in(definition, 3), "%d rows of an hour that the ledger does not know",
					rows)
			}
		}
	}
	for _, step := range []func(context.Context, *verifiedHour) error{v.verifyDropped, v.verifyFiles, v.verifyBronze,
		v.verifyFileCounts} {
		if err := step(ctx, h); err != nil {
			return err
		}
	}
	if h.ledger != nil && h.ledger.State != ledger.HourEmpty && h.ledger.Rules < lake.Rules {
		return v.verifyOlderSilver(ctx, h)
	}
	return v.verifySilver(ctx, h)
}

// verifyOlderSilver only counts what differs in an hour whose silver was made by older rules: that is no fault.
func (v *verifier) verifyOlderSilver(ctx context.Context, h *verifiedHour) error {
	report, differences := v.report, v.checked.Differences
	v.report = func(Difference) error { return nil }
	err := v.verifySilver(ctx, h)
	v.older.hours++
	if v.checked.Differences > differences {
		v.older.other++
	}
	v.report, v.checked.Differences = report, differences
	return err
}

// noteOlderSilver tells of the hours whose silver was made by older rules, and how to make it anew.
func (v *verifier) noteOlderSilver() {
	if v.older.hours == 0 {
		return
	}
	v.note("hours whose silver was made by older rules: %d, and it would be different by today's in %d of them: "+
		"versionlake reprocess --layer silver makes it anew from bronze; lines that were rejected then are read "+
		"by reprocessing from the source",
		v.older.hours, v.older.other)
}

// dropped tells whether maintenance dropped the hour's rows of a table on purpose.
func (v *verifier) dropped(h *verifiedHour, definition lake.TableDefinition) bool {
	before, ok := ledger.DroppedBefore(v.tables[definition.Name])
	return ok && h.hour < before
}

// verifyDropped checks that what was dropped is gone.
func (v *verifier) verifyDropped(_ context.Context, h *verifiedHour) error {
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents} {
		if rows := lake.CountOf(v.files[definition.Name][h.hour]); rows > 0 && v.dropped(h, definition) {
			v.differ(h.in(definition, 3), "%d rows of an hour that was dropped", rows)
		}
	}
	return nil
}

// in is the place of a difference in one of the hour's tables.
func (h *verifiedHour) in(definition lake.TableDefinition, rule int) Difference {
	return Difference{Rule: rule, Table: definition.Name, Hour: h.hour.String()}
}

// at is the same, at a line of a source file; 0: the file as a whole.
func (h *verifiedHour) at(definition lake.TableDefinition, rule int, file string, line int64) Difference {
	where := h.in(definition, rule)
	if where.File = file; line != 0 {
		where.File = fmt.Sprintf("%s:%d", file, line)
	}
	return where
}

// verifyLedger looks at the ledger by itself: the sums of its rows, and their states.
func (v *verifier) verifyLedger(ctx context.Context) error {
	for _, hour := range slices.Sorted(maps.Keys(v.ledger)) {
		if !v.chosen(hour) || v.unsure[hour] {
			continue
		}
		runs := map[string]bool{}
		for _, row := range v.ledger[hour] {
			if runs[row.RunID] {
				v.differ(inLedger(hour, 3), "run %s has two rows", row.RunID)
			}
			runs[row.RunID] = true
			v.verifyRun(row)
		}
	}
	return ctx.Err()
}

func (v *verifier) verifyRun(row ledger.Hour) {
	if row.Lines != row.Events+row.Rejects+row.Blanks+row.Erased {
		v.differ(inLedger(row.Hour, 2), "run %s: %d lines are not %d events + %d rejects + %d blanks + %d erased",
			row.RunID, row.Lines, row.Events, row.Rejects, row.Blanks, row.Erased)
	}
	want := stateOf(row)
	// An hour whose files are all gone keeps its state.
	allGone := want == ledger.HourComplete && row.State == ledger.HourDegraded && row.GoneFiles == row.Files
	if row.State != want && !allGone {
		v.differ(inLedger(row.Hour, 2), "run %s is %s, and with %d files, %d of them bad, should be %s", row.RunID,
			row.State, row.Files, row.BadFiles, want)
	}
}

func inLedger(hour telemetry.Hour, rule int) Difference {
	return Difference{Rule: rule, Table: lake.OpsHours.Name, Hour: hour.String()}
}

func stateOf(row ledger.Hour) string {
	switch {
	case row.Files == 0:
		return ledger.HourEmpty
	case row.BadFiles > 0:
		return ledger.HourDegraded
	}
	return ledger.HourComplete
}

func (v *verifier) chosen(hour telemetry.Hour) bool {
	return hour >= v.options.From && hour < v.options.To
}
