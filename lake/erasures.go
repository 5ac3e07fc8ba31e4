package lake

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// States of an erasure.
const (
	ErasureBegun = "begun" // remembered, so that nothing of the user comes in; what is there may not be gone yet
	ErasureDone  = "done"  // a scan of every object found nothing
)

// sessionEnded is the state of a row of a session that named nobody: a Login of nobody, a Logout.
const sessionEnded = "ended"

// Erasure is one forgotten user, by the keyed hash of the id alone.
type Erasure struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Sessions   int64     `json:"sessions"`
	BegunAt    time.Time `json:"begun_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Rows       int64     `json:"rows"`    // taken out of the present tables
	Files      int64     `json:"files"`   // data files that were written anew or removed, of all versions
	Objects    int64     `json:"objects"` // that the proof read
	Bytes      int64     `json:"bytes"`
}

// keyProperty is where the key of the hashes lies: a property of the namespace ops, and so in the catalog's database and
// not in the warehouse. Who can read files alone can't find out whether a name that they guess was forgotten.
const keyProperty = "versionlake.erasure-key"

// erasureKey reads the key, and makes it where there is none and create says so; nil where there is none.
func (l *Lake) erasureKey(ctx context.Context, create bool) ([]byte, error) {
	args := []any{l.config.CatalogName, opsErasures.identifier()[0], keyProperty}
	if create {
		key := make([]byte, sha256.Size)
		rand.Read(key)
		// Of two that make one at once, the first wins.
		if _, err := l.db.ExecContext(ctx, l.sql(`INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`), append(args, hex.EncodeToString(key))...); err != nil {
			return nil, fmt.Errorf("make the key of erasures: %w", err)
		}
	}
	var text string
	err := l.db.QueryRowContext(ctx, l.sql(`SELECT property_value FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key = ?`), args...).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of erasures: %w", err)
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("the key of erasures, property %s of namespace %s, is damaged: restore the catalog's database", keyProperty, opsErasures.identifier()[0])
	}
	return key, nil
}

// forgotten reads whom the lake must not hold.
func (l *Lake) forgotten(ctx context.Context) (*forgotten, error) {
	loaded, err := l.load(ctx, opsErasures)
	if errors.Is(err, ErrNoLake) {
		return &forgotten{}, nil // a lake that is older than the table, and was not opened for writing since
	}
	if err != nil {
		return nil, err
	}
	head := loaded.CurrentSnapshot()
	if head == nil {
		return &forgotten{}, nil
	}
	f := &forgotten{snapshot: head.SnapshotID, users: map[idHash]string{}, sessions: map[idHash]*forgottenNaming{}, done: map[string]bool{}}
	if f.key, err = l.erasureKey(ctx, false); err != nil {
		return nil, err
	}
	if f.key == nil {
		return nil, fmt.Errorf("%s has rows, and their key is gone from the catalog's database: restore it", opsErasures.name)
	}
	files, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	rows, err := readRows[erasureRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		row := &rows[i]
		var id idHash
		if n, err := hex.Decode(id[:], []byte(row.Hash)); err != nil || n != len(id) {
			return nil, fmt.Errorf("%s has a damaged hash: %q", opsErasures.name, row.Hash)
		}
		if !slices.Contains(f.lengths, int(row.Length)) {
			f.lengths = append(f.lengths, int(row.Length))
		}
		switch {
		case row.Kind == forgottenUser:
			f.users[id] = row.ErasureID
			if row.State == ErasureDone {
				f.done[row.ErasureID] = true
			}
		case row.FirstAt == nil:
			f.addRun(id, row.ErasureID, nil)
		default:
			f.addRun(id, row.ErasureID, &namedRun{first: *row.FirstAt, last: *row.LastAt, subject: row.Subject, ends: row.State == sessionEnded})
		}
	}
	slices.Sort(f.lengths)
	f.settle()
	return f, nil
}

// erasuresAt is the snapshot of whom the lake must not hold; it changes with them.
func (l *Lake) erasuresAt(ctx context.Context) (int64, error) {
	loaded, err := l.load(ctx, opsErasures)
	if err != nil {
		return 0, err
	}
	if head := loaded.CurrentSnapshot(); head != nil {
		return head.SnapshotID, nil
	}
	return 0, nil
}

// Erasures lists who was forgotten, oldest first.
func (l *Lake) Erasures(ctx context.Context) ([]Erasure, error) {
	loaded, err := l.load(ctx, opsErasures)
	if err != nil {
		return nil, err
	}
	files, err := liveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	rows, err := readRows[erasureRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	var erasures []Erasure
	sessions := map[string]map[string]bool{}
	for _, row := range rows {
		if row.Kind == forgottenSession {
			if sessions[row.ErasureID] == nil {
				sessions[row.ErasureID] = map[string]bool{}
			}
			sessions[row.ErasureID][row.Hash] = true
			continue
		}
		e := Erasure{ID: row.ErasureID, State: row.State, BegunAt: time.UnixMicro(row.RecordedAt).UTC(),
			Rows: row.Rows, Files: row.Files, Objects: row.Objects, Bytes: row.Bytes}
		if row.FinishedAt != nil {
			e.FinishedAt = time.UnixMicro(*row.FinishedAt).UTC()
		}
		erasures = append(erasures, e)
	}
	for i := range erasures {
		erasures[i].Sessions = int64(len(sessions[erasures[i].ID]))
	}
	slices.SortFunc(erasures, func(a, b Erasure) int { return cmp.Or(a.BegunAt.Compare(b.BegunAt), strings.Compare(a.ID, b.ID)) })
	return erasures, nil
}

// named is what a session said at a moment about whose it is; id is plain, and leaves this process as a hash only.
type named struct {
	session string
	at      int64
	side    side
}

// changeErasure rewrites what is known of one erasure, whose rows are its own partition.
func (l *Lake) changeErasure(ctx context.Context, erasure string, edit func([]erasureRow) ([]erasureRow, error)) error {
	return l.commit(ctx, opsErasures, func(loaded *table.Table) (*change, error) {
		live, err := liveFiles(ctx, loaded, table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("erasure_id"), erasure)))
		if err != nil {
			return nil, err
		}
		rows, err := readRows[erasureRow](ctx, l, live)
		if err != nil {
			return nil, err
		}
		if rows, err = edit(rows); err != nil {
			return nil, err
		}
		slices.SortFunc(rows, func(a, b erasureRow) int {
			return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Hash, b.Hash), cmp.Compare(firstAt(&a), firstAt(&b)))
		})
		writer, err := newDataWriter[erasureRow](l, opsErasures, partition{
			folder: "erasure_id=" + erasure, values: map[int]any{partitionFieldID: erasure},
		})
		if err != nil {
			return nil, err
		}
		if err := writer.write(rows, 128*len(rows)); err != nil {
			writer.abort()
			return nil, err
		}
		file, err := writer.close(erasure[:8])
		if err != nil || file == nil {
			return nil, err
		}
		same, err := l.sameContents(live, []dataFile{*file})
		if err != nil || same {
			return nil, err
		}
		added, err := l.entries(opsErasures, []dataFile{*file})
		return &change{remove: live, add: added}, err
	})
}

func firstAt(row *erasureRow) int64 {
	if row.FirstAt == nil {
		return 0
	}
	return *row.FirstAt
}

// rememberUser makes sure that the erasure is known, from which moment on nothing of the user comes in.
func (l *Lake) rememberUser(ctx context.Context, user idHash, length int) error {
	return l.changeErasure(ctx, user.String(), func(rows []erasureRow) ([]erasureRow, error) {
		for i := range rows {
			if rows[i].Kind == forgottenUser {
				rows[i].State, rows[i].FinishedAt = ErasureBegun, nil
				return rows, nil
			}
		}
		return append(rows, erasureRow{ErasureID: user.String(), Kind: forgottenUser, Hash: user.String(), Length: int64(length),
			State: ErasureBegun, RecordedAt: time.Now().UnixMicro()}), nil
	})
}

// rememberSessions adds what sessions of an erasure said about whose they are; again if it has work to do because of them.
func (l *Lake) rememberSessions(ctx context.Context, erasure string, facts []named, again bool) error {
	key, err := l.erasureKey(ctx, true)
	if err != nil || len(facts) == 0 {
		return err
	}
	mac := hmac.New(sha256.New, key)
	bySession := map[string][]named{}
	lengths := map[string]int64{}
	for _, f := range facts {
		hash := hashID(mac, forgottenSession, f.session).String()
		bySession[hash] = append(bySession[hash], f)
		lengths[hash] = int64(len(f.session))
	}
	return l.changeErasure(ctx, erasure, func(rows []erasureRow) ([]erasureRow, error) {
		var kept []erasureRow
		for _, row := range rows {
			facts, more := bySession[row.Hash]
			if row.Kind != forgottenSession || !more {
				if row.Kind == forgottenUser && again {
					row.State, row.FinishedAt = ErasureBegun, nil
				}
				kept = append(kept, row)
				continue
			}
			if row.FirstAt != nil {
				side := sideOf(row.Subject, row.State == sessionEnded)
				bySession[row.Hash] = append(facts, named{at: *row.FirstAt, side: side}, named{at: *row.LastAt, side: side})
			}
		}
		now := time.Now().UnixMicro()
		for _, row := range rows {
			now = min(now, row.RecordedAt) // equal contents must give equal bytes
		}
		for hash, facts := range bySession {
			for _, run := range runsOfNames(facts) {
				state := ""
				if run.ends {
					state = sessionEnded
				}
				kept = append(kept, erasureRow{ErasureID: erasure, Kind: forgottenSession, Hash: hash, Length: lengths[hash],
					FirstAt: &run.first, LastAt: &run.last, Subject: run.subject, State: state, RecordedAt: now})
			}
		}
		return kept, nil
	})
}

// runsOfNames joins namings that follow each other and are of one side.
func runsOfNames(facts []named) (runs []namedRun) {
	slices.SortFunc(facts, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.side, b.side))
	})
	for _, f := range facts {
		if last := len(runs) - 1; last >= 0 && runs[last].side() == f.side {
			runs[last].last = f.at
			continue
		}
		runs = append(runs, namedRun{first: f.at, last: f.at, subject: f.side == sideSubject, ends: f.side == sideNobody})
	}
	return runs
}
