package ingest

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/telemetry"
)

// Hours that have not begun have no files yet. To record one as empty, and to tag it, would be wrong for ever after.
// Whether an hour has begun is told by Temporal's clock, since those of workers and of people differ.

// Begun tells whether an hour has begun. What earlier versions began goes on.
func Begun(ctx workflow.Context, hour telemetry.Hour) bool {
	return !hour.Start().After(workflow.Now(ctx)) ||
		workflow.GetVersion(ctx, "hours that have not begun", workflow.DefaultVersion, 1) == workflow.DefaultVersion
}

// refuseUnbegun refuses an hour that has not begun.
func refuseUnbegun(ctx workflow.Context, hour telemetry.Hour) error {
	if Begun(ctx, hour) {
		return nil
	}
	return activities.BadInput(fmt.Sprintf("hour %s has not begun: by Temporal's clock it is %s. Nothing was changed",
		hour,
		workflow.Now(ctx).UTC().Format(time.RFC3339)), nil)
}
