package forgotten

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/identity"
	"github.com/versionlake/versionlake/lake/ledger"
)

// States of an erasure.
const (
	ErasureBegun = "begun" // remembered, so that nothing of the user comes in; what is there may not be gone yet
	ErasureDone  = "done"  // a scan of every object found nothing
	// ErasureLifted: it was a mistake. What is read from now on is read with the user; nothing comes back by itself.
	ErasureLifted = "lifted"
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

// KeyProperty is where the key of the hashes lies: a property of the namespace ops, and so in the catalog's
// database and not in the warehouse. Who can read files alone can't find out whether a name that they guess was
// forgotten.
const KeyProperty = "versionlake.erasure-key"

// ErasureKey reads the key, and makes it where there is none and create says so; nil where there is none. One that was
// made is sealed for the recovery key, if there is one.
func ErasureKey(ctx context.Context, l *lake.Lake, create bool) ([]byte, error) {
	if create {
		key := make([]byte, sha256.Size)
		rand.Read(key)
		if err := l.Catalog.AddProperty(ctx, identity.Namespace, KeyProperty, hex.EncodeToString(key)); err != nil {
			return nil, fmt.Errorf("make the key of erasures: %w", err)
		}
	}
	text, err := l.Catalog.Property(ctx, identity.Namespace, KeyProperty)
	if err != nil || text == "" {
		return nil, err
	}
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != sha256.Size {
		return nil, fmt.Errorf("the key of erasures, property %s of namespace %s, is damaged: restore the "+
			"catalog's database", KeyProperty, identity.Namespace)
	}
	if create {
		err = identity.Of(l.Catalog, l.Config.Catalog, l.Objects).Seal(ctx, key)
	}
	return key, err
}

// Load reads whom the lake must not hold.
func Load(ctx context.Context, l *lake.Lake) (*Set, error) {
	loaded, err := l.Load(ctx, lake.OpsErasures)
	if errors.Is(err, lake.ErrNoLake) {
		return &Set{}, nil // a lake that is older than the table, and was not opened for writing since
	}
	if err != nil {
		return nil, err
	}
	head := loaded.CurrentSnapshot()
	if head == nil {
		return &Set{}, nil
	}
	f := &Set{Snapshot: head.SnapshotID, Users: map[IdHash]string{}, Sessions: map[IdHash]*ForgottenNaming{},
		Done: map[string]bool{}}
	if f.Key, err = ErasureKey(ctx, l, false); err != nil {
		return nil, err
	}
	if f.Key == nil {
		return nil, fmt.Errorf("%s has rows, and their key is gone from the catalog's database: restore it, or "+
			"run versionlake recover", lake.OpsErasures.Name)
	}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	rows, err := lake.ReadRows[lake.ErasureRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	lifted := liftedIn(rows)
	for i := range rows {
		row := &rows[i]
		if lifted[row.ErasureID] {
			continue
		}
		var id IdHash
		if n, err := hex.Decode(id[:], []byte(row.Hash)); err != nil || n != len(id) {
			return nil, fmt.Errorf("%s has a damaged hash: %q", lake.OpsErasures.Name, row.Hash)
		}
		if !slices.Contains(f.Lengths, int(row.Length)) {
			f.Lengths = append(f.Lengths, int(row.Length))
		}
		switch {
		case row.Kind == ForgottenUser:
			f.Users[id] = row.ErasureID
			if row.State == ErasureDone {
				f.Done[row.ErasureID] = true
			}
		case row.FirstAt == nil:
			f.AddRun(id, row.ErasureID, nil)
		default:
			f.AddRun(id, row.ErasureID,
				&namedRun{first: *row.FirstAt, last: *row.LastAt, subject: row.Subject,
					ends: row.State == sessionEnded})
		}
	}
	slices.Sort(f.Lengths)
	f.Settle()
	return f, nil
}

// ErasuresAt is the snapshot of whom the lake must not hold; it changes with them.
func ErasuresAt(ctx context.Context, l *lake.Lake) (int64, error) {
	loaded, err := l.Load(ctx, lake.OpsErasures)
	if err != nil {
		return 0, err
	}
	if head := loaded.CurrentSnapshot(); head != nil {
		return head.SnapshotID, nil
	}
	return 0, nil
}

// Erasures lists who was forgotten, oldest first.
func Erasures(ctx context.Context, l *lake.Lake) ([]Erasure, error) {
	loaded, err := l.Load(ctx, lake.OpsErasures)
	if err != nil {
		return nil, err
	}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	rows, err := lake.ReadRows[lake.ErasureRow](ctx, l, files)
	if err != nil {
		return nil, err
	}
	var erasures []Erasure
	sessions := map[string]map[string]bool{}
	for _, row := range rows {
		if row.Kind == ForgottenSession {
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
	slices.SortFunc(erasures,
		func(a, b Erasure) int { return cmp.Or(a.BegunAt.Compare(b.BegunAt), strings.Compare(a.ID, b.ID)) })
	return erasures, nil
}

// Named is what a session said at a moment about whose it is. Session is the plain id: only its hash is stored.
type Named struct {
	Session string
	At      int64
	Side    Side
}

// ChangeErasure rewrites what is known of one erasure, whose rows are its own partition.
func ChangeErasure(ctx context.Context, l *lake.Lake, erasure string,
	edit func([]lake.ErasureRow) ([]lake.ErasureRow, error)) error {
	return l.Commit(ctx, lake.OpsErasures, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded,
			table.WithRowFilter(iceberg.EqualTo(iceberg.Reference("erasure_id"), erasure)))
		if err != nil {
			return nil, err
		}
		rows, err := lake.ReadRows[lake.ErasureRow](ctx, l, live)
		if err != nil {
			return nil, err
		}
		if rows, err = edit(rows); err != nil {
			return nil, err
		}
		slices.SortFunc(rows, func(a, b lake.ErasureRow) int {
			return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Hash, b.Hash),
				cmp.Compare(firstAt(&a), firstAt(&b)))
		})
		file, err := ledger.WriteRows(l, lake.OpsErasures, lake.Partition{
			Folder: "erasure_id=" + erasure, Values: map[int]any{lake.PartitionFieldID: erasure},
		}, rows, erasure[:8])
		if err != nil || file == nil {
			return nil, err
		}
		same, err := l.SameContents(live, []lake.DataFile{*file})
		if err != nil || same {
			return nil, err
		}
		added, err := l.Entries(lake.OpsErasures, []lake.DataFile{*file})
		return &lake.Change{Remove: live, Add: added}, err
	})
}

