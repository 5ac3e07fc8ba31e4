package ask

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/worker"
	"github.com/versionlake/versionlake/workflows"
	"github.com/versionlake/versionlake/workflows/writers"
)

// askTimeout bounds what is asked of Temporal: the lake's own answer does not wait longer for it.
const askTimeout = 10 * time.Second

// printStanding tells how far silver and gold are, and what Temporal knows of work that went wrong.
func (o *Status) printStanding(ctx context.Context, s status.Status) {
	if s.Newest != nil {
		o.Stdout.Printf("newest hour: %s%s\n", endedText(*s.Newest), goldText(s))
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := session.Find(ctx, o.Settings)
	if err != nil {
		o.Stdout.Printf("Temporal can't be asked for hours that failed: %s\n", err)
	}
	if err != nil || c == nil {
		return
	}
	defer c.Close()
	work, err := o.work(ctx, c)
	if err != nil {
		o.Stdout.Printf("%s\n", err)
		return
	}
	o.printWork(ctx, c, s, work)
}

// work reads what Temporal knows.
func (o *Status) work(ctx context.Context, c *session.Session) (observe.Work, error) {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return observe.Work{}, err
	}
	defer l.Close()
	return workOf(ctx, c, l)
}

func workOf(ctx context.Context, c *session.Session, l *lake.Lake) (observe.Work, error) {
	rows, err := ledger.Hours(ctx, l, telemetry.Hour(-1<<20), telemetry.Hour(1<<26))
	if err != nil {
		return observe.Work{}, err
	}
	return worker.Standing(ctx, c.Client, c.Namespace, rows)
}

func (o *Status) printWork(ctx context.Context, c *session.Session, s status.Status, work observe.Work) {
	if n := len(work.Failed); n > 0 {
		const named = 10
		o.Stdout.Printf("%s failed, and must be ingested again:\n", output.Count(int64(n), "hour"))
		hours := slices.Sorted(maps.Keys(work.Failed))
		for _, hour := range hours[:min(named, n)] {
			run := work.Failed[hour]
			why := "for an unknown reason"
			if err := c.Client.GetWorkflow(ctx, "hour-"+hour.String(), run.RunID).Get(ctx, nil); err != nil {
				why = workflows.Cause(err)
			}
			o.Stdout.Printf("  %s, %s: %s\n", hour, agoText(run.At), why)
		}
		if n > named {
			o.Stdout.Printf("  and %d more\n", n-named)
		}
	}
	if s.Behind {
		var now writers.GoldProgress
		answer, err := c.Client.QueryWorkflow(ctx, activities.GoldWorkflowID, "", workflows.ProgressQuery)
		if err == nil && answer.Get(&now) == nil {
			o.Stdout.Printf("the gold writer: %s\n", now.Status)
		}
	}
	if !work.MaintainedAt.IsZero() {
		o.Stdout.Printf("maintenance last ended well %s\n", agoText(work.MaintainedAt))
	}
	if work.MaintenanceFailed {
		o.Stdout.Printf("the last maintenance failed: see the workflow \"maintain\" in Temporal\n")
	}
}

func endedText(hour telemetry.Hour) string {
	return fmt.Sprintf("%s, ended %s", hour, agoText((hour + 1).Start()))
}

func goldText(s status.Status) string {
	switch {
	case s.GoldNewest == nil:
		return "; gold shows none"
	case *s.GoldNewest == *s.Newest:
		return "; gold shows it"
	}
	return "; in gold: " + endedText(*s.GoldNewest)
}

// waitingText names the first hours that wait for gold.
func waitingText(waiting []telemetry.Hour) string {
	const named = 5
	if len(waiting) == 0 {
		return ""
	}
	var names []string
	for _, hour := range waiting[:min(named, len(waiting))] {
		names = append(names, hour.String())
	}
	if more := len(waiting) - named; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf(" by %s (%s)", output.Count(int64(len(waiting)), "hour"), strings.Join(names, ", "))
}

// agoText is how long ago a moment was, in a person's units.
func agoText(moment time.Time) string {
	const day = 24 * time.Hour
	switch ago := time.Since(moment); {
	case ago < 0:
		return "in the future"
	case ago < time.Minute:
		return "just now"
	case ago < 2*day:
		return strings.TrimSuffix(ago.Truncate(time.Minute).String(), "0s") + " ago"
	default:
		return output.Count(int64(ago/day), "day") + " ago"
	}
}
