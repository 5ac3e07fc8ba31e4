// Package workflows tells the stories: how an hour of files comes into the lake, how gold follows, how a range is done
// again, and what the schedule does every hour. They are deterministic: all else happens in package activities.
//
// Each story has a folder here. Every workflow is a function that a person can start in the Temporal UI with a small
// JSON input, and its name there is the function's. This package itself holds what the stories share: how a step is
// run, and what the Temporal UI shows of all of them.
package workflows
