package forgotten

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/versionlake/versionlake/lake"
)

// ErrNotErased: an erasure that is to be lifted is not there, or not done.
var ErrNotErased = errors.New("no erasure to lift")

// liftedIn are the erasures that count no more.
func liftedIn(rows []lake.ErasureRow) map[string]bool {
	lifted := map[string]bool{}
	for _, row := range rows {
		if row.Kind == ForgottenUser && row.State == ErasureLifted {
			lifted[row.ErasureID] = true
		}
	}
	return lifted
}

// Remembers tells whether a user, as telemetry names the user, is forgotten.
func Remembers(ctx context.Context, l *lake.Lake, name string) (bool, error) {
	known, err := Load(ctx, l)
	if err != nil || known.Key == nil {
		return false, err
	}
	_, is := known.Users[HashID(hmac.New(sha256.New, known.Key), ForgottenUser, name)]
	return is, nil
}

// Lift ends an erasure that is done, for what comes next: hours that are read from now on are read with the user.
// who is the erasure's name, or the user's as telemetry has it. The erasure stays in the list of them; its sessions
// are forgotten, as it were. Errors: ErrNotErased.
func Lift(ctx context.Context, l *lake.Lake, who string) (erasure string, err error) {
	all, err := Erasures(ctx, l)
	if err != nil {
		return "", err
	}
	key, err := ErasureKey(ctx, l, false)
	if err != nil {
		return "", err
	}
	hashed := HashID(hmac.New(sha256.New, key), ForgottenUser, who).String()
	at := slices.IndexFunc(all, func(e Erasure) bool { return e.ID == who || e.ID == hashed })
	switch {
	case at < 0 || key == nil:
		return "", fmt.Errorf("%w: nobody of this name was forgotten; versionlake forget --list lists the erasures",
			ErrNotErased)
	case all[at].State == ErasureLifted:
		return all[at].ID, nil
	case all[at].State != ErasureDone:
		return "", fmt.Errorf("%w: erasure %s is not done: run versionlake forget for the user again, and lift it then",
			ErrNotErased, all[at].ID)
	}
	return all[at].ID, ChangeErasure(ctx, l, all[at].ID, func(rows []lake.ErasureRow) ([]lake.ErasureRow, error) {
		rows = slices.DeleteFunc(rows, func(row lake.ErasureRow) bool { return row.Kind != ForgottenUser })
		for i := range rows {
			rows[i].State = ErasureLifted
		}
		return rows, nil
	})
}
