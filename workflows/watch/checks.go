// Package watch is the story that looks for what is wrong and calls people.
package watch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/workflows"
)

var (
	runChecks   = workflows.LongStep(10 * time.Minute)
	knownChecks = workflows.Step{StartToClose: time.Minute, Attempts: 2}
	saveChecks  = workflows.Step{StartToClose: 2 * time.Minute, Attempts: 2} // what is not saved goes to the next look
	tellNews    = workflows.Step{StartToClose: 2 * time.Minute}              // without end: a receiver's outage is waited out
)

// mostUnsaved bounds what waits for a lake that can't be written to for long.
const mostUnsaved = 200

// State is what a look leaves to the next one: a schedule hands on the result of its last workflow.
type State struct {
	Summary string          `json:"summary"`
	Results []checks.Result `json:"results"`
	Memory  checks.Memory   `json:"memory"`
	Outbox  notify.Outbox   `json:"outbox"`
	Routes  []notify.Route  `json:"routes,omitempty"`
	Lake    string          `json:"lake,omitempty"`
	Unsaved []checks.Record `json:"unsaved,omitempty"`
}

// Checks looks at the lake once, calls people about what is new, and keeps what it found in ops.checks. People are called
// first: the lake may be what is out.
func Checks(ctx workflow.Context) (State, error) {
	w := &look{}
	if err := w.remember(ctx); err != nil {
		return w.state, err
	}
	return w.run(ctx)
}

type look struct {
	steps *activities.Checks // names the activities; never called here
	state State
}

// remember takes what the last look left, or else what the lake knows.
func (w *look) remember(ctx workflow.Context) error {
	if workflow.HasLastCompletionResult(ctx) {
		return workflow.GetLastCompletionResult(ctx, &w.state)
	}
	reading := knownChecks.With(ctx, "read what is known from before")
	if err := workflow.ExecuteActivity(reading, w.steps.KnownChecks).Get(ctx, &w.state.Memory); err != nil {
		if ctx.Err() != nil {
			return err
		}
		workflow.GetLogger(ctx).Warn("nothing is known from before: all that is wrong is news", "error", err)
	}
	return nil
}

func (w *look) run(ctx workflow.Context) (State, error) {
	var checked activities.Checked
	if err := workflow.ExecuteActivity(runChecks.With(ctx, "look"), w.steps.RunChecks).Get(ctx, &checked); err != nil {
		return w.state, err
	}
	if checked.RulesKnown {
		w.state.Routes, w.state.Lake = checked.Routes, checked.Lake
	}
	memory, news, records := checks.Compare(w.state.Memory, checked.Results, checked.At)
	w.state.Memory, w.state.Results = memory, checked.Results
	w.state.Outbox = w.state.Outbox.Add(w.state.Routes, news)
	w.describe(ctx, checked)
	for _, route := range w.state.Routes {
		if err := w.tell(ctx, route); err != nil {
			return w.state, err
		}
	}
	w.save(ctx, records)
	return w.state, ctx.Err()
}

// tell leaves the message that a route may send now to a workflow of its own, which outlives this one. While that still
// tries to send the one before, news wait.
func (w *look) tell(ctx workflow.Context, route notify.Route) error {
	now := workflow.Now(ctx)
	message, due := w.state.Outbox.Due(w.state.Lake, route, now)
	if !due {
		return nil
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            "notify-" + route.ID(),
		StaticSummary:         "tells " + route.Receiver + ": " + message.Headline(),
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
	child := workflow.ExecuteChildWorkflow(ctx, Tell, activities.TellInput{Receiver: route.Receiver, Message: message})
	err := child.GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	if err == nil {
		w.state.Outbox = w.state.Outbox.Gone(route, now)
	}
	return err
}

// save adds records to ops.checks. What can't be added is kept for the next look.
func (w *look) save(ctx workflow.Context, records []checks.Record) {
	all := append(w.state.Unsaved, records...)
	w.state.Unsaved = nil
	if len(all) == 0 {
		return
	}
	saving := saveChecks.With(ctx, fmt.Sprintf("keep %d results", len(all)))
	if err := workflow.ExecuteActivity(saving, w.steps.SaveChecks, activities.SaveChecksInput{Records: all}).Get(ctx,
		nil); err != nil {
		workflow.GetLogger(ctx).Warn("what was found is not in ops.checks yet", "error", err)
		w.state.Unsaved = all[max(0, len(all)-mostUnsaved):]
	}
}

// describe shows the results on the page of the workflow, and in its memo.
func (w *look) describe(ctx workflow.Context, checked activities.Checked) {
	counts := map[string]int{}
	details := ""
	for _, r := range checked.Results {
		counts[r.State]++
		figure := ""
		if r.Figure != nil {
			figure = strconv.FormatFloat(*r.Figure, 'g', 4, 64) + " " + r.Unit
		}
		state := r.State
		if state == checks.Fail || state == checks.Warn {
			state = "**" + state + "**"
		}
		details += fmt.Sprintf("| %s | %s | %s | %s |\n", r.Check, state, figure,
			strings.ReplaceAll(terminal.Clean(r.Text), "|", `\|`))
	}
	var parts []string
	for _, state := range []string{checks.Fail, checks.Warn, checks.Unknown, checks.OK} {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	w.state.Summary = strings.Join(parts, ", ")
	workflow.SetCurrentDetails(ctx, "**"+w.state.Summary+"**\n\n| check | state | figure | found |\n|---|---|---|---|\n"+
		details)
	if err := workflow.UpsertMemo(ctx, map[string]any{"checks": w.state.Summary}); err != nil {
		workflow.GetLogger(ctx).Warn("can't set the memo", "error", err)
	}
}

// Tell sends a message, until its receiver takes it.
func Tell(ctx workflow.Context, input activities.TellInput) error {
	var steps *activities.Checks
	ctx = tellNews.With(ctx, "tell "+input.Receiver)
	return workflow.ExecuteActivity(ctx, steps.TellNews, input).Get(ctx, nil)
}
