package events

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

var (
	silverSchema = parquet.SchemaOf(lake.SilverRow{})
	goldSchema   = parquet.SchemaOf(lake.ResolvedRow{})
)

func place(schema *parquet.Schema, column string) int {
	leaf, ok := schema.Lookup(column)
	if !ok {
		panic("no column " + column)
	}
	return leaf.ColumnIndex
}

// Places of columns in rows of silver.events.
var (
	silverEventName = place(silverSchema, "event_name")
	silverSession   = place(silverSchema, "session_id")
	silverService   = place(silverSchema, "service_name")
	silverTime      = place(silverSchema, "event_timestamp_utc")
	silverUser      = place(silverSchema, "user_id")
	silverDevice    = place(silverSchema, "device")
	silverVersion   = place(silverSchema, "version")
	silverDuration  = place(silverSchema, "duration")
)

// Places of columns in rows of gold.events.
var (
	goldEventName = place(goldSchema, "event_name")
	goldSession   = place(goldSchema, "session_id")
	goldService   = place(goldSchema, "service")
	goldTime      = place(goldSchema, "event_time")
	goldUser      = place(goldSchema, "user_id")
	goldKind      = place(goldSchema, "user_kind")
	goldDevice    = place(goldSchema, "device")
	goldVersion   = place(goldSchema, "version")
	goldDuration  = place(goldSchema, "duration_seconds")
	goldNamed     = place(goldSchema, "named")
	goldKey       = place(goldSchema, "session_key")
	goldHour      = place(goldSchema, "ingest_hour_utc")
	goldDate      = place(goldSchema, "p_ingest_date_utc")
)

// same are the columns that are taken over as they are, by their places in silver.events and in gold.events.
var same = func() (places [][2]int) {
	for _, names := range [][2]string{
		{"event_name", "event_name"}, {"session_id", "session_id"}, {"service_name", "service"},
		{"event_timestamp_utc", "event_time"}, {"os", "os"}, {"model", "model"}, {"memory", "memory"},
		{"target_version", "target_version"}, {"status", "status"}, {"feature", "feature"}, {"code", "code"},
		{"severity", "severity"}, {"message", "message"}, {"source", "source"}, {"campaign", "campaign"},
		{"experiment", "experiment"}, {"variant", "variant"},
	} {
		places = append(places, [2]int{place(silverSchema, names[0]), place(goldSchema, names[1])})
	}
	return places
}()

func text(value parquet.Value) string { return objects.UnsafeString(value.ByteArray()) }

// rowWriter writes rows of one file.
type rowWriter struct {
	*lake.DataWriter[any]
	rows []parquet.Row
	size int
}

// rowBatch is how many rows are handed on at once.
const rowBatch = 256

func newRowWriter(l *lake.Lake, at lake.Partition) (*rowWriter, error) {
	writer, err := lake.NewRawWriter(l, lake.GoldEvents, at)
	return &rowWriter{DataWriter: writer, rows: make([]parquet.Row, rowBatch)}, err
}

// next is the row to be filled next. Its values are kept until the batch is full.
func (w *rowWriter) next() parquet.Row {
	if cap(w.rows[w.size]) == 0 {
		w.rows[w.size] = make(parquet.Row, len(goldSchema.Columns()))
	}
	w.size++
	return w.rows[w.size-1]
}

func (w *rowWriter) filled() error {
	if w.size < rowBatch {
		return nil
	}
	return w.flush()
}

func (w *rowWriter) flush() error {
	err := w.WriteRaw(w.rows[:w.size])
	w.size = 0
	return err
}

func (w *rowWriter) end(name string) (*lake.DataFile, error) {
	if err := w.flush(); err != nil {
		w.Abort()
		return nil, err
	}
	return w.Close(name)
}

func required(text string, column int) parquet.Value {
	return parquet.ByteArrayValue([]byte(text)).Level(0, 0, column)
}

func optional(text string, column int) parquet.Value {
	if text == "" {
		return parquet.NullValue().Level(0, 0, column)
	}
	return parquet.ByteArrayValue([]byte(text)).Level(0, 1, column)
}

// keep copies a value that lives no longer than its scan's next rows.
func keep(value parquet.Value, column int) parquet.Value {
	return value.Clone().Level(value.RepetitionLevel(), value.DefinitionLevel(), column)
}

// put writes what was found out into a row.
func (r *resolved) put(row parquet.Row) {
	row[goldUser], row[goldKind] = required(r.user, goldUser), required(r.kind, goldKind)
	row[goldDevice], row[goldVersion] = optional(r.device, goldDevice), optional(r.version, goldVersion)
}

// resolveFiles writes the rows that files of silver.events of one day become, in their order, into one file.
func (t *turn) resolveFiles(ctx context.Context, files []iceberg.DataFile) error {
	first, err := lake.HourOfFile(files[0])
	if err != nil {
		return err
	}
	writer, err := newRowWriter(t.lake, lake.GoldEvents.At(first))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := t.resolveFile(ctx, file, writer); err != nil {
			writer.Abort()
			return fmt.Errorf("resolve the events of %s: %w", file.FilePath(), err)
		}
	}
	written, err := writer.end(t.name())
	t.add(written)
	return err
}

func (t *turn) resolveFile(ctx context.Context, file iceberg.DataFile, writer *rowWriter) error {
	hour, err := lake.HourOfFile(file)
	if err != nil {
		return err
	}
	r := newResolver(t.facts)
	start := parquet.Int64Value(hour.Start().UnixMicro()).Level(0, 0, goldHour)
	date := parquet.Int32Value(hour.Date()).Level(0, 0, goldDate)
	if err := t.lake.ScanRaw(ctx, file, silverSchema, func(from parquet.Row) error {
		e := event{
			session: text(from[silverSession]), service: text(from[silverService]), time: from[silverTime].Int64(),
			user: text(from[silverUser]), device: text(from[silverDevice]), version: text(from[silverVersion]),
		}
		e.key = int64(xxhash.Sum64String(e.session))
		named := int32(0)
		for bit, text := range map[int32]string{lake.NamedUser: e.user, lake.NamedDevice: e.device,
			lake.NamedVersion: e.version} {
			if text != "" {
				named |= bit
			}
		}
		name := text(from[silverEventName])
		e.isSighting = isSighting(name, named)
		result, err := r.resolve(&e)
		if err != nil {
			return err
		}
		row := writer.next()
		for _, places := range same {
			row[places[1]] = keep(from[places[0]], places[1])
		}
		result.put(row)
		row[goldDuration] = parquet.NullValue().Level(0, 0, goldDuration)
		if value, ok := seconds(name, text(from[silverDuration])); ok {
			row[goldDuration] = parquet.DoubleValue(value).Level(0, 1, goldDuration)
		}
		row[goldNamed] = parquet.Int32Value(named).Level(0, 0, goldNamed)
		row[goldKey] = parquet.Int64Value(e.key).Level(0, 0, goldKey)
		row[goldHour], row[goldDate] = start, date
		return writer.filled()
	}); err != nil {
		return err
	}
	t.came.Add(file.Count())
	t.read(file.Count())
	return nil
}
