package ask

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/terminal"
)

// History asks for the intervals of a user, or of all.
type History struct {
	*settings.Settings
	User string
	All  bool

	asOf string
}

func newHistory(s *settings.Settings) *cobra.Command {
	o := &History{Settings: s}
	cmd := &cobra.Command{
		Use:   "history USER | --all",
		Short: "The versions that a user, or everyone, ran, and when",
		Long: `history prints the intervals of a user, or of all users in the order of their ids: which version was in
effect in each installation (service and device), from when, and until when. A user whom nobody named is
session:<SessionId>.

A version that is older than the one before it in its installation is marked as a downgrade, and one
that can't be compared with it as not comparable (docs/VERSIONS.md). With --output json, is_downgrade is
true, false or null, and there is one object a user.

It reads the lake and needs no Temporal.`,
		Example: `  versionlake history p1
  versionlake history p1 --as-of hour-2022-05-27T05
  versionlake history --all --output json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == o.All {
				return usage.Errorf("history takes a user, or --all")
			}
			if len(args) == 1 {
				o.User = args[0]
			}
			o.asOf = o.Times().AsOf(o.asOf)
			return o.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.All, "all", false, "of everyone")
	addAsOf(cmd, &o.asOf)
	return cmd
}

func addAsOf(cmd *cobra.Command, asOf *string) {
	cmd.Flags().StringVar(asOf, "as-of",
		"", "as the lake knew it then: a tag (hour-2022-05-27T05), a snapshot id, or a time")
}

// versionAsOf finds the version that --as-of names, and says when it knows of hours after the one that it is named
// after.
func versionAsOf(ctx context.Context, l *lake.Lake, asOf string, stderr *terminal.Output) (gold.Version, error) {
	version, err := gold.FindVersion(ctx, l, asOf)
	if errors.Is(err, lake.ErrUnknownVersion) {
		return version, whyUnknown(ctx, l, asOf, err)
	}
	if err != nil {
		return version, err
	}
	if hour, isHour := gold.HourOfTag(asOf); isHour && version.ShowsHours && version.NewestHour > hour {
		stderr.Printf("%s shows later hours, too, up to %s: the hour came, or was done again, after them\n", asOf,
			version.NewestHour)
	}
	return version, nil
}

// whyUnknown says more of a version that there is not, where the lake has none yet, or had none then.
func whyUnknown(ctx context.Context, l *lake.Lake, asOf string, unknown error) error {
	versions, err := gold.Versions(ctx, l)
	if err != nil {
		return errors.Join(unknown, err)
	}
	if len(versions) > 0 {
		first := versions[len(versions)-1].CommittedAt
		if at, err := time.Parse(time.RFC3339Nano, asOf); err == nil && at.Before(first) {
			return fmt.Errorf("%w: %s lies before all of them; --as-of says when the lake knew, not when a "+
				"version ran, and the first that can still be read was committed at %s; `versionlake status "+
				"--versions` lists them all",
				lake.ErrUnknownVersion, asOf, output.Instant(first))
		}
		return unknown
	}
	hours, err := ledger.Hours(ctx, l, math.MinInt32, math.MaxInt32)
	if err != nil {
		return errors.Join(unknown, err)
	}
	if slices.ContainsFunc(hours, func(hour ledger.Hour) bool { return hour.Lines > 0 }) {
		return fmt.Errorf("nobody's version is known: %s", usage.NoSighting)
	}
	return errors.New(noHours)
}

// Run prints the answer.
func (o *History) Run(ctx context.Context) error {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	version, err := versionAsOf(ctx, l, o.asOf, o.Stderr)
	if err != nil {
		return err
	}
	if !o.All {
		return o.ofUser(ctx, l, version)
	}
	p := o.NewPrinter("USER", "SERVICE", "DEVICE", "VERSION", "FROM", "TO", "LAST SEEN", "SIGHTINGS", "")
	for user, err := range gold.Users(ctx, l, version) {
		if err != nil {
			return err
		}
		if err := addHistory(p, &user, true); err != nil {
			return err
		}
	}
	return p.Flush()
}

