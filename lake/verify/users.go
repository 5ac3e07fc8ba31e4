package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/plain"
)

// Rule 1: gold.users is made again from the sightings and bindings that its head reflects, and compared row by row.
// First all rows of a session are brought together to find each sighting's user and device, then all sightings of a
// user.

func (v *verifier) verifyUsers(ctx context.Context) error {
	if v.lacks("gold.users was", lake.GoldUsers, lake.SilverSightings, lake.SilverBindings) {
		return nil
	}
	reflects, err := v.reflected()
	if err != nil || reflects == nil {
		return err
	}
	var files [2][]iceberg.DataFile
	for i, part := range []struct {
		definition lake.TableDefinition
		snapshot   int64
	}{{lake.SilverSightings, reflects.Sightings}, {lake.SilverBindings, reflects.Bindings}} {
		loaded := v.tables[part.definition.Name]
		if part.snapshot == 0 {
			continue
		}
		if loaded.SnapshotByID(part.snapshot) == nil {
			v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name},
				"gold reflects snapshot %d of %s, which is gone: it can't be compared, and will be made anew",
				part.snapshot, part.definition.Name)
			return nil
		}
		if files[i], err = v.filesAt(ctx, loaded, part.snapshot); err != nil {
			return err
		}
	}
	users, err := v.resolveSightings(ctx, files[0], files[1])
	if err != nil {
		return err
	}
	defer users.Close()
	return v.compareUsers(ctx, users)
}

// reflected says which silver gold's head reflects, and notes what is still ahead of it; nil: there is no gold.
func (v *verifier) reflected() (*ledger.Base, error) {
	head := v.gold.CurrentSnapshot()
	if head == nil {
		if rows := lake.CountOf(
			slices.Concat(slices.Collect(maps.Values(v.files[lake.SilverSightings.Name]))...)); rows > 0 {
			v.note("gold.users has no snapshot yet: all of silver is ahead of it")
		}
		return nil, nil
	}
	if number, err := lake.RulesOf(v.gold); err != nil || number != lake.Rules {
		v.note("gold.users was made by older rules (%d, now %d): it was not compared; the next round makes it anew",
			number, lake.Rules)
		return nil, err
	}
	// What another program did on top of the last commit of ours is looked at as if it were ours.
	reflects := ledger.Base{}
	for snapshot := head; snapshot != nil; snapshot = parentOf(v.gold, snapshot) {
		if reflects = ledger.BaseOf(snapshot); reflects.Known {
			break
		}
		if snapshot.Summary != nil && snapshot.Summary.Operation == table.OpReplace {
			continue
		}
		v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name, Version: fmt.Sprint(snapshot.SnapshotID)},
			"the snapshot does not say which silver it reflects: another program made it; the next round makes "+
				"gold anew")
	}
	for _, part := range []struct {
		definition lake.TableDefinition
		reached    int64
	}{{lake.SilverSightings, reflects.Sightings}, {lake.SilverBindings, reflects.Bindings}} {
		loaded := v.tables[part.definition.Name]
		var ahead []string
		for snapshot := loaded.CurrentSnapshot(); snapshot != nil &&
			snapshot.SnapshotID != part.reached; snapshot = parentOf(loaded, snapshot) {
			if snapshot.Summary != nil && snapshot.Summary.Operation != table.OpReplace {
				hours := snapshot.Summary.Properties[lake.SummaryHours]
				ahead = append(ahead, hours[strings.LastIndexByte(hours, ' ')+1:])
			}
		}
		if len(ahead) > 0 {
			v.note("gold lags: %d snapshots of %s are ahead of it, the last of hour %s; it is compared with "+
				"silver as of what it reflects",
				len(ahead), part.definition.Name, ahead[0])
		}
	}
	return &reflects, nil
}

func parentOf(loaded *table.Table, snapshot *table.Snapshot) *table.Snapshot {
	if snapshot.ParentSnapshotID == nil {
		return nil
	}
	return loaded.SnapshotByID(*snapshot.ParentSnapshotID)
}

