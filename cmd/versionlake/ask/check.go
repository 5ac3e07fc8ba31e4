package ask

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/terminal"
)

// Exit codes of --check, by which monitors that run commands go.
const (
	checkOK = iota
	checkWarning
	checkCritical
	checkUnknown
)

var checkWords = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// ages and counts are from when on a figure is a warning, or critical; 0: never.
type (
	ages struct {
		Warn     time.Duration `yaml:"warn"`
		Critical time.Duration `yaml:"critical"`
	}
	counts struct {
		Warn     float64 `yaml:"warn"`
		Critical float64 `yaml:"critical"`
	}
)

// thresholds are what a file sets; what it leaves out counts as in defaultThresholds.
type thresholds struct {
	SilverAge      ages   `yaml:"silver_age"`
	GoldAge        ages   `yaml:"gold_age"`
	MaintenanceAge ages   `yaml:"maintenance_age"`
	WaitingHours   counts `yaml:"waiting_hours"`
	FailedHours    counts `yaml:"failed_hours"`
	DegradedHours  counts `yaml:"degraded_hours"`
	RejectShare    counts `yaml:"reject_share"`
	GoneFiles      counts `yaml:"gone_files"`
}

func defaultThresholds() thresholds {
	return thresholds{
		SilverAge:      ages{2 * time.Hour, 4 * time.Hour},
		GoldAge:        ages{3 * time.Hour, 6 * time.Hour},
		MaintenanceAge: ages{36 * time.Hour, 96 * time.Hour},
		WaitingHours:   counts{3, 24},
		FailedHours:    counts{1, 6},
		DegradedHours:  counts{1, 0},
		RejectShare:    counts{0.05, 0.2},
	}
}

func readThresholds(path string) (t thresholds, err error) {
	t = defaultThresholds()
	if path == "" {
		return t, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return t, fmt.Errorf("read --thresholds: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&t); err != nil && !errors.Is(err, io.EOF) {
		return t, fmt.Errorf("read --thresholds %s: %w", path, err)
	}
	return t, nil
}

// checked is a figure, held against its thresholds.
type checked struct {
	text     string // such as: newest hour in gold ended 3h0m ago
	name     string
	value    float64
	unit     string
	warn     float64
	critical float64
}

func (c checked) code() int {
	switch {
	case c.critical > 0 && c.value >= c.critical:
		return checkCritical
	case c.warn > 0 && c.value >= c.warn:
		return checkWarning
	}
	return checkOK
}

// figure is the form in which monitors take figures: name=value;warn;critical.
func (c checked) figure() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	limit := func(f float64) string {
		if f <= 0 {
			return ""
		}
		return number(f)
	}
	return fmt.Sprintf("%s=%s%s;%s;%s", c.name, number(c.value), c.unit, limit(c.warn), limit(c.critical))
}

// runCheck prints one line, whatever happens.
func (o *Status) runCheck(ctx context.Context) error {
	all, err := o.figures(ctx)
	if err != nil {
		o.Stdout.Printf("VERSIONLAKE UNKNOWN - %s\n", strings.ReplaceAll(terminal.Error(err), "\n", " "))
		return usage.WithExit(checkUnknown, nil)
	}
	worst := slices.MaxFunc(all, func(a, b checked) int { return cmp.Compare(a.code(), b.code()) }).code()
	var texts, figures []string
	for _, c := range all {
		if c.name != "" {
			figures = append(figures, c.figure())
		}
		if c.code() == worst && c.text != "" && (worst != checkOK || c.name == "gold_age") {
			texts = append(texts, c.text)
		}
	}
	o.Stdout.Printf("VERSIONLAKE %s - %s | %s\n", checkWords[worst], strings.Join(texts, "; "),
		strings.Join(figures, " "))
	if worst == checkOK {
		return nil
	}
	return usage.WithExit(worst, nil)
}

func (o *Status) figures(ctx context.Context) ([]checked, error) {
	t, err := readThresholds(o.thresholds)
	if err != nil {
		return nil, err
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	s, err := (&status.Watch{Lake: l}).Read(ctx)
	if err != nil {
		return nil, err
	}
	if s.Newest == nil {
		return nil, errors.New("no hours with files yet")
	}
	all := t.ofLake(s)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := session.Find(ctx, o.Settings)
	if err != nil { // a server is named, and nothing works without it
		return append(all, checked{text: "Temporal can't be reached", value: 1, critical: 1}), nil
	}
	if c == nil {
		return all, nil
	}
	defer c.Close()
	work, err := workOf(ctx, c, l)
	return append(all, t.ofWork(work)...), err
}

func aged(name, text string, since time.Time, limit ages) checked {
	return checked{text: text + " " + agoText(since), name: name,
		value: time.Since(since).Truncate(time.Second).Seconds(),
		unit:  "s", warn: limit.Warn.Seconds(), critical: limit.Critical.Seconds()}
}

func counted(name, text string, value float64, limit counts) checked {
	return checked{text: fmt.Sprintf(text, value), name: name, value: value, warn: limit.Warn, critical: limit.Critical}
}

func (t thresholds) ofLake(s status.Status) []checked {
	all := []checked{aged("silver_age", "the newest hour in silver, "+s.Newest.String()+", ended",
		(*s.Newest + 1).Start(), t.SilverAge)}
	if s.GoldNewest == nil {
		all = append(all, checked{text: "gold shows no hour", value: 1, critical: 1})
	} else {
		all = append(all, aged("gold_age", "the newest hour in gold, "+s.GoldNewest.String()+", ended",
			(*s.GoldNewest+1).Start(), t.GoldAge))
	}
	share := 0.0
	if s.Lately.Lines > 0 {
		share = float64(s.Lately.Rejects) / float64(s.Lately.Lines)
	}
	return append(all,
		counted("waiting_hours", "%.0f hours wait for gold", float64(len(s.Waiting)), t.WaitingHours),
		counted("degraded_hours", fmt.Sprintf("%%.0f of the last %d hours are degraded, see versionlake status --files",
			status.RecentHours), float64(s.Lately.Degraded), t.DegradedHours),
		counted("reject_share", fmt.Sprintf("of the lines of the last %d hours, a share of %%.3f was rejected",
			status.RecentHours), share, t.RejectShare),
		counted("gone_files", "%.0f files have left the source", float64(s.Gone.Files), t.GoneFiles))
}

func (t thresholds) ofWork(work observe.Work) []checked {
	all := []checked{counted("failed_hours", "%.0f hours failed and must be ingested again", float64(len(work.Failed)),
		t.FailedHours)}
	if !work.MaintainedAt.IsZero() {
		all = append(all, aged("maintenance_age", "maintenance last ended well", work.MaintainedAt, t.MaintenanceAge))
	}
	if work.MaintenanceFailed {
		all = append(all, checked{text: "the last maintenance failed", value: 1, warn: 1})
	}
	return all
}
