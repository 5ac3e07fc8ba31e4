package gold

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// RebuildUsers recomputes the late users of a round from sightings and bindings; progress tells rows read so far.
func RebuildUsers(ctx context.Context, l *lake.Lake, plan Plan, merged []Merged,
	progress func(rows int64)) (result Merged, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("rebuild late users of gold: %w", err)
		}
	}()
	var staged stagedRound
	if err := l.ReadStaged(plan.Ref, &staged); err != nil {
		return Merged{}, err
	}
	late := lateUsers{ids: map[string]bool{}, progress: progress}
	for _, each := range merged {
		var m stagedMerge
		if err := l.Objects.ReadJSON(each.Ref, &m); err != nil {
			return Merged{}, err
		}
		for _, user := range m.Late {
			late.ids[user] = true
		}
	}
	folder := fmt.Sprintf("%s/rebuild-%d", roundFolder(l, staged.Round), time.Now().UnixNano())
	runs := newRunWriter(l.Objects, folder, lake.BucketFunc(staged.Buckets))
	if err := late.stage(ctx, l, &staged, runs); err != nil {
		return Merged{}, err
	}
	if err := runs.flush(); err != nil {
		return Merged{}, err
	}
	alone := stagedRound{Round: staged.Round, Runs: runs.runs, MaxIntervals: staged.MaxIntervals}
	all, rows, err := mergeBuckets(ctx, l, &alone, slices.Sorted(maps.Keys(touchedBy(runs.runs))), progress)
	if err != nil {
		return Merged{}, err
	}
	result.Users = rows
	result.Ref = folder + "/rebuilt.json"
	return result, l.Objects.WriteJSON(result.Ref, all)
}

var (
	namingSchema = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		Kind       string `parquet:"kind,dict,id(3)"`
		Value      string `parquet:"value,optional,id(4)"`
	}{})
	namedSchema = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		SessionID  string `parquet:"session_id,optional,id(2)"`
		UserID     string `parquet:"user_id,optional,id(3)"`
	}{})
)

// lateUsers finds all sightings of late users as silver now stands.
type lateUsers struct {
	ids      map[string]bool
	progress func(rows int64)

	mutex sync.Mutex
	read  int64
}

// note counts a row that was read, and keeps its session's key if it is wanted. It is safe for concurrent use.
func (u *lateUsers) note(keys *[]int64, key int64, wanted bool) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if wanted {
		*keys = append(*keys, key)
	}
	u.read++
	u.progress(u.read)
}

// stage joins the sightings of sessions that may be the late users' with the bindings of these, and writes which are.
// The first look at each table takes only the columns that tell.
func (u *lateUsers) stage(ctx context.Context, l *lake.Lake, staged *stagedRound, runs *runWriter) error {
	sightings, bindings, err := silverFiles(ctx, l, staged)
	if err != nil {
		return err
	}
	j, err := sessions.NewJoin(l, sessions.JoinSections)
	if err != nil {
		return err
	}
	defer j.Close()
	all := sessions.Reader{Lake: l}
	// Sessions that name a late user may hold its sightings; whether they do, the join decides.
	var namedIn []int64
	if err := all.Rows(ctx, bindings, namingSchema, func(row parquet.Row) error {
		user, _ := history.UserID(objects.UnsafeString(row[2].ByteArray()), "")
		u.note(&namedIn, row[0].Int64(), string(row[1].ByteArray()) == lake.BindingUser && u.ids[user])
		return nil
	}); err != nil {
		return err
	}
	naming := sessions.NewKeySet(namedIn)
	mayBeLate := func(key int64, session, user string) bool {
		id, _ := history.UserID(user, session)
		return u.ids[id] || user == "" && naming.Has(key)
	}
	var wanted []int64
	if err := all.Rows(ctx, sightings, namedSchema, func(row parquet.Row) error {
		key := row[0].Int64()
		u.note(&wanted, key, mayBeLate(key, objects.UnsafeString(row[1].ByteArray()),
			objects.UnsafeString(row[2].ByteArray())))
		return nil
	}); err != nil {
		return err
	}
	some := sessions.Reader{Lake: l, Keys: sessions.NewKeySet(wanted)}
	if err := some.Sightings(ctx, sightings, sessions.RowAdded, func(row sessions.SessionRow) error {
		if !mayBeLate(row.Key, row.Session, row.User) {
			return nil
		}
		return j.Add(row)
	}); err != nil {
		return err
	}
	if err := some.Bindings(ctx, bindings, sessions.RowAdded, j.Add); err != nil {
		return err
	}
	return j.Sightings(ctx, func(s *sessions.Session, row *sessions.SessionRow) error {
		return deltas(s, row, func(d userDelta) error {
			if !u.ids[d.user] {
				return nil
			}
			return runs.add(d)
		})
	})
}

// silverFiles are the files that a plan reflects.
func silverFiles(ctx context.Context, l *lake.Lake,
	staged *stagedRound) (sightings, bindings []iceberg.DataFile, err error) {
	for _, part := range [...]struct {
		definition lake.TableDefinition
		snapshot   int64
		files      *[]iceberg.DataFile
	}{{lake.SilverSightings, staged.Sightings, &sightings}, {lake.SilverBindings, staged.Bindings, &bindings}} {
		if part.snapshot == 0 {
			continue
		}
		loaded, err := l.Load(ctx, part.definition)
		if err != nil {
			return nil, nil, err
		}
		if loaded.SnapshotByID(part.snapshot) == nil {
			return nil, nil, fmt.Errorf("%w: snapshot %d of %s was expired", lake.ErrConflict, part.snapshot,
				part.definition.Name)
		}
		if *part.files, err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(part.snapshot)); err != nil {
			return nil, nil, err
		}
	}
	return sightings, bindings, nil
}
