package forget

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/objects"
)

// What an erasure's folder has of its subject: who was to be forgotten, each time that it was asked for; sessions
// that were found; and sessions that hours brought.
const (
	askedPrefix = "asked-"
	subjectName = "subject.json"
)

// subject is who is being forgotten, as it lies in the erasure's folder.
type subject struct {
	User     string   `json:"user"` // as telemetry names the user
	Sessions []string `json:"sessions"`
}

// BeginForget remembers a user, by gold's user_id, as forgotten: from now on nothing of the user comes into the lake.
func BeginForget(ctx context.Context, l *lake.Lake, user string) (erasure string, err error) {
	name, err := forgotten.NameOf(user)
	if err != nil {
		return "", err
	}
	key, err := forgotten.ErasureKey(ctx, l, true)
	if err != nil {
		return "", err
	}
	id := forgotten.HashID(hmac.New(sha256.New, key), forgotten.ForgottenUser, name)
	// In this order, and under a name of its own: an erasure of the same user that ends just now removes what it
	// has seen, and notes that it is done before.
	if err := forgotten.RememberUser(ctx, l, id, len(name)); err != nil {
		return "", fmt.Errorf("remember who is forgotten: %w", err)
	}
	ref := fmt.Sprintf("%s/%s%d.json", forgotten.ForgetFolder(l, id.String()), askedPrefix, time.Now().UnixNano())
	return id.String(), l.Objects.WriteJSON(ref, subject{User: name})
}

// Erasures of several users take their steps together, which read the lake once for all of them: a step is given their
// names, joined. It passes over those that another run has ended; each has its folder, its rows of ops.erasures and its
// end by itself, so that any of them can go on alone.

// Together is how several erasures are named to a step.
func Together(erasures []string) string { return strings.Join(erasures, ",") }

func apart(erasure string) []string { return strings.Split(erasure, ",") }

// chosen are the erasures of a step, as a forgotten.Set asks for them.
func chosen(erasure string) map[string]bool {
	all := map[string]bool{}
	for _, one := range apart(erasure) {
		all[one] = true
	}
	return all
}

// party is one of several who are being forgotten.
type party struct {
	erasure   string
	who       subject
	documents []string
}

// readSubjects reads who is being forgotten. ErrNotForgetting: nobody is any more.
func readSubjects(ctx context.Context, l *lake.Lake, erasure string) (parties []party, err error) {
	for _, one := range apart(erasure) {
		who, documents, err := readSubject(ctx, l, one)
		if errors.Is(err, lake.ErrNotForgetting) {
			continue
		}
		if err != nil {
			return nil, err
		}
		parties = append(parties, party{one, who, documents})
	}
	if len(parties) == 0 {
		return nil, fmt.Errorf("%w: %s", lake.ErrNotForgetting, erasure)
	}
	return parties, nil
}

// readSubject reads who is being forgotten, with the sessions that came since, and where that lies.
func readSubject(ctx context.Context, l *lake.Lake, erasure string) (who subject, documents []string, err error) {
	if err := l.Objects.Walk(ctx, forgotten.ForgetFolder(l, erasure), func(object string, _ int64) error {
		if name := object[strings.LastIndexByte(object, '/')+1:]; name == subjectName ||
			strings.HasPrefix(name, askedPrefix) || strings.HasPrefix(name, forgotten.LatePrefix) {
			documents = append(documents, object)
		}
		return nil
	}); err != nil {
		return who, nil, err
	}
	for _, document := range documents {
		var part subject
		if err := l.Objects.ReadJSON(document, &part); objects.IsMissing(err) {
			continue // another run of the erasure ended
		} else if err != nil {
			return who, nil, err
		}
		if part.User != "" {
			who.User = part.User
		}
		who.Sessions = append(who.Sessions, part.Sessions...)
	}
	if who.User == "" {
		return who, nil, fmt.Errorf("%w: %s", lake.ErrNotForgetting, erasure)
	}
	slices.Sort(who.Sessions)
	who.Sessions = slices.Compact(who.Sessions)
	return who, documents, nil
}

