package forget

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// RecountErased lets gold and the ledger follow: whoever shared a session with the forgotten one is made anew from
// what silver has left, and of the hours that lost lines, what is no longer in bronze counts as erased. The daily
// aggregates count the dates of these anew with their next refresh, as far as they are not frozen.
func RecountErased(ctx context.Context, l *lake.Lake, erasure string) error {
	parties, err := readSubjects(ctx, l, erasure)
	if err != nil {
		return err
	}
	users, sessions := map[string]bool{}, []string(nil)
	for _, party := range parties {
		users[party.who.User] = true
		sessions = append(sessions, party.who.Sessions...)
	}
	name := forgotten.ForgetName(parties[0].erasure)
	if err := gold.RemakeSharers(ctx, l, name, users, sessions); err != nil {
		return fmt.Errorf("let gold follow: %w", err)
	}
	if err := events.ResolveAgain(ctx, l, name, sessions); err != nil {
		return err
	}
	if err := eraseVersions(ctx, l, parties[0].erasure); err != nil {
		return fmt.Errorf("let gold.versions follow: %w", err)
	}
	if err := redactDays(ctx, l, erasure); err != nil {
		return err
	}
	touched, dates, err := findTouched(l, erasure)
	if err != nil {
		return err
	}
	if len(dates) > 0 {
		if err := daily.RecountDates(ctx, l, dates); err != nil {
			return fmt.Errorf("let the daily aggregates follow: %w", err)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	hours := map[telemetry.Hour]*recount{}
	for _, hour := range slices.Sorted(maps.Keys(touched)) {
		if hours[hour], err = recountLines(ctx, l, hour); err != nil {
			return err
		}
	}
	if err := recountFiles(ctx, l, hours); err != nil {
		return err
	}
	return recountHours(ctx, l, hours)
}

// recount is what an hour has now.
type recount struct {
	events, rejects             map[string]int64 // by source file
	silver, sightings, bindings int64
}

func recountLines(ctx context.Context, l *lake.Lake, hour telemetry.Hour) (*recount, error) {
	r := &recount{events: map[string]int64{}, rejects: map[string]int64{}}
	for _, definition := range []lake.TableDefinition{lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents,
		lake.SilverSightings, lake.SilverBindings} {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return nil, err
		}
		files, err := l.HourFiles(ctx, loaded, hour)
		if err != nil {
			return nil, err
		}
		switch definition.Name {
		case lake.BronzeEvents.Name:
			err = countByFile[lake.EventPlace](ctx, l, files,
				r.events, func(row *lake.EventPlace) string { return row.FileName })
		case lake.BronzeRejects.Name:
			err = countByFile[lake.RejectPlace](ctx, l, files, r.rejects,
				func(row *lake.RejectPlace) string { return row.FileName })
		case lake.SilverEvents.Name:
			r.silver = lake.CountOf(files)
		case lake.SilverSightings.Name:
			r.sightings = lake.CountOf(files)
		case lake.SilverBindings.Name:
			r.bindings = lake.CountOf(files)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func countByFile[T any](ctx context.Context, l *lake.Lake, files []iceberg.DataFile, counts map[string]int64,
	name func(*T) string) error {
	for _, file := range files {
		if err := lake.ScanRows(ctx, l, file, func(rows []T) error {
			for i := range rows {
				file := name(&rows[i])
				if _, known := counts[file]; !known {
					file = strings.Clone(file) // rows die with the batch
				}
				counts[file]++
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// recountFiles corrects the present versions of the hours' files.
func recountFiles(ctx context.Context, l *lake.Lake, hours map[telemetry.Hour]*recount) error {
	days := map[int32]telemetry.Hour{}
	for hour := range hours {
		days[hour.Date()] = hour
	}
	return l.Commit(ctx, lake.OpsFiles, func(loaded *table.Table) (*lake.Change, error) {
		wanted := &lake.Change{}
		for _, day := range slices.Sorted(maps.Keys(days)) {
			live, err := dayFiles(ctx, loaded, day)
			if err != nil {
				return nil, err
			}
			if err := rewriteRows(ctx, l, lake.OpsFiles, lake.DayOf(days[day]), live,
				wanted, func(row *lake.FileRow) bool {
					count := hours[row.Hour()]
					if version := ledger.FileOf(row, 0); count == nil || !version.Present() {
						return false
					}
					now := *row
					now.Events, now.Rejects = count.events[row.FileName], count.rejects[row.FileName]
					now.Erased = now.Lines - now.Blanks - now.Events - now.Rejects
					if now.State == ledger.FileBad {
						now.RowsKept = now.Events + now.Rejects
					}
					changed := now != *row
					*row = now
					return changed
				}); err != nil {
				return nil, err
			}
		}
		return wanted, nil
	})
}

// recountHours corrects the newest row of each hour.
func recountHours(ctx context.Context, l *lake.Lake, hours map[telemetry.Hour]*recount) error {
	newest := map[telemetry.Hour]string{}
	days := map[int32]telemetry.Hour{}
	for hour := range hours {
		rows, err := ledger.Hours(ctx, l, hour, hour+1)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			newest[hour] = rows[0].RunID
		}
		days[hour.Date()] = hour
	}
	return l.Commit(ctx, lake.OpsHours, func(loaded *table.Table) (*lake.Change, error) {
		wanted := &lake.Change{}
		for _, day := range slices.Sorted(maps.Keys(days)) {
			live, err := dayFiles(ctx, loaded, day)
			if err != nil {
				return nil, err
			}
			if err := rewriteRows(ctx, l, lake.OpsHours, lake.DayOf(days[day]), live,
				wanted, func(row *lake.HourRow) bool {
					hour := telemetry.HourOf(time.UnixMicro(row.HourStart))
					count := hours[hour]
					if count == nil || newest[hour] != row.RunID {
						return false
					}
					now := *row
					now.Events, now.Rejects = 0, 0
					for _, n := range count.events {
						now.Events += n
					}
					for _, n := range count.rejects {
						now.Rejects += n
					}
					now.Erased = now.Lines - now.Blanks - now.Events - now.Rejects
					now.Silver, now.Sightings, now.Bindings = count.silver, count.sightings, count.bindings
					changed := now != *row
					*row = now
					return changed
				}); err != nil {
				return nil, err
			}
		}
		return wanted, nil
	})
}

func dayFiles(ctx context.Context, loaded *table.Table, day int32) ([]iceberg.DataFile, error) {
	return lake.LiveFiles(ctx, loaded,
		table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(day))))
}

// rewriteRows adds to a change what it takes to edit rows of a partition: files without a change stay.
func rewriteRows[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, at lake.Partition,
	live []iceberg.DataFile, wanted *lake.Change, edit func(*T) bool) error {
	for _, file := range live {
		_, changed, err := forgotten.Look(ctx,
			l, file, func(row *T) (keep, changed bool) { return true, edit(row) }, true)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		written, err := forgotten.Rewrite(ctx, l, definition, at, file,
			func(writer *lake.DataWriter[T], rows []T) (same bool, err error) {
				same = true
				for i := range rows {
					same = !edit(&rows[i]) && same
				}
				return same, writer.Append(rows, 256*len(rows))
			})
		if err != nil {
			return err
		}
		added, err := l.Entries(definition, []lake.DataFile{*written})
		if err != nil {
			return err
		}
		wanted.Remove, wanted.Add = append(wanted.Remove, file), append(wanted.Add, added...)
	}
	return nil
}
