package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// What is staged must not hold the forgotten, though a user may be forgotten while an hour is staged, and a new session may
// turn out to be a forgotten user's only by its last line. So what was staged is looked at again before it counts: by the
// step, once its files can be seen by an erasure that begins now; and by each table's commit.

// lateSessions are new sessions of a forgotten user, as a chunk finds them. They lie in the warehouse until the user was
// forgotten once more, since earlier hours may hold lines of theirs.
type lateSessions struct {
	User     string   `json:"user"`
	Sessions []string `json:"sessions"`
	facts    []named
}

// erase tells whether a line is a forgotten user's. It notes what the line says of sessions that is not known yet.
func (c *chunkStage) erase(event *telemetry.Event, reason telemetry.Reason, line *telemetry.Line) bool {
	if reason != "" {
		return c.guard.mentions(alias(line.Text), rejectMention)
	}
	f := factOf(event)
	c.learn(f)
	return c.guard.owns(f)
}

// factOf is an event as a guard sees it; its texts live as long as the event's.
func factOf(event *telemetry.Event) fact {
	user, _ := event.Attribute(telemetry.AttributeUser)
	device, _ := event.Attribute(telemetry.AttributeDevice)
	return fact{session: alias(event.Session), user: alias(user), time: event.Time,
		device: event.Kind == telemetry.KindDeviceInfo && len(device) > 0,
		ends:   event.Kind == telemetry.KindLogout || event.Kind == telemetry.KindLogin && len(user) == 0}
}

func (c *chunkStage) learn(f fact) {
	if c.late == nil {
		c.late = map[string]*lateSessions{}
	}
	c.guard.learn(f, func(erasure string, side side) { noteLate(c.late, erasure, f, side) })
}

// learn tells the erasures that do not know what an event says of its session. An ending by a line that names an
// erasure's user goes with the line: it is nothing to the others.
func (g *guard) learn(f fact, tell func(erasure string, side side)) {
	if f.session == "" || f.user == "" && !f.ends {
		return
	}
	erasure, session := "", g.look(f.session).session
	if f.user != "" {
		erasure = g.look(f.user).erasure
	}
	erasures, sides := []string{erasure}, []side{sideSubject}
	if erasure == "" {
		if session == nil {
			return
		}
		erasures, sides = session.erasures, nil
		if f.user != "" {
			sides = append(sides, sideOthers)
		}
		if f.ends {
			sides = append(sides, sideNobody)
		}
	}
	for _, id := range erasures {
		for _, side := range sides {
			if g.counts(id) && (session == nil || !session.covers(id, f.time, side)) {
				tell(id, side)
			}
		}
	}
}

func noteLate(all map[string]*lateSessions, erasure string, f fact, side side) {
	late := all[erasure]
	if late == nil {
		late = &lateSessions{}
		all[erasure] = late
	}
	name := string([]byte(f.session))
	if side == sideSubject {
		late.User = string([]byte(f.user))
		if !slices.Contains(late.Sessions, name) {
			late.Sessions = append(late.Sessions, name)
		}
	}
	late.facts = append(late.facts, named{session: name, at: f.time, side: side})
}

// rememberLate keeps what a chunk found of new sessions, and names the erasures that have to be done once more.
func (l *Lake) rememberLate(ctx context.Context, late map[string]*lateSessions) (again []string, err error) {
	for _, erasure := range slices.Sorted(maps.Keys(late)) {
		found := late[erasure]
		if len(found.Sessions) > 0 {
			// First what tells the sessions, then that they are known: after a crash in between, they are found again.
			ref := fmt.Sprintf("%s/%s%d.json", l.forgetFolder(erasure), latePrefix, time.Now().UnixNano())
			if err := l.objects.writeJSON(ref, found); err != nil {
				return nil, err
			}
			again = append(again, erasure)
		}
		if err := l.rememberSessions(ctx, erasure, found.facts, len(found.Sessions) > 0); err != nil {
			return nil, fmt.Errorf("remember new sessions of erasure %s: %w", erasure, err)
		}
	}
	return again, nil
}

// stale tells whether staged files hold somebody who was forgotten since a snapshot of ops.erasures. Without a parser, lines
// of bronze are known by their sessions only; the hour's silver tells the rest.
func (l *Lake) stale(ctx context.Context, since int64, files []dataFile, parser *telemetry.Parser) (bool, error) {
	now, err := l.erasuresAt(ctx)
	if err != nil || now == since {
		return false, err
	}
	known, err := l.forgotten(ctx)
	if err != nil {
		return false, err
	}
	e := &eraser{lake: l, known: known, parser: parser}
	for _, file := range files {
		definition, err := definitionOf(file.Table)
		if err != nil {
			return false, err
		}
		entry, err := l.entry(file, definition)
		if err != nil {
			return false, err
		}
		held, err := e.holds(ctx, definition, entry)
		if isMissing(err) {
			return true, nil // the erasure found it first
		}
		if err != nil || held {
			return held, err
		}
	}
	return false, nil
}

func staleIf(stale bool) error {
	if stale {
		return ErrStale
	}
	return nil
}

// withdrawIfStale removes files that are stale. They were published before: an erasure that is remembered after the look at
// ops.erasures finds them in the warehouse.
func (l *Lake) withdrawIfStale(ctx context.Context, since int64, files []dataFile, parser *telemetry.Parser) (bool, error) {
	stale, err := l.stale(ctx, since, files, parser)
	if err != nil || !stale {
		return false, err
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Path
	}
	return true, l.objects.remove(ctx, names)
}
