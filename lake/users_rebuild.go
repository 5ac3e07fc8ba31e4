package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
)

// RebuildUsers recomputes the late users of a round from sightings and bindings; progress tells rows read so far.
func (l *Lake) RebuildUsers(ctx context.Context, plan UsersPlan, merged []MergedUsers, progress func(rows int64)) (result MergedUsers, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("rebuild late users of gold: %w", err)
		}
	}()
	var staged stagedUsers
	if err := l.readRound(plan.Ref, &staged); err != nil {
		return MergedUsers{}, err
	}
	late := map[string]bool{}
	for _, each := range merged {
		var m stagedMerge
		if err := l.objects.readJSON(each.Ref, &m); err != nil {
			return MergedUsers{}, err
		}
		for _, user := range m.Late {
			late[user] = true
		}
	}
	folder := fmt.Sprintf("%s/rebuild-%d", l.roundFolder(staged.Round), time.Now().UnixNano())
	runs := newRunWriter(l.objects, folder, bucketFunc(staged.Buckets))
	if err := l.stageLate(ctx, &staged, late, runs, progress); err != nil {
		return MergedUsers{}, err
	}
	if err := runs.flush(); err != nil {
		return MergedUsers{}, err
	}
	alone := stagedUsers{Round: staged.Round, Runs: runs.runs}
	all, rows, err := l.mergeBuckets(ctx, &alone, slices.Sorted(maps.Keys(touchedBy(runs.runs))), progress)
	if err != nil {
		return MergedUsers{}, err
	}
	result.Users = rows
	result.Ref = folder + "/rebuilt.json"
	return result, l.objects.writeJSON(result.Ref, all)
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
func (l *Lake) stageLate(ctx context.Context, staged *stagedUsers, late map[string]bool, runs *runWriter, progress func(int64)) error {
	sightings, bindings, err := l.silverFiles(ctx, staged)
	if err != nil {
		return err
	}
	j, err := l.newJoin(joinSections)
	if err != nil {
		return err
	}
	defer j.close()
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
	var sessions, wanted []int64
	if err := l.sessionRowsOf(ctx, bindings, namingSchema, nil, func(row parquet.Row) error {
		user, _ := history.UserID(alias(row[2].ByteArray()), "")
		collect(&sessions, row[0].Int64(), string(row[1].ByteArray()) == bindingUser && late[user])
		return nil
	}); err != nil {
		return err
	}
	naming := newKeySet(sessions)
	mayBeLate := func(key int64, session, user string) bool {
		id, _ := history.UserID(user, session)
		return late[id] || user == "" && naming.has(key)
	}
	if err := l.sessionRowsOf(ctx, sightings, namedSchema, nil, func(row parquet.Row) error {
		key := row[0].Int64()
		collect(&wanted, key, mayBeLate(key, alias(row[1].ByteArray()), alias(row[2].ByteArray())))
		return nil
	}); err != nil {
		return err
	}
	keys := newKeySet(wanted)
	if err := l.sightingRows(ctx, sightings, rowAdded, keys, func(row sessionRow) error {
		if !mayBeLate(row.key, row.session, row.user) {
			return nil
		}
		return j.add(row)
	}); err != nil {
		return err
	}
	if err := l.bindingRows(ctx, bindings, rowAdded, keys, j.add); err != nil {
		return err
	}
	return j.sessions(ctx, func(rows []*sessionRow) error {
		s := newSession(rows)
		return s.deltas(func(d userDelta) error {
			if !late[d.user] {
				return nil
			}
			return runs.add(d)
		})
	})
}
