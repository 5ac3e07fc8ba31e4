package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// narrowRow is what of a row of gold.events tells whether it has changed.
type narrowRow struct {
	EventName  string `parquet:"event_name,dict,id(2)"`
	SessionID  string `parquet:"session_id,optional,id(3)"`
	Service    string `parquet:"service,dict,id(6)"`
	Time       int64  `parquet:"event_time,timestamp(microsecond),id(1)"`
	UserID     string `parquet:"user_id,dict,id(4)"`
	Device     string `parquet:"device,optional,dict,id(7)"`
	Version    string `parquet:"version,optional,dict,id(8)"`
	Named      int32  `parquet:"named,dict,id(23)"`
	SessionKey int64  `parquet:"session_key,delta,id(24)"`
}

var (
	narrowSchema = parquet.SchemaOf(narrowRow{})
	keySchema    = parquet.SchemaOf(struct {
		SessionKey int64 `parquet:"session_key,delta,id(24)"`
	}{})
	narrowPlaces = placesIn(narrowSchema)
	goldPlaces   = placesIn(goldSchema)
)

// places are those of the columns of a narrowRow in rows of a schema.
type places struct{ name, session, service, time, user, device, version, named, key int }

func placesIn(schema *parquet.Schema) places {
	of := func(column string) int { return place(schema, column) }
	return places{of("event_name"), of("session_id"), of("service"), of("event_time"), of("user_id"), of("device"),
		of("version"), of("named"), of("session_key")}
}

// event is what a row says itself, without what its session told.
func (p *places) event(row parquet.Row) event {
	e := event{key: row[p.key].Int64(), session: text(row[p.session]), service: text(row[p.service]),
		time: row[p.time].Int64()}
	named := row[p.named].Int32()
	if named&lake.NamedUser != 0 {
		e.user = history.NamedAs(text(row[p.user]))
	}
	if named&lake.NamedDevice != 0 {
		e.device = text(row[p.device])
	}
	if named&lake.NamedVersion != 0 {
		e.version = text(row[p.version])
	}
	e.isSighting = isSighting(text(row[p.name]), named)
	return e
}

func (p *places) says(row parquet.Row, r *resolved) bool {
	return text(row[p.user]) == r.user && text(row[p.device]) == r.device && text(row[p.version]) == r.version
}

// patchFile writes a present file anew if hours of it go, or if a session that changed gives a row another user, device
// or version.
func (t *turn) patchFile(ctx context.Context, file iceberg.DataFile) error {
	goes, stays, err := t.goes(ctx, file)
	if err != nil {
		return err
	}
	if goes && !stays {
		t.remove(file)
		return nil
	}
	changes, many, known, err := t.changes(ctx, file)
	if err != nil || !goes && len(changes) == 0 {
		return err
	}
	t.remove(file)
	var written *lake.DataFile
	if goes || many {
		written, err = t.rewrite(ctx, file, known)
	} else {
		written, err = t.repack(ctx, file, changes)
	}
	if err != nil {
		return fmt.Errorf("write %s anew: %w", file.FilePath(), err)
	}
	t.add(written)
	return nil
}

var hourSchema = parquet.SchemaOf(struct {
	IngestHour int64 `parquet:"ingest_hour_utc,timestamp(microsecond),delta,id(25)"`
}{})

func hourOf(value parquet.Value) telemetry.Hour {
	return telemetry.HourOf(time.UnixMicro(value.Int64()))
}

