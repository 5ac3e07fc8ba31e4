package activities

import (
	"context"
	"sync/atomic"

	"go.temporal.io/sdk/activity"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/telemetry"
)

// Forget holds the steps that take a user out of the lake. They know the user by the erasure's name alone, which is
// a keyed hash: what Temporal keeps must not name who was forgotten.
type Forget struct {
	Lake    *lake.Lake
	Parsing telemetry.Options // of no hour
}

// objectsRead is the progress of a step over objects, as its heartbeats tell it.
type objectsRead struct {
	Objects int64 `json:"objects"`
}

// FindSessions remembers the user's sessions, and returns how many there are.
func (a *Forget) FindSessions(ctx context.Context, erasure string) (int64, error) {
	defer keepAlive(ctx, nil)()
	sessions, err := forget.FindSessions(ctx, metered(ctx, a.Lake), erasure, a.Parsing)
	return sessions, temporalError(ctx, err)
}

// EraseInput names a table to erase from.
type EraseInput struct {
	Erasure string `json:"erasure"`
	Table   string `json:"table"`
}

// EraseTable takes the user out of every version of a table.
func (a *Forget) EraseTable(ctx context.Context, input EraseInput) (forget.ErasedTable, error) {
	var read atomic.Int64
	defer keepAlive(ctx, func() any { return objectsRead{read.Load()} })()
	erased, err := forget.EraseTable(ctx, metered(ctx, a.Lake), input.Erasure, input.Table, a.Parsing, read.Store)
	if err != nil {
		return erased, temporalError(ctx, err)
	}
	activity.GetLogger(ctx).Info("erased", "table", erased.Table, "rows", erased.Rows, "files", erased.Files, "removed",
		erased.Removed)
	return erased, nil
}

// RecountErased lets the ledger follow, asks for the daily aggregates to do so, and removes what was staged before.
func (a *Forget) RecountErased(ctx context.Context, erasure string) error {
	defer keepAlive(ctx, nil)()
	if err := forget.RecountErased(ctx, metered(ctx, a.Lake), erasure); err != nil {
		return temporalError(ctx, err)
	}
	if _, err := forget.SweepForgotten(ctx, metered(ctx, a.Lake), erasure); err != nil {
		return temporalError(ctx, err)
	}
	return (&Daily{}).RequestDaily(ctx)
}

// ProveForgotten looks for the user in every object.
func (a *Forget) ProveForgotten(ctx context.Context, erasure string) (forget.Proof, error) {
	var read atomic.Int64
	defer keepAlive(ctx, func() any { return objectsRead{read.Load()} })()
	proof, err := forget.ProveForgotten(ctx, metered(ctx, a.Lake), erasure, read.Store)
	return proof, temporalError(ctx, err)
}

// FinishInput is an erasure that was proven.
type FinishInput struct {
	Erasure string               `json:"erasure"`
	Tables  []forget.ErasedTable `json:"tables"`
	Proof   forget.Proof         `json:"proof"`
}

// FinishForget notes that it is done, and drops who was meant.
func (a *Forget) FinishForget(ctx context.Context, input FinishInput) (forgotten.Erasure, error) {
	defer keepAlive(ctx, nil)()
	erasure, err := forget.FinishForget(ctx, metered(ctx, a.Lake), input.Erasure, input.Tables, input.Proof)
	return erasure, temporalError(ctx, err)
}

// EndedErasure reads an erasure that another run of ForgetUser has ended.
func (a *Forget) EndedErasure(ctx context.Context, erasure string) (forgotten.Erasure, error) {
	ended, err := forget.EndedErasure(ctx, metered(ctx, a.Lake), erasure)
	return ended, temporalError(ctx, err)
}
