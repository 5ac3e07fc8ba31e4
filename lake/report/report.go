// Package report gathers what a page for people shows of a lake: from the daily aggregates and gold.users, which stay
// when events are dropped; from the lake itself, or from a Trino over it. Its memory grows with days, versions and
// devices alone.
package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/releases"
)

// Options say what to show.
type Options struct {
	Service string // "": all
	Version string // the release to look at; "": the newest in use
	Days    int32  // at most so many, the last ones
}

// Report is what a page shows.
type Report struct {
	End      time.Time // the last sighting
	Services []*Service
}

// Service is what it shows of a service.
type Service struct {
	Name     string
	Focus    string // the version to look at
	Before   string // the one before it in order; "": none
	Dates    []int32
	Versions []string // all, the oldest first
	Days     map[string]map[int32]*Day
	InUse    map[string]int64 // known users with an active installation, by version
	Devices  map[string]int64 // likewise, by device; "": unknown
	Users    int64            // of these, each once
	// Oldest and Newest count each of them by the oldest and the newest version that one runs; versions without an
	// order are left out, and with them who runs no other.
	Oldest, Newest map[string]int64
	Events         map[Topic]map[string]int64 // events of the last Recent days, by version
	Releases       []releases.Row
}

// Recent is how many days lists of issues, features and notifications are of.
const Recent = 28

// Day is a version's day.
type Day struct {
	// Users adds up over versions to those of the service; VersionUsers are all that had an event with the version.
	Users, VersionUsers       int64
	Issues                    int64
	New, Upgrades, Downgrades int64
	SessionsEnded, Seconds    int64
}

// Add adds another day, or another version of it.
func (d *Day) Add(other Day) {
	d.Users += other.Users
	d.VersionUsers += other.VersionUsers
	d.Issues += other.Issues
	d.New += other.New
	d.Upgrades += other.Upgrades
	d.Downgrades += other.Downgrades
	d.SessionsEnded += other.SessionsEnded
	d.Seconds += other.Seconds
}

// Topic is what events are about.
type Topic struct{ Event, Name, Detail string }

// inUse is for how long an installation counts as in use after it was last sighted, as in active_installations.
const inUse = 30 * 24 * time.Hour

// source is where the numbers come from.
type source interface {
	// users counts who runs what now, and finds the last sighting.
	users(ctx context.Context, r *Report, of services) error
	// daily sums the daily aggregates of some dates up, over devices.
	daily(ctx context.Context, from, to int32, of services) error
	releases(ctx context.Context) ([]releases.Row, error)
}

// services finds a service; nil: it was not asked for.
type services func(name string) *Service

// Gather reads a lake.
func Gather(ctx context.Context, l *lake.Lake, options Options) (*Report, error) {
	return gather(ctx, ofLake{l}, options)
}

func gather(ctx context.Context, from source, options Options) (*Report, error) {
	r := &Report{}
	services := map[string]*Service{}
	of := func(name string) *Service {
		if options.Service != "" && name != options.Service {
			return nil
		}
		if services[name] == nil {
			services[name] = &Service{Name: name, Days: map[string]map[int32]*Day{}, InUse: map[string]int64{},
				Devices: map[string]int64{}, Oldest: map[string]int64{}, Newest: map[string]int64{},
				Events: map[Topic]map[string]int64{}}
		}
		return services[name]
	}
	if err := from.users(ctx, r, of); err != nil {
		return nil, err
	}
	last := lake.DateOf(r.End.UnixMicro())
	if err := from.daily(ctx, last-options.Days+1, last, of); err != nil {
		return nil, err
	}
	told, err := from.releases(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range told {
		if s := services[row.Service]; s != nil {
			s.Releases = append(s.Releases, row)
		}
	}
	for _, s := range services {
		s.order()
		r.Services = append(r.Services, s)
	}
	slices.SortFunc(r.Services, func(a, b *Service) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Name, b.Name))
	})
	if len(r.Services) == 0 {
		return nil, unknown(options.Service)
	}
	return r, r.focus(options.Version)
}

