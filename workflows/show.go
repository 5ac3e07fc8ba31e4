package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/terminal"
)

// Search attributes by which runs are found in the Temporal UI.
var (
	// HourAttribute is the hour that a workflow is about, such as 2022-05-27T05.
	HourAttribute = temporal.NewSearchAttributeKeyKeyword("Hour")
	// StatusAttribute is what a workflow is doing, or how it ended.
	StatusAttribute = temporal.NewSearchAttributeKeyKeyword("Status")
)

// ProgressQuery asks any of the workflows how far it is.
const ProgressQuery = "progress"

// The Status of a workflow that ingests; an hour that is done has its state in the ledger instead.
const (
	StatusIngesting = "ingesting"
	StatusGold      = "waiting for gold"
	StatusFailed    = "failed"
	StatusCanceled  = "canceled"
)

// SetStatus sets the search attribute that lists of workflows show. Every change costs the server a write, so there
// are few.
func SetStatus(ctx workflow.Context, status string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, StatusAttribute.ValueSet(status)); err != nil {
		workflow.GetLogger(ctx).Warn("can't set the status", "status", status, "error", err)
	}
}

// LeftOut is a list for people of what was left out.
func LeftOut(files []string) (text string) {
	for _, file := range files {
		text += Item("left out:", file)
	}
	return text
}

// Item is one line of a list for people, and stays one whatever its text holds: names of files are their writers'.
func Item(name, text string) string { return "\n- " + name + " " + terminal.Clean(text) }
