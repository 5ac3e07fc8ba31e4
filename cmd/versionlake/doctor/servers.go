package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/trino"
	"github.com/versionlake/versionlake/worker"
)

// checkTemporal asks the server that commands would use for what they need of it.
func (d *doctor) checkTemporal(ctx context.Context) {
	c, err := session.Find(ctx, d.Settings)
	switch {
	case err != nil:
		d.say("temporal", wrong, text(err), "")
		return
	case c == nil:
		d.checkLocalTemporal(ctx)
		return
	}
	defer c.Close()
	missing, byHand, err := worker.MissingSearchAttributes(ctx, c.Client, c.Namespace)
	if err != nil {
		d.say("temporal", wrong, text(err), "")
		return
	}
	if ahead, err := worker.ClockAhead(ctx, c.Client, c.Namespace); err == nil {
		d.clocks = append(d.clocks, clock{"Temporal", ahead})
	}
	where := fmt.Sprintf("%s, namespace %s, answers", c.Where, c.Namespace)
	if len(missing) > 0 {
		d.say("temporal", warning, where+", and lacks search attributes",
			"versionlake worker registers them where it may, else "+byHand)
		return
	}
	pollers, err := worker.Pollers(ctx, c.Client)
	if err != nil {
		d.say("temporal", wrong, text(err), "")
		return
	}
	found, paused, err := worker.HourlySchedule(ctx, c.Client)
	schedule := "the hourly schedule runs"
	switch {
	case err != nil:
		d.say("temporal", wrong, text(err), "")
		return
	case len(pollers) == 0:
		d.say("temporal", warning, where+"; no worker has asked for steps in the last minute and a half",
			"start versionlake worker")
		return
	case paused:
		d.say("temporal", warning, where+"; the hourly schedule is paused",
			"unpause it in the Temporal UI, or: temporal schedule toggle --unpause --schedule-id "+worker.ScheduleID)
		return
	case !found:
		schedule = "there is no hourly schedule"
	}
	d.say("temporal", ok, fmt.Sprintf("%s; %s; %s", where, output.Count(int64(len(pollers)), "worker"), schedule), "")
}

// checkLocalTemporal tries the program that commands start where no server is named.
func (d *doctor) checkLocalTemporal(ctx context.Context) {
	program, err := worker.DevServerProgram()
	if err != nil {
		d.say("temporal", wrong, text(err), "")
		return
	}
	said, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		d.say("temporal", wrong, fmt.Sprintf("%s does not run: %s", program, text(err)),
			"install Temporal's command line again")
		return
	}
	d.say("temporal", ok, fmt.Sprintf("no server is named: commands start their own by %s (%s)", program,
		strings.TrimSpace(string(said))), "")
}

// checkTrino asks for the views.
func (d *doctor) checkTrino(ctx context.Context) {
	address, err := d.TrinoAddress()
	var none *settings.NoTrinoError
	switch {
	case errors.As(err, &none):
		d.say("trino", note, "none runs on this folder, so SQL can't be asked", "versionlake trino up starts one")
		return
	case err != nil:
		d.say("trino", wrong, text(err), "")
		return
	}
	db, err := trino.Open(address, trino.CatalogName, trino.Schema)
	if err != nil {
		d.say("trino", wrong, text(err), "")
		return
	}
	defer db.Close()
	before := time.Now()
	var version string
	var now time.Time
	if err := db.QueryRowContext(ctx, "SELECT version(), current_timestamp").Scan(&version, &now); err != nil {
		d.say("trino", wrong, text(trino.Plain(err)), "see --trino, or start one with versionlake trino up")
		return
	}
	d.addClock("Trino", now, before)
	missing, err := trino.MissingViews(ctx, db)
	switch {
	case err != nil:
		d.say("trino", wrong, fmt.Sprintf("Trino %s does not show the views: %s", version, text(trino.Plain(err))),
			"versionlake trino views makes them")
	case len(missing) > 0:
		d.say("trino", warning, fmt.Sprintf("Trino %s lacks %s: %s", version,
			output.Count(int64(len(missing)), "view"), strings.Join(missing, ", ")),
			"versionlake trino views makes them")
	default:
		d.say("trino", ok, fmt.Sprintf("Trino %s answers and has all views", version), "")
	}
}

// clock is how far another clock is ahead of ours.
type clock struct {
	of    string
	ahead time.Duration
}

// addClock compares with a time that was read between before and now.
func (d *doctor) addClock(of string, at, before time.Time) {
	after := time.Now()
	ahead := time.Duration(0)
	switch {
	case at.After(after):
		ahead = at.Sub(after)
	case at.Before(before):
		ahead = at.Sub(before)
	}
	d.clocks = append(d.clocks, clock{of, ahead})
}

// Clocks that differ by more are told of. S3 tells whole seconds, and Temporal's is read within one.
const (
	apart    = 5 * time.Second
	farApart = time.Minute
)

// checkClocks sums up what others told of the time.
func (d *doctor) checkClocks(context.Context) {
	if len(d.clocks) == 0 {
		d.say("clocks", note, "there is no other clock yet to compare this machine's with", "")
		return
	}
	state, do := ok, ""
	var names, off []string
	for _, c := range d.clocks {
		names = append(names, c.of)
		by := c.ahead.Abs()
		if by < apart {
			continue
		}
		word := "ahead of"
		if c.ahead < 0 {
			word = "behind"
		}
		off = append(off, fmt.Sprintf("that of %s is %s %s this machine's", c.of, by.Round(time.Second), word))
		if do = "let all machines keep their time by NTP"; by >= farApart {
			state = wrong
		} else if state == ok {
			state = warning
		}
	}
	if state == ok {
		off = []string{"this machine's agrees with " + strings.Join(names, ", ")}
	}
	d.say("clocks", state, strings.Join(off, "; "), do)
}
