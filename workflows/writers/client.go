package writers

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/workflows"
)

const (
	// An answer of the gold writer that does not come, perhaps because someone terminated it, is asked for again.
	goldPatience = 10 * time.Minute

	// Gold is asked for so many hours together, or so many bytes of their files.
	goldHours = 500
	goldBytes = 4 << 30

	// goldAnswerSignal carries a GoldAnswer back to who asked.
	goldAnswerSignal = "gold"
)

var requestGold = workflows.Step{StartToClose: 30 * time.Second} // local

// GoldClient is how a workflow asks the gold writer for something, and waits for its answers.
type GoldClient struct {
	steps   *activities.Gold // names the activities; never called here
	answers workflow.ReceiveChannel
	waiting []activities.GoldRequest // asked for, and not answered yet
	last    GoldAnswer

	pending []lake.Run // in silver, and not asked for yet
	bytes   int64      // of their files
	asked   int        // requests for many runs
}

// NewGoldClient is for one workflow, which listens for the answers from now on.
func NewGoldClient(ctx workflow.Context) *GoldClient {
	return &GoldClient{answers: workflow.GetSignalChannelWithOptions(ctx, goldAnswerSignal,
		workflow.SignalChannelOptions{Description: "The gold writer's answer: what was asked for is visible"})}
}

// Show asks the gold writer for something, and waits until it says that it is done.
func (c *GoldClient) Show(ctx workflow.Context, request activities.GoldRequest) (GoldAnswer, error) {
	if err := c.request(ctx, request); err != nil {
		return GoldAnswer{}, err
	}
	err := c.Wait(ctx)
	return c.last, err
}

// Pend keeps runs that are in silver, until Ask asks for all of them together.
func (c *GoldClient) Pend(runs []lake.Run, bytes int64) {
	c.pending = append(c.pending, runs...)
	c.bytes += bytes
}

// Due tells that so much is pending that it is time to ask.
func (c *GoldClient) Due() bool { return len(c.pending) >= goldHours || c.bytes >= goldBytes }

// Ask asks for what is pending, and does not wait: the next hours can run while gold works.
func (c *GoldClient) Ask(ctx workflow.Context) {
	if len(c.pending) == 0 {
		return
	}
	runs := c.pending
	c.pending, c.bytes = nil, 0
	c.askFor(ctx, runs, nil)
}

// AskInParts does so for what is pending before the last of some hours, such that gold gets a commit at each of these.
func (c *GoldClient) AskInParts(ctx workflow.Context, ends []telemetry.Hour) {
	var runs, later []lake.Run
	for _, run := range c.pending {
		if run.Hour < ends[len(ends)-1] {
			runs = append(runs, run)
		} else {
			later = append(later, run)
		}
	}
	if len(runs) == 0 {
		return
	}
	if c.pending = later; len(later) == 0 {
		c.bytes = 0
	}
	c.askFor(ctx, runs, ends)
}

func (c *GoldClient) askFor(ctx workflow.Context, runs []lake.Run, ends []telemetry.Hour) {
	c.asked++
	// The answer is known by a run of its own, since an hour may be in two requests.
	info := workflow.GetInfo(ctx).WorkflowExecution
	request := activities.GoldRequest{Run: lake.Run{Hour: runs[0].Hour, ID: fmt.Sprintf("%s.%d", info.RunID, c.asked)},
		Runs: runs, Ends: ends}
	if err := c.request(ctx, request); err != nil {
		workflow.GetLogger(ctx).Error("gold was not asked for hours that are in silver: whatever asks next "+
			"brings them along", "error", err)
	}
}

// MakeAnew lets gold make users anew, and waits until it has: all of them, or those that have a sighting in [from, to).
func (c *GoldClient) MakeAnew(ctx workflow.Context, from, to telemetry.Hour, all bool) error {
	again := gold.Remake{All: all}
	if !all {
		again.Hours = []gold.HourRange{{From: from, To: to}}
	}
	run := lake.Run{Hour: from, ID: workflow.GetInfo(ctx).WorkflowExecution.RunID}
	_, err := c.Show(ctx, activities.GoldRequest{Run: run, Again: &again})
	return err
}

// request is sent whatever was cancelled: what is in silver, gold must follow.
func (c *GoldClient) request(ctx workflow.Context, request activities.GoldRequest) error {
	c.waiting = append(c.waiting, request)
	return c.send(ctx, request)
}

func (c *GoldClient) send(ctx workflow.Context, request activities.GoldRequest) error {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = requestGold.Local(ctx, "ask the gold writer to show what is new")
	return workflow.ExecuteLocalActivity(ctx, c.steps.RequestGold, request).Get(ctx, nil)
}

// Wait returns once all requests are answered, and asks again where an answer is overdue.
func (c *GoldClient) Wait(ctx workflow.Context) error {
	for {
		patience := workflow.AwaitOptions{Timeout: goldPatience,
			TimerOptions: workflow.TimerOptions{Summary: "until the gold writer is asked again"}}
		if ok, err := workflow.AwaitWithOptions(ctx, patience, c.answered); ok || err != nil {
			return err
		}
		for _, request := range c.waiting {
			if err := c.send(ctx, request); err != nil {
				return err
			}
		}
	}
}

// answered takes in the answers that are there, and tells whether none is missing.
func (c *GoldClient) answered() bool {
	var answer GoldAnswer
	for c.answers.ReceiveAsync(&answer) {
		for i, request := range c.waiting {
			if request.Run == answer.Run {
				c.last = answer
				c.waiting = append(c.waiting[:i:i], c.waiting[i+1:]...)
				break
			}
		}
		answer = GoldAnswer{}
	}
	return len(c.waiting) == 0
}

// Unshown counts the runs that gold is still to show, as far as its answers have come.
func (c *GoldClient) Unshown() int {
	c.answered()
	runs := len(c.pending)
	for _, request := range c.waiting {
		runs += len(request.Shown())
	}
	return runs
}
