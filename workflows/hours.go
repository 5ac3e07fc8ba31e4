package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// DefaultHoursParallel is how many hours of a range run at once.
	DefaultHoursParallel = 4
	maxHoursParallel     = 100
	// hoursFound is how many hours are looked for at once, and then run.
	hoursFound = 200
	// maxChildren bounds the history of one run of a workflow that has hours as children: after so many it looks
	// for no more.
	maxChildren = 200
	// Gold is asked for so many hours together, or so many bytes of their files.
	goldHours = 500
	goldBytes = 4 << 30
	// failuresKept bounds what is remembered of hours that failed; the others are counted.
	failuresKept = 200
)

// HoursProgress is how far a workflow is that runs many hours. It answers ProgressQuery.
type HoursProgress struct {
	Hours    int           `json:"hours"` // in the range
	Done     int           `json:"done"`
	Ran      int           `json:"ran"`      // of those done: read, and not just recorded as empty
	Empty    int           `json:"empty"`    // of those done
	Degraded int           `json:"degraded"` // of those done
	Before   int           `json:"before"`   // of those done: by the range that this one resumes
	Lines    int64         `json:"lines"`
	Rejects  int64         `json:"rejects"`
	Failed   int           `json:"failed"`
	Failures []HourFailure `json:"failures,omitempty"` // the first of them
	LeftOut  []string      `json:"left_out,omitempty"` // the first files that were left out, or read in part, and why
	Running  []string      `json:"running,omitempty"`  // workflows
	Gold     int           `json:"waiting_for_gold"`   // hours that gold is still to show
	// GoneFiles are files, of the hours that ran, that left the source and whose rows stay.
	GoneFiles int64 `json:"gone_files,omitempty"`
}

// HourFailure is an hour that could not be ingested.
type HourFailure struct {
	Hour  string `json:"hour"`
	Error string `json:"error"`
}

// hoursRunner runs hours in child workflows, a bounded number at once, and asks gold for many of them together. An
// hour that fails does not stop the others.
type hoursRunner struct {
	input    IngestInput // of each hour, save the hour
	parallel int
	progress *HoursProgress

	gold    *goldClient
	pending []lake.Run // done, and to be shown by gold
	bytes   int64      // of their files
	asked   int        // requests to gold
	started int        // workflows, by this run of this one
}

func newHoursRunner(ctx workflow.Context, progress *HoursProgress, parallel int,
	input IngestInput) (*hoursRunner, error) {
	if parallel < 0 || parallel > maxHoursParallel {
		return nil, activities.BadInput(fmt.Sprintf("parallel %d: give the number of hours at once, up to %d", parallel,
			maxHoursParallel), nil)
	}
	if parallel == 0 {
		parallel = DefaultHoursParallel
	}
	input.LeaveGold = true
	return &hoursRunner{input: input, parallel: parallel, progress: progress, gold: newGoldClient(ctx)}, nil
}

// full tells that the history of this run of the workflow is long enough.
func (r *hoursRunner) full(ctx workflow.Context) bool {
	return r.started >= maxChildren || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
}

// run runs the hours, and returns when they have ended: together as far as they are small, and then those that are
// left one by one. A cancelled workflow starts no more.
func (r *hoursRunner) run(ctx workflow.Context, hours []telemetry.Hour) {
	var alone []telemetry.Hour
	together := r.divide(hours)
	r.spread(ctx, len(together), func(ctx workflow.Context, i int) {
		left := together[i]
		if len(left) > 1 {
			left = r.runHours(ctx, left)
		}
		alone = append(alone, left...)
	})
	slices.Sort(alone)
	r.spread(ctx, len(alone), func(ctx workflow.Context, i int) { r.runHour(ctx, alone[i]) })
}

