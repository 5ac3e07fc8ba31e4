// Package ranges tells the stories of many hours: a range that is done again, and past hours that are compared with
// their source.
package ranges

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/ingest"
	"github.com/versionlake/versionlake/workflows/writers"
)

const (
	// DefaultParallel is how many hours of a range run at once.
	DefaultParallel = 4
	maxParallel     = 100
	// hoursFound is how many hours are looked for at once, and then run.
	hoursFound = 200
	// maxChildren bounds the history of one run of a workflow that has hours as children: after so many it looks
	// for no more.
	maxChildren = 200
	// failuresKept bounds what is remembered of hours that failed; the others are counted.
	failuresKept = 200
)

// surveyHours is the step that finds the hours to run: it lists years.
var surveyHours = workflows.LongStep(6 * time.Hour)

// Progress is how far a workflow is that runs many hours. It answers workflows.ProgressQuery.
type Progress struct {
	Hours    int       `json:"hours"` // in the range
	Done     int       `json:"done"`
	Ran      int       `json:"ran"`      // of those done: read, and not just recorded as empty
	Empty    int       `json:"empty"`    // of those done
	Degraded int       `json:"degraded"` // of those done
	Before   int       `json:"before"`   // of those done: by the range that this one resumes
	Lines    int64     `json:"lines"`
	Rejects  int64     `json:"rejects"`
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"` // the first of them
	LeftOut  []string  `json:"left_out,omitempty"` // the first files that were left out, or read in part, and why
	Running  []string  `json:"running,omitempty"`  // workflows
	Gold     int       `json:"waiting_for_gold"`   // hours that gold is still to show
	// GoneFiles are files, of the hours that ran, that left the source and whose rows stay.
	GoneFiles int64 `json:"gone_files,omitempty"`
}

// Failure is an hour that could not be ingested.
type Failure struct {
	Hour  string `json:"hour"`
	Error string `json:"error"`
}

// hoursRunner runs hours in child workflows, a bounded number at once, and asks gold for many of them together. An
// hour that fails does not stop the others.
type hoursRunner struct {
	input    ingest.HourInput // of each hour, save the hour
	parallel int
	progress *Progress

	inOrder  workflow.Version // 0: gold is asked for whatever is done; 1: as in order_before.go
	apart    bool             // hours of several parts are not read together
	to       telemetry.Hour   // the end of the range, exclusive
	hourTags bool             // gold gets a commit for each hour

	gold    *writers.GoldClient
	started int // workflows, by this run of this one
}

func newHoursRunner(ctx workflow.Context, progress *Progress, parallel int,
	input ingest.HourInput) (*hoursRunner, error) {
	if parallel < 0 || parallel > maxParallel {
		return nil, activities.BadInput(fmt.Sprintf("parallel %d: give the number of hours at once, up to %d", parallel,
			maxParallel), nil)
	}
	if parallel == 0 {
		parallel = DefaultParallel
	}
	input.LeaveGold = true
	return &hoursRunner{input: input, parallel: parallel, progress: progress, gold: writers.NewGoldClient(ctx),
		inOrder: max(workflow.GetVersion(ctx, "gold in the order of hours", workflow.DefaultVersion, 2), 0)}, nil
}

