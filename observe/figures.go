package observe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/telemetry"
)

// What the lake holds.
const (
	silverAge         = "versionlake.silver.newest_hour.age"
	goldAge           = "versionlake.gold.newest_hour.age"
	goldWaiting       = "versionlake.gold.waiting_hours"
	ledgerHours       = "versionlake.ledger.hours"
	ledgerFiles       = "versionlake.ledger.files"
	ledgerLines       = "versionlake.ledger.lines"
	tableFiles        = "versionlake.table.files"
	tableRows         = "versionlake.table.rows"
	tableSnapshots    = "versionlake.table.snapshots"
	tableSize         = "versionlake.table.size"
	erasures          = "versionlake.erasures"
	maintenanceAge    = "versionlake.maintenance.age"
	maintenanceFailed = "versionlake.maintenance.failed"
	checkState        = "versionlake.check.state"
	observedAge       = "versionlake.observed.age"
)

// Held are the metrics of what the lake holds.
var Held = []Metric{
	{silverAge, Gauge, "s", "", "since the end of the newest hour with files in silver"},
	{goldAge, Gauge, "s", "", "since the end of the newest hour with files that gold shows"},
	{goldWaiting, Gauge, "{hour}", "", "hours in silver that gold does not show"},
	{ledgerHours, Gauge, "{hour}", "`state`: complete, empty, degraded, failed",
		"hours by the state of their last run; failed: by Temporal, and not done since"},
	{ledgerFiles, Gauge, "{file}", "`state`: bad, gone, passed",
		"files left out or gone, by the last run of their hours"},
	{ledgerLines, Gauge, "{line}", "`outcome`: event, reject, blank, erased", "lines by the last run of their hours"},
	{tableFiles, Gauge, "{file}", "`layer`: bronze, silver, gold, ops; `table`", "live data files"},
	{tableRows, Gauge, "{row}", "`layer`; `table`", "live rows"},
	{tableSnapshots, Gauge, "{snapshot}", "`layer`; `table`", "snapshots that can be read"},
	{tableSize, Gauge, "By", "`layer`; `table`", "bytes of live data files"},
	{erasures, Gauge, "{erasure}", "`state`: begun, done", "users forgotten, or being forgotten"},
	{maintenanceAge, Gauge, "s", "", "since maintenance last ended well; absent before the first"},
	{maintenanceFailed, Gauge, "{run}", "", "1: the last maintenance failed; 0: it did not"},
	{checkState, Gauge, "{state}", "`check`: as in CHECKS.md",
		"what checks found last: 0 is ok, 1 warn, 2 fail; absent where it could not be found out"},
	{observedAge, Gauge, "s", "", "since these figures were last read whole"},
}

// FailedRun is a run of an hour that failed.
type FailedRun struct {
	At    time.Time
	RunID string
}

// Work is what Temporal knows of work that went wrong, or that is done now and then.
type Work struct {
	// Failed are hours whose last run failed, and when that was.
	Failed map[telemetry.Hour]FailedRun
	// MaintainedAt is when maintenance last ended well; zero: never, as far as Temporal remembers.
	MaintainedAt      time.Time
	MaintenanceFailed bool
}

// Sources are where the figures are read.
type Sources struct {
	Lake func(context.Context) (status.Status, error)
	Work func(context.Context) (Work, error)
	// Checks are the states of checks, by their names.
	Checks func(context.Context) (map[string]string, error)
}

// figures are gauges of what the lake holds. They are read at most every so often, and only when somebody collects.
type figures struct {
	recorder *Recorder
	every    time.Duration
	gauges   map[string]metric.Float64Observable

	mutex   sync.Mutex
	sources Sources
	begun   time.Time     // of the last reading
	reading chan struct{} // closed when it ended; nil: none was begun
	read    time.Time     // when both were last read whole
	lake    *status.Status
	checks  map[string]string
	work    *Work
}

// readTimeout bounds a reading; firstWait is how long who collects waits for it, before the last figures do.
const (
	readTimeout = time.Minute
	firstWait   = 5 * time.Second
)

func newFigures(meter metric.Meter, recorder *Recorder, every time.Duration) (*figures, error) {
	f := &figures{recorder: recorder, every: every, gauges: map[string]metric.Float64Observable{}}
	var all []metric.Observable
	for _, m := range Held {
		gauge, err := meter.Float64ObservableGauge(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Says))
		if err != nil {
			return nil, fmt.Errorf("make the metric %s: %w", m.Name, err)
		}
		f.gauges[m.Name] = gauge
		all = append(all, gauge)
	}
	_, err := meter.RegisterCallback(f.observe, all...)
	return f, err
}