// goes tells whether rows of a file are of hours that go, and whether some are of others.
func (t *turn) goes(ctx context.Context, file iceberg.DataFile) (goes, stays bool, err error) {
	low, high := lake.Bounds(file, lake.ResolvedHourField)
	first, last := telemetry.HourOf(time.UnixMicro(low)), telemetry.HourOf(time.UnixMicro(high))
	if first == last {
		return t.hours[first], !t.hours[first], nil
	}
	some := false
	for hour := range t.hours {
		some = some || hour >= first && hour <= last
	}
	if !some {
		return false, true, nil
	}
	err = t.lake.ScanRaw(ctx, file, hourSchema, func(row parquet.Row) error {
		if t.hours[hourOf(row[0])] {
			goes = true
		} else {
			stays = true
		}
		if goes && stays {
			return lake.ErrStop
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		err = nil
	}
	return goes, stays, err
}

// changes are the rows of a file, by their places, to which a session that changed gives another user, device or
// version; many where they are too many to be held. What is known of these sessions is good for writing them.
func (t *turn) changes(ctx context.Context, file iceberg.DataFile) (rows map[int64]resolved, many bool, known *facts,
	err error) {
	keys := t.met[file.FilePath()]
	if len(keys) == 0 {
		return nil, false, nil, nil
	}
	if known = t.metFacts; known == nil {
		found, err := t.facts.only(keys)
		if err != nil {
			return nil, false, nil, err
		}
		known = &facts{some: &sessions.Section{Rows: found}}
	}
	r, wanted, place := newResolver(known), sessions.KeyCursor{Set: keys}, int64(-1)
	rows = map[int64]resolved{}
	err = t.lake.ScanRaw(ctx, file, narrowSchema, func(row parquet.Row) error {
		if place++; !wanted.Contains(row[narrowPlaces.key].Int64()) || !t.concerns(&narrowPlaces, row) {
			return nil
		}
		e := narrowPlaces.event(row)
		result, err := r.resolve(&e)
		if err != nil || narrowPlaces.says(row, &result) {
			return err
		}
		result.device, result.version = strings.Clone(result.device), strings.Clone(result.version)
		if rows[place] = result; len(rows) > changesInMemory {
			many = true
			return lake.ErrStop
		}
		return nil
	})
	if errors.Is(err, lake.ErrStop) {
		err = nil
	}
	return rows, many, known, err
}

// concerns tells whether a row of a session that changed may be told anew.
func (t *turn) concerns(p *places, row parquet.Row) bool {
	return t.large.Concerns(row[p.key].Int64(), text(row[p.service]), row[p.time].Int64())
}

// changesInMemory is how many rows of a file that differ are held; a file with more is written anew row by row.
const changesInMemory = 100_000

// metInMemory is of how many sessions what is known is held for all files at once.
const metInMemory = 100_000

// meet finds the sessions that changed in the present files that are within their reach.
func (t *turn) meet(ctx context.Context, present []iceberg.DataFile) error {
	t.met = map[string]sessions.KeySet{}
	if len(t.changed.Keys) == 0 {
		return nil
	}
	reach := t.changed.Times.Widened(2 * ledger.WindowMicros)
	var all []int64
	if err := each(ctx, reach.Within(present, lake.ResolvedTimeField),
		func(ctx context.Context, file iceberg.DataFile) error {
			keys, err := t.changedIn(ctx, file)
			t.mutex.Lock()
			defer t.mutex.Unlock()
			t.met[file.FilePath()] = keys
			if len(all) <= metInMemory {
				all = append(all, keys...)
			}
			return err
		}); err != nil {
		return err
	}
	t.metMany = len(all) > metInMemory
	t.metKeys = sessions.NewKeySet(all)
	return nil
}

// changedIn are the sessions that changed of which a file has rows.
func (t *turn) changedIn(ctx context.Context, file iceberg.DataFile) (sessions.KeySet, error) {
	var found []int64
	wanted := sessions.KeyCursor{Set: t.changed.Keys}
	err := t.lake.ScanRaw(ctx, file, keySchema, func(row parquet.Row) error {
		key := row[0].Int64()
		if wanted.Contains(key) && (len(found) == 0 || found[len(found)-1] != key) {
			found = append(found, key)
		}
		return nil
	})
	return sessions.NewKeySet(found), err
}

// rewrite writes a file without the hours that go, and with what the sessions that changed say now.
func (t *turn) rewrite(ctx context.Context, file iceberg.DataFile, known *facts) (*lake.DataFile, error) {
	writer, err := newRowWriter(t.lake, partitionOf(t.lake, file))
	if err != nil {
		return nil, err
	}
	var r *resolver
	if known != nil {
		r = newResolver(known)
	}
	keys := sessions.KeyCursor{Set: t.changed.Keys}
	resolvedRows := int64(0)
	if err := t.lake.ScanRaw(ctx, file, goldSchema, func(from parquet.Row) error {
		if hour := hourOf(from[goldHour]); t.hours[hour] || hour < t.before {
			return nil
		}
		row := writer.next()
		for i := range from {
			row[i] = writer.keep(from[i], i)
		}
		if r != nil && keys.Contains(from[goldKey].Int64()) && t.concerns(&goldPlaces, from) {
			e := goldPlaces.event(from)
			result, err := r.resolve(&e)
			if err != nil {
				return err
			}
			if !goldPlaces.says(from, &result) {
				writer.put(row, &result)
				resolvedRows++
			}
		}
		return writer.filled()
	}); err != nil {
		writer.Abort()
		return nil, err
	}
	t.resolved.Add(resolvedRows)
	t.read(file.Count())
	return writer.end(t.nameAgain(file))
}

// nameAgain is the name of a file that takes the place of another one.
func (t *turn) nameAgain(file iceberg.DataFile) string {
	if lake.IsCompacted(file.FilePath()) { // and still is in its order
		return fmt.Sprintf("day-compacted%d-again", time.Now().UnixNano())
	}
	return t.name() + "-again"
}

// partitionOf is the partition of a present file.
func partitionOf(l *lake.Lake, file iceberg.DataFile) lake.Partition {
	folder := strings.TrimPrefix(file.FilePath(), l.TableFolder(lake.GoldEvents)+"/data/")
	return lake.Partition{Folder: folder[:max(strings.LastIndexByte(folder, '/'), 0)], Values: file.Partition()}
}
