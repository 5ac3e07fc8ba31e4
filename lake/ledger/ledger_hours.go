package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Occupied finds those of some hours, in their order, that have a row in one of the tables, whatever the ledger says.
func Occupied(ctx context.Context, l *lake.Lake, asked []telemetry.Hour,
	tables ...lake.TableDefinition) (map[telemetry.Hour]bool, error) {
	hours := map[telemetry.Hour]bool{}
	for _, definition := range tables {
		loaded, err := l.Load(ctx, definition)
		if err != nil {
			return nil, err
		}
		live, err := lake.LiveFiles(ctx, loaded, lake.HoursBetween(asked[0], asked[len(asked)-1]+1))
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			first, last, err := definition.HoursOf(file)
			if err != nil {
				return nil, err
			}
			if at, _ := slices.BinarySearch(asked, first); at == len(asked) || asked[at] > last {
				continue
			}
			parts, err := l.ByHour(ctx, definition, file)
			if err != nil {
				return nil, err
			}
			for _, part := range parts {
				hours[part.Hour] = true
			}
		}
	}
	return hours, nil
}

// EmptyHours are hours that the source has no file of.
type EmptyHours struct {
	Known   []telemetry.Hour // the ledger says so already
	Unknown []telemetry.Hour // the ledger does not know them: RecordEmpty can say so
	// Occupied have rows, of files that are gone or of a run that was given up half-way: a run of the hour notes
	// the ones as gone, and takes the others out.
	Occupied []telemetry.Hour
}

// SortEmpty says what the lake has of hours without files. newest are the ledger's newest rows of their range.
func SortEmpty(ctx context.Context, l *lake.Lake, hours []telemetry.Hour,
	newest map[telemetry.Hour]Hour) (sorted EmptyHours, err error) {
	if len(hours) == 0 {
		return sorted, nil
	}
	rows, err := Occupied(ctx, l, hours, lake.BronzeEvents, lake.BronzeRejects, lake.SilverEvents, lake.SilverSightings,
		lake.SilverBindings)
	if err != nil {
		return sorted, fmt.Errorf("look for rows of hours without files: %w", err)
	}
	files, err := Occupied(ctx, l, hours, lake.OpsFiles)
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

// RecordEmpty writes hours without files into the ledger, all in one commit. at is when their listing began: a run
// that found a file in one of them ends later, and its row is the newer one. Hours that the ledger knows by now are
// left alone.
func RecordEmpty(ctx context.Context, l *lake.Lake, runID, source string, hours []telemetry.Hour,
	at time.Time) (err error) {
	if len(hours) == 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("record %d hours without files: %w", len(hours), err)
		}
	}()
	known, err := Runs(ctx, l, slices.Min(hours), slices.Max(hours)+1)
	if err != nil {
		return err
	}
	in := map[telemetry.Hour]bool{}
	for _, row := range known {
		in[row.Hour] = true
	}
	moment := at.UTC().Truncate(time.Microsecond)
	days := map[int32][]lake.HourRow{}
	for _, hour := range hours {
		if !in[hour] {
			row := Hour{Hour: hour, RunID: runID, State: HourEmpty, Source: source, Rules: lake.Rules,
				StartedAt: moment, FinishedAt: moment}
			days[hour.Date()] = append(days[hour.Date()], row.Stored())
		}
	}
	files, err := WriteDays(ctx, l, lake.OpsHours, days, lake.AttemptName(runID))
	if err != nil || len(files) == 0 {
		return err
	}
	return l.Commit(ctx, lake.OpsHours, func(loaded *table.Table) (*lake.Change, error) {
		entries, err := l.Entries(lake.OpsHours, files)
		return &lake.Change{Add: entries, Fresh: true, Summary: lake.RunSummary(runID)}, err
	})
}

// partsAtOnce is how many small files are written at once: on S3 each takes a round trip.
const partsAtOnce = 8

// WriteDays writes a file for each day, of a table that is partitioned by day.
func WriteDays[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, days map[int32][]T,
	name string) (files []lake.DataFile, err error) {
	written, err := WriteParts(ctx, l, definition, days,
		func(day int32) lake.Partition { return lake.DayOf(lake.FirstHour(day)) }, name)
	for _, each := range written {
		files = append(files, each...)
	}
	return files, err
}

// WriteRows writes rows that are at hand as one file; nil where there are none.
func WriteRows[T any](l *lake.Lake, definition lake.TableDefinition, at lake.Partition, rows []T, name string) (
	*lake.DataFile, error) {
	writer, err := lake.NewDataWriter[T](l, definition, at)
	if err != nil {
		return nil, err
	}
	if err := writer.Append(rows, 0); err != nil {
		writer.Abort()
		return nil, err
	}
	return writer.Close(name)
}

// WriteParts writes a file for each partition that has rows.
func WriteParts[K comparable, T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	parts map[K][]T, at func(K) lake.Partition, name string) (map[K][]lake.DataFile, error) {
	written := make(map[K][]lake.DataFile, len(parts))
	var mutex sync.Mutex
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(partsAtOnce)
	for part, rows := range parts {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			file, err := WriteRows(l, definition, at(part), rows, name)
			if file == nil || err != nil {
				return err
			}
			mutex.Lock()
			defer mutex.Unlock()
			written[part] = []lake.DataFile{*file}
			return nil
		})
	}
	return written, work.Wait()
}
