package events

import (
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/packed"
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
	goldSession  = place(goldSchema, "session_id")
	goldService  = place(goldSchema, "service")
	goldTime     = place(goldSchema, "event_time")
	goldUser     = place(goldSchema, "user_id")
	goldKind     = place(goldSchema, "user_kind")
	goldDevice   = place(goldSchema, "device")
	goldVersion  = place(goldSchema, "version")
	goldDuration = place(goldSchema, "duration_seconds")
	goldNamed    = place(goldSchema, "named")
	goldKey      = place(goldSchema, "session_key")
	goldHour     = place(goldSchema, "ingest_hour_utc")
	goldDate     = place(goldSchema, "p_ingest_date_utc")
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

func text(value parquet.Value) string { return packed.Text(value) }

// rowWriter writes rows of one file.
type rowWriter struct {
	*lake.DataWriter[any]
	rows  []parquet.Row
	size  int
	texts []byte // of these rows
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
	w.size, w.texts = 0, w.texts[:0]
	return err
}

func (w *rowWriter) end(name string) (*lake.DataFile, error) {
	if err := w.flush(); err != nil {
		w.Abort()
		return nil, err
	}
	return w.Close(name)
}

// keep copies a value that lives no longer than its scan's next rows.
func (w *rowWriter) keep(value parquet.Value, column int) parquet.Value {
	if value.Kind() == parquet.ByteArray {
		return textIn(w, value.ByteArray(), value.DefinitionLevel(), column)
	}
	return value.Level(0, value.DefinitionLevel(), column)
}

func textIn[T string | []byte](w *rowWriter, text T, level, column int) parquet.Value {
	start := len(w.texts)
	w.texts = append(w.texts, text...)
	return parquet.ByteArrayValue(w.texts[start:len(w.texts):len(w.texts)]).Level(0, level, column)
}

func (w *rowWriter) required(text string, column int) parquet.Value {
	return textIn(w, text, 0, column)
}

func (w *rowWriter) optional(text string, column int) parquet.Value {
	if text == "" {
		return parquet.NullValue().Level(0, 0, column)
	}
	return textIn(w, text, 1, column)
}

// put writes what was found out into a row.
func (w *rowWriter) put(row parquet.Row, r *resolved) {
	row[goldUser], row[goldKind] = w.required(r.user, goldUser), w.required(r.kind, goldKind)
	row[goldDevice], row[goldVersion] = w.optional(r.device, goldDevice), w.optional(r.version, goldVersion)
}

// named says which of its parts an event says itself.
func (e *event) named() (named int32) {
	if e.user != "" {
		named |= lake.NamedUser
	}
	if e.device != "" {
		named |= lake.NamedDevice
	}
	if e.version != "" {
		named |= lake.NamedVersion
	}
	return named
}
