package verify

import (
	"context"
	"errors"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/plain"
)

// Rule 1, once more: every event is given its user, its device and its version again, and the rows of gold.events are
// compared with that, as of the snapshots that the table reflects.

// eventFact is a row of gold.events, as it is or as it should be.
type eventFact struct {
	Is  bool
	Row lake.ResolvedRow
}

func (v *verifier) verifyEvents(ctx context.Context) error {
	if v.lacks("gold.events was", append([]lake.TableDefinition{lake.GoldEvents}, lake.SilverTables[:]...)...) {
		return nil
	}
	loaded, err := v.lake.Load(ctx, lake.GoldEvents)
	if errors.Is(err, lake.ErrNoLake) { // nothing has opened the lake to write since there is this table
		return nil
	}
	if err != nil {
		return err
	}
	if ledger.IsOff(loaded) {
		v.note("gold.events does not follow silver: a worker was told so, by --without or VERSIONLAKE_WITHOUT")
	}
	state, known := ledger.EventsStateOf(loaded)
	switch {
	case !known && v.silverEvents() > 0:
		v.note("gold.events was not filled yet")
		return nil
	case !known:
		return nil
	case state.Filling:
		v.note("gold.events is being filled, and has the hours before %s: it is not compared", state.Next)
		return nil
	}
	return v.compareEvents(ctx, loaded, state)
}

func (v *verifier) compareEvents(ctx context.Context, loaded *table.Table, state ledger.EventsState) error {
	var files [3][]iceberg.DataFile
	complete, err := v.eventSources(ctx, state, &files)
	if err != nil || !complete {
		return err
	}
	rows, err := objects.NewPartitions(v.lake.Objects.Scratch, 2*lake.CountOf(files[0]))
	if err != nil {
		return err
	}
	defer rows.Close()
	// What retention has taken from both tables is still in the snapshot that gold.events reflects until it follows.
	kept, dropped := ledger.DroppedBefore(v.tables[lake.SilverEvents.Name])
	if err := v.eachSession(ctx, "resolving events", files[0], files[1], files[2], func(s *plain.Session) error {
		for i, event := range s.Happened() {
			if dropped && lake.HourOfRow(event.Row.IngestDate, event.Row.IngestHourOfDay) < kept {
				continue
			}
			if err := rows.Add(s.ID, eventFact{Row: event.Resolved(&s.Events[i])}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return err
	}
	where := Difference{Rule: 1, Table: lake.GoldEvents.Name}
	if err := eachRow(ctx, v, where, live, func(row *lake.ResolvedRow) error {
		return rows.Add(row.SessionID, eventFact{Is: true, Row: *row})
	}); err != nil {
		return err
	}
	for part := range rows.Len() {
		v.progress("comparing gold.events", part, rows.Len(), "parts")
		if err := v.compareResolved(ctx, rows, part); err != nil {
			return err
		}
	}
	return nil
}

// compareResolved holds the rows of some sessions against what they should be.
func (v *verifier) compareResolved(ctx context.Context, rows *objects.Partitions, part int) error {
	count := map[string]int{}
	if err := objects.EachSpilled(ctx, rows, part, func(fact eventFact) error {
		if key := plain.Describe(&fact.Row); fact.Is {
			v.checked.Resolved++
			count[key]++
		} else {
			count[key]--
		}
		return nil
	}); err != nil {
		return err
	}
	for key, n := range count {
		switch {
		case n > 0:
			v.differ(Difference{Rule: 1, Table: lake.GoldEvents.Name}, "%s: should not be", key)
		case n < 0:
			v.differ(Difference{Rule: 1, Table: lake.GoldEvents.Name}, "%s: is not there, and should be", key)
		}
	}
	return nil
}

// eventSources are the files of silver's tables that gold.events reflects; false if they are gone.
func (v *verifier) eventSources(ctx context.Context, state ledger.EventsState,
	files *[3][]iceberg.DataFile) (complete bool, err error) {
	var lags []string
	for i, snapshot := range state.Of() {
		loaded, err := v.lake.Load(ctx, lake.SilverTables[i])
		if err != nil {
			return false, err
		}
		if snapshot != lake.HeadOf(loaded) {
			lags = append(lags, lake.SilverTables[i].Name)
		}
		if snapshot == 0 {
			continue
		}
		if loaded.SnapshotByID(snapshot) == nil {
			v.note("gold.events reflects snapshot %d of %s, which was expired: it can't be compared before it follows",
				snapshot, lake.SilverTables[i].Name)
			return false, nil
		}
		if files[i], err = v.filesAt(ctx, loaded, snapshot); err != nil {
			return false, err
		}
	}
	if len(lags) > 0 {
		v.note("gold.events lags behind %s; it is compared with what it reflects", strings.Join(lags, ", "))
	}
	return true, nil
}
