package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Rules 2 and 3: the ledger, the files and the rows of each hour must tell the same.

// verifyLedger looks at the ledger by itself: the sums of its rows, and whether it knows every hour that has rows.
func (v *Verifier) verifyLedger(ctx context.Context) error {
	for _, hour := range slices.Sorted(maps.Keys(v.ledger)) {
		if !v.chosen(hour) {
			continue
		}
		runs := map[string]bool{}
		for _, row := range v.ledger[hour] {
			where := Difference{Rule: 3, Table: lake.OpsHours.Name, Hour: hour.String()}
			if runs[row.RunID] {
				if err := v.differ(where, "run %s has two rows", row.RunID); err != nil {
					return err
				}
			}
			runs[row.RunID] = true
			where.Rule = 2
			if row.Lines != row.Events+row.Rejects+row.Blanks+row.Erased {
				if err := v.differ(where, "run %s: %d lines are not %d events + %d rejects + %d blanks + %d erased",
					row.RunID, row.Lines, row.Events, row.Rejects,
					row.Blanks, row.Erased); err != nil {
					return err
				}
			}
			if want := stateOf(row); row.State != want &&
				!(want == ledger.HourComplete && row.State == ledger.HourDegraded && row.GoneFiles == row.Files) {
				if err := v.differ(where, "run %s is %s, and with %d files, %d of them bad, should be %s", row.RunID,
					row.State, row.Files, row.BadFiles, want); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
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

func (v *Verifier) chosen(hour telemetry.Hour) bool {
	return hour >= v.Options.From && hour < v.Options.To
}

// verifyHours compares the ledger's newest row of each hour with the files it read and with the rows that are there.
func (v *Verifier) verifyHours(ctx context.Context) error {
	hours := map[telemetry.Hour]bool{}
	for hour := range v.ledger {
		hours[hour] = true
	}
	for _, files := range v.files {
		for hour := range files {
			hours[hour] = true
		}
	}
	unsettled := v.Unsettled()
	chosen := slices.DeleteFunc(slices.Sorted(maps.Keys(hours)),
		func(hour telemetry.Hour) bool { return !v.chosen(hour) })
	for n, hour := range chosen {
		v.progress("comparing bronze, silver and the ledger", n, len(chosen), "hours")
		if since, half := unsettled[hour]; half {
			if age := time.Since(since); age > halfCommittedFor {
				if err := v.differ(Difference{Rule: 3, Hour: hour.String(), Table: lake.OpsHours.Name},
					"half committed since %s: no run of the hour has ended since; ingest it again",
					since.UTC().Format(time.RFC3339)); err != nil {
					return err
				}
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

// fileLines are the rows that a file has in bronze.
type fileLines struct {
	events, rejects int64
	seen            map[int64]uint64 // line numbers, 64 to an entry
}

// see notes a line, and tells whether it was there before.
func (f *fileLines) see(line int64) (before bool) {
	bit := uint64(1) << (line & 63)
	before = f.seen[line>>6]&bit != 0
	f.seen[line>>6] |= bit
	return before
}

func (v *Verifier) verifyHour(ctx context.Context, hour telemetry.Hour) error {
	v.checked.Hours++
	h := &verifiedHour{hour: hour, files: map[string]lake.FileRow{}, lines: map[string]*fileLines{}}
	if runs := v.ledger[hour]; len(runs) > 0 {
		h.ledger = &runs[len(runs)-1]
	}
	if h.ledger == nil {
		for _, definition := range verifiedTables {
			if rows := lake.CountOf(v.files[definition.Name][hour]); rows > 0 {
				if err := v.differ(h.in(definition, 3), "%d rows of an hour that the ledger does not know",
					rows); err != nil {
					return err
				}
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
func (v *Verifier) verifyOlderSilver(ctx context.Context, h *verifiedHour) error {
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
func (v *Verifier) noteOlderSilver() {
	if v.older.hours == 0 {
		return
	}
	v.note("the silver of %d hours was made by older rules, and would be different by today's in %d of them: "+
		"versionlake reprocess --layer silver makes it anew from bronze; lines that were rejected then are read "+
		"by reprocessing from the source",
		v.older.hours, v.older.other)
}

// dropped tells whether maintenance dropped the hour's rows of a table on purpose.
func (v *Verifier) dropped(h *verifiedHour, definition lake.TableDefinition) bool {
	before, ok := ledger.DroppedBefore(v.tables[definition.Name])
	return ok && h.hour < before
}

// verifyDropped checks that what was dropped is gone.
func (v *Verifier) verifyDropped(_ context.Context, h *verifiedHour) error {
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents} {
		if rows := lake.CountOf(v.files[definition.Name][h.hour]); rows > 0 && v.dropped(h, definition) {
			if err := v.differ(h.in(definition, 3), "%d rows of an hour that was dropped", rows); err != nil {
				return err
			}
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

// verifyFiles checks the sums of ops.files, by themselves and against the ledger.
func (v *Verifier) verifyFiles(ctx context.Context, h *verifiedHour) error {
	type version struct{ key, etag string }
	versions := map[version]bool{}
	var sum ledger.Hour
	passed := int64(0)
	if err := eachRow(ctx, v, h.in(lake.OpsFiles, 2), v.files[lake.OpsFiles.Name][h.hour],
		func(row *lake.FileRow) error {
			v.checked.Files++
			where := h.at(lake.OpsFiles, 2, strings.Clone(row.FileName), 0)
			if versions[version{row.FileName, row.ETag}] {
				if err := v.differ(where, "version %s has two rows", row.ETag); err != nil {
					return err
				}
			}
			versions[version{strings.Clone(row.FileName), strings.Clone(row.ETag)}] = true
			if row.Lines != row.Events+row.Rejects+row.Blanks+row.Erased {
				if err := v.differ(where, "%d lines are not %d events + %d rejects + %d blanks + %d erased", row.Lines,
					row.Events, row.Rejects, row.Blanks,
					row.Erased); err != nil {
					return err
				}
			}
			switch row.State {
			case ledger.FileRead, ledger.FileBad, ledger.FileGone:
				if _, twice := h.files[row.FileName]; twice {
					return v.differ(where, "two versions of the file count as the present one")
				}
				if kept := row.Events + row.Rejects; row.State == ledger.FileBad && row.RowsKept != kept {
					if err := v.differ(where, "rows_kept says %d of a bad file, of which %d rows are counted",
						row.RowsKept,
						kept); err != nil {
						return err
					}
				}
				copied := *row
				copied.FileName = where.File
				h.files[copied.FileName] = copied
				sum.Files, sum.Bytes = sum.Files+1, sum.Bytes+row.Size
				switch row.State {
				case ledger.FileBad:
					sum.BadFiles++
				case ledger.FileGone:
					sum.GoneFiles++
				}
				sum.Lines, sum.Events, sum.Rejects, sum.Blanks = sum.Lines+row.Lines, sum.Events+
					row.Events, sum.Rejects+
					row.Rejects, sum.Blanks+row.Blanks
				sum.Erased += row.Erased
			case ledger.FilePassed:
				passed++
			case ledger.FileReplaced, ledger.FileRemoved:
			default:
				return v.differ(where, "state %q is none of read, gone, bad, replaced, removed and passed", row.State)
			}
			return nil
		}); err != nil || h.ledger == nil {
		return err
	}
	for _, figure := range []struct {
		name        string
		ledger, sum int64
	}{
		{"files", h.ledger.Files, sum.Files}, {"bad files", h.ledger.BadFiles, sum.BadFiles}, {"bytes", h.ledger.Bytes,
			sum.Bytes},
		{"lines", h.ledger.Lines, sum.Lines}, {"events", h.ledger.Events, sum.Events}, {"rejects", h.ledger.Rejects,
			sum.Rejects},
		{"blanks", h.ledger.Blanks, sum.Blanks}, {"erased lines", h.ledger.Erased, sum.Erased},
		{"files that are gone", h.ledger.GoneFiles, sum.GoneFiles},
		{"files passed over, of which the first thousand are named,", min(h.ledger.PassedOver, 1000), passed},
	} {
		if figure.ledger != figure.sum {
			if err := v.differ(h.in(lake.OpsHours, 2), "the ledger says %d %s, and the rows of ops.files make %d",
				figure.ledger, figure.name, figure.sum); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyBronze finds rows that lie in the wrong hour, and lines that have more than one row.
func (v *Verifier) verifyBronze(ctx context.Context, h *verifiedHour) error {
	err := eachRow(ctx, v, h.in(lake.BronzeEvents, 2), v.files[lake.BronzeEvents.Name][h.hour],
		func(row *lake.EventPlace) error {
			v.checked.Events++
			return v.bronzeRow(h, lake.BronzeEvents, row)
		})
	if err != nil {
		return err
	}
	return eachRow(ctx, v, h.in(lake.BronzeRejects, 2), v.files[lake.BronzeRejects.Name][h.hour],
		func(row *lake.RejectPlace) error {
			v.checked.Rejects++
			return v.bronzeRow(h, lake.BronzeRejects, (*lake.EventPlace)(row))
		})
}

func (v *Verifier) bronzeRow(h *verifiedHour, definition lake.TableDefinition, row *lake.EventPlace) error {
	lines := h.lines[row.FileName]
	if lines == nil {
		lines = &fileLines{seen: map[int64]uint64{}}
		h.lines[strings.Clone(row.FileName)] = lines
	}
	if definition.Name == lake.BronzeEvents.Name {
		lines.events++
	} else {
		lines.rejects++
	}
	if row.IngestDate != h.hour.Date() || row.IngestHourOfDay != h.hour.OfDay() {
		if err := v.differ(h.at(definition, 3, row.FileName, row.LineNumber),
			"the row's columns say another hour than its partition: day %d, hour %d",
			row.IngestDate, row.IngestHourOfDay); err != nil {
			return err
		}
	}
	if lines.see(row.LineNumber) {
		return v.differ(h.at(definition, 2, row.FileName, row.LineNumber), "the line has more than one row in bronze")
	}
	return nil
}

// verifyFileCounts compares each file's counts with its rows.
func (v *Verifier) verifyFileCounts(ctx context.Context, h *verifiedHour) error {
	names := map[string]bool{}
	for name := range h.files {
		names[name] = true
	}
	for name := range h.lines {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		row, read := h.files[name]
		lines := h.lines[name]
		if lines == nil {
			lines = &fileLines{}
		}
		var err error
		if !read && h.ledger != nil {
			err = v.differ(h.at(lake.BronzeEvents, 2, name, 0),
				"%d events and %d rejects of a file that ops.files does not have as read", lines.events, lines.rejects)
		}
		if err == nil && read && row.Events != lines.events && !v.dropped(h, lake.BronzeEvents) {
			err = v.differ(h.at(lake.BronzeEvents, 2, name, 0), "ops.files says %d events, bronze has %d", row.Events,
				lines.events)
		}
		if err == nil && read && row.Rejects != lines.rejects && !v.dropped(h, lake.BronzeRejects) {
			err = v.differ(h.at(lake.BronzeRejects, 2, name, 0), "ops.files says %d rejects, bronze has %d",
				row.Rejects, lines.rejects)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
