package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
)

// rebuildOthers makes the rows of those anew who share a session with the forgotten one, if that changes any. Gold follows
// silver's log of snapshots, which an erasure rewrites as if what went had never been: where gold had given some of it to others,
// as it does until an hour names the forgotten one, it would keep that.
func (l *Lake) rebuildOthers(ctx context.Context, erasure string) error {
	users, err := l.others(ctx, erasure)
	if err != nil || len(users) == 0 {
		return err
	}
	for {
		err := l.rebuildRound(ctx, fmt.Sprintf("%s-%d", ForgetName(erasure), time.Now().UnixNano()), users)
		if !errors.Is(err, ErrConflict) { // with the gold writer, or maintenance: on what is there now
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// others are the users of gold, by user_id, who may have a part in the forgotten one's sessions: whom these name too, and the
// sessions themselves, each as a user whom nobody knows.
func (l *Lake) others(ctx context.Context, erasure string) (users []string, err error) {
	who, _, err := l.subject(ctx, erasure)
	if err != nil || len(who.Sessions) == 0 {
		return nil, err
	}
	ours, keys := map[string]bool{}, make([]int64, 0, len(who.Sessions))
	for _, session := range who.Sessions {
		ours[session] = true
		keys = append(keys, int64(xxhash.Sum64String(session)))
	}
	loaded, err := l.load(ctx, silverBindings)
	if err != nil {
		return nil, err
	}
	live, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	var mutex sync.Mutex // files are read side by side
	found := map[string]bool{}
	if err := l.sessionRowsOf(ctx, live, bindingSchema, newKeySet(keys), func(row parquet.Row) error {
		b := bindingOf(row, rowKept)
		if b.kind != 'u' || b.value == who.User || !ours[b.session] {
			return nil
		}
		anonymous, _ := history.UserID("", b.session)
		mutex.Lock()
		defer mutex.Unlock()
		found[anonymous] = true
		if !b.ends() {
			named, _ := history.UserID(strings.Clone(b.value), "")
			found[named] = true
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("find who shares sessions with erasure %s: %w", erasure, err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// rebuildRound is a round of gold in one process. ErrConflict: another writer committed first.
func (l *Lake) rebuildRound(ctx context.Context, round string, users []string) (err error) {
	silent := func(int64) {}
	plan, err := l.PlanUsers(ctx, round, Again{Users: users}, silent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreMissing(l.DropRound(ctx, plan))) }()
	if plan.Rebuild { // as soon as an hour asks for it
		return nil
	}
	var merged []MergedUsers
	for _, group := range plan.Groups {
		part, err := l.MergeUsers(ctx, plan, group, silent)
		if err != nil {
			return err
		}
		merged = append(merged, part)
	}
	rebuilt, err := l.RebuildUsers(ctx, plan, merged, silent)
	if err != nil {
		return err
	}
	same, err := l.sameRows(ctx, users, rebuilt)
	if err != nil || same {
		return err
	}
	_, err = l.CommitUsers(ctx, plan, append(merged, rebuilt), nil)
	return err
}

// sameRows tells whether gold has of users what a round has made anew.
func (l *Lake) sameRows(ctx context.Context, users []string, rebuilt MergedUsers) (bool, error) {
	var staged stagedMerge
	if err := l.objects.readJSON(rebuilt.Ref, &staged); err != nil {
		return false, err
	}
	files, err := l.entries(goldUsers, staged.Files)
	if err != nil {
		return false, err
	}
	version, err := l.Version(ctx, "")
	if err != nil {
		return false, err
	}
	for _, id := range users {
		before, had, err := l.User(ctx, version, id)
		if err != nil {
			return false, err
		}
		after, has := history.User{}, false
		for _, file := range files {
			if has {
				break
			}
			if after, has, err = l.findUser(file, id); err != nil {
				return false, err
			}
		}
		if had != has || !reflect.DeepEqual(before, after) {
			return false, nil
		}
	}
	return true, nil
}
