package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/sessions"
)

// Followed is what gold.events took in.
type Followed struct {
	Came     int64 `json:"came"`     // rows of hours that came, or were made anew
	Resolved int64 `json:"resolved"` // rows that stayed, and have another user, device or version
	Files    int64 `json:"files"`    // written
	// HalfCommitted are hours whose run has committed a silver table and not yet the ledger: gold.events stops
	// before them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// Again are sessions to be looked at although silver did not change.
type Again sessions.KeySet

// Follow takes in what changed in silver since the snapshots that gold.events reflects, turn by turn, until nothing
// is left (docs/ARCHITECTURE.md, Events). round is unique per attempt. progress tells rows read so far, from several
// goroutines. It may be given up at any point, and called again.
func Follow(ctx context.Context, l *lake.Lake, round string, again Again,
	progress func(rows int64)) (followed Followed, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("let gold.events follow: %w", err)
		}
	}()
	for n, conflicts := 0, 0; ; n++ {
		t := &turn{lake: l, round: fmt.Sprintf("%s.%d", round, n), again: again, progress: progress}
		more, err := t.run(ctx)
		if errors.Is(err, lake.ErrConflict) {
			conflicts++
			select {
			case <-ctx.Done():
				return followed, ctx.Err()
			case <-time.After(time.Duration(rand.Int64N(int64(min(50<<min(conflicts, 6), 2000)))) * time.Millisecond):
			}
			continue
		}
		if err != nil {
			return followed, err
		}
		followed.Came += t.came.Load()
		followed.Resolved += t.resolved.Load()
		followed.Files += int64(len(t.added))
		followed.HalfCommitted = t.halfCommitted
		if !more {
			return followed, nil
		}
		again = nil
	}
}

// find looks at the state of the lake, and says what a turn has to reach.
func (t *turn) find(ctx context.Context) (err error) {
	if t.erasures, err = forgotten.ErasuresAt(ctx, t.lake); err != nil {
		return err
	}
	if t.table, err = t.lake.Load(ctx, lake.GoldEvents); err != nil {
		return err
	}
	t.base, t.known = ledger.EventsStateOf(t.table)
	if !t.known {
		t.base = ledger.EventsState{}
	}
	var reached []ledger.Reached
	for i, definition := range lake.SilverTables {
		reached = append(reached, ledger.Reached{Definition: definition, Snapshot: t.base.Of()[i]})
	}
	followed, err := ledger.Follow(ctx, t.lake, nil, reached...)
	if err != nil {
		return err
	}
	if copy(t.silver[:], followed.Logs); followed.Lost {
		t.base, t.known = ledger.EventsState{}, false
	}
	t.to = t.base
	if !t.base.Filling && len(t.again) == 0 {
		t.halfCommitted = followed.HalfCommitted
		t.to.Events, t.to.Sightings, t.to.Bindings = t.silver[0].To, t.silver[1].To, t.silver[2].To
	}
	return nil
}

// ResolveAgain looks at the events of a forgotten user's sessions again: those that stay may have been given to that
// user, or have a version or a device that only that user's lines told. name begins the names of what it writes.
func ResolveAgain(ctx context.Context, l *lake.Lake, name string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var keys []int64
	for _, id := range ids {
		keys = append(keys, int64(xxhash.Sum64String(id)))
	}
	_, err := Follow(ctx, l, fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), keys, func(int64) {})
	return err
}
