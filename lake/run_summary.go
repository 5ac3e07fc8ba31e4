package lake

import (
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake/schema"
	"github.com/versionlake/versionlake/telemetry"
)

// Keys of snapshot summaries: which runs a commit belongs to.
const (
	summaryRun = "versionlake.run-id"
	// SummaryHours are the hours that the commit changed, with a blank between: hours that were read together have
	// runs of one id.
	SummaryHours = "versionlake.hours"
)

// RunSummary says that a commit belongs to the runs of this id.
func RunSummary(id string, hours ...telemetry.Hour) iceberg.Properties {
	names := make([]string, len(hours))
	for i, hour := range hours {
		names[i] = hour.String()
	}
	return iceberg.Properties{summaryRun: id, SummaryHours: strings.Join(names, " ")}
}

// RunsIn are the runs that a snapshot belongs to; none of one that is not an hour's, such as a compaction.
func RunsIn(snapshot *table.Snapshot) (runs []Run) {
	if snapshot.Summary == nil {
		return nil
	}
	id := snapshot.Summary.Properties[summaryRun]
	for name := range strings.FieldsSeq(snapshot.Summary.Properties[SummaryHours]) {
		if hour, err := telemetry.ParseHour(name); err == nil && id != "" {
			runs = append(runs, Run{Hour: hour, ID: id})
		}
	}
	return runs
}

// RunSnapshot finds the snapshot that a run committed to a table, however its answer was lost.
func RunSnapshot(loaded *table.Table, run Run) (snapshot *table.Snapshot, found bool) {
	snapshots := loaded.Metadata().Snapshots()
	for i := len(snapshots) - 1; i >= 0; i-- {
		summary := snapshots[i].Summary
		if summary != nil && summary.Properties[summaryRun] == run.ID &&
			strings.Contains(summary.Properties[SummaryHours], run.Hour.String()) {
			return &snapshots[i], true
		}
	}
	return nil, false
}

// SummaryFormat is what commits of gold say of the format that their program knows.
func SummaryFormat() iceberg.Properties { return schema.FormatProperty() }

// Keys of gold's snapshot summaries: what each commit reflects.
const (
	PropertyFormat   = schema.PropertyFormat
	SummaryRound     = "versionlake.round"
	SummarySightings = "versionlake.sightings-snapshot"
	SummaryBindings  = "versionlake.bindings-snapshot"
	// SummaryNewestHour is the last hour that the commit shows, by itself or by those before it.
	SummaryNewestHour = "versionlake.newest-hour"
	SummaryTags       = "versionlake.tags" // given with the commit: what moves a tag later on does not move this
)
