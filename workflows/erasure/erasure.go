// Package erasure is the story of a user who is forgotten: taken out of every version of every table, and proven so.
package erasure

import (
	"cmp"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/workflows"
)

// ErrorRemains is the type of a failure of ForgetUser: the user is still in some object after all tries.
const ErrorRemains = "Remains"

// maxErasings is how often everything is done again while the proof finds the user: hours that were committed
// meanwhile.
const maxErasings = 5

// forgetPause is how often an hour asks whether the erasure that it waits for has ended.
const forgetPause = 15 * time.Second

// The steps of an erasure.
var (
	findSessions   = workflows.LongStep(6 * time.Hour)  // reads all bindings
	eraseTable     = workflows.LongStep(24 * time.Hour) // reads all of a table
	recountErased  = workflows.LongStep(6 * time.Hour)
	proveForgotten = workflows.LongStep(24 * time.Hour) // reads the whole warehouse
	finishForget   = workflows.LongStep(time.Hour)
)

// Input starts ForgetUser. The erasure is the keyed hash that `versionlake forget` made of the user's id,
// which never comes to Temporal.
type Input struct {
	Erasure string `json:"erasure"`
	// Erasures are those of several users, in its place: each step reads the lake once for all of them.
	Erasures []string `json:"erasures,omitempty"`
}

// Progress answers workflows.ProgressQuery.
type Progress struct {
	Status   string               `json:"status"`
	Sessions int64                `json:"sessions"`
	Tables   []forget.ErasedTable `json:"tables"`
	Of       int                  `json:"of"` // tables
}

// Result is the erasure, the first of several, and what was done to each table.
type Result struct {
	Erasure forgotten.Erasure    `json:"erasure"`
	Tables  []forget.ErasedTable `json:"tables"`
	// Elsewhere: another run of the same erasure ended first, and its proof is the one that counts.
	Elsewhere bool `json:"elsewhere,omitempty"`
	// Left are lines of others that still hold a short id as a word, see forget.Proof.
	Left int64 `json:"left,omitempty"`
}

// ForgetUser takes a user out of every version of every table, and proves it. Whoever starts it has remembered the user
// before. It may be started again at any time: what is done already is found done.
func ForgetUser(ctx workflow.Context, input Input) (Result, error) {
	w := &forgetUser{erasure: cmp.Or(input.Erasure, forget.Together(input.Erasures))}
	if w.erasure == "" {
		return Result{}, activities.BadInput("the erasure is missing: start this with `versionlake forget USER`",
			nil)
	}
	if err := workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (Progress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "How far the erasure is"}); err != nil {
		return Result{}, err
	}
	result, err := w.run(ctx)
	if workflows.IsType(err, activities.ErrorNotForgetting) {
		return w.ended(ctx)
	}
	return result, err
}

type forgetUser struct {
	steps    *activities.Forget // names the activities; never called here
	erasure  string
	tables   []forget.ErasedTable // over all tries
	progress Progress
}

func (w *forgetUser) run(ctx workflow.Context) (result Result, err error) {
	w.progress.Of = len(forget.ErasableTables())
	for try := 1; ; try++ {
		if err := w.erase(ctx); err != nil {
			return result, err
		}
		w.describe(ctx, "reading every object of the warehouse, for the proof")
		var proof forget.Proof
		proving := proveForgotten.With(ctx, "look for the user in every object")
		if err := workflow.ExecuteActivity(proving, w.steps.ProveForgotten, w.erasure).Get(ctx, &proof); err != nil {
			return result, err
		}
		if len(proof.Remains) == 0 {
			result, err := w.finish(ctx, proof)
			if !workflows.IsType(err, activities.ErrorForgotten) {
				return result, err
			}
			workflow.GetLogger(ctx).Info("hours brought new sessions of the user: erasing once more")
			try = 0
			continue
		}
		first := proof.Remains[0]
		if try == maxErasings {
			return result, temporal.NewNonRetryableApplicationError(fmt.Sprintf(
				"%d objects still hold the user, such as %s (%s); if nothing of ours wrote them, remove them, "+
					"then run versionlake forget again",
				len(proof.Remains), first.Object, first.Where), ErrorRemains, nil)
		}
		workflow.GetLogger(ctx).Warn("the proof finds the user: erasing once more", "objects", len(proof.Remains),
			"object", first.Object, "where", first.Where)
	}
}

