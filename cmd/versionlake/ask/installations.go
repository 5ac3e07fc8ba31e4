package ask

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
)

// inUse is for how long an installation counts as in use after it was last sighted, before the end of data: as in the
// views over active_installations.
const inUse = 30 * 24 * time.Hour

// installations choose the installations that a list is of.
type installations struct {
	*settings.Settings
	service, version, device, below string
	since                           string // a moment, as the command line has it; "" is inUse
	asOf                            string
	limit                           int
}

func (o *installations) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.service, "service", "", "of this service only")
	flags.StringVar(&o.device, "device", "", "on this device only")
	flags.StringVar(&o.since, "seen-since", "", "sighted since then (default: in the last 30 days of data)")
	addAsOf(cmd, &o.asOf)
}

func newUsers(s *settings.Settings) *cobra.Command {
	o := &installations{Settings: s}
	cmd := &cobra.Command{
		Use:   "users",
		Short: "Who runs what now: the installations in use, a user's service and device a line",
		Long: `users lists the installations in use with the version that each runs, in the order of user ids: those
that were sighted in the last 30 days of data. --below is the list of those whom it would hurt to shut
down all older versions; versions that can't be compared with it are left out, and counted.`,
		Example: `  versionlake users --service ClientApp --below 1.22.3 --output csv
  versionlake users --version 1.22.2 --device Gameboy
  versionlake users --seen-since 2021-12-24 --limit 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.below != "" && o.service == "" {
				return usage.Errorf("users: --below needs --service: versions are compared within one")
			}
			if o.limit < 0 {
				return usage.Errorf("users: --limit %d: give a number of lines, or 0 for all", o.limit)
			}
			return o.read(cmd.Context(), o.printUsers)
		},
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.version, "version", "", "that run this version only")
	cmd.Flags().StringVar(&o.below, "below", "", "that run a version older than this one")
	cmd.Flags().IntVar(&o.limit, "limit", 1000, "lines at most; 0 is all")
	return cmd
}

func newVersions(s *settings.Settings) *cobra.Command {
	o := &installations{Settings: s}
	cmd := &cobra.Command{
		Use:   "versions",
		Short: "Which versions are in use, newest first, and by how many users",
		Long: `versions lists the versions of each service that installations in use run, newest first, and counts
their known users and installations, and the sessions of nobody known. A user with two versions counts in
both. The view active_versions has the same numbers.`,
		Example: `  versionlake versions --service ClientApp
  versionlake versions --device Gameboy --as-of yesterday`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.read(cmd.Context(), o.printVersions) },
	}
	o.addFlags(cmd)
	return cmd
}

// PrintVersions prints the versions of a service that are in use.
func PrintVersions(ctx context.Context, s *settings.Settings, service string) error {
	o := &installations{Settings: s, service: service}
	return o.read(ctx, o.printVersions)
}

func newDevices(s *settings.Settings) *cobra.Command {
	o := &installations{Settings: s}
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "Which devices are in use, and by how many users",
		Long: `devices lists the devices of each service that installations in use are on, and counts their known users
and installations, and the sessions of nobody known. A user with two devices counts on both.`,
		Example: `  versionlake devices --service ClientApp
  versionlake devices --version 1.22.2 --output csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.read(cmd.Context(), o.printDevices) },
	}
	o.addFlags(cmd)
	cmd.Flags().StringVar(&o.version, "version", "", "that run this version only")
	return cmd
}

// list reads installations in use, user by user in the order of ids, and calls each with every one that was chosen.
type list func(each func(*history.User, *history.Interval) error) error