// full tells that the history of this run of the workflow is long enough.
func (r *hoursRunner) full(ctx workflow.Context) bool {
	return r.started >= maxChildren || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// run runs the hours of a range up to until, and returns when they have ended: together as far as they are small, and
// those that are left one by one.
func (r *hoursRunner) run(ctx workflow.Context, hours []telemetry.Hour, until telemetry.Hour) {
	switch r.inOrder {
	case 2:
		r.runInOrder(ctx, hours, until)
		return
	case 1:
		r.runInOrderBefore(ctx, hours, until)
		return
	}
	// This is how ranges ran that began before gold committed in the order of hours.
	var alone []telemetry.Hour
	together := shares(hours, r.parallel, togetherBefore)
	r.spread(ctx, len(together), func(ctx workflow.Context, i int) {
		left := together[i]
		if len(left) > 1 {
			left, _ = r.runHours(ctx, left, nil, nil)
		}
		alone = append(alone, left...)
	})
	slices.Sort(alone)
	r.spread(ctx, len(alone), func(ctx workflow.Context, i int) { r.runHour(ctx, alone[i], nil) })
}

// shares divides hours evenly into at least so many shares, of some hours at most, that are read together.
func shares(hours []telemetry.Hour, least, most int) [][]telemetry.Hour {
	if len(hours) == 0 {
		return nil
	}
	n := max(least, (len(hours)+most-1)/most)
	return slices.Collect(slices.Chunk(hours, (len(hours)+n-1)/n))
}

// spread runs n pieces of work, some at once.
func (r *hoursRunner) spread(ctx workflow.Context, n int, work func(workflow.Context, int)) {
	next := 0
	running := workflow.NewWaitGroup(ctx)
	for range min(r.parallel, n) {
		running.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer running.Done()
			for next < n && ctx.Err() == nil {
				i := next
				next++
				work(ctx, i)
			}
		})
	}
	running.Wait(ctx)
}

// runHours runs hours together, and returns those that are left, and those of later parts that have to wait for these.
func (r *hoursRunner) runHours(ctx workflow.Context, hours, ends []telemetry.Hour,
	turn ingest.Turn) (left, rest []telemetry.Hour) {
	r.start(ctx, ingest.HoursWorkflowID(hours))
	result, err := ingest.RunHours(ctx, hours, ends, r.input, turn)
	r.ended(ingest.HoursWorkflowID(hours))
	switch {
	case err == nil:
		r.finished(ctx, result)
		for _, hour := range result.Left {
			left = append(left, hour.Hour)
		}
		rest = result.Rest
	case ctx.Err() != nil: // cancelled with the workflow
	default:
		workflow.GetLogger(ctx).Warn("hours that could not be read together are ingested one by one", "from",
			hours[0].String(), "error", err)
		left = hours
	}
	r.tell(ctx)
	slices.Sort(left)
	slices.Sort(rest)
	return left, rest
}

func (r *hoursRunner) runHour(ctx workflow.Context, hour telemetry.Hour, turn ingest.Turn) {
	r.start(ctx, ingest.HourWorkflowID(hour))
	input := r.input
	input.Hour = hour.String()
	result, err := ingest.RunHour(ctx, hour, input, turn)
	r.ended(ingest.HourWorkflowID(hour))
	switch {
	case err == nil:
		row := result.Hour
		one := activities.CommittedHours{RunID: row.RunID, Hours: []telemetry.Hour{row.Hour}, Bytes: row.Bytes,
			Lines:   row.Lines,
			Rejects: row.Rejects, Gone: row.GoneFiles, LeftOut: result.LeftOut}
		switch row.State {
		case ledger.HourEmpty:
			one.Empty++
		case ledger.HourDegraded:
			one.Degraded++
		}
		r.finished(ctx, one)
	case ctx.Err() != nil: // cancelled with the workflow: not a failure of the hour
	default:
		r.failed(hour, err)
	}
	r.tell(ctx)
}

func (r *hoursRunner) start(ctx workflow.Context, id string) {
	r.started++
	r.progress.Running = append(r.progress.Running, id)
	r.tell(ctx)
}

func (r *hoursRunner) ended(id string) {
	r.progress.Running = slices.DeleteFunc(r.progress.Running, func(running string) bool { return running == id })
}

func (r *hoursRunner) finished(ctx workflow.Context, result activities.CommittedHours) {
	p := r.progress
	p.Done += len(result.Hours)
	p.Ran += len(result.Hours)
	p.Lines += result.Lines
	p.Rejects += result.Rejects
	p.GoneFiles += result.Gone
	p.Empty += result.Empty
	p.Degraded += result.Degraded
	p.LeftOut = append(p.LeftOut, result.LeftOut...)
	p.LeftOut = p.LeftOut[:min(len(p.LeftOut), activities.MostLeftOut)]
	r.gold.Pend(activities.RunsOf(result.Hours, result.RunID), result.Bytes)
	if r.gold.Due() && r.inOrder == 0 {
		r.gold.Ask(ctx)
	}
}

