package writers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/workflows"
)

const (
	// goldIdle is how long the gold writer stays when nobody asks; the next request starts it again.
	goldIdle = 2 * time.Hour
	// goldRounds bounds the history of one run: so many rounds, some a day, a person can still read.
	goldRounds = 24
	// oldGoldRounds is the same for runs that older programs began.
	oldGoldRounds = 100
	// goldShownKept is how many rounds the page names.
	goldShownKept = 10
	// goldBatch bounds the hours that one commit tags.
	goldBatch = 500
	// goldParallel is how many groups of buckets are offered to the workers at once.
	goldParallel = 64
	// Answers are kept, to be given again to an hour that asks twice.
	goldAnswersKept = 500
	// Hours that another, half committed one holds up are tried again after a pause that grows up to this.
	goldMaxPause   = time.Minute
	goldFirstPause = 2 * time.Second
)

// The steps of a round.
var (
	planUsers    = workflows.LongStep(6 * time.Hour) // reads all of silver when gold starts anew
	mergeUsers   = workflows.LongStep(2 * time.Hour)
	rebuildUsers = workflows.LongStep(12 * time.Hour) // reads all sightings
	commitUsers  = workflows.LongStep(time.Hour)
	requestDaily = workflows.Step{StartToClose: 30 * time.Second, Attempts: 5} // local; the next round asks again
	// It is local, and tried three times only: maintenance sweeps what stays.
	dropRound = workflows.Step{StartToClose: 10 * time.Minute, Attempts: 3}
)

// GoldAnswer tells an hour which commit of gold.users shows it.
type GoldAnswer struct {
	Run        lake.Run `json:"run"`
	SnapshotID int64    `json:"snapshot_id,string"`
	Tags       []string `json:"tags"` // of this hour, on that snapshot
	Users      int64    `json:"users"`
}

// GoldInput starts GoldWriter; nothing, or {}, unless it continues a run of its own.
type GoldInput struct {
	Waiting  []activities.GoldRequest `json:"waiting,omitempty"`
	Answered []GoldAnswer             `json:"answered,omitempty"`
}

// GoldProgress answers workflows.ProgressQuery.
type GoldProgress struct {
	Status  string   `json:"status"`
	Waiting []string `json:"waiting"` // hours
	Rounds  int      `json:"rounds"`  // of this run
	Users   int64    `json:"users"`   // after the last commit
	Last    int64    `json:"last_snapshot_id,string"`
}

// GoldWriter is the one writer of gold.users, with the workflow id "gold". Hours signal it; it shows those of a day
// that wait in one commit, the oldest day first, and answers each. Its activities are tried again without end,
// since gold must follow silver.
func GoldWriter(ctx workflow.Context, input GoldInput) error {
	w := &goldWriter{}
	if err := w.setup(ctx, input); err != nil {
		return err
	}
	return w.run(ctx)
}

type goldWriter struct {
	steps *activities.Gold  // names the activities; never called here
	daily *activities.Daily // likewise

	requests workflow.ReceiveChannel
	waiting  []activities.GoldRequest
	answered []GoldAnswer
	pause    time.Duration // before hours that are held up are tried again
	inOrder  bool          // gold commits the days that wait one by one
	anew     bool          // something of gold can't be read: the next round makes all of it anew
	progress GoldProgress
	rounds   int // bounds this run
	// endsTimers: a timer ends with the wait that it bounds.
	endsTimers bool
	shown      []goldShown // the last rounds, newest first
}

// goldShown is a round, for the page.
type goldShown struct {
	hours    string
	snapshot int64
}

func (w *goldWriter) setup(ctx workflow.Context, input GoldInput) error {
	w.waiting, w.answered, w.pause = input.Waiting, input.Answered, goldFirstPause
	w.rounds = oldGoldRounds
	if workflow.GetVersion(ctx, "gold in short runs", workflow.DefaultVersion, 1) == 1 {
		w.rounds = goldRounds
	}
	w.endsTimers = workflow.GetVersion(ctx, "timers end with their wait", workflow.DefaultVersion, 1) == 1
	w.requests = workflow.GetSignalChannelWithOptions(ctx, activities.GoldSignal,
		workflow.SignalChannelOptions{Description: "An hour is in silver and asks to be shown"})
	return workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (GoldProgress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "What the gold writer does, and which hours wait"})
}

