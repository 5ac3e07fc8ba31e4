package ask

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
)

// At asks which version each installation of a user ran at a moment.
type At struct {
	*settings.Settings
	User string
	Time time.Time
	// AsOf names what was known: a tag, a snapshot or a time; "" is now.
	AsOf string
}

func newAt(s *settings.Settings) *cobra.Command {
	o := &At{Settings: s}
	cmd := &cobra.Command{
		Use:   "at USER TIME",
		Short: "The version in effect at a moment, in each of the user's installations",
		Long: `at prints which version each installation of a user (service and device) ran at a moment: by what is
known now, or by what was known when a tag, a snapshot or a time was the newest.

It reads the lake and needs no Temporal. With --output json there is one object an installation.

Of a user whose history was cut (--max-intervals) it answers "cut" for a time that lies before the
intervals that are left, in JSON an object with "cut": true.

` + usage.MomentForms,
		Example: `  versionlake at p1 2021-12-24T12:00:00Z
  versionlake at p1 2021-12-24T12:00:00Z --as-of hour-2021-12-24T12
  versionlake at p1 2021-12-24T12:00:00Z --as-of 2021-12-25T00:00:00Z --output json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.User = args[0]
			if err := o.Times().UserFirst("at", args[0], args[1]); err != nil {
				return err
			}
			if o.Time, err = o.Times().Moment("the time", args[1]); err != nil {
				return err
			}
			o.AsOf = o.Times().AsOf(o.AsOf)
			return o.Run(cmd.Context())
		},
	}
	addAsOf(cmd, &o.AsOf)
	return cmd
}

// versionAt is an installation's version as --output json writes it.
type versionAt struct {
	UserID   string `json:"user_id"`
	UserKind string `json:"user_kind"`
	At       string `json:"at"`
	Interval
	SnapshotID int64 `json:"snapshot_id,string"`
}

// Run prints the answer.
func (o *At) Run(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	version, err := versionAsOf(ctx, l, o.AsOf, o.Stderr)
	if err != nil {
		return err
	}
	user, err := findUser(ctx, l, version, o.User, o.AsOf)
	if err != nil {
		return err
	}
	if user.CutAt(o.Time.UnixMicro()) {
		return o.tellCut(&user, version)
	}
	intervals := user.At(o.Time.UnixMicro())
	if len(intervals) == 0 {
		o.Stderr.Printf("%s was first seen at %s: no version is known at %s\n", user.ID,
			output.Micros(user.FirstSeenAt), output.Instant(o.Time))
		return nil
	}
	p := o.NewPrinter("SERVICE", "DEVICE", "VERSION", "FROM", "TO")
	for i := range intervals {
		object := versionAt{
			UserID: user.ID, UserKind: user.Kind, At: output.Instant(o.Time), Interval: intervalOf(&intervals[i]),
			SnapshotID: version.SnapshotID,
		}
		if err := p.Add(object, intervalCells(&intervals[i])...); err != nil {
			return err
		}
	}
	return p.Flush()
}

// cutAt is the answer where the row holds too little of the history to tell, as --output json writes it.
type cutAt struct {
	UserID   string `json:"user_id"`
	UserKind string `json:"user_kind"`
	At       string `json:"at"`
	Cut      bool   `json:"cut"`
	cutHistory
	SnapshotID int64 `json:"snapshot_id,string"`
}

// cutHistory says what a row lacks.
type cutHistory struct {
	IntervalsCut int64  `json:"intervals_cut,omitempty"`
	CutBefore    string `json:"cut_before,omitempty"`
}

func cutOf(user *history.User) cutHistory {
	if user.IntervalsCut == 0 {
		return cutHistory{}
	}
	return cutHistory{user.IntervalsCut, output.Micros(user.CutBefore)}
}

// tellCut answers that the history was cut there, which is another answer than that nothing was in effect.
func (o *At) tellCut(user *history.User, version gold.Version) error {
	o.Stderr.Printf("cut: %s\n", cutText(user))
	if o.Format != output.JSON {
		return nil
	}
	p := o.NewPrinter()
	if err := p.Add(cutAt{UserID: user.ID, UserKind: user.Kind, At: output.Instant(o.Time), Cut: true,
		cutHistory: cutOf(user), SnapshotID: version.SnapshotID}); err != nil {
		return err
	}
	return p.Flush()
}

// cutText says what a row lacks, and where it may still be found.
func cutText(user *history.User) string {
	before := "before " + output.Micros(user.CutBefore)
	if user.CutBefore == history.EndOfTime {
		before = "at any time, since it runs in more installations than that"
	}
	return fmt.Sprintf("the history of %s holds its newest %d intervals, and %d older ones were left out "+
		"(--max-intervals): what it ran %s is not told; silver.sightings has all of its sightings", user.ID,
		len(user.History), user.IntervalsCut, before)
}