// read finds the installations, and lets show print what it makes of them.
func (o *installations) read(ctx context.Context, show func(list) error) error {
	o.asOf = o.Times().AsOf(o.asOf)
	var since time.Time
	if o.since != "" {
		var err error
		if since, err = o.Times().Moment("--seen-since", o.since); err != nil {
			return err
		}
	}
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer l.Close()
	version, err := versionAsOf(ctx, l, o.asOf, o.Stderr)
	if err != nil {
		return err
	}
	if o.since == "" {
		end, err := endOfData(ctx, l, version)
		if err != nil {
			return err
		}
		since = time.UnixMicro(end + 1).Add(-inUse)
	}
	missed := o.filters()
	return show(func(each func(*history.User, *history.Interval) error) error {
		defer func() { o.tellNone(missed) }()
		for user, err := range gold.Users(ctx, l, version) {
			if err != nil {
				return err
			}
			for i := range user.History {
				missed.see(&user.History[i])
				if o.chosen(&user.History[i], since.UnixMicro()) {
					if err := each(&user, &user.History[i]); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

// filter is a flag that chooses installations, with the values that there are.
type filter struct {
	flag, value string
	of          func(*history.Interval) string
	there       map[string]bool
}

type filters []*filter

// mostValues bounds what is held to say which value was meant.
const mostValues = 10_000

func (o *installations) filters() (all filters) {
	for _, f := range []*filter{
		{flag: "service", value: o.service, of: func(i *history.Interval) string { return i.Service }},
		{flag: "version", value: o.version, of: func(i *history.Interval) string { return i.Version }},
		{flag: "device", value: o.device, of: func(i *history.Interval) string { return i.Device }},
	} {
		if f.value != "" {
			f.there = map[string]bool{}
			all = append(all, f)
		}
	}
	return all
}

func (all filters) see(i *history.Interval) {
	for _, f := range all {
		if len(f.there) < mostValues {
			f.there[f.of(i)] = true
		}
	}
}

// tellNone names values of flags that nobody has: an empty list alone would look like an answer.
func (o *installations) tellNone(all filters) {
	for _, f := range all {
		if !f.there[f.value] && len(f.there) < mostValues {
			o.Stderr.Printf("nobody has the %s %q%s\n", f.flag, f.value,
				usage.DidYouMean(f.value, slices.Sorted(maps.Keys(f.there)), ""))
		}
	}
}

// endOfData is the last sighting of a version of gold.users, in microseconds since 1970.
func endOfData(ctx context.Context, l *lake.Lake, version gold.Version) (end int64, err error) {
	for user, err := range gold.Users(ctx, l, version) {
		if err != nil {
			return 0, err
		}
		end = max(end, user.LastSeenAt)
	}
	return end, nil
}

func (o *installations) chosen(i *history.Interval, since int64) bool {
	return i.Open && i.LastSeenAt >= since &&
		(o.service == "" || i.Service == o.service) &&
		(o.version == "" || i.Version == o.version) &&
		(o.device == "" || i.HasDevice && i.Device == o.device)
}

// installation is one as --output json writes it.
type installation struct {
	UserID       string  `json:"user_id"`
	UserKind     string  `json:"user_kind"`
	Service      string  `json:"service"`
	Device       *string `json:"device"`
	Version      string  `json:"version"`
	RunningSince string  `json:"running_since"`
	LastSeenAt   string  `json:"last_seen_at"`
}

func (o *installations) printUsers(installed list) error {
	p := o.NewPrinter("USER", "SERVICE", "DEVICE", "VERSION", "SINCE", "LAST SEEN")
	printed, more, apart := 0, 0, int64(0)
	err := installed(func(user *history.User, i *history.Interval) error {
		if o.below != "" {
			order, comparable := history.CompareVersions(i.Service, i.Version, o.below)
			if !comparable {
				apart++
			}
			if !comparable || order >= 0 {
				return nil
			}
		}
		if o.limit > 0 && printed >= o.limit {
			more++
			return nil
		}
		printed++
		interval := intervalOf(i)
		return p.Add(installation{user.ID, user.Kind, i.Service, interval.Device, i.Version, interval.ValidFrom,
			interval.LastSeenAt}, user.ID, output.OrDash(i.Service), output.OrDash(i.Device), i.Version,
			interval.ValidFrom,
			interval.LastSeenAt)
	})
	if err != nil {
		return err
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if more > 0 {
		o.Stderr.Printf("and %d more: --limit 0 prints all\n", more)
	}
	if apart > 0 {
		o.Stderr.Printf("%s with a version that can't be compared with %s: left out\n",
			output.Count(apart, "installation"), o.below)
	}
	return nil
}

// place is what installations are counted by.
type place struct {
	service, version, device string
	hasDevice                bool
}

// inUseBy counts installations.
type inUseBy struct {
	Users             int64 `json:"users"`
	Installations     int64 `json:"installations"`
	AnonymousSessions int64 `json:"anonymous_sessions"`

	lastUser string // who was counted last: users come one after the other
}

// versionInUse and deviceInUse are lines as --output json writes them.
type versionInUse struct {
	Service string `json:"service"`
	Version string `json:"version"`
	*inUseBy
}

type deviceInUse struct {
	Service string  `json:"service"`
	Device  *string `json:"device"`
	*inUseBy
}

// countBy sums installations up by the place that each is in.
func countBy(installed list, placeOf func(*history.Interval) place) (map[place]*inUseBy, error) {
	counted := map[place]*inUseBy{}
	return counted, installed(func(user *history.User, i *history.Interval) error {
		at := placeOf(i)
		if counted[at] == nil {
			counted[at] = &inUseBy{}
		}
		n := counted[at]
		again := n.lastUser == user.ID
		n.lastUser = user.ID
		switch {
		case user.Kind == history.KindUser:
			n.Installations++
			if !again {
				n.Users++
			}
		case !again:
			n.AnonymousSessions++
		}
		return nil
	})
}

func (o *installations) printVersions(installed list) error {
	counted, err := countBy(installed, func(i *history.Interval) place {
		return place{service: i.Service, version: i.Version}
	})
	if err != nil {
		return err
	}
	p := o.NewPrinter("SERVICE", "VERSION", "USERS", "INSTALLATIONS", "ANONYMOUS SESSIONS")
	for _, at := range slices.SortedFunc(maps.Keys(counted), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.service, b.service), history.SortVersions(a.service, b.version, a.version))
	}) {
		n := counted[at]
		if err := p.Add(versionInUse{at.service, at.version, n}, output.OrDash(at.service), at.version, n.Users,
			n.Installations, n.AnonymousSessions); err != nil {
			return err
		}
	}
	return p.Flush()
}

func (o *installations) printDevices(installed list) error {
	counted, err := countBy(installed, func(i *history.Interval) place {
		return place{service: i.Service, device: i.Device, hasDevice: i.HasDevice}
	})
	if err != nil {
		return err
	}
	p := o.NewPrinter("SERVICE", "DEVICE", "USERS", "INSTALLATIONS", "ANONYMOUS SESSIONS")
	for _, at := range slices.SortedFunc(maps.Keys(counted), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(counted[b].Users, counted[a].Users),
			cmp.Compare(a.device, b.device))
	}) {
		n, object := counted[at], deviceInUse{Service: at.service, inUseBy: counted[at]}
		if at.hasDevice {
			object.Device = &at.device
		}
		if err := p.Add(object, output.OrDash(at.service), output.OrDash(at.device), n.Users, n.Installations,
			n.AnonymousSessions); err != nil {
			return err
		}
	}
	return p.Flush()
}
