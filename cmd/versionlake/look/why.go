package look

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/why"
)

// askWhy asks for what stands behind an answer of at.
type askWhy struct {
	*settings.Settings
	user  string
	at    time.Time
	limit int
}

func newWhy(s *settings.Settings) *cobra.Command {
	o := &askWhy{Settings: s}
	cmd := &cobra.Command{
		Use:   "why USER TIME",
		Short: "The lines behind what at says, and what it would have said earlier",
		Long: `why finds, for each version that a user ran at a moment, the lines that were its sightings, with file and
line number, and the lines that told whose the session is and on which device it runs. Then it says what the
tags of gold.users would have answered. --output json has hours and the runs that read them, too.

Texts are those that bronze has, cut where they are long but in --output json: of hours whose bronze was
dropped, it says so. Of a user who was forgotten, the lake knows nothing. It reads the sightings of the time
around the interval.

` + usage.MomentForms,
		Example: `  versionlake why p1 2021-12-24T12:00:00Z
  versionlake why p1 yesterday --lines 0 --output json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.user = args[0]
			if err := o.Times().UserFirst("why", args[0], args[1]); err != nil {
				return err
			}
			if o.at, err = o.Times().Moment("the time", args[1]); err != nil {
				return err
			}
			if o.limit < 0 {
				return usage.Errorf("--lines %d is less than none", o.limit)
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.limit, "lines", 5, "sightings of each version at most, the first ones and the last; 0 is all")
	return cmd
}

// answered is what --output json writes of an interval, one object each.
type answered struct {
	UserID       string         `json:"user_id"`
	Service      string         `json:"service"`
	Device       *string        `json:"device"`
	Version      string         `json:"version"`
	ValidFrom    string         `json:"valid_from"`
	Sightings    int64          `json:"sightings"`
	Evidence     []why.Evidence `json:"evidence"`
	MoreEvidence int64          `json:"more_sightings"`
	Earlier      []earlier      `json:"earlier"`
}

// earlier is what tags that follow each other say of the installation; null: no version of it.
type earlier struct {
	First   string  `json:"first_tag"`
	Last    string  `json:"last_tag"`
	Version *string `json:"version"`
}

func (o *askWhy) run(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	answer, found, err := why.Ask(ctx, l, o.user, o.at, o.limit)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the lake knows no user %q; ids are case-sensitive, and a session that nobody named is "+
			"session:<SessionId>", o.user)
	}
	if len(answer.Intervals) == 0 {
		o.Stderr.Printf("%s was first seen at %s: no version is known at %s\n", answer.User.ID,
			output.Micros(answer.User.FirstSeenAt), output.Instant(o.at))
	}
	for i := range answer.Intervals {
		if err := o.print(&answer, &answer.Intervals[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *askWhy) print(answer *why.Answer, interval *why.Interval) error {
	a := answered{UserID: answer.User.ID, Service: interval.Service, Version: interval.Version,
		ValidFrom: output.Micros(interval.ValidFrom), Sightings: interval.Sightings, Evidence: interval.Evidence,
		MoreEvidence: interval.More, Earlier: []earlier{}}
	if interval.HasDevice {
		a.Device = &interval.Device
	}
	for _, e := range answer.Earlier {
		a.Earlier = append(a.Earlier, earlier{e.First, e.Last, versionOf(e.Versions, &interval.Interval)})
	}
	if o.Objects() {
		return o.NewPrinter().Add(a)
	}
	o.Stdout.Printf("%s ran %s of %s on %s, from %s: %s\n", a.UserID, a.Version, output.OrDash(a.Service),
		output.OrDash(interval.Device), a.ValidFrom, output.Count(a.Sightings, "sighting"))
	for _, e := range interval.Evidence {
		for _, line := range []*why.Line{e.Sighting, e.User, e.Device} {
			if line != nil {
				o.printLine(line)
			}
		}
	}
	if a.MoreEvidence > 0 {
		o.Stdout.Printf("and %s before the last one: --lines 0 prints all\n",
			output.Count(a.MoreEvidence, "more sighting"))
	}
	for _, e := range a.Earlier {
		said := "nothing of it"
		if e.Version != nil {
			said = *e.Version
		}
		tags := e.First
		if e.Last != e.First {
			tags += " to " + e.Last
		}
		o.Stdout.Printf("as of %s: %s\n", tags, said)
	}
	o.Stdout.Printf("\n")
	return nil
}

// shownText is as much of a line as is shown: it may hold a megabyte, which JSON has whole.
const shownText = 500

// printLine prints what a line says, and below it the line: side by side they are wider than terminals.
func (o *askWhy) printLine(line *why.Line) {
	text := line.Text
	switch {
	case line.Dropped:
		text = "dropped: the lake does not keep its text any more"
	case len(text) > shownText:
		text = strings.ToValidUTF8(text[:shownText], "") + "…"
	}
	o.Stdout.Printf("  %-8s  %s at %s, in line %d of %s\n", line.Says, output.OrDash(line.Of), output.Instant(line.At),
		line.Line, line.File)
	o.Stdout.Printf("            %s\n", output.OrDash(text))
}

// versionOf is the version that one installation ran, among those of all.
func versionOf(versions []history.Interval, of *history.Interval) *string {
	for i := range versions {
		if v := &versions[i]; v.Service == of.Service && v.HasDevice == of.HasDevice && v.Device == of.Device {
			return &v.Version
		}
	}
	return nil
}
