package writers

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/workflows"
)

const (
	// dailyDelay lets hours that follow each other share a refresh.
	dailyDelay = 30 * time.Second
	// dailyRounds bounds the history of one run.
	dailyRounds = 100
	// dailyParallel is how many groups of months are offered to the workers at once.
	dailyParallel = 16
)

// The steps of a refresh.
var (
	// reads all histories, and all of silver the first time
	followEvents = workflows.LongStep(12 * time.Hour) // resolves all of silver.events the first time
	planDaily    = workflows.LongStep(6 * time.Hour)
	countDates   = workflows.LongStep(6 * time.Hour)
	commitDaily  = workflows.LongStep(time.Hour)

	requestChecks = workflows.Step{StartToClose: 30 * time.Second, Attempts: 3} // local
)

// DailyInput starts DailyWriter; nothing, or {}, to refresh at once.
type DailyInput struct {
	Rounds int `json:"rounds,omitempty"` // that runs before this one had
}

// DailyProgress answers workflows.ProgressQuery.
type DailyProgress struct {
	Status string `json:"status"`
	Dates  int    `json:"dates"`  // of the present refresh
	Groups int    `json:"groups"` // of months
	Done   int    `json:"done"`
	Rounds int    `json:"rounds"`
}

// DailyWriter is the one writer of gold.version_daily and gold.event_daily, with the workflow id "daily". The gold
// writer signals it after each commit; it waits a little for more of them, refreshes, and ends once nobody asks any
// more. Started without a signal it refreshes at once.
func DailyWriter(ctx workflow.Context, input DailyInput) (daily.Committed, error) {
	w := &dailyWriter{requests: workflow.GetSignalChannelWithOptions(ctx, activities.DailySignal,
		workflow.SignalChannelOptions{Description: "Silver or gold moved on"})}
	w.progress.Rounds = input.Rounds
	if err := workflow.SetQueryHandlerWithOptions(ctx, workflows.ProgressQuery,
		func() (DailyProgress, error) { return w.progress, nil },
		workflow.QueryHandlerOptions{Description: "What the writer of the daily aggregates does"}); err != nil {
		return daily.Committed{}, err
	}
	return w.run(ctx)
}

type dailyWriter struct {
	steps  *activities.Daily  // names the activities; never called here
	checks *activities.Checks // likewise

	requests   workflow.ReceiveChannel
	asked, now bool
	progress   DailyProgress
}

func (w *dailyWriter) run(ctx workflow.Context) (commit daily.Committed, err error) {
	w.receive()
	for again := true; again; again = w.asked {
		if err := w.gather(ctx); err != nil {
			return commit, err
		}
		w.asked, w.now = false, false
		if commit, err = w.refresh(ctx); workflows.IsType(err, activities.ErrorConflict) {
			w.asked, w.now = true, true
		} else if err != nil {
			return commit, err
		}
		w.receive()
		if w.asked && (w.progress.Rounds%dailyRounds == 0 || workflow.GetInfo(ctx).GetContinueAsNewSuggested()) {
			return commit, workflow.NewContinueAsNewError(ctx, DailyWriter, DailyInput{Rounds: w.progress.Rounds})
		}
	}
	return commit, nil
}

// receive takes in all requests that are there.
func (w *dailyWriter) receive() {
	var request activities.DailyRequest
	for w.requests.ReceiveAsync(&request) {
		w.asked, w.now = true, w.now || request.Now
		request = activities.DailyRequest{}
	}
}

// gather waits for more requests, unless one can't wait.
func (w *dailyWriter) gather(ctx workflow.Context) error {
	deadline := workflow.Now(ctx).Add(dailyDelay)
	for w.asked && !w.now {
		rest := deadline.Sub(workflow.Now(ctx))
		if rest <= 0 {
			break
		}
		w.status(ctx, "waiting for more hours")
		if _, err := workflow.AwaitWithOptions(ctx,
			workflow.AwaitOptions{Timeout: rest,
				TimerOptions: workflow.TimerOptions{Summary: "so that hours share a refresh"}},
			func() bool { return w.requests.Len() > 0 }); err != nil {
			return err
		}
		w.receive()
	}
	return nil
}