// Figures says where the figures of the lake are read. Until then there are none.
func (o *Observer) Figures(sources Sources) {
	if o == nil || o.figures == nil {
		return
	}
	o.figures.mutex.Lock()
	defer o.figures.mutex.Unlock()
	o.figures.sources = sources
}

// refresh begins a reading where the last one is too old, and waits a little for it.
func (f *figures) refresh(ctx context.Context) {
	f.mutex.Lock()
	if f.sources.Lake != nil && (f.reading == nil || isClosed(f.reading)) && time.Since(f.begun) >= f.every {
		f.begun, f.reading = time.Now(), make(chan struct{})
		go f.readAll(f.sources, f.reading)
	}
	reading := f.reading
	f.mutex.Unlock()
	if reading == nil {
		return
	}
	select {
	case <-reading:
	case <-time.After(firstWait):
	case <-ctx.Done():
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (f *figures) readAll(sources Sources, done chan struct{}) {
	defer close(done)
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	lake, lakeErr := sources.Lake(ctx)
	states, err := sources.Checks(ctx)
	lakeErr = errors.Join(lakeErr, err)
	work, workErr := sources.Work(ctx)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if lakeErr == nil {
		f.lake, f.checks = &lake, states
	} else {
		f.recorder.add(observeFailures, 1, "what", "lake")
	}
	if workErr == nil {
		f.work = &work
	} else {
		f.recorder.add(observeFailures, 1, "what", "temporal")
	}
	if lakeErr == nil && workErr == nil {
		f.read = time.Now()
	}
}

func (f *figures) observe(ctx context.Context, o metric.Observer) error {
	f.refresh(ctx)
	f.mutex.Lock()
	lake, work, read, states := f.lake, f.work, f.read, f.checks
	f.mutex.Unlock()
	say := func(name string, value float64, attributes ...string) {
		o.ObserveFloat64(f.gauges[name], value, with(attributes...))
	}
	if !read.IsZero() {
		say(observedAge, time.Since(read).Seconds())
	}
	if lake != nil {
		observeLake(lake, say)
	}
	for check, state := range states {
		if figure, known := figuresOfStates[state]; known {
			say(checkState, figure, "check", check)
		}
	}
	if work != nil {
		if !work.MaintainedAt.IsZero() {
			say(maintenanceAge, time.Since(work.MaintainedAt).Seconds())
		}
		failed := 0.0
		if work.MaintenanceFailed {
			failed = 1
		}
		say(maintenanceFailed, failed)
		say(ledgerHours, float64(len(work.Failed)), "state", "failed")
	}
	return nil
}

var figuresOfStates = map[string]float64{"ok": 0, "warn": 1, "fail": 2}

// AgeOf is how long ago an hour ended.
func AgeOf(hour telemetry.Hour) time.Duration { return time.Since((hour + 1).Start()) }

func observeLake(s *status.Status, say func(name string, value float64, attributes ...string)) {
	if s.Newest != nil {
		say(silverAge, AgeOf(*s.Newest).Seconds())
	}
	if s.GoldNewest != nil {
		say(goldAge, AgeOf(*s.GoldNewest).Seconds())
	}
	say(goldWaiting, float64(len(s.Waiting)))
	for state, hours := range map[string]int64{ledger.HourComplete: s.Hours - s.Empty - s.Degraded,
		ledger.HourEmpty: s.Empty, ledger.HourDegraded: s.Degraded} {
		say(ledgerHours, float64(hours), "state", state)
	}
	for state, files := range map[string]int64{ledger.FileBad: s.BadFiles, ledger.FileGone: s.Gone.Files,
		ledger.FilePassed: s.PassedOver} {
		say(ledgerFiles, float64(files), "state", state)
	}
	for outcome, lines := range map[string]int64{"event": s.Outcomes.Events, "reject": s.Outcomes.Rejects,
		"blank": s.Outcomes.Blanks, "erased": s.Outcomes.Erased} {
		say(ledgerLines, float64(lines), "outcome", outcome)
	}
	for _, table := range s.Tables {
		layer, _, _ := strings.Cut(table.Name, ".")
		at := []string{"layer", layer, "table", table.Name}
		say(tableFiles, float64(table.Files), at...)
		say(tableRows, float64(table.Rows), at...)
		say(tableSnapshots, float64(table.Snapshots), at...)
		say(tableSize, float64(table.Bytes), at...)
	}
	for _, state := range []string{"begun", "done"} {
		say(erasures, float64(s.Erasures[state]), "state", state)
	}
}
