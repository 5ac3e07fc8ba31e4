package daily

import (
	"context"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// dailySource is the state of the lake that a plan looks at.
type dailySource struct {
	daily         map[string]*table.Table // by name
	silver        [3]*table.Table         // in the order of SilverTables
	users         *table.Table
	to            ledger.DailyState // that the refresh takes the daily aggregates to
	known         bool              // false: everything is counted anew
	frozen        int32             // the first date that may be counted
	halfCommitted []string
}

func findSource(ctx context.Context, l *lake.Lake) (s dailySource, err error) {
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
	s.to.Events, s.to.Sightings, s.to.Bindings = followed.Logs[0].To, followed.Logs[1].To, followed.Logs[2].To
	return s, nil
}
