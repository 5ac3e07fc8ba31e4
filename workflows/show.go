package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
)

// Search attributes by which runs are found in the Temporal UI.
var (
	// HoursAttribute are the hours that a workflow is about, such as 2022-05-27T05. Hours that are read together are
	// found by each of them.
	HoursAttribute = temporal.NewSearchAttributeKeyKeywordList("Hours")
	// StateAttribute is what a workflow is doing, or how it ended. It is not called Status, which would cover the UI's
	// own column of that name. Until 2026-11, it was, and Hours was Hour, a single one.
	StateAttribute = temporal.NewSearchAttributeKeyKeyword("HourState")
)

// OfHours is the value of HoursAttribute.
func OfHours(hours ...telemetry.Hour) temporal.SearchAttributeUpdate {
	names := make([]string, len(hours))
	for i, hour := range hours {
		names[i] = hour.String()
	}
	return HoursAttribute.ValueSet(names)
}

// ProgressQuery asks any of the workflows how far it is.
const ProgressQuery = "progress"

// The state of a workflow that ingests; an hour that is done has its state in the ledger instead.
const (
	StatusIngesting = "ingesting"
	StatusGold      = "waiting for gold"
	StatusFailed    = "failed"
	StatusCanceled  = "canceled"
)

// SetStatus sets the search attribute that lists of workflows show. Every change costs the server a write, so there
// are few.
func SetStatus(ctx workflow.Context, status string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, StateAttribute.ValueSet(status)); err != nil {
		workflow.GetLogger(ctx).Warn("can't set the state", "state", status, "error", err)
	}
}

// Headline is the first line of a workflow's page: what it does, or how it ended. What somebody should look at stands
// out there.
func Headline(doing, why string) string {
	switch doing {
	case ledger.HourDegraded, StatusFailed:
		if why != "" {
			why = ": " + terminal.Clean(why)
		}
		return "## ⚠ " + doing + why
	}
	return "**" + doing + "**"
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
