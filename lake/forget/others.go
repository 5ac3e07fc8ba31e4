package forget

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

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// rebuildOthers makes the rows of those anew who share a session with the forgotten one, if that changes any. Gold
// follows silver's log of snapshots, which an erasure rewrites as if what went had never been: where gold had given
// some of it to others, as it does until an hour names the forgotten one, it would keep that.
func rebuildOthers(ctx context.Context, l *lake.Lake, erasure string) error {
	users, err := others(ctx, l, erasure)
	if err != nil || len(users) == 0 {
		return err
	}
	for {
		err := rebuildRound(ctx, l, fmt.Sprintf("%s-%d", forgotten.ForgetName(erasure), time.Now().UnixNano()), users)
		if !errors.Is(err, lake.ErrConflict) { // with the gold writer, or maintenance: on what is there now
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// others are the users of gold, by user_id, who may have a part in the forgotten one's sessions: whom these name
// too, and the sessions themselves, each as a user whom nobody knows.
func others(ctx context.Context, l *lake.Lake, erasure string) (users []string, err error) {
	who, _, err := readSubject(ctx, l, erasure)
	if err != nil || len(who.Sessions) == 0 {
		return nil, err
	}
	ours, keys := map[string]bool{}, make([]int64, 0, len(who.Sessions))
	for _, session := range who.Sessions {
		ours[session] = true
		keys = append(keys, int64(xxhash.Sum64String(session)))
	}
	loaded, err := l.Load(ctx, lake.SilverBindings)
	if err != nil {
		return nil, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	var mutex sync.Mutex // files are read side by side
	found := map[string]bool{}
	if err := (sessions.Reader{Lake: l, Keys: sessions.NewKeySet(keys)}).Bindings(ctx, live, sessions.RowKept,
		func(b sessions.SessionRow) error {
			if b.Kind != 'u' || b.Value == who.User || !ours[b.Session] {
				return nil
			}
			anonymous, _ := history.UserID("", b.Session)
			mutex.Lock()
			defer mutex.Unlock()
			found[anonymous] = true
			if !b.Ends() {
				named, _ := history.UserID(strings.Clone(b.Value), "")
				found[named] = true
			}
			return nil
		}); err != nil {
		return nil, fmt.Errorf("find who shares sessions with erasure %s: %w", erasure, err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// resolveAgain looks at the events of the forgotten one's sessions again: those that stay may have been given to the
// forgotten one, or have a version or a device that only the forgotten one's lines told.
func resolveAgain(ctx context.Context, l *lake.Lake, erasure string) error {
	who, _, err := readSubject(ctx, l, erasure)
	if err != nil || len(who.Sessions) == 0 {
		return err
	}
	var keys []int64
	for _, session := range who.Sessions {
		keys = append(keys, int64(xxhash.Sum64String(session)))
	}
	round := fmt.Sprintf("%s-%d", forgotten.ForgetName(erasure), time.Now().UnixNano())
	_, err = events.Follow(ctx, l, round, keys, func(int64) {})
	return err
}

// rebuildRound is a round of gold in one process. ErrConflict: another writer committed first.
func rebuildRound(ctx context.Context, l *lake.Lake, round string, users []string) (err error) {
	silent := func(int64) {}
	plan, err := gold.PlanUsers(ctx, l, round, gold.Remake{Users: users}, silent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, objects.IgnoreMissing(gold.DropRound(ctx, l, plan))) }()
	if plan.Rebuild { // as soon as an hour asks for it
		return nil
	}
	var merged []gold.Merged
	for _, group := range plan.Groups {
		part, err := gold.MergeUsers(ctx, l, plan, group, silent)
		if err != nil {
			return err
		}
		merged = append(merged, part)
	}
	rebuilt, err := gold.RebuildUsers(ctx, l, plan, merged, silent)
	if err != nil {
		return err
	}
	same, err := sameRows(ctx, l, users, rebuilt)
	if err != nil || same {
		return err
	}
	_, err = gold.CommitUsers(ctx, l, plan, append(merged, rebuilt), nil)
	return err
}

// sameRows tells whether gold has of users what a round has made anew.
func sameRows(ctx context.Context, l *lake.Lake, users []string, rebuilt gold.Merged) (bool, error) {
	var staged gold.StagedMerge
	if err := l.Objects.ReadJSON(rebuilt.Ref, &staged); err != nil {
		return false, err
	}
	files, err := l.Entries(lake.GoldUsers, staged.Files)
	if err != nil {
		return false, err
	}
	version, err := l.Version(ctx, "")
	if err != nil {
		return false, err
	}
	for _, id := range users {
		before, had, err := gold.User(ctx, l, version, id)
		if err != nil {
			return false, err
		}
		after, has := history.User{}, false
		for _, file := range files {
			if has {
				break
			}
			if after, has, err = gold.FindUser(l, file, id); err != nil {
				return false, err
			}
		}
		if had != has || !reflect.DeepEqual(before, after) {
			return false, nil
		}
	}
	return true, nil
}