func (o *History) ofUser(ctx context.Context, l *lake.Lake, version gold.Version) error {
	user, err := findUser(ctx, l, version, o.User, o.asOf)
	if err != nil {
		return err
	}
	p := o.NewPrinter("SERVICE", "DEVICE", "VERSION", "FROM", "TO", "LAST SEEN", "SIGHTINGS", "")
	if err := addHistory(p, &user, false); err != nil {
		return err
	}
	if user.IntervalsCut > 0 {
		o.Stderr.Printf("cut: %s\n", cutText(&user))
	}
	return p.Flush()
}

func findUser(ctx context.Context, l *lake.Lake, version gold.Version, id, asOf string) (history.User, error) {
	user, found, err := gold.User(ctx, l, version, id)
	if err != nil {
		return history.User{}, err
	}
	if !found {
		like := ""
		for _, other := range []string{strings.TrimSpace(id), strings.ToLower(id), strings.ToUpper(id),
			"session:" + id} {
			if _, found, err := gold.User(ctx, l, version, other); err == nil && found {
				like = fmt.Sprintf(": did you mean %q?", other)
			}
		}
		known := "the lake knows"
		if asOf != "" {
			known = "as of " + asOf + " the lake knew"
		}
		if like != "" {
			return history.User{}, fmt.Errorf("%s no user %q%s", known, id, like)
		}
		return history.User{}, fmt.Errorf("%s no user %q; ids are case-sensitive, and a session that nobody "+
			"named is session:<SessionId>", known, id)
	}
	return user, nil
}

// UserHistory is a user as --output json writes it. Other programs read it: it does not change.
type UserHistory struct {
	UserID   string     `json:"user_id"`
	UserKind string     `json:"user_kind"`
	History  []Interval `json:"history"`
	cutHistory
}

// userInterval is an interval as --output csv writes it.
type userInterval struct {
	UserID   string `json:"user_id"`
	UserKind string `json:"user_kind"`
	Interval
}

// Interval is one of a user's history as --output json writes it.
type Interval struct {
	Service    string  `json:"service"`
	Device     *string `json:"device"`
	Version    string  `json:"version"`
	ValidFrom  string  `json:"valid_from"`
	ValidTo    *string `json:"valid_to"`
	LastSeenAt string  `json:"last_seen_at"`
	Sightings  int64   `json:"sightings"`
	// IsDowngrade is null where the version is not comparable with the one before it.
	IsDowngrade *bool `json:"is_downgrade"`
}

func intervalOf(i *history.Interval) Interval {
	interval := Interval{
		Service: i.Service, Version: i.Version, ValidFrom: output.Micros(i.ValidFrom),
		LastSeenAt: output.Micros(i.LastSeenAt), Sightings: i.Sightings,
	}
	if i.HasDevice {
		interval.Device = &i.Device
	}
	if !i.Open {
		to := output.Micros(i.ValidTo)
		interval.ValidTo = &to
	}
	if !i.NotComparable {
		interval.IsDowngrade = &i.IsDowngrade
	}
	return interval
}

func addHistory(p *output.Printer, user *history.User, named bool) error {
	object := UserHistory{UserID: user.ID, UserKind: user.Kind, History: []Interval{}, cutHistory: cutOf(user)}
	for i := range user.History {
		object.History = append(object.History, intervalOf(&user.History[i]))
	}
	if p.Format() == output.JSON {
		return p.Add(object)
	}
	for i := range user.History {
		interval := &user.History[i]
		note := ""
		switch {
		case interval.IsDowngrade:
			note = "downgrade"
		case interval.NotComparable:
			note = "not comparable"
		}
		cells := append(intervalCells(interval), output.Micros(interval.LastSeenAt), interval.Sightings, note)
		if named {
			cells = append([]any{user.ID}, cells...)
		}
		if err := p.Add(userInterval{user.ID, user.Kind, object.History[i]}, cells...); err != nil {
			return err
		}
	}
	return nil
}

// intervalCells are service, device, version, from and to.
func intervalCells(i *history.Interval) []any {
	to := ""
	if !i.Open {
		to = output.Micros(i.ValidTo)
	}
	return []any{output.OrDash(i.Service), output.OrDash(i.Device), i.Version, output.Micros(i.ValidFrom),
		output.OrDash(to)}
}