func (w *goldWriter) run(ctx workflow.Context) error {
	for {
		w.receive(ctx)
		switch {
		case len(w.waiting) > 0:
			if err := w.round(ctx); err != nil {
				return err
			}
		default:
			w.status(ctx, "idle")
			if called, err := w.awaitRequest(ctx, goldIdle, "no hour waits"+w.lastShown()); err != nil || !called {
				return err
			}
		}
		if w.progress.Rounds >= w.rounds || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			// Whatever arrived by now goes along; the server lets nothing slip in behind this.
			w.receive(ctx)
			return workflow.NewContinueAsNewError(ctx, GoldWriter, GoldInput{Waiting: w.waiting, Answered: w.answered})
		}
	}
}

// receive takes in all requests that are there. A run that was shown is answered again, one that waits is not added.
func (w *goldWriter) receive(ctx workflow.Context) {
	for {
		var request activities.GoldRequest
		if !w.requests.ReceiveAsync(&request) {
			return
		}
		if answer, ok := w.answer(request.Run); ok {
			w.tell(ctx, []activities.GoldRequest{request}, []GoldAnswer{answer})
		} else if !w.waits(request) {
			w.waiting = append(w.waiting, request)
		}
	}
}

func (w *goldWriter) answer(run lake.Run) (GoldAnswer, bool) {
	for _, answer := range w.answered {
		if answer.Run == run {
			return answer, true
		}
	}
	return GoldAnswer{}, false
}

func (w *goldWriter) waits(request activities.GoldRequest) bool {
	for _, waiting := range w.waiting {
		if waiting.Run == request.Run && waiting.WorkflowID == request.WorkflowID {
			return true
		}
	}
	return false
}

// awaitRequest waits for the next request, which it leaves to receive, or for the time to pass.
func (w *goldWriter) awaitRequest(ctx workflow.Context, timeout time.Duration, summary string) (bool, error) {
	if w.endsTimers { // else its page shows that it waits, and the timer wakes it up later for nothing
		var end workflow.CancelFunc
		ctx, end = workflow.WithCancel(ctx)
		defer end()
	}
	return workflow.AwaitWithOptions(ctx,
		workflow.AwaitOptions{Timeout: timeout, TimerOptions: workflow.TimerOptions{Summary: summary}},
		func() bool { return w.requests.Len() > 0 })
}

// round shows the hours that wait, as far as they can be shown.
func (w *goldWriter) round(ctx workflow.Context) error {
	batch := w.batch(ctx)
	if batch[0].Ends != nil {
		return w.showParts(ctx, &batch[0])
	}
	plan, commit, err := w.commit(ctx, batch)
	if workflows.IsType(err, activities.ErrorConflict) {
		// Another writer, perhaps maintenance, moved gold: plan again on what is there now.
		return w.drop(ctx, plan)
	}
	if workflows.IsType(err, activities.ErrorDamaged) {
		return w.damaged(ctx, plan, err)
	}
	if err != nil {
		return err
	}
	w.anew = false
	w.settle(ctx, batch, commit)
	w.askDaily(ctx)
	if err := w.drop(ctx, plan); err != nil {
		return err
	}
	return w.holdUp(ctx, commit.Waiting, plan.HalfCommitted)
}

// damaged goes on after a round that could not read something: first by making gold anew, which needs nothing of
// what it has; where that can't be, by waiting until somebody has repaired what the error names.
func (w *goldWriter) damaged(ctx workflow.Context, plan gold.Plan, damage error) error {
	if plan.Ref != "" {
		if err := w.drop(ctx, plan); err != nil {
			return err
		}
	}
	if !w.anew {
		w.anew = true
		return nil
	}
	w.status(ctx, "stopped: "+workflows.Cause(damage))
	_, err := w.awaitRequest(ctx, w.pause, "until somebody has repaired the lake")
	w.pause = min(2*w.pause, goldMaxPause)
	return err
}

// settle answers the requests of the batch that the commit shows; the others go on waiting, for what it does not show.
func (w *goldWriter) settle(ctx workflow.Context, batch []activities.GoldRequest, commit gold.Committed) {
	held := map[lake.Run]bool{}
	for _, run := range commit.Waiting {
		held[run] = true
	}
	var shown, waiting []activities.GoldRequest
	var answers []GoldAnswer
	for i, request := range w.waiting {
		if i >= len(batch) {
			waiting = append(waiting, request)
			continue
		}
		if rest := slices.DeleteFunc(slices.Clone(request.Shown()),
			func(run lake.Run) bool { return !held[run] }); len(rest) > 0 {
			if request.Again = nil; request.Runs != nil {
				request.Runs = rest
			}
			waiting = append(waiting, request)
			continue
		}
		shown = append(shown, request)
		answers = append(answers, GoldAnswer{
			Run: request.Run, SnapshotID: commit.SnapshotID, Tags: tagsFor(request.Run, commit.Tags),
			Users: commit.Users,
		})
	}
	w.waiting = waiting
	w.keep(answers...)
	w.progress.Users, w.progress.Last = commit.Users, commit.SnapshotID
	if len(shown) > 0 {
		w.shown = append([]goldShown{{hoursOf(shown), commit.SnapshotID}}, w.shown...)
		w.shown = w.shown[:min(len(w.shown), goldShownKept)]
	}
	w.tell(ctx, shown, answers)
}

