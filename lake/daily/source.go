package daily

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// dailySource is the state of the lake that a plan looks at.
type dailySource struct {
	daily         map[string]*table.Table // by name
	silver        [3]*table.Table         // in the order of SilverTables
	users         *table.Table
	events        *table.Table      // gold.events: the silver that it reflects is what is counted
	to            ledger.DailyState // that the refresh takes the daily aggregates to
	known         bool              // false: everything is counted anew
	frozen        int32             // the first date that may be counted
	halfCommitted []string
}

func findSource(ctx context.Context, l *lake.Lake) (s dailySource, err error) {
	// Before silver, whose logs then have what it reflects.
	if s.events, err = l.Load(ctx, lake.GoldEvents); err != nil {
		return s, err
	}
	s.daily = map[string]*table.Table{}
	for _, definition := range lake.DailyTables {
		if s.daily[definition.Name], err = l.Load(ctx, definition); err != nil {
			return s, err
		}
	}
	last := s.daily[lake.GoldVersionDaily.Name]
	if s.frozen, err = ledger.FrozenBefore(last); err != nil {
		return s, err
	}
	base, known := ledger.DailyStateOf(last)
	if !known {
		base = ledger.DailyState{}
	}
	if s.users, err = l.Load(ctx, lake.GoldUsers); err != nil {
		return s, err
	}
	s.to.Users = lake.HeadOf(s.users)
	var reached []ledger.Reached
	for i, definition := range lake.SilverTables {
		reached = append(reached, ledger.Reached{Definition: definition, Snapshot: base.Of()[i]})
	}
	followed, err := ledger.Follow(ctx, l, nil, reached...)
	if err != nil {
		return s, err
	}
	s.known, s.halfCommitted = known && !followed.Lost, followed.HalfCommitted
	for i, log := range followed.Logs {
		s.silver[i] = log.Table
	}
	return s, s.findEvents(base)
}

// findEvents takes the silver that gold.events reflects as what the refresh leads to. Nothing is counted before that
// has reached what was counted already.
func (s *dailySource) findEvents(base ledger.DailyState) error {
	state, known := ledger.EventsStateOf(s.events)
	if !known || state.Filling {
		return fmt.Errorf(
			"%w: gold.events has not taken in silver yet; versionlake daily --refresh lets it, where it is "+
				"not off", lake.ErrConflict)
	}
	for i, at := range state.Of() {
		log, _ := ledger.Since(s.silver[i], base.Of()[i])
		if s.known && at != base.Of()[i] && !slices.ContainsFunc(log, func(entry ledger.LogEntry) bool {
			return entry.Snapshot == at
		}) {
			return fmt.Errorf("%w: gold.events reflects snapshot %d of %s, before what was counted",
				lake.ErrConflict, at,
				lake.SilverTables[i].Name)
		}
	}
	s.to.Events, s.to.Sightings, s.to.Bindings = state.Events, state.Sightings, state.Bindings
	return nil
}