// refresh counts the dates anew that changed.
func (w *dailyWriter) refresh(ctx workflow.Context) (commit daily.Committed, err error) {
	w.progress.Rounds++
	w.progress.Dates, w.progress.Groups, w.progress.Done = 0, 0, 0
	if err := w.follow(ctx); err != nil {
		return commit, err
	}
	w.status(ctx, "planning")
	var plan daily.Plan
	if err := workflow.ExecuteActivity(planDaily.With(ctx, "find the dates that changed"), w.steps.PlanDaily).Get(ctx,
		&plan); err != nil {
		return commit, err
	}
	defer func() {
		if dropErr := w.drop(ctx, plan); err == nil {
			err = dropErr
		}
	}()
	w.progress.Dates, w.progress.Groups = plan.Dates, len(plan.Groups)
	w.status(ctx, "counting "+datesOf(plan))
	counted, err := workflows.FanOut(ctx, len(plan.Groups), dailyParallel,
		func(ctx workflow.Context, i int) (result daily.CountedDates, err error) {
			ctx = countDates.With(ctx, fmt.Sprintf("count dates, group %d of %d", i+1, len(plan.Groups)))
			input := activities.CountDatesInput{Plan: plan, Months: plan.Groups[i]}
			if err := workflow.ExecuteActivity(ctx, w.steps.CountDates, input).Get(ctx, &result); err != nil {
				return result, err
			}
			w.progress.Done++
			w.status(ctx, "counting "+datesOf(plan))
			return result, nil
		})
	if err != nil {
		return commit, err
	}
	w.status(ctx, "committing "+datesOf(plan))
	input := activities.CommitDailyInput{Plan: plan, Counted: counted}
	err = workflow.ExecuteActivity(commitDaily.With(ctx, "commit "+datesOf(plan)), w.steps.CommitDaily, input).Get(ctx,
		&commit)
	if err != nil {
		return commit, err
	}
	w.status(ctx, w.done(plan))
	w.askChecks(ctx)
	return commit, nil
}

// follow lets gold.events take in what changed. Its commit is one of its own: where the daily aggregates are left
// behind by a crash, each goes on from what it reflects itself.
func (w *dailyWriter) follow(ctx workflow.Context) error {
	if workflow.GetVersion(ctx, "gold.events", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	w.status(ctx, "letting gold.events follow")
	var followed events.Followed
	return workflow.ExecuteActivity(followEvents.With(ctx, "resolve what came, in gold.events"),
		w.steps.FollowEvents).Get(ctx, &followed)
}

// askChecks lets somebody look at what has come. Nobody waits for it.
func (w *dailyWriter) askChecks(ctx workflow.Context) {
	if workflow.GetVersion(ctx, "checks", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	asking := requestChecks.Local(ctx, "ask for checks")
	if err := workflow.ExecuteLocalActivity(asking, w.checks.RequestChecks).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("checks look when their schedule says", "error", err)
	}
}

func (w *dailyWriter) done(plan daily.Plan) string {
	if len(plan.HalfCommitted) > 0 {
		return fmt.Sprintf("counted %s; the rest waits for what is half committed: %s", datesOf(plan),
			strings.Join(plan.HalfCommitted, ", "))
	}
	return "counted " + datesOf(plan)
}

// datesOf names the dates of a plan briefly.
func datesOf(plan daily.Plan) string {
	switch plan.Dates {
	case 0:
		return "no date"
	case 1:
		return plan.First
	}
	return fmt.Sprintf("%d dates from %s to %s", plan.Dates, plan.First, plan.Last)
}

func (w *dailyWriter) drop(ctx workflow.Context, plan daily.Plan) error {
	dropping := dropRound.Local(ctx, "remove what was staged")
	if err := workflow.ExecuteLocalActivity(dropping, w.steps.DropDaily, plan).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("staged files stay until maintenance removes them", "plan", plan.Ref, "error", err)
	}
	return ctx.Err()
}

func (w *dailyWriter) status(ctx workflow.Context, status string) {
	w.progress.Status = status
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s**\n\n| dates | groups of months | done | refreshes "+
		"|\n|---|---|---|---|\n| %d | %d | %d | %d |\n",
		status, w.progress.Dates, w.progress.Groups, w.progress.Done, w.progress.Rounds))
}
