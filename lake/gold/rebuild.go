package gold

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

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
	late := map[string]bool{}
	for _, each := range merged {
		var m StagedMerge
		if err := l.Objects.ReadJSON(each.Ref, &m); err != nil {
			return Merged{}, err
		}
		for _, user := range m.Late {
			late[user] = true
		}
	}
	folder := fmt.Sprintf("%s/rebuild-%d", roundFolder(l, staged.Round), time.Now().UnixNano())
	runs := newRunWriter(l.Objects, folder, lake.BucketFunc(staged.Buckets))
	if err := stageLate(ctx, l, &staged, late, runs, progress); err != nil {
		return Merged{}, err
	}
	if err := runs.flush(); err != nil {
		return Merged{}, err
	}
	alone := stagedRound{Round: staged.Round, Runs: runs.runs}
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

// stageLate finds all sightings of the late users as silver now stands, and joins them with their sessions' bindings.
func stageLate(ctx context.Context, l *lake.Lake, staged *stagedRound, late map[string]bool, runs *runWriter,
	progress func(int64)) error {
	sightings, bindings, err := silverFiles(ctx, l, staged)
	if err != nil {
		return err
	}
	j, err := sessions.NewJoin(l, sessions.JoinSections)
	if err != nil {
		return err
	}
	defer j.Close()
	var mutex sync.Mutex
	read := int64(0)
	collect := func(keys *[]int64, key int64, wanted bool) {
		mutex.Lock()
		defer mutex.Unlock()
		if wanted {
			*keys = append(*keys, key)
		}
		read++
		progress(read)
	}

	// Sessions that name a late user may hold its sightings; whether they do, the join decides. The first look at each
	// table takes only the columns that tell.
	all := sessions.Reader{Lake: l}
	var sessionKeys, wanted []int64
	if err := all.Rows(ctx, bindings, namingSchema, func(row parquet.Row) error {
		user, _ := history.UserID(objects.UnsafeString(row[2].ByteArray()), "")
		collect(&sessionKeys, row[0].Int64(), string(row[1].ByteArray()) == lake.BindingUser && late[user])
		return nil
	}); err != nil {
		return err
	}
	naming := sessions.NewKeySet(sessionKeys)
	mayBeLate := func(key int64, session, user string) bool {
		id, _ := history.UserID(user, session)
		return late[id] || user == "" && naming.Has(key)
	}
	if err := all.Rows(ctx, sightings, namedSchema, func(row parquet.Row) error {
		key := row[0].Int64()
		collect(&wanted, key, mayBeLate(key, objects.UnsafeString(row[1].ByteArray()),
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
	return j.Sessions(ctx, func(rows []*sessions.SessionRow) error {
		s := sessions.NewSession(rows)
		return deltas(&s, func(d userDelta) error {
			if !late[d.user] {
				return nil
			}
			return runs.add(d)
		})
	})
}