// ErrNothing: there is nothing of what was asked for.
var ErrNothing = errors.New("there is nothing to report")

func unknown(service string) error {
	if service == "" {
		return fmt.Errorf("%w: ingest an hour first", ErrNothing)
	}
	return fmt.Errorf("%w: no user and no day of a service %q; `versionlake versions` lists services", ErrNothing,
		service)
}

// focus chooses the version to look at: the one that was asked for, or the newest that a hundredth of the users run.
func (r *Report) focus(version string) error {
	known := false
	for _, s := range r.Services {
		for i, each := range s.Versions {
			if version != "" && each != version || version == "" &&
				(s.InUse[each] == 0 || s.InUse[each]*100 < s.Users) {
				continue
			}
			s.Focus, s.Before, known = each, "", true
			for _, older := range slices.Backward(s.Versions[:i]) {
				if order, comparable := history.CompareVersions(s.Name, older, each); comparable && order < 0 {
					s.Before = older
					break
				}
			}
		}
	}
	if version != "" && !known {
		return fmt.Errorf("%w: version %q was not seen in the time of the report", ErrNothing, version)
	}
	return nil
}

func (s *Service) order() {
	versions, dates := map[string]bool{}, map[int32]bool{}
	for version, days := range s.Days {
		versions[version] = true
		for date := range days {
			dates[date] = true
		}
	}
	for version := range s.InUse {
		versions[version] = true
	}
	delete(versions, "")
	s.Versions = slices.SortedFunc(maps.Keys(versions), func(a, b string) int {
		return history.SortVersions(s.Name, a, b)
	})
	if len(dates) == 0 {
		return
	}
	all := slices.Sorted(maps.Keys(dates))
	for date := all[0]; date <= all[len(all)-1]; date++ { // days without events, too
		s.Dates = append(s.Dates, date)
	}
}

// ofLake reads the tables.
type ofLake struct{ lake *lake.Lake }

func (o ofLake) releases(ctx context.Context) ([]releases.Row, error) {
	return releases.List(ctx, o.lake)
}

func (o ofLake) users(ctx context.Context, r *Report, of services) error {
	version, err := gold.FindVersion(ctx, o.lake, "")
	if errors.Is(err, lake.ErrUnknownVersion) {
		return unknown("") // nothing was ingested yet
	}
	if err != nil {
		return err
	}
	end := int64(0)
	for user, err := range gold.Users(ctx, o.lake, version) {
		if err != nil {
			return err
		}
		end = max(end, user.LastSeenAt)
	}
	r.End = time.UnixMicro(end).UTC()
	since := r.End.Add(-inUse).UnixMicro()
	for user, err := range gold.Users(ctx, o.lake, version) {
		if err != nil {
			return err
		}
		if user.Kind == history.KindUser {
			countUser(&user, since, of)
		}
	}
	return nil
}

func countUser(user *history.User, since int64, of services) {
	type place struct{ service, version, device string }
	seen := map[place]bool{}
	first := func(p place) bool {
		again := seen[p]
		seen[p] = true
		return !again
	}
	span := map[string][2]string{}
	for i := range user.History {
		in := &user.History[i]
		s := of(in.Service)
		if s == nil || !in.Open || in.LastSeenAt <= since {
			continue
		}
		service, version, device := strings.Clone(in.Service), strings.Clone(in.Version), strings.Clone(in.Device)
		if first(place{service, "", ""}) {
			s.Users++
		}
		if first(place{service, version, ""}) {
			s.InUse[version]++
		}
		if first(place{service, "", "on " + device}) {
			s.Devices[device]++
		}
		if history.KeyOf(service, version).Class == "" {
			continue
		}
		at, known := span[service]
		if !known || history.SortVersions(service, version, at[0]) < 0 {
			at[0] = version
		}
		if !known || history.SortVersions(service, version, at[1]) > 0 {
			at[1] = version
		}
		span[service] = at
	}
	for service, at := range span {
		of(service).Oldest[at[0]]++
		of(service).Newest[at[1]]++
	}
}
