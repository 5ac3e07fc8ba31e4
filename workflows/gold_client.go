package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
)

const (
	// An answer of the gold writer that does not come, perhaps because someone terminated it, is asked for again.
	goldPatience = 10 * time.Minute

	// goldAnswerSignal carries a GoldAnswer back to who asked.
	goldAnswerSignal = "gold"
)

// goldClient is how a workflow asks the gold writer for something, and waits for its answers.
type goldClient struct {
	steps   *activities.Gold // names the activities; never called here
	answers workflow.ReceiveChannel
	waiting []activities.GoldRequest // asked for, and not answered yet
	last    GoldAnswer
}

func newGoldClient(ctx workflow.Context) *goldClient {
	return &goldClient{answers: workflow.GetSignalChannelWithOptions(ctx, goldAnswerSignal,
		workflow.SignalChannelOptions{Description: "The gold writer's answer: what was asked for is visible"})}
}

// show asks the gold writer for something, and waits until it says that it is done.
func (c *goldClient) show(ctx workflow.Context, request activities.GoldRequest) (GoldAnswer, error) {
	if err := c.request(ctx, request); err != nil {
		return GoldAnswer{}, err
	}
	err := c.wait(ctx)
	return c.last, err
}

// request is sent whatever was cancelled: what is in silver, gold must follow.
func (c *goldClient) request(ctx workflow.Context, request activities.GoldRequest) error {
	c.waiting = append(c.waiting, request)
	return c.send(ctx, request)
}

func (c *goldClient) send(ctx workflow.Context, request activities.GoldRequest) error {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ctx = requestGold.local(ctx, "ask the gold writer to show what is new")
	return workflow.ExecuteLocalActivity(ctx, c.steps.RequestGold, request).Get(ctx, nil)
}

// wait returns once all requests are answered, and asks again where an answer is overdue.
func (c *goldClient) wait(ctx workflow.Context) error {
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
func (c *goldClient) answered() bool {
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
