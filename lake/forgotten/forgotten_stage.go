package forgotten

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// What is staged must not hold the forgotten, though a user may be forgotten while an hour is staged, and a new
// session may turn out to be a forgotten user's only by its last line. So what was staged is looked at again before
// it counts: by the step, once its files can be seen by an erasure that begins now; and by each table's commit.

// LateSessions are new sessions of a forgotten user, as a chunk finds them. They lie in the warehouse until the
// user was forgotten once more, since earlier hours may hold lines of theirs.
type LateSessions struct {
	User     string   `json:"user"`
	Sessions []string `json:"sessions"`
	facts    []Named
}

// FactOf is an event as a guard sees it; its texts live as long as the event's.
func FactOf(event *telemetry.Event) Fact {
	user, _ := event.Attribute(telemetry.AttributeUser)
	device, _ := event.Attribute(telemetry.AttributeDevice)
	return Fact{Session: objects.UnsafeString(event.Session), User: objects.UnsafeString(user), Time: event.Time,
		Device: event.Kind == telemetry.KindDeviceInfo && len(device) > 0,
		Ends:   event.Kind == telemetry.KindLogout || event.Kind == telemetry.KindLogin && len(user) == 0}
}

// Learn tells the erasures that do not know what an event says of its session. An ending by a line that names an
// erasure's user goes with the line: it is nothing to the others.
func (g *Guard) Learn(f Fact, tell func(erasure string, side Side)) {
	if f.Session == "" || f.User == "" && !f.Ends {
		return
	}
	erasure, session := "", g.Look(f.Session).Session
	if f.User != "" {
		erasure = g.Look(f.User).erasure
	}
	erasures, sides := []string{erasure}, []Side{SideSubject}
	if erasure == "" {
		if session == nil {
			return
		}
		erasures, sides = session.erasures, nil
		if f.User != "" {
			sides = append(sides, SideOthers)
		}
		if f.Ends {
			sides = append(sides, SideNobody)
		}
	}
	for _, id := range erasures {
		for _, side := range sides {
			if g.counts(id) && (session == nil || !session.covers(id, f.Time, side)) {
				tell(id, side)
			}
		}
	}
}

func NoteLate(all map[string]*LateSessions, erasure string, f Fact, side Side) {
	late := all[erasure]
	if late == nil {
		late = &LateSessions{}
		all[erasure] = late
	}
	name := string([]byte(f.Session))
	if side == SideSubject {
		late.User = string([]byte(f.User))
		if !slices.Contains(late.Sessions, name) {
			late.Sessions = append(late.Sessions, name)
		}
	}
	late.facts = append(late.facts, Named{Session: name, At: f.Time, Side: side})
}

// RememberLate keeps what a chunk found of new sessions, and names the erasures that have to be done once more.
func RememberLate(ctx context.Context, l *lake.Lake, late map[string]*LateSessions) (again []string, err error) {
	for _, erasure := range slices.Sorted(maps.Keys(late)) {
		found := late[erasure]
		if len(found.Sessions) > 0 {
			// First what tells the sessions, then that they are known: after a crash in between, they are found again.
			ref := fmt.Sprintf("%s/%s%d.json", ForgetFolder(l, erasure), LatePrefix, time.Now().UnixNano())
			if err := l.Objects.WriteJSON(ref, found); err != nil {
				return nil, err
			}
			again = append(again, erasure)
		}
		if err := RememberSessions(ctx, l, erasure, found.facts, len(found.Sessions) > 0); err != nil {
			return nil, fmt.Errorf("remember new sessions of erasure %s: %w", erasure, err)
		}
	}
	return again, nil
}

// Stale tells whether staged files hold somebody who was forgotten since a snapshot of ops.erasures. Without a
// parser, lines of bronze are known by their sessions only; the hour's silver tells the rest.
func Stale(ctx context.Context, l *lake.Lake, since int64, files []lake.DataFile,
	parser *telemetry.Parser) (bool, error) {
	now, err := ErasuresAt(ctx, l)
	if err != nil || now == since {
		return false, err
	}
	known, err := Load(ctx, l)
	if err != nil {
		return false, err
	}
	e := &Eraser{Lake: l, Known: known, Parser: parser}
	for _, file := range files {
		definition, err := lake.DefinitionOf(file.Table)
		if err != nil {
			return false, err
		}
		entry, err := l.Entry(file, definition)
		if err != nil {
			return false, err
		}
		held, err := e.Holds(ctx, definition, entry)
		if objects.IsMissing(err) {
			return true, nil // the erasure found it first
		}
		if err != nil || held {
			return held, err
		}
	}
	return false, nil
}

func StaleIf(stale bool) error {
	if stale {
		return lake.ErrStale
	}
	return nil
}

// WithdrawIfStale removes files that are stale. They were published before: an erasure that is remembered after the
// look at ops.erasures finds them in the warehouse.
func WithdrawIfStale(ctx context.Context, l *lake.Lake, since int64, files []lake.DataFile,
	parser *telemetry.Parser) (bool, error) {
	stale, err := Stale(ctx, l, since, files, parser)
	if err != nil || !stale {
		return false, err
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Path
	}
	return true, l.Objects.Remove(ctx, names)
}
