package sessions

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// Reader streams rows of sessions from data files. Several files are read at once: what is called for each row must be
// safe for that, and a row's texts live until it returns.
type Reader struct {
	Lake *lake.Lake
	Keys KeySet // only rows of these sessions; nil: all
	// Aside takes row groups that are large, and of one of these sessions alone: they are not read. nil: they are.
	Aside *Aside
}

var (
	sightingSchema = parquet.SchemaOf(lake.SightingRow{})
	bindingSchema  = parquet.SchemaOf(lake.BindingRow{})
)

// Sightings reads files of silver.sightings; state is that of their rows.
func (r Reader) Sightings(ctx context.Context, files []iceberg.DataFile, state byte,
	each func(SessionRow) error) error {
	return r.Rows(ctx, files, sightingSchema, func(row parquet.Row) error { return each(SightingOf(row, state)) })
}

// Bindings does the same for silver.bindings.
func (r Reader) Bindings(ctx context.Context, files []iceberg.DataFile, state byte,
	each func(SessionRow) error) error {
	return r.Rows(ctx, files, bindingSchema, func(row parquet.Row) error { return each(BindingOf(row, state)) })
}

// Changes reads the rows that came and went, of both tables.
func (r Reader) Changes(ctx context.Context, sightings, bindings ledger.ChangedFiles,
	each func(SessionRow) error) error {
	for _, of := range [...]struct {
		read  func(context.Context, []iceberg.DataFile, byte, func(SessionRow) error) error
		files ledger.ChangedFiles
	}{{r.Sightings, sightings}, {r.Bindings, bindings}} {
		if err := of.read(ctx, of.files.Added, RowAdded, each); err != nil {
			return err
		}
		if err := of.read(ctx, of.files.Removed, RowRemoved, each); err != nil {
			return err
		}
	}
	return nil
}

// Moments reads of rows of either table their session's key and their time alone.
func (r Reader) Moments(ctx context.Context, files []iceberg.DataFile, each func(*SessionRow) error) error {
	return r.Rows(ctx, files, keyTimeSchema, func(row parquet.Row) error {
		return each(&SessionRow{Key: row[0].Int64(), Time: row[1].Int64()})
	})
}

var keyTimeSchema = parquet.SchemaOf(struct {
	SessionKey int64 `parquet:"session_key,delta,id(1)"`
	Time       int64 `parquet:"event_timestamp_utc,timestamp(microsecond)"`
}{})

// Rows reads some columns of files. The schema's first column must be the session's key.
func (r Reader) Rows(ctx context.Context, files []iceberg.DataFile, schema *parquet.Schema,
	each func(parquet.Row) error) error {
	if r.Keys != nil && len(r.Keys) == 0 {
		return nil
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			if r.Keys == nil {
				return r.Lake.ScanRaw(ctx, file, schema, each)
			}
			if low, high := lake.Bounds(file, 1); !r.Keys.Overlaps(low, high) {
				return nil
			}
			return r.Lake.EachGroup(file, func(group lake.RowGroup) error {
				if r.Aside != nil {
					if key, is := wholeSession(group); is {
						if r.Keys.Has(key) {
							r.Aside.note(file, key)
						}
						return nil
					}
				}
				return r.group(ctx, group, schema, each)
			})
		})
	}
	return work.Wait()
}

// group reads the wanted rows of a row group, if it has any.
func (r Reader) group(ctx context.Context, group lake.RowGroup, schema *parquet.Schema,
	each func(parquet.Row) error) error {
	found, err := anySession(ctx, group, r.Keys)
	if err != nil || !found {
		return err
	}
	wanted := KeyCursor{Set: r.Keys}
	return group.Scan(ctx, schema, func(row parquet.Row) error {
		if !wanted.Contains(row[0].Int64()) {
			return nil
		}
		return each(row)
	})
}

var keySchema = parquet.SchemaOf(struct {
	SessionKey int64 `parquet:"session_key,delta,id(1)"`
}{})

// anySession reads only the session keys of a row group, which are delta-coded and small, to spare the rest.
func anySession(ctx context.Context, g lake.RowGroup, keys KeySet) (found bool, err error) {
	wanted := KeyCursor{Set: keys}
	err = g.Scan(ctx, keySchema, func(row parquet.Row) error {
		if wanted.Contains(row[0].Int64()) {
			return lake.ErrStop
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		return true, nil
	}
	return false, err
}

// FilesNear are the live files, or their parts, of a snapshot of silver.sightings or silver.bindings that may hold
// event times of a span, without those that just came. A client may be late by any time, but not ahead of its hour
// by more than parsing lets it: so the manifests of hours long before the span stay closed, and a round costs no
// more in an old lake than in a young one.
func FilesNear(ctx context.Context, loaded *table.Table, snapshot int64, near Span,
	came []iceberg.DataFile) ([]iceberg.DataFile, error) {
	if snapshot == 0 || near.Low > near.High {
		return nil, nil
	}
	definition, err := lake.DefinitionOf(lake.TableName(loaded))
	if err != nil {
		return nil, err
	}
	earliest := SaturatingAdd(near.Low, -telemetry.LargestMaxFuture.Microseconds())
	first := telemetry.HourOf(time.UnixMicro(earliest)) - 1
	live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot), table.WithRowFilter(
		iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(first.Date()))))
	if err != nil {
		return nil, err
	}
	just := map[string]iceberg.DataFile{}
	for _, file := range came {
		just[file.FilePath()] = file
	}
	var stayed []iceberg.DataFile
	for _, file := range live {
		came, ok := just[file.FilePath()]
		if !ok {
			stayed = append(stayed, file)
		} else if part, ok := came.(*lake.PartOfFile); ok {
			if others := part.Others(); others != nil {
				stayed = append(stayed, others)
			}
		}
	}
	return near.Within(stayed, definition.FieldID("event_timestamp_utc")), nil
}
