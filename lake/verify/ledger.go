package verify

import (
	"context"
	"maps"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

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
