package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

// RecountErased lets gold and the ledger follow: whoever shared a session with the forgotten one is made anew from what silver
// has left, and of the hours that lost lines, what is no longer in bronze counts as erased. The daily aggregates count the dates
// of these anew with their next refresh, as far as they are not frozen.
func (l *Lake) RecountErased(ctx context.Context, erasure string) error {
	if err := l.rebuildOthers(ctx, erasure); err != nil {
		return fmt.Errorf("let gold follow: %w", err)
	}
	if err := l.eraseVersions(ctx, erasure); err != nil {
		return fmt.Errorf("let gold.versions follow: %w", err)
	}
	touched, dates, err := l.touched(erasure)
	if err != nil {
		return err
	}
	if len(dates) > 0 {
		if err := l.recountDates(ctx, dates); err != nil {
			return fmt.Errorf("let the daily aggregates follow: %w", err)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	hours := map[telemetry.Hour]*recount{}
	for _, hour := range slices.Sorted(maps.Keys(touched)) {
		if hours[hour], err = l.recount(ctx, hour); err != nil {
			return err
		}
	}
	if err := l.recountFiles(ctx, hours); err != nil {
		return err
	}
	return l.recountHours(ctx, hours)
}

// recount is what an hour has now.
type recount struct {
	events, rejects             map[string]int64 // by source file
	silver, sightings, bindings int64
}

func (l *Lake) recount(ctx context.Context, hour telemetry.Hour) (*recount, error) {
	r := &recount{events: map[string]int64{}, rejects: map[string]int64{}}
	for _, definition := range []tableDefinition{bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings} {
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return nil, err
		}
		files, err := l.hourFiles(ctx, loaded, hour)
		if err != nil {
			return nil, err
		}
		switch definition.name {
		case bronzeEvents.name:
			err = countByFile[eventPlace](ctx, l, files, r.events, func(row *eventPlace) string { return row.FileName })
		case bronzeRejects.name:
			err = countByFile[rejectPlace](ctx, l, files, r.rejects, func(row *rejectPlace) string { return row.FileName })
		case silverEvents.name:
			r.silver = countOf(files)
		case silverSightings.name:
			r.sightings = countOf(files)
		case silverBindings.name:
			r.bindings = countOf(files)
		}
		if err != nil {
			return nil, err
		}
	}
	return r, nil
}

func countByFile[T any](ctx context.Context, l *Lake, files []iceberg.DataFile, counts map[string]int64, name func(*T) string) error {
	for _, file := range files {
		if err := scanRows(ctx, l, file, func(rows []T) error {
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
func (l *Lake) recountFiles(ctx context.Context, hours map[telemetry.Hour]*recount) error {
	days := map[int32]telemetry.Hour{}
	for hour := range hours {
		days[hour.Date()] = hour
	}
	return l.commit(ctx, opsFiles, func(loaded *table.Table) (*change, error) {
		wanted := &change{}
		for _, day := range slices.Sorted(maps.Keys(days)) {
			live, err := dayFiles(ctx, loaded, day)
			if err != nil {
				return nil, err
			}
			if err := rewriteRows(ctx, l, opsFiles, dayOf(days[day]), live, wanted, func(row *fileRow) bool {
				count := hours[row.hour()]
				if version := row.public(0); count == nil || !version.present() {
					return false
				}
				now := *row
				now.Events, now.Rejects = count.events[row.FileName], count.rejects[row.FileName]
				now.Erased = now.Lines - now.Blanks - now.Events - now.Rejects
				if now.State == FileBad {
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
func (l *Lake) recountHours(ctx context.Context, hours map[telemetry.Hour]*recount) error {
	newest := map[telemetry.Hour]string{}
	days := map[int32]telemetry.Hour{}
	for hour := range hours {
		rows, err := l.Hours(ctx, hour, hour+1)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			newest[hour] = rows[0].RunID
		}
		days[hour.Date()] = hour
	}
	return l.commit(ctx, opsHours, func(loaded *table.Table) (*change, error) {
		wanted := &change{}
		for _, day := range slices.Sorted(maps.Keys(days)) {
			live, err := dayFiles(ctx, loaded, day)
			if err != nil {
				return nil, err
			}
			if err := rewriteRows(ctx, l, opsHours, dayOf(days[day]), live, wanted, func(row *hourRow) bool {
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
	return liveFiles(ctx, loaded, table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(day))))
}

// rewriteRows adds to a change what it takes to edit rows of a partition: files without a change stay.
func rewriteRows[T any](ctx context.Context, l *Lake, definition tableDefinition, at partition, live []iceberg.DataFile, wanted *change, edit func(*T) bool) error {
	for _, file := range live {
		_, changed, err := look(ctx, l, file, func(row *T) (keep, changed bool) { return true, edit(row) }, true)
		if err != nil {
			return err
		}
		if !changed {
			continue
		}
		written, err := writeAnew(ctx, l, definition, at, file, func(writer *dataWriter[T], rows []T) (same bool, err error) {
			same = true
			for i := range rows {
				same = !edit(&rows[i]) && same
			}
			return same, writer.write(rows, 256*len(rows))
		})
		if err != nil {
			return err
		}
		added, err := l.entries(definition, []dataFile{*written})
		if err != nil {
			return err
		}
		wanted.remove, wanted.add = append(wanted.remove, file), append(wanted.add, added...)
	}
	return nil
}
