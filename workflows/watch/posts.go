package watch

import (
	"errors"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/workflows"
)

var (
	digestReceivers = workflows.Step{StartToClose: time.Minute}
	// without end: a receiver's outage is waited out
	sendDigest = workflows.LongStep(30 * time.Minute)
	writeLists = workflows.LongStep(6 * time.Hour)
)

// Digest sends the week to each receiver of the rules, until it takes it.
func Digest(ctx workflow.Context) error {
	var steps *activities.Checks
	var receivers []string
	reading := digestReceivers.With(ctx, "read whom the rules name")
	if err := workflow.ExecuteActivity(reading, steps.DigestReceivers).Get(ctx, &receivers); err != nil {
		return err
	}
	var sending []workflow.Future
	for _, receiver := range receivers {
		input := activities.SendDigestInput{Receiver: receiver, At: workflow.Now(ctx)}
		sending = append(sending, workflow.ExecuteActivity(sendDigest.With(ctx, "send the week to "+receiver),
			steps.SendDigest, input))
	}
	var failed []error
	for _, future := range sending {
		failed = append(failed, future.Get(ctx, nil))
	}
	return errors.Join(failed...)
}

// Lists writes the lists of the rules.
func Lists(ctx workflow.Context) (written activities.WriteListsResult, err error) {
	var steps *activities.Checks
	err = workflow.ExecuteActivity(writeLists.With(ctx, "write the lists of the rules"), steps.WriteLists).Get(ctx,
		&written)
	return written, err
}