// before takes in hours that were done already, but that gold may not have been asked for.
func (r *hoursRunner) before(survey activities.Survey) {
	r.progress.Done += len(survey.Done)
	r.progress.Before += len(survey.Done)
	r.gold.Pend(survey.Done, 0)
}

func (r *hoursRunner) failed(hour telemetry.Hour, err error) {
	r.progress.Failed++
	if len(r.progress.Failures) < failuresKept {
		r.progress.Failures = append(r.progress.Failures, Failure{Hour: hour.String(), Error: workflows.Cause(err)})
	}
}

// refused takes in folders that can't be listed: their hours fail, and all others go on.
func (r *hoursRunner) refused(folders []source.RefusedFolder) {
	for _, folder := range folders {
		hours := int(folder.To - folder.From)
		text := fmt.Sprintf("the folder %s can't be listed: %s", folder.Folder, folder.Why)
		if hours > 1 {
			text = fmt.Sprintf("and the %d hours after it: %s", hours-1, text)
		}
		r.failed(folder.From, errors.New(text))
		r.progress.Failed += hours - 1
	}
}

// runRange does as much of a range as fits into one run of its workflow, settles, and says how that ended. goOn
// gives the error that continues the workflow as new, or nil at the end of the range.
func (r *hoursRunner) runRange(ctx workflow.Context, work func(workflow.Context) error, goOn func() error) error {
	workflows.SetStatus(ctx, "running")
	r.tell(ctx)
	err := work(ctx)
	if settled := r.settle(ctx); err == nil {
		err = settled
	}
	if ctx.Err() != nil {
		workflows.SetStatus(ctx, workflows.StatusCanceled)
		return ctx.Err()
	}
	if err == nil {
		if next := goOn(); next != nil {
			return next
		}
		err = r.progress.failure()
	}
	if err != nil {
		workflows.SetStatus(ctx, workflows.StatusFailed)
		return err
	}
	state := ledger.HourComplete
	if r.progress.Degraded > 0 {
		state = ledger.HourDegraded
	}
	workflows.SetStatus(ctx, state)
	return nil
}

// settle returns once gold shows all hours that are done. A workflow that is cancelled asks, and does not wait.
func (r *hoursRunner) settle(ctx workflow.Context) error {
	r.gold.Ask(ctx)
	r.tell(ctx)
	err := r.gold.Wait(ctx)
	r.tell(ctx)
	return err
}

// tell says how far the workflow is.
func (r *hoursRunner) tell(ctx workflow.Context) {
	r.progress.Gold = r.gold.Unshown()
	workflow.SetCurrentDetails(ctx, r.progress.table())
}

// failure names the hours to be done again; nil where none failed.
func (p *Progress) failure() error {
	if p.Failed == 0 {
		return nil
	}
	const named = 10
	text := fmt.Sprintf("%d of %d hours failed; the others are done. Ingest them again once the cause is gone:",
		p.Failed, p.Hours)
	for _, failure := range p.Failures[:min(named, len(p.Failures))] {
		text += fmt.Sprintf("\n%s: %s", failure.Hour, failure.Error)
	}
	if more := p.Failed - named; more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return temporal.NewNonRetryableApplicationError(text, "HoursFailed", nil, p)
}

// table is the progress for people, as the Temporal UI shows it.
func (p *Progress) table() string {
	text := fmt.Sprintf(
		"**%d of %d hours done**, %d failed\n\n| running | waiting for gold | empty | degraded | lines | rejects "+
			"|\n|---|---|---|---|---|---|\n| %s | %d | %d | %d | %d | %d |\n",
		p.Done, p.Hours, p.Failed, strings.Join(p.Running, ", "), p.Gold, p.Empty, p.Degraded, p.Lines, p.Rejects)
	for _, failure := range p.Failures {
		text += fmt.Sprintf("\n- **%s** %s", failure.Hour, failure.Error)
	}
	return text + workflows.LeftOut(p.LeftOut)
}
