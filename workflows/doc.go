// Package workflows tells the stories: how an hour of files comes into the lake, how gold follows, how a range is done
// again, and what the schedule does every hour. It is deterministic: all else happens in package activities.
//
// Every workflow is a function that a person can start in the Temporal UI with a small JSON input.
package workflows

import (
	"go.temporal.io/sdk/temporal"
)

// Search attributes by which runs are found in the Temporal UI.
var (
	// HourAttribute is the hour that a workflow is about, such as 2022-05-27T05.
	HourAttribute = temporal.NewSearchAttributeKeyKeyword("Hour")
	// StatusAttribute is what a workflow is doing, or how it ended.
	StatusAttribute = temporal.NewSearchAttributeKeyKeyword("Status")
)

// ProgressQuery asks any workflow of this package how far it is.
const ProgressQuery = "progress"
