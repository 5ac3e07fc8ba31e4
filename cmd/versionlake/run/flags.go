package run

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows/ingest"
)

func addScheduleFlags(cmd *cobra.Command, o *worker.ScheduleOptions) {
	flags := cmd.Flags()
	flags.DurationVar(&o.Delay, "delay", ingest.DefaultDelay, "after its end, until an hour is ingested")
	flags.StringVar(&o.Maintain.KeepBronze, "keep-bronze", "", "drop rows of bronze this long after their hour, "+
		"such as 2160h; for ever when empty [VERSIONLAKE_KEEP_BRONZE]")
	flags.StringVar(&o.Maintain.KeepEvents, "keep-events", "", "the same for silver.events [VERSIONLAKE_KEEP_EVENTS]")
	usage.AddAges(cmd, &o.Maintain.SnapshotAge, &o.Maintain.Grace)
	flags.DurationVar(&o.ReconcileHourly, "reconcile-hourly", worker.DefaultReconcileHourly,
		"how far back files are compared with what was read, every hour; 0: never")
	flags.DurationVar(&o.ReconcileDaily, "reconcile-daily", worker.DefaultReconcileDaily, "the same, every day")
	flags.DurationVar(&o.Checks, "checks-every", worker.DefaultChecks,
		"how often the lake is looked at, besides whenever gold moves; 0: never")
	flags.DurationVar(&o.Catchup, "catchup", worker.DefaultCatchup,
		"how long an outage of Temporal the schedule makes up for")
}
