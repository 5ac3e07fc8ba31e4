package observe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/versionlake/versionlake/lake/ledger"
)

// Kinds of metrics.
const (
	Counter   = "counter"
	Histogram = "histogram"
	Gauge     = "gauge"
)

// Metric describes one of our metrics, as docs/TELEMETRY.md lists it.
type Metric struct {
	Name, Kind, Unit string
	Attributes       string // and their values
	Says             string
}

// What a process did. Each worker counts for itself.
const (
	hoursDone        = "versionlake.hours"
	linesRead        = "versionlake.lines"
	linesRejected    = "versionlake.rejects"
	sourceBytes      = "versionlake.source"
	filesSeen        = "versionlake.files"
	stepDuration     = "versionlake.step.duration"
	stepIO           = "versionlake.step.io"
	commits          = "versionlake.commits"
	conflicts        = "versionlake.commit.conflicts"
	workflowsEnded   = "versionlake.workflows"
	maintenanceTook  = "versionlake.maintenance"
	maintenanceSaved = "versionlake.maintenance.saved"
	observeFailures  = "versionlake.observe.failures"
	storeRequests    = "versionlake.store.requests"
	cpuTime          = "process.cpu.time"
)

// Done are the metrics of what a process did.
var Done = []Metric{
	{hoursDone, Counter, "{hour}", "`state`: complete, empty, degraded", "runs of hours that were committed"},
	{linesRead, Counter, "{line}", "`outcome`: event, reject, blank, erased",
		"lines read, of hours that were committed"},
	{linesRejected, Counter, "{line}", "`reason`: as in EVENTS.md", "lines rejected, when they are parsed"},
	{sourceBytes, Counter, "By", "", "sizes of files, of hours that were committed"},
	{filesSeen, Counter, "{file}", "`state`: read, bad, gone, passed", "files, of hours that were committed"},
	{stepDuration, Histogram, "s", "`step`: such as ParseChunk; `outcome`: ok, failed, canceled",
		"attempts of steps"},
	{stepIO, Counter, "By", "`step`; `direction`: read, write", "bytes of the warehouse that steps read and wrote"},
	{commits, Counter, "{commit}", "`table`: such as silver.events", "commits of tables"},
	{conflicts, Counter, "{conflict}", "`table`", "commits that met another one, and were redone or given up"},
	{workflowsEnded, Counter, "{workflow}",
		"`workflow`: such as IngestHour; `outcome`: completed, failed, canceled, continued",
		"workflows that ended on this worker"},
	{maintenanceTook, Counter, "{object}", "`table`; `step`: drop, compact, manifests, expire, sweep; `what`: files, " +
		"manifests, snapshots, tags, folders, hours", "what maintenance took away"},
	{maintenanceSaved, Counter, "By", "`table`; `step`", "bytes that it freed"},
	{observeFailures, Counter, "{failure}", "`what`: lake, temporal", "times that the figures below could not be read"},
	{storeRequests, Counter, "{request}", "`kind`: write, list, read, delete", "requests to S3, tries included"},
	{cpuTime, Counter, "s", "`cpu_mode`: user, system", "seconds of processors"},
}

// Recorder counts what a process does. That of a process that is not observed is nil.
type Recorder struct {
	counters map[string]metric.Int64Counter
	duration metric.Float64Histogram
}

func newRecorder(meter metric.Meter) (*Recorder, error) {
	r := &Recorder{counters: map[string]metric.Int64Counter{}}
	for _, m := range Done {
		var err error
		if m.Name == storeRequests || m.Name == cpuTime {
			continue // see observeProcess
		}
		if m.Kind == Histogram {
			r.duration, err = meter.Float64Histogram(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Says))
		} else {
			r.counters[m.Name], err = meter.Int64Counter(m.Name, metric.WithUnit(m.Unit),
				metric.WithDescription(m.Says))
		}
		if err != nil {
			return nil, fmt.Errorf("make the metric %s: %w", m.Name, err)
		}
	}
	return r, nil
}

// add counts, where there is anything to count. Attributes are names and values in turn.
func (r *Recorder) add(name string, n int64, attributes ...string) {
	if n <= 0 {
		return
	}
	r.counters[name].Add(context.Background(), n, with(attributes...))
}

func with(attributes ...string) metric.MeasurementOption {
	var all []attribute.KeyValue
	for pair := range slices.Chunk(attributes, 2) {
		all = append(all, attribute.String(pair[0], pair[1]))
	}
	return metric.WithAttributeSet(attribute.NewSet(all...))
}

// Hour counts a run of an hour that was committed.
func (r *Recorder) Hour(row ledger.Hour) {
	if r == nil {
		return
	}
	r.add(hoursDone, 1, "state", row.State)
	for outcome, lines := range map[string]int64{"event": row.Events, "reject": row.Rejects, "blank": row.Blanks,
		"erased": row.Erased} {
		r.add(linesRead, lines, "outcome", outcome)
	}
	r.add(sourceBytes, row.Bytes)
	for state, files := range map[string]int64{ledger.FileRead: row.Files - row.BadFiles - row.GoneFiles,
		ledger.FileBad: row.BadFiles, ledger.FileGone: row.GoneFiles, ledger.FilePassed: row.PassedOver} {
		r.add(filesSeen, files, "state", state)
	}
}

// Rejected counts lines that were rejected, by their reason.
func (r *Recorder) Rejected(reasons map[string]int64) {
	if r == nil {
		return
	}
	for reason, lines := range reasons {
		r.add(linesRejected, lines, "reason", reason)
	}
}

// Maintained counts what a step of maintenance took away.
func (r *Recorder) Maintained(table, step, what string, removed, bytes int64) {
	if r == nil {
		return
	}
	r.add(maintenanceTook, removed, "table", table, "step", step, "what", what)
	r.add(maintenanceSaved, bytes, "table", table, "step", step)
}

// Commit counts a commit of a table, or one that met another writer's.
func (r *Recorder) Commit(table string, conflict bool) {
	if r == nil {
		return
	}
	name := commits
	if conflict {
		name = conflicts
	}
	r.add(name, 1, "table", table)
}

func (r *Recorder) step(step, outcome string, took time.Duration, read, written int64) {
	r.duration.Record(context.Background(), took.Seconds(), with("step", step, "outcome", outcome))
	r.add(stepIO, read, "step", step, "direction", "read")
	r.add(stepIO, written, "step", step, "direction", "write")
}

func (r *Recorder) ended(workflow, outcome string) {
	r.add(workflowsEnded, 1, "workflow", workflow, "outcome", outcome)
}
