package verify

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Rule 1: gold.users is made again from the sightings and bindings that its head reflects, and compared row by row.
// First all rows of a session are brought together to find each sighting's user and device, then all sightings of a
// user.

// plainSighting is a sighting whose user and device are known.
type plainSighting struct {
	User, Service, Device, Version string
	Time, Transaction              int64
	File                           string
	Line                           int64
}

func (v *Verifier) verifyUsers(ctx context.Context) error {
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
			return v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name},
				"gold reflects snapshot %d of %s, which is gone: it can't be compared, and will be made anew",
				part.snapshot, part.definition.Name)
		}
		if files[i], err = lake.LiveFiles(ctx, loaded, table.WithSnapshotID(part.snapshot)); err != nil {
			return err
		}
	}
	users, err := v.resolveSightings(ctx, files[0], files[1])
	if err != nil {
		return err
	}
	defer users.close()
	return v.compareUsers(ctx, users)
}

// reflected says which silver gold's head reflects, and notes what is still ahead of it; nil: there is no gold.
func (v *Verifier) reflected() (*ledger.Base, error) {
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
		if err := v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name, Version: fmt.Sprint(snapshot.SnapshotID)},
			"the snapshot does not say which silver it reflects: another program made it; the next round makes gold anew"); err != nil {
			return nil, err
		}
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
func (v *Verifier) resolveSightings(ctx context.Context, sightings,
	bindings []iceberg.DataFile) (users *partitions, err error) {
	sessions, err := v.newPartitions(lake.CountOf(sightings) + lake.CountOf(bindings))
	if err != nil {
		return nil, err
	}
	defer sessions.close()
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverBindings.Name}, bindings,
		func(row *lake.BindingRow) error {
			return sessions.add(row.SessionID, sessionFact{Binding: *row})
		}); err != nil {
		return nil, err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverSightings.Name}, sightings,
		func(row *lake.SightingRow) error {
			return sessions.add(row.SessionID, sessionFact{Sighting: *row})
		}); err != nil {
		return nil, err
	}
	if users, err = v.newPartitions(lake.CountOf(sightings)); err != nil {
		return nil, err
	}
	for part := range sessions.files {
		v.progress("finding the users of sightings", part, len(sessions.files), "parts")
		bySession := map[string]*plainSession{}
		if err := eachSpilled(ctx, sessions, part, func(fact sessionFact) error {
			id := fact.Sighting.SessionID + fact.Binding.SessionID // one of them is empty
			if bySession[id] == nil {
				bySession[id] = &plainSession{}
			}
			bySession[id].add(fact)
			return nil
		}); err != nil {
			users.close()
			return nil, err
		}
		for _, s := range bySession {
			for _, sighting := range s.resolve() {
				if err := users.add(sighting.User, userFact{Sighting: sighting}); err != nil {
					users.close()
					return nil, err
				}
			}
		}
	}
	return users, nil
}

// sessionFact is a row of a session: a sighting, or a binding.
type sessionFact struct {
	Sighting lake.SightingRow
	Binding  lake.BindingRow
}

// userFact is a sighting of a user, or the user's row in gold.
type userFact struct {
	Sighting plainSighting
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
func (v *Verifier) compareUsers(ctx context.Context, users *partitions) error {
	live, err := lake.LiveFiles(ctx, v.gold)
	if err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 4, Table: lake.GoldUsers.Name}, live, func(row *lake.UserRow) error {
		v.checked.Users++
		return users.add(row.UserID, rowFact(row))
	}); err != nil {
		return err
	}
	for part := range users.files {
		v.progress("comparing gold with silver", part, len(users.files), "parts")
		sightings, rows := map[string][]plainSighting{}, map[string]lake.UserRow{}
		if err := eachSpilled(ctx, users, part, func(fact userFact) error {
			if fact.Row == nil {
				sightings[fact.Sighting.User] = append(sightings[fact.Sighting.User], fact.Sighting)
				return nil
			}
			// That a user has two rows is found by verifyVersions, for every version; here each of them is compared.
			if _, twice := rows[fact.Row.UserID]; twice {
				return v.compareUser(fact.row(), sightings[fact.Row.UserID])
			}
			rows[fact.Row.UserID] = *fact.row()
			return nil
		}); err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(sightings)) {
			if _, found := rows[id]; !found {
				if err := v.differ(Difference{Rule: 1, Table: lake.GoldUsers.Name, User: id},
					"the user has %d sightings in silver, and no row in gold", len(sightings[id])); err != nil {
					return err
				}
			}
		}
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			row := rows[id]
			if err := v.compareUser(&row, sightings[id]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Verifier) compareUser(row *lake.UserRow, sightings []plainSighting) error {
	where := Difference{Rule: 1, Table: lake.GoldUsers.Name, User: row.UserID}
	if len(sightings) == 0 {
		return v.differ(where, "the user has a row in gold, and no sighting in silver")
	}
	if text := plainDifference(row, plainUser(row.UserID, sightings)); text != "" {
		return v.differ(where, "%s", text)
	}
	return nil
}

// partitions are local files of facts, divided by a key: each is small enough to be read whole.
type partitions struct {
	folder   string
	files    []*os.File
	buffers  []*bufio.Writer
	encoders []*gob.Encoder
}

const (
	factsPerPartition = 250_000
	maxPartitions     = 256
)

func (v *Verifier) newPartitions(facts int64) (*partitions, error) {
	folder, err := os.MkdirTemp(v.Lake.Objects.Scratch, "versionlake-verify-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	p := &partitions{folder: folder}
	for part := range min(facts/factsPerPartition+1, maxPartitions) {
		file, err := os.Create(filepath.Join(folder, fmt.Sprintf("part-%03d", part)))
		if err != nil {
			p.close()
			return nil, fmt.Errorf("make a spill: %w", err)
		}
		buffer := bufio.NewWriterSize(file, 64<<10)
		p.files, p.buffers, p.encoders = append(p.files, file), append(p.buffers, buffer), append(p.encoders,
			gob.NewEncoder(buffer))
	}
	return p, nil
}

func (p *partitions) add(key string, fact any) error {
	// Another seed than the tables' own hashes have.
	part := xxhash.Sum64String(strings.ToUpper(key)+key) % uint64(len(p.files))
	if err := p.encoders[part].Encode(fact); err != nil {
		return fmt.Errorf("write a spill: %w", err)
	}
	return nil
}

func (p *partitions) close() {
	for _, file := range p.files {
		file.Close()
	}
	os.RemoveAll(p.folder)
}

// eachSpilled reads a partition back, in the order in which it was written.
func eachSpilled[T any](ctx context.Context, p *partitions, part int, each func(T) error) error {
	if err := p.buffers[part].Flush(); err != nil {
		return fmt.Errorf("write a spill: %w", err)
	}
	if _, err := p.files[part].Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a spill: %w", err)
	}
	decoder := gob.NewDecoder(bufio.NewReaderSize(p.files[part], 64<<10))
	for n := 0; ; n++ {
		if n%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		var fact T
		if err := decoder.Decode(&fact); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a spill: %w", err)
		}
		if err := each(fact); err != nil {
			return err
		}
	}
}