// keep remembers answers, for those who ask again.
func (w *goldWriter) keep(answers ...GoldAnswer) {
	w.answered = append(w.answered, answers...)
	w.answered = w.answered[max(0, len(w.answered)-goldAnswersKept):]
}

// tagsFor picks an hour's tags out of a commit's.
func tagsFor(run lake.Run, tags []string) []string {
	mine := []string{}
	for _, tag := range tags {
		if tag == gold.TagOf(run) || strings.HasPrefix(tag, gold.TagOf(run)+".") {
			mine = append(mine, tag)
		}
	}
	return mine
}

// tell sends answers. An hour that is gone, because it was cancelled or terminated, needs none.
func (w *goldWriter) tell(ctx workflow.Context, requests []activities.GoldRequest, answers []GoldAnswer) {
	sent := make([]workflow.Future, len(requests))
	for i, request := range requests {
		// To the id's present run: the one that asked may have been reset.
		sent[i] = workflow.SignalExternalWorkflow(ctx, request.WorkflowID, "", goldAnswerSignal, answers[i])
	}
	for i, future := range sent {
		if err := future.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Info("nobody waits for the answer", "workflow", requests[i].WorkflowID,
				"error", err)
		}
	}
}

// askDaily lets the daily aggregates follow. Nobody waits for them.
func (w *goldWriter) askDaily(ctx workflow.Context) {
	if workflow.GetVersion(ctx, "daily aggregates", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	asking := requestDaily.Local(ctx, "ask for a refresh of the daily aggregates")
	if err := workflow.ExecuteLocalActivity(asking, w.daily.RequestDaily).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("the daily aggregates are not asked to follow before the next round", "error", err)
	}
}

func (w *goldWriter) drop(ctx workflow.Context, plan gold.Plan) error {
	dropping := dropRound.Local(ctx, "remove what was staged")
	if err := workflow.ExecuteLocalActivity(dropping, w.steps.DropRound, plan).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "plan", plan.Ref, "error", err)
	}
	return ctx.Err()
}

// holdUp pauses while hours can't be shown because another hour is half committed: until that hour asks, or some time.
func (w *goldWriter) holdUp(ctx workflow.Context, held []lake.Run, halfCommitted []string) error {
	if len(held) == 0 {
		w.pause = goldFirstPause
		return nil
	}
	w.status(ctx,
		fmt.Sprintf("waiting for what is half committed: %s; an hour that no longer runs must be ingested again",
			strings.Join(halfCommitted, ", ")))
	_, err := w.awaitRequest(ctx, w.pause, fmt.Sprintf("until %s can be tried again: held up by %s, half committed",
		hoursOf(w.waiting), strings.Join(halfCommitted, ", ")))
	w.pause = min(2*w.pause, goldMaxPause)
	return err
}

func (w *goldWriter) status(ctx workflow.Context, status string) {
	w.progress.Status = status
	w.progress.Waiting = make([]string, len(w.waiting))
	for i := range w.waiting {
		w.progress.Waiting[i] = hoursOf(w.waiting[i : i+1])
	}
	waiting := "none"
	if len(w.waiting) > 0 {
		waiting = hoursOf(w.waiting)
	}
	text := fmt.Sprintf("**%s**\n\n| hours waiting | rounds | users | last snapshot "+
		"|\n|---|---|---|---|\n| %s | %d | %d | %d |\n",
		status, waiting, w.progress.Rounds, w.progress.Users, w.progress.Last)
	if len(w.shown) > 0 {
		text += "\n| hours shown last | snapshot |\n|---|---|\n"
	}
	for _, round := range w.shown {
		text += fmt.Sprintf("| %s | %d |\n", round.hours, round.snapshot)
	}
	workflow.SetCurrentDetails(ctx, text)
}

// lastShown names the hours of the last round, for a timer.
func (w *goldWriter) lastShown() string {
	if len(w.shown) == 0 {
		return ""
	}
	return "; shown last: " + w.shown[0].hours
}

// hoursOf names hours briefly.
func hoursOf(requests []activities.GoldRequest) string {
	const named = 3
	var names []string
	for _, request := range requests {
		if request.Again != nil {
			names = append(names, "users made anew")
		}
		for _, run := range request.Shown() {
			names = append(names, run.Hour.String())
		}
	}
	if more := len(names) - named; more > 0 {
		names = append(names[:named], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
