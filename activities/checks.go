package activities

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/notify"
)

// ChecksScheduleID is the id of the schedule that looks for what is wrong.
const ChecksScheduleID = "checks"

// checksTimeout is how long a look may take: a lake that answers no sooner counts as one that can't be read.
const checksTimeout = 45 * time.Second

// Checks holds the steps that look for what is wrong, keep it and tell it.
type Checks struct {
	Lake *lake.Lake
	// Rules is the file of notify.Rules, read anew each time; none when empty.
	Rules string
	// Folders are looked at for room on their disks.
	Folders []string
	// Elsewhere leaves looking, and telling, to other workers: this one ends with a command, and may know no rules.
	Elsewhere bool
	// SQL connects to a Trino for checks in SQL; nil: there is none.
	SQL func() (*sql.DB, error)
}

// Checked is what a look found.
type Checked struct {
	At      time.Time       `json:"at"`
	Results []checks.Result `json:"results"`
	// Routes and Lake follow from the rules; RulesKnown is false where these can't be read.
	Routes     []notify.Route `json:"routes,omitempty"`
	Lake       string         `json:"lake,omitempty"`
	RulesKnown bool           `json:"rules_known"`
}

// Outage says in plain words what an error waits for; empty where it does not tell.
func Outage(err error) string {
	if what := Awaited(err); what != "" {
		return "waiting until " + what
	}
	return ""
}

var errElsewhere = errors.New("this process works for a command alone: a worker, or versionlake dev, does it")

// rules reads the rules, for a step that only a worker does which stays.
func (a *Checks) rules(ctx context.Context) (*notify.Rules, error) {
	if a.Elsewhere {
		return nil, errElsewhere
	}
	rules, err := notify.Read(a.Rules)
	return rules, temporalError(ctx, err)
}

// RunChecks looks at the lake. What it can't read is what it finds: it does not fail.
func (a *Checks) RunChecks(ctx context.Context) (Checked, error) {
	if a.Elsewhere {
		return Checked{}, errElsewhere
	}
	defer keepAlive(ctx, nil)()
	checked := Checked{At: time.Now().UTC()}
	options := checks.Options{Now: checked.At, Probe: true, Folders: a.Folders, Explain: Outage}
	rules, err := notify.Read(a.Rules)
	if err == nil {
		checked.RulesKnown, checked.Routes, checked.Lake = true, rules.Routes(), rules.Name
		options.Limits, options.Goals = rules.Checks, rules.Goals
	}
	look, cancel := context.WithTimeout(ctx, checksTimeout)
	defer cancel()
	checked.Results = checks.Run(look, a.Lake, options)
	if a.Rules != "" {
		if result, on := checks.Rules(options, err); on {
			checked.Results = append(checked.Results, result)
		}
	}
	if err == nil && rules.SQLChecks != "" {
		checked.Results = append(checked.Results, checks.RunSQL(ctx, rules.SQLChecks, options, a.openSQL)...)
	}
	return checked, ctx.Err()
}

func (a *Checks) openSQL() (*sql.DB, error) {
	if a.SQL == nil {
		return nil, errors.New("none is known here")
	}
	return a.SQL()
}

// KnownChecks reads what is known of checks from the lake.
func (a *Checks) KnownChecks(ctx context.Context) (checks.Memory, error) {
	_, memory, err := checks.Saved(ctx, a.Lake)
	return memory, temporalError(ctx, err)
}

// SaveChecksInput is what ops.checks has yet to hold.
type SaveChecksInput struct {
	Records []checks.Record `json:"records"`
}

// SaveChecks adds to ops.checks.
func (a *Checks) SaveChecks(ctx context.Context, input SaveChecksInput) error {
	return temporalError(ctx, checks.Save(ctx, a.Lake, activity.GetInfo(ctx).WorkflowExecution.RunID, input.Records))
}

// TellInput names a receiver of the rules, and what it is told. It holds no secret.
type TellInput struct {
	Receiver string         `json:"receiver"`
	Message  notify.Message `json:"message"`
}

// ErrorReceiver: a receiver does not take a message. Retried until it does.
const ErrorReceiver = "Receiver"

// TellNews sends a message, once.
func (a *Checks) TellNews(ctx context.Context, input TellInput) error {
	if a.Elsewhere {
		return errElsewhere
	}
	rules, err := notify.Read(a.Rules)
	if err == nil {
		if _, known := rules.Receivers[input.Receiver]; !known {
			return temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("the worker's rules have no receiver %s any more", input.Receiver), ErrorSettings, nil)
		}
		err = rules.Send(ctx, input.Receiver, input.Message)
	}
	if err != nil && ctx.Err() == nil {
		return temporal.NewApplicationError(err.Error()+"; tried again until it is taken", ErrorReceiver)
	}
	return err
}

// RequestChecks lets the schedule of checks look now, where there is one and it is not paused.
func (a *Checks) RequestChecks(ctx context.Context) error {
	id := IDIn(activity.GetInfo(ctx).TaskQueue, ChecksScheduleID)
	handle := activity.GetClient(ctx).ScheduleClient().GetHandle(ctx, id)
	described, err := handle.Describe(ctx)
	var none *serviceerror.NotFound
	if errors.As(err, &none) || err == nil && described.Schedule.State.Paused {
		return nil
	}
	if err == nil {
		err = handle.Trigger(ctx, client.ScheduleTriggerOptions{})
	}
	if err != nil {
		return fmt.Errorf("ask for checks: %w", err)
	}
	return nil
}
