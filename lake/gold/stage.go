package gold

import (
	"context"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/lake/versionkeys"
)

// stager turns what changed in silver into changes of users.
type stager struct {
	lake     *lake.Lake
	change   silverChange
	runs     *runWriter
	versions *versionkeys.Collector
	progress func(rows int64) // read so far

	join *sessions.Join
	// Sessions whose other rows matter: unnamed are those with sightings that name no user or device, and need their
	// bindings; bound are those with bindings, and need their sightings.
	unnamed, bound objects.Lanes[sessions.SessionSet]
	large          *sessions.Large // nil: no session is
}

// stage joins the changed rows with what else is known of their sessions, and writes what follows for users.
func (s *stager) stage(ctx context.Context) (err error) {
	for _, user := range s.change.remakeUsers {
		if err := s.runs.add(userDelta{user: user, kind: deltaLate}); err != nil {
			return err
		}
	}
	if !s.change.moved() && len(s.change.remakeFiles) == 0 {
		return nil
	}
	if s.join, err = sessions.NewJoin(s.lake, sessions.JoinSections); err != nil {
		return err
	}
	defer s.join.Close()
	s.unnamed, s.bound = objects.NewLanes[sessions.SessionSet](), objects.NewLanes[sessions.SessionSet]()
	if err := s.addChanged(ctx); err != nil {
		return err
	}
	if !s.change.rebuild {
		if err := s.addContext(ctx, sessions.MergeSessions(s.unnamed), sessions.MergeSessions(s.bound)); err != nil {
			return err
		}
	}
	return s.join.Sightings(ctx, func(session *sessions.Session, row *sessions.SessionRow) error {
		if row.State == sessions.RowAdded || row.State == sessions.RowAgain {
			if err := s.versions.Add(row.Service, row.Value); err != nil {
				return err
			}
		}
		if row.State == sessions.RowKept && !s.large.Concerns(row.Key, row.Service, row.Time) {
			return nil
		}
		return deltas(session, row, s.runs.add)
	})
}

// addChanged adds the rows that came or went, and the sightings whose users are made again.
func (s *stager) addChanged(ctx context.Context) error {
	note := func(row *sessions.SessionRow) {
		switch {
		case s.change.rebuild: // no row stayed
		case row.Kind != 's':
			sessions.NoteSession(s.bound, row)
		case row.User == "" || row.Device == "":
			sessions.NoteSession(s.unnamed, row)
		}
		s.progress(s.join.Rows.Load())
	}
	each := func(row sessions.SessionRow) error {
		note(&row)
		return s.join.Add(row)
	}
	r := sessions.Reader{Lake: s.lake}
	sightings, bindings := s.change.sightings.files, s.change.bindings.files
	var err error
	if sightings.Added, err = s.join.Along(ctx, lake.SilverSightings, sightings.Added, note); err != nil {
		return err
	}
	if bindings.Added, err = s.join.Along(ctx, lake.SilverBindings, bindings.Added, note); err != nil {
		return err
	}
	if err := r.Changes(ctx, sightings, bindings, each); err != nil {
		return err
	}
	return r.Sightings(ctx, s.change.remakeFiles, sessions.RowAgain, each)
}

// addContext adds the rows that stayed, of the sessions that changed.
func (s *stager) addContext(ctx context.Context, unnamed, bound sessions.SessionSet) (err error) {
	near := sessions.Span{
		Low:  min(unnamed.Times.Low, sessions.SaturatingAdd(bound.Times.Low, -ledger.WindowMicros)),
		High: max(unnamed.Times.High, sessions.SaturatingAdd(bound.Times.High, ledger.WindowMicros)),
	}.Widened(ledger.WindowMicros)
	bindings, sightings := s.change.bindings, s.change.sightings
	stayed := [2]sessions.Stayed{{Keys: bound.Keys},
		{Keys: sessions.NewKeySet(slices.Concat(unnamed.Keys, bound.Keys))}}
	if stayed[0].Files, err = sessions.FilesNear(ctx, sightings.Table, sightings.To,
		bound.Times.Widened(ledger.WindowMicros), sightings.files.Added); err != nil {
		return err
	}
	if stayed[1].Files, err = sessions.FilesNear(ctx, bindings.Table, bindings.To, near,
		bindings.files.Added); err != nil {
		return err
	}
	s.large, err = sessions.ReadStayed(ctx, s.lake, stayed, func(large *sessions.Large) error {
		if err := large.Changed(ctx, s.lake,
			slices.Concat(sightings.files.Added, sightings.files.Removed, s.change.remakeFiles),
			slices.Concat(bindings.files.Added, bindings.files.Removed)); err != nil {
			return err
		}
		large.ForSightings()
		return nil
	}, func(row sessions.SessionRow) error {
		if row.Kind == 's' && row.User != "" && row.Device != "" {
			return nil
		}
		return s.join.Add(row)
	})
	return err
}

// deltas says what a sighting's change, or that of its session, means for users.
func deltas(s *sessions.Session, row *sessions.SessionRow, emit func(userDelta) error) error {
	switch row.State {
	case sessions.RowAdded:
		user, sighting := s.After.Resolve(row)
		return emit(userDelta{user: user, kind: deltaCame, sighting: sighting})
	case sessions.RowRemoved:
		user, _ := s.Before.Resolve(row)
		return emit(userDelta{user: user, kind: deltaLate})
	case sessions.RowKept:
		before, was := s.Before.Resolve(row)
		after, is := s.After.Resolve(row)
		switch {
		case before != after:
			if err := emit(userDelta{user: before, kind: deltaLeft, sighting: was}); err != nil {
				return err
			}
			return emit(userDelta{user: after, kind: deltaCame, sighting: is})
		case was != is:
			return emit(userDelta{user: after, kind: deltaLate})
		}
	case sessions.RowAgain:
		before, _ := s.Before.Resolve(row)
		after, _ := s.After.Resolve(row)
		if err := emit(userDelta{user: before, kind: deltaLate}); err != nil {
			return err
		}
		return emit(userDelta{user: after, kind: deltaLate})
	}
	return nil
}
