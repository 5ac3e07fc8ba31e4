package watch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/lake/lists"
	"github.com/versionlake/versionlake/workflows"
)

var (
	digestReceivers = workflows.Step{StartToClose: time.Minute}
	// without end: a receiver's outage is waited out
	sendDigest   = workflows.LongStep(30 * time.Minute)
	listsOfRules = workflows.Step{StartToClose: time.Minute}
	// The next lists are due after a day, and these may wait for one another.
	writeList = workflows.Step{StartToClose: 3 * time.Hour, Heartbeat: workflows.Heartbeat, Patience: 6 * time.Hour}
	noteLists = workflows.Step{StartToClose: time.Minute}
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

// versionEachList is since when each list is a step of its own; before, all were one that was tried without end.
const versionEachList = "each-list"

// Lists writes the lists of the rules, each by itself, and keeps in the lake which were not written.
func Lists(ctx workflow.Context) (result activities.WriteListsResult, err error) {
	var steps *activities.Checks
	if workflow.GetVersion(ctx, versionEachList, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		err = workflow.ExecuteActivity(writeList.With(ctx, "write the lists of the rules"), steps.WriteLists).Get(ctx,
			&result)
		return result, err
	}
	var named []activities.WriteListInput
	reading := listsOfRules.With(ctx, "read which lists the rules name")
	if err := workflow.ExecuteActivity(reading, steps.ListsOfRules).Get(ctx, &named); err != nil {
		return result, err
	}
	var writing []workflow.Future
	for _, list := range named {
		writing = append(writing, workflow.ExecuteActivity(writeList.With(ctx, "write the list "+list.View),
			steps.WriteList, list))
	}
	var failed []string
	for _, future := range writing {
		var written lists.Written
		if failure := future.Get(ctx, &written); failure != nil {
			failed = append(failed, workflows.Cause(failure))
			continue
		}
		result.Written = append(result.Written, written)
	}
	if ctx.Err() != nil {
		return result, ctx.Err()
	}
	noting := noteLists.With(ctx, "note which lists were written")
	noted := activities.NoteListsInput{Due: len(named), Failed: failed}
	err = workflow.ExecuteActivity(noting, steps.NoteLists, noted).Get(ctx, nil)
	if err == nil && len(failed) > 0 {
		err = temporal.NewNonRetryableApplicationError(fmt.Sprintf("%d of %d lists were not written: %s",
			len(failed), len(named), strings.Join(failed, "; ")), activities.ErrorLists, nil)
	}
	return result, err
}