func (w *forgetUser) erase(ctx workflow.Context) error {
	w.progress.Tables = nil
	w.describe(ctx, "finding sessions")
	finding := findSessions.With(ctx, "find the user's sessions")
	if err := workflow.ExecuteActivity(finding, w.steps.FindSessions, w.erasure).Get(ctx,
		&w.progress.Sessions); err != nil {
		return err
	}
	for _, name := range forget.ErasableTables() {
		if name == lake.GoldEvents.Name &&
			workflow.GetVersion(ctx, "gold.events", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
			continue // that began before there was this table
		}
		w.describe(ctx, "erasing from "+name)
		var erased forget.ErasedTable
		erasing := eraseTable.With(ctx, "erase from "+name)
		input := activities.EraseInput{Erasure: w.erasure, Table: name}
		if err := workflow.ExecuteActivity(erasing, w.steps.EraseTable, input).Get(ctx, &erased); err != nil {
			return err
		}
		w.progress.Tables = append(w.progress.Tables, erased)
		w.tables = append(w.tables, erased)
	}
	w.describe(ctx, "counting lines again")
	counting := recountErased.With(ctx, "let the ledger follow")
	return workflow.ExecuteActivity(counting, w.steps.RecountErased, w.erasure).Get(ctx, nil)
}

func (w *forgetUser) finish(ctx workflow.Context, proof forget.Proof) (result Result, err error) {
	finishing := finishForget.With(ctx, fmt.Sprintf("%d objects hold nothing of the user: note it", proof.Objects))
	input := activities.FinishInput{Erasure: w.erasure, Tables: w.tables, Proof: proof}
	if err := workflow.ExecuteActivity(finishing, w.steps.FinishForget, input).Get(ctx, &result.Erasure); err != nil {
		return result, err
	}
	result.Tables, result.Left = w.progress.Tables, proof.Left
	w.describe(ctx, fmt.Sprintf("done: %d objects, %d bytes were read, and hold nothing of the user", proof.Objects,
		proof.Bytes))
	return result, nil
}

// ended is the end where another run took the user out meanwhile, as of a second Temporal that works on the same lake.
func (w *forgetUser) ended(ctx workflow.Context) (result Result, err error) {
	ending := finishForget.With(ctx, "see how another run ended")
	if err := workflow.ExecuteActivity(ending, w.steps.EndedErasure, w.erasure).Get(ctx, &result.Erasure); err != nil {
		return result, err
	}
	result.Tables, result.Elsewhere = w.progress.Tables, true
	w.describe(ctx, fmt.Sprintf("done, by another run: %d objects were read, and hold nothing of the user",
		result.Erasure.Objects))
	return result, nil
}

func (w *forgetUser) describe(ctx workflow.Context, doing string) {
	w.progress.Status = doing
	text := fmt.Sprintf(
		"**%s**\n\n%d sessions\n\n| table | rows erased | files | versions, all kept |\n|---|---|---|---|\n", doing,
		w.progress.Sessions)
	for _, t := range w.progress.Tables {
		text += fmt.Sprintf("| %s | %d | %d of %d | %d |\n", t.Table, t.Rows, t.Files, t.OfFiles, t.Versions)
	}
	workflow.SetCurrentDetails(ctx, text)
}

// Again lets new sessions of forgotten users be taken out of the hours that came before. That goes on by itself.
func Again(ctx workflow.Context, erasures []string) error {
	for _, erasure := range erasures {
		ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
			WorkflowID:            workflows.IDIn(ctx, forgotten.ForgetName(erasure)),
			StaticSummary:         "new sessions of a forgotten user",
			ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
			WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		})
		for {
			child := workflow.ExecuteChildWorkflow(ctx, ForgetUser, Input{Erasure: erasure})
			err := child.GetChildWorkflowExecution().Get(ctx, nil)
			if err == nil {
				break
			}
			if !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
				return err
			}
			// The one that runs may have looked for sessions before.
			pause := workflow.TimerOptions{Summary: "the user is being forgotten: wait, then do it once more"}
			if err := workflow.NewTimerWithOptions(ctx, forgetPause, pause).Get(ctx, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
