package gold

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
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
)

// RemakeSharers makes the rows of users again who share one of the sessions with some others, if that changes any:
// those whom the sessions name besides, and the sessions themselves, each as a user whom nobody knows. The rows of
// the others, by the names that events have for them, are left alone. name begins the names of the rounds.
//
// An erasure needs it. Gold follows silver's log of snapshots, which an erasure rewrites as if what went had never
// been there: where gold had given some of it to others, as it does until an hour names the forgotten one, it would
// keep that.
func RemakeSharers(ctx context.Context, l *lake.Lake, name string, others map[string]bool, ids []string) error {
	users, err := sharers(ctx, l, others, ids)
	if err != nil || len(users) == 0 {
		return err
	}
	for {
		err := remakeUsers(ctx, l, fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), users)
		if !errors.Is(err, lake.ErrConflict) { // with the gold writer, or maintenance: on what is there now
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// sharers are the users, by user_id, who may have a part in sessions.
func sharers(ctx context.Context, l *lake.Lake, others map[string]bool, ids []string) (users []string, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	wanted, keys := map[string]bool{}, make([]int64, 0, len(ids))
	for _, session := range ids {
		wanted[session] = true
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
	reader := sessions.Reader{Lake: l, Keys: sessions.NewKeySet(keys)}
	if err := reader.Bindings(ctx, live, sessions.RowKept, func(b sessions.SessionRow) error {
		if b.Kind != 'u' || !b.Ends() && others[b.Value] || !wanted[b.Session] {
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
		return nil, fmt.Errorf("find who shares sessions: %w", err)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// remakeUsers is a round in one process. It commits nothing where the rows are what they were. ErrConflict: another
// writer committed first.
func remakeUsers(ctx context.Context, l *lake.Lake, round string, users []string) (err error) {
	silent := func(int64) {}
	plan, err := PlanUsers(ctx, l, round, Scope{Remake: Remake{Users: users}}, silent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, objects.IgnoreMissing(DropRound(ctx, l, plan))) }()
	if plan.Rebuild { // as soon as an hour asks for it
		return nil
	}
	var merged []Merged
	for _, group := range plan.Groups {
		part, err := MergeUsers(ctx, l, plan, group, silent)
		if err != nil {
			return err
		}
		merged = append(merged, part)
	}
	rebuilt, err := RebuildUsers(ctx, l, plan, merged, silent)
	if err != nil {
		return err
	}
	same, err := sameRows(ctx, l, users, rebuilt)
	if err != nil || same {
		return err
	}
	_, err = CommitUsers(ctx, l, plan, append(merged, rebuilt), nil)
	return err
}

// sameRows tells whether gold has of users what a round has made of them.
func sameRows(ctx context.Context, l *lake.Lake, users []string, rebuilt Merged) (bool, error) {
	var staged stagedMerge
	if err := l.Objects.ReadJSON(rebuilt.Ref, &staged); err != nil {
		return false, err
	}
	files, err := l.Entries(lake.GoldUsers, staged.Files)
	if err != nil {
		return false, err
	}
	version, err := FindVersion(ctx, l, "")
	if err != nil {
		return false, err
	}
	for _, id := range users {
		before, had, err := User(ctx, l, version, id)
		if err != nil {
			return false, err
		}
		after, has, err := findUser(l, files, id)
		if err != nil {
			return false, err
		}
		if had != has || !reflect.DeepEqual(before, after) {
			return false, nil
		}
	}
	return true, nil
}