func firstAt(row *lake.ErasureRow) int64 {
	if row.FirstAt == nil {
		return 0
	}
	return *row.FirstAt
}

// RememberUser makes sure that the erasure is known, from which moment on nothing of the user comes in.
func RememberUser(ctx context.Context, l *lake.Lake, user IdHash, length int) error {
	return ChangeErasure(ctx, l, user.String(), func(rows []lake.ErasureRow) ([]lake.ErasureRow, error) {
		for i := range rows {
			if rows[i].Kind == ForgottenUser {
				rows[i].State, rows[i].FinishedAt = ErasureBegun, nil
				return rows, nil
			}
		}
		return append(rows, lake.ErasureRow{ErasureID: user.String(), Kind: ForgottenUser, Hash: user.String(),
			Length: int64(length),
			State:  ErasureBegun, RecordedAt: time.Now().UnixMicro()}), nil
	})
}

// RememberSessions adds what sessions of an erasure said about whose they are; again if it has work to do because
// of them.
func RememberSessions(ctx context.Context, l *lake.Lake, erasure string, facts []Named, again bool) error {
	key, err := ErasureKey(ctx, l, true)
	if err != nil || len(facts) == 0 {
		return err
	}
	mac := hmac.New(sha256.New, key)
	bySession := map[string][]Named{}
	lengths := map[string]int64{}
	for _, f := range facts {
		hash := HashID(mac, ForgottenSession, f.Session).String()
		bySession[hash] = append(bySession[hash], f)
		lengths[hash] = int64(len(f.Session))
	}
	return ChangeErasure(ctx, l, erasure, func(rows []lake.ErasureRow) ([]lake.ErasureRow, error) {
		var kept []lake.ErasureRow
		for _, row := range rows {
			facts, more := bySession[row.Hash]
			if row.Kind != ForgottenSession || !more {
				if row.Kind == ForgottenUser && again {
					row.State, row.FinishedAt = ErasureBegun, nil
				}
				kept = append(kept, row)
				continue
			}
			if row.FirstAt != nil {
				side := sideOf(row.Subject, row.State == sessionEnded)
				bySession[row.Hash] = append(facts, Named{At: *row.FirstAt, Side: side},
					Named{At: *row.LastAt, Side: side})
			}
		}
		now := time.Now().UnixMicro()
		for _, row := range rows {
			now = min(now, row.RecordedAt) // equal contents must give equal bytes
		}
		for hash, facts := range bySession {
			for _, run := range RunsOfNames(facts) {
				state := ""
				if run.ends {
					state = sessionEnded
				}
				kept = append(kept, lake.ErasureRow{ErasureID: erasure, Kind: ForgottenSession, Hash: hash,
					Length:  lengths[hash],
					FirstAt: &run.first, LastAt: &run.last, Subject: run.subject, State: state, RecordedAt: now})
			}
		}
		return kept, nil
	})
}

// RunsOfNames joins namings that follow each other and are of one side.
func RunsOfNames(facts []Named) (runs []namedRun) {
	slices.SortFunc(facts, func(a, b Named) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Side, b.Side))
	})
	for _, f := range facts {
		if last := len(runs) - 1; last >= 0 && runs[last].side() == f.Side {
			runs[last].last = f.At
			continue
		}
		runs = append(runs, namedRun{first: f.At, last: f.At, subject: f.Side == SideSubject,
			ends: f.Side == SideNobody})
	}
	return runs
}

const (
	LatePrefix = "late-"
)

func ForgetFolder(l *lake.Lake, erasure string) string {
	return l.StagingFolder() + "/" + ForgetName(erasure)
}

// ForgetName names an erasure's work: its folder, and its workflow.
func ForgetName(erasure string) string { return "forget-" + erasure }