// divide makes even shares of hours that are read together, as many as run at once.
func (r *hoursRunner) divide(hours []telemetry.Hour) [][]telemetry.Hour {
	if len(hours) == 0 {
		return nil
	}
	shares := max(r.parallel, (len(hours)+maxTogether-1)/maxTogether)
	return slices.Collect(slices.Chunk(hours, (len(hours)+shares-1)/shares))
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

// runHours runs hours together, and returns those that are left.
func (r *hoursRunner) runHours(ctx workflow.Context, hours []telemetry.Hour) (left []telemetry.Hour) {
	r.start(ctx, HoursWorkflowID(hours))
	result, err := runHours(ctx, hours, r.input)
	r.end(HoursWorkflowID(hours))
	switch {
	case err == nil:
		r.finished(ctx, result)
		for _, hour := range result.Left {
			left = append(left, hour.Hour)
		}
	case ctx.Err() != nil: // cancelled with the workflow
	default:
		workflow.GetLogger(ctx).Warn("hours that could not be read together are ingested one by one", "from",
			hours[0].String(), "error", err)
		left = hours
	}
	r.tell(ctx)
	return left
}

func (r *hoursRunner) runHour(ctx workflow.Context, hour telemetry.Hour) {
	r.start(ctx, HourWorkflowID(hour))
	input := r.input
	input.Hour = hour.String()
	result, err := runHour(ctx, hour, input)
	r.end(HourWorkflowID(hour))
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

func (r *hoursRunner) end(id string) {
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
	r.pending = append(r.pending, runsOf(result)...)
	if r.bytes += result.Bytes; len(r.pending) >= goldHours || r.bytes >= goldBytes {
		r.askGold(ctx)
	}
}

// before takes in hours that were done already, but that gold may not have been asked for.
func (r *hoursRunner) before(runs []lake.Run) {
	r.progress.Done += len(runs)
	r.progress.Before += len(runs)
	r.pending = append(r.pending, runs...)
}

func (r *hoursRunner) failed(hour telemetry.Hour, err error) {
	r.progress.Failed++
	if len(r.progress.Failures) < failuresKept {
		r.progress.Failures = append(r.progress.Failures, HourFailure{Hour: hour.String(), Error: cause(err)})
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

// askGold asks for the hours that are done, and does not wait: the next hours can run while gold works.
func (r *hoursRunner) askGold(ctx workflow.Context) {
	if len(r.pending) == 0 {
		return
	}
	runs := r.pending
	r.pending, r.bytes = nil, 0
	r.asked++
	// The answer is known by a run of its own, since an hour may be in two requests.
	info := workflow.GetInfo(ctx).WorkflowExecution
	request := activities.GoldRequest{Run: lake.Run{Hour: runs[0].Hour, ID: fmt.Sprintf("%s.%d", info.RunID, r.asked)},
		Runs: runs}
	if err := r.gold.request(ctx, request); err != nil {
		workflow.GetLogger(ctx).Error("gold was not asked for hours that are in silver: whatever asks next "+
			"brings them along", "error", err)
	}
}

// runRange does as much of a range as fits into one run of its workflow, settles, and says how that ended. goOn
// gives the error that continues the workflow as new, or nil at the end of the range.
func (r *hoursRunner) runRange(ctx workflow.Context, work func(workflow.Context) error, goOn func() error) error {
	setStatus(ctx, "running")
	r.tell(ctx)
	err := work(ctx)
	if settled := r.settle(ctx); err == nil {
		err = settled
	}
	if ctx.Err() != nil {
		setStatus(ctx, statusCanceled)
		return ctx.Err()
	}
	if err == nil {
		if next := goOn(); next != nil {
			return next
		}
		err = r.progress.failure()
	}
	if err != nil {
		setStatus(ctx, statusFailed)
		return err
	}
	setStatus(ctx, ledger.HourComplete)
	return nil
}

// settle returns once gold shows all hours that are done. A workflow that is cancelled asks, and does not wait.
func (r *hoursRunner) settle(ctx workflow.Context) error {
	r.askGold(ctx)
	r.tell(ctx)
	err := r.gold.wait(ctx)
	r.tell(ctx)
	return err
}

// tell says how far the workflow is.
func (r *hoursRunner) tell(ctx workflow.Context) {
	r.gold.answered()
	r.progress.Gold = len(r.pending)
	for _, request := range r.gold.waiting {
		r.progress.Gold += len(request.Shown())
	}
	workflow.SetCurrentDetails(ctx, r.progress.table())
}

// failure names the hours to be done again; nil where none failed.
func (p *HoursProgress) failure() error {
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
func (p *HoursProgress) table() string {
	text := fmt.Sprintf(
		"**%d of %d hours done**, %d failed\n\n| running | waiting for gold | empty | degraded | lines | rejects "+
			"|\n|---|---|---|---|---|---|\n| %s | %d | %d | %d | %d | %d |\n",
		p.Done, p.Hours, p.Failed, strings.Join(p.Running, ", "), p.Gold, p.Empty, p.Degraded, p.Lines, p.Rejects)
	for _, failure := range p.Failures {
		text += fmt.Sprintf("\n- **%s** %s", failure.Hour, failure.Error)
	}
	return text + tellLeftOut(p.LeftOut)
}

// setStatus sets the search attribute that lists of workflows show.
func setStatus(ctx workflow.Context, status string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, StatusAttribute.ValueSet(status)); err != nil {
		workflow.GetLogger(ctx).Warn("can't set the status", "status", status, "error", err)
	}
}
