package lake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// hoursBetween selects the partitions of the days that [from, to) touches.
func hoursBetween(from, to telemetry.Hour) table.ScanOption {
	return table.WithRowFilter(iceberg.NewAnd(
		iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(from.Date())),
		iceberg.LessThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date((to-1).Date()))))
}

// occupied finds those of some hours, in their order, that have a row in one of the tables, whatever the ledger says.
func (l *Lake) occupied(ctx context.Context, asked []telemetry.Hour, tables ...tableDefinition) (map[telemetry.Hour]bool, error) {
	hours := map[telemetry.Hour]bool{}
	for _, definition := range tables {
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return nil, err
		}
		live, err := liveFiles(ctx, loaded, hoursBetween(asked[0], asked[len(asked)-1]+1))
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			first, last, err := definition.hoursOf(file)
			if err != nil {
				return nil, err
			}
			if at, _ := slices.BinarySearch(asked, first); at == len(asked) || asked[at] > last {
				continue
			}
			parts, err := l.byHour(ctx, definition, file)
			if err != nil {
				return nil, err
			}
			for _, part := range parts {
				hours[part.hour] = true
			}
		}
	}
	return hours, nil
}

// EmptyHours are hours that the source has no file of.
type EmptyHours struct {
	Known   []telemetry.Hour // the ledger says so already
	Unknown []telemetry.Hour // the ledger does not know them: RecordEmpty can say so
	// Occupied have rows, of files that are gone or of a run that was given up half-way: a run of the hour notes the ones as gone, and
	// takes the others out.
	Occupied []telemetry.Hour
}

// SortEmpty says what the lake has of hours without files. newest are the ledger's newest rows of their range.
func (l *Lake) SortEmpty(ctx context.Context, hours []telemetry.Hour, newest map[telemetry.Hour]HourRow) (sorted EmptyHours, err error) {
	if len(hours) == 0 {
		return sorted, nil
	}
	rows, err := l.occupied(ctx, hours, bronzeEvents, bronzeRejects, silverEvents, silverSightings, silverBindings)
	if err != nil {
		return sorted, fmt.Errorf("look for rows of hours without files: %w", err)
	}
	files, err := l.occupied(ctx, hours, opsFiles)
	if err != nil {
		return sorted, fmt.Errorf("look for files of hours without files: %w", err)
	}
	for _, hour := range hours {
		switch row, known := newest[hour]; {
		case rows[hour], known && row.State != HourEmpty, !known && files[hour]:
			sorted.Occupied = append(sorted.Occupied, hour)
		case known:
			sorted.Known = append(sorted.Known, hour) // with rows in ops.files where files are gone
		default:
			sorted.Unknown = append(sorted.Unknown, hour)
		}
	}
	return sorted, nil
}

// RecordEmpty writes hours without files into the ledger, all in one commit. at is when their listing began: a run that
// found a file in one of them ends later, and its row is the newer one. Hours that the ledger knows by now are left alone.
func (l *Lake) RecordEmpty(ctx context.Context, runID, source string, hours []telemetry.Hour, at time.Time) (err error) {
	if len(hours) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("record %d hours without files: %w", len(hours), err)
		}
	}()
	known, err := l.hourRows(ctx, slices.Min(hours), slices.Max(hours)+1)
	if err != nil {
		return err
	}
	in := map[telemetry.Hour]bool{}
	for _, row := range known {
		in[row.Hour] = true
	}
	moment := at.UTC().Truncate(time.Microsecond)
	days := map[int32][]hourRow{}
	for _, hour := range hours {
		if !in[hour] {
			row := HourRow{Hour: hour, RunID: runID, State: HourEmpty, Source: source, Rules: Rules, StartedAt: moment, FinishedAt: moment}
			days[hour.Date()] = append(days[hour.Date()], row.stored())
		}
	}
	files, err := writeDays(ctx, l, opsHours, days, attemptName(runID))
	if err != nil || len(files) == 0 {
		return err
	}
	return l.commit(ctx, opsHours, func(loaded *table.Table) (*change, error) {
		entries, err := l.entries(opsHours, files)
		return &change{add: entries, fresh: true, summary: runSummary(runID)}, err
	})
}

// partsAtOnce is how many small files are written at once: on S3 each takes a round trip.
const partsAtOnce = 8

// writeDays writes a file for each day, of a table that is partitioned by day.
func writeDays[T any](ctx context.Context, l *Lake, definition tableDefinition, days map[int32][]T, name string) (files []dataFile, err error) {
	written, err := writeParts(ctx, l, definition, days, func(day int32) partition { return dayOf(firstHour(day)) }, name)
	for _, each := range written {
		files = append(files, each...)
	}
	return files, err
}

// writeParts writes a file for each partition that has rows.
func writeParts[K comparable, T any](ctx context.Context, l *Lake, definition tableDefinition, parts map[K][]T, at func(K) partition, name string) (map[K][]dataFile, error) {
	written := make(map[K][]dataFile, len(parts))
	var mutex sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(partsAtOnce)
	for part, rows := range parts {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			writer, err := newDataWriter[T](l, definition, at(part))
			if err != nil {
				return err
			}
			if err := writer.write(rows, 0); err != nil {
				writer.abort()
				return err
			}
			file, err := writer.close(name)
			if file == nil || err != nil {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			written[part] = []dataFile{*file}
			return nil
		})
	}
	return written, work.Wait()
}