// resolveSightings spills all sightings by user, each with its user and device.
func (v *verifier) resolveSightings(ctx context.Context, sightings,
	bindings []iceberg.DataFile) (*objects.Partitions, error) {
	users, err := objects.NewPartitions(v.lake.Objects.Scratch, lake.CountOf(sightings))
	if err != nil {
		return nil, err
	}
	if err := v.eachSession(ctx, "finding the users of sightings", nil, sightings, bindings,
		func(s *plain.Session) error {
			for _, sighting := range s.Sighted() {
				if err := users.Add(sighting.User, userFact{Sighting: sighting}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
		users.Close()
		return nil, err
	}
	return users, nil
}

// userFact is a sighting of a user, or the user's row in gold.
type userFact struct {
	Sighting plain.Sighting
	Row      *lake.UserRow
	// Of the row's intervals: encoding/gob takes a valid_to of 1970-01-01T00:00:00Z, and false, for none.
	Closed, Compared []bool
}

func rowFact(row *lake.UserRow) userFact {
	fact := userFact{Row: row}
	for _, interval := range row.History {
		fact.Closed = append(fact.Closed, interval.ValidTo != nil)
		fact.Compared = append(fact.Compared, interval.IsDowngrade != nil)
	}
	return fact
}

func (f *userFact) row() *lake.UserRow {
	if f.Row.IntervalsCut > 0 && f.Row.CutBefore == nil {
		f.Row.CutBefore = new(int64)
	}
	for i := range f.Row.History {
		interval := &f.Row.History[i]
		if f.Closed[i] && interval.ValidTo == nil {
			interval.ValidTo = new(int64)
		}
		if f.Compared[i] && interval.IsDowngrade == nil {
			interval.IsDowngrade = new(bool)
		}
	}
	return f.Row
}

// compareUsers holds gold's rows against those that the sightings make.
func (v *verifier) compareUsers(ctx context.Context, users *objects.Partitions) error {
	live, err := lake.LiveFiles(ctx, v.gold)
	if err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 4, Table: lake.GoldUsers.Name}, live, func(row *lake.UserRow) error {
		v.checked.Users++
		return users.Add(row.UserID, rowFact(row))
	}); err != nil {
		return err
	}
	for part := range users.Len() {
		v.progress("comparing gold with silver", part, users.Len(), "parts")
		if err := v.comparePart(ctx, users, part); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) comparePart(ctx context.Context, users *objects.Partitions, part int) error {
	sightings, rows := map[string][]plain.Sighting{}, map[string]lake.UserRow{}
	if err := objects.EachSpilled(ctx, users, part, func(fact userFact) error {
		if fact.Row == nil {
			sightings[fact.Sighting.User] = append(sightings[fact.Sighting.User], fact.Sighting)
			return nil
		}
		// That a user has two rows is found by verifyVersions, for every version; here each of them is compared.
		if _, twice := rows[fact.Row.UserID]; twice {
			v.compareUser(fact.row(), sightings[fact.Row.UserID])
			return nil
		}
		rows[fact.Row.UserID] = *fact.row()
		return nil
	}); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(sightings)) {
		if _, found := rows[id]; !found {
			v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name, User: id},
				"the user has %d sightings in silver, and no row in gold", len(sightings[id]))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		row := rows[id]
		v.compareUser(&row, sightings[id])
	}
	return nil
}

func (v *verifier) compareUser(row *lake.UserRow, sightings []plain.Sighting) {
	where := Difference{Rule: 1, Table: lake.GoldUsers.Name, User: row.UserID}
	if len(sightings) == 0 {
		v.differ(where, "the user has a row in gold, and no sighting in silver")
	} else if text := plain.UserDifference(row,
		plain.User(row.UserID, sightings, ledger.MaxIntervalsOf(v.gold))); text != "" {
		v.differ(where, "%s", text)
	}
}