// SweepForgotten removes what runs of hours and rounds of gold staged before the erasure: they find it gone, and
// begin anew.
func SweepForgotten(ctx context.Context, l *lake.Lake, erasure string) (folders int64, err error) {
	current, err := forgotten.ErasuresAt(ctx, l)
	if err != nil {
		return 0, err
	}
	root := l.StagingFolder() + "/"
	staged := map[string]bool{}
	if err := l.Objects.Walk(ctx, l.StagingFolder(), func(object string, _ int64) error {
		parts := strings.SplitN(strings.TrimPrefix(object, root), "/", 3)
		if !strings.HasPrefix(parts[0], "forget-") {
			staged[strings.Join(parts[:min(2, len(parts))], "/")] = true
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, folder := range slices.Sorted(maps.Keys(staged)) {
		if strings.HasPrefix(folder, "hour") { // of one hour, or of hours that are read together
			if erasures, planned, err := hours.ErasuresOf(l, root+folder); err != nil {
				return folders, err
			} else if planned && erasures == current {
				continue
			}
		}
		if err := l.Objects.RemoveAll(ctx, root+folder); err != nil {
			return folders, err
		}
		folders++
	}
	return folders, nil
}

// FinishForget notes that the proof held, and drops who was meant. It returns the erasure, the first of several.
// ErrStale: hours brought new sessions of the user, which are not gone yet; others of several have ended then.
func FinishForget(ctx context.Context, l *lake.Lake, erasure string, tables []ErasedTable,
	proof Proof) (first forgotten.Erasure, err error) {
	if len(proof.Remains) > 0 {
		return forgotten.Erasure{}, errors.New("the user is still there")
	}
	var stale error
	for i, one := range apart(erasure) {
		ended, err := finishOne(ctx, l, one, tables, proof)
		switch {
		case errors.Is(err, lake.ErrStale):
			stale = err
		case err != nil:
			return forgotten.Erasure{}, err
		case i == 0:
			first = ended
		}
	}
	return first, stale
}

func finishOne(ctx context.Context, l *lake.Lake, erasureName string, tables []ErasedTable,
	proof Proof) (forgotten.Erasure, error) {
	who, documents, err := readSubject(ctx, l, erasureName)
	if errors.Is(err, lake.ErrNotForgetting) {
		// Done before: by an attempt whose answer was lost, or by another run of the erasure.
		return endedOne(ctx, l, erasureName)
	}
	if err != nil {
		return forgotten.Erasure{}, err
	}
	var looked subject
	if err := l.Objects.ReadJSON(forgotten.ForgetFolder(l, erasureName)+"/"+subjectName,
		&looked); objects.IsMissing(err) {
		return forgotten.Erasure{}, fmt.Errorf("%w: another run of the erasure ended, and it was asked for once more",
			lake.ErrStale)
	} else if err != nil {
		return forgotten.Erasure{}, err
	}
	if !slices.Equal(looked.Sessions, who.Sessions) {
		return forgotten.Erasure{}, fmt.Errorf("%w: and hours brought new sessions", lake.ErrStale)
	}
	if err := forgotten.ChangeErasure(ctx, l, erasureName, func(rows []lake.ErasureRow) ([]lake.ErasureRow, error) {
		for i := range rows {
			row := &rows[i]
			if row.Kind != forgotten.ForgottenUser || row.State == forgotten.ErasureDone {
				continue
			}
			now := time.Now().UnixMicro()
			row.State, row.FinishedAt, row.Objects, row.Bytes = forgotten.ErasureDone, &now, proof.Objects, proof.Bytes
			for _, each := range tables {
				row.Rows, row.Files = row.Rows+each.Rows, row.Files+each.Files
			}
		}
		return rows, nil
	}); err != nil {
		return forgotten.Erasure{}, err
	}
	// Only what was looked at: an hour may bring a session just now.
	if err := l.Objects.Remove(ctx, append(documents, touchedRefs(l, erasureName)...)); err != nil {
		return forgotten.Erasure{}, err
	}
	if err := l.Objects.RemoveAll(ctx, forgetVersions(l, erasureName)); err != nil {
		return forgotten.Erasure{}, err
	}
	return erasure(ctx, l, erasureName)
}

// EndedErasure reads an erasure that is not under way any more, the first of several, and removes what a run that came
// too late noted.
func EndedErasure(ctx context.Context, l *lake.Lake, erasure string) (first forgotten.Erasure, err error) {
	for i, one := range apart(erasure) {
		ended, err := endedOne(ctx, l, one)
		if err != nil {
			return ended, err
		}
		if i == 0 {
			first = ended
		}
	}
	return first, nil
}

func endedOne(ctx context.Context, l *lake.Lake, id string) (forgotten.Erasure, error) {
	erasure, err := erasure(ctx, l, id)
	if err != nil {
		return erasure, err
	}
	if erasure.State != forgotten.ErasureDone {
		return erasure, fmt.Errorf("%w: %s", lake.ErrNotForgetting, id)
	}
	return erasure, l.Objects.Remove(ctx, touchedRefs(l, id))
}

// erasure reads one erasure.
func erasure(ctx context.Context, l *lake.Lake, id string) (forgotten.Erasure, error) {
	all, err := forgotten.Erasures(ctx, l)
	if err != nil {
		return forgotten.Erasure{}, err
	}
	at := slices.IndexFunc(all, func(e forgotten.Erasure) bool { return e.ID == id })
	if at < 0 {
		return forgotten.Erasure{}, fmt.Errorf("%w: %s", lake.ErrNotForgetting, id)
	}
	return all[at], nil
}
