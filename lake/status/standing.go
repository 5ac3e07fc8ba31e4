package status

import (
	"context"
	"errors"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Watch reads the figures of a lake time and again, at little cost. It is safe for concurrent use.
type Watch struct {
	Lake   *lake.Lake
	ledger ledger.Remembered
}

// Read reads the figures that tell how the lake stands: a Status without what it names. It fails where the warehouse
// can't be reached, though all figures may be remembered.
func (w *Watch) Read(ctx context.Context) (s Status, err error) {
	if err := w.Lake.Answers(ctx); err != nil {
		return s, err
	}
	rows, err := w.ledger.Hours(ctx, w.Lake)
	if err != nil {
		return s, err
	}
	s.addHours(rows)
	return s, s.addStanding(ctx, w.Lake, rows)
}

// Hours are the ledger's newest rows of all hours, ascending. They are shared.
func (w *Watch) Hours(ctx context.Context) ([]ledger.Hour, error) { return w.ledger.Hours(ctx, w.Lake) }

// addStanding says how far silver and gold are, and what the tables hold. rows are the ledger's, in order.
func (s *Status) addStanding(ctx context.Context, l *lake.Lake, rows []ledger.Hour) (err error) {
	s.addLately(rows)
	if err := s.addTables(ctx, l); err != nil {
		return err
	}
	if s.Waiting, err = gold.WaitingHours(ctx, l); err != nil {
		return err
	}
	for _, row := range slices.Backward(rows) {
		if row.State == ledger.HourEmpty {
			continue
		}
		if s.Newest == nil {
			s.Newest = &row.Hour
		}
		if !slices.Contains(s.Waiting, row.Hour) {
			s.GoldNewest = &row.Hour
			break
		}
	}
	erasures, err := forgotten.Erasures(ctx, l)
	if err != nil && !errors.Is(err, lake.ErrNoLake) { // an older lake has no such table
		return err
	}
	s.Erasures = map[string]int64{}
	for _, erasure := range erasures {
		s.Erasures[erasure.State]++
	}
	return nil
}
