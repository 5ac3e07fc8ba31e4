package checks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
)

// Alerts of business: not that something is wrong with the lake, but that its numbers say something.

// Goal is a version that is to be switched off, and with it all older ones of its service.
type Goal struct {
	Service string `yaml:"service"`
	Version string `yaml:"version"`
	// Users is how many of those active may still run one of them.
	Users int64 `yaml:"users"`
}

// newsDays are the last whole days, on which something counts as news.
const newsDays = 2

// adoptedOf is the least users of a day of whom a share says something.
const adoptedOf = 100

// adoption finds versions whose share of a day's users has passed the limit for the first time.
func (k *looker) adoption(ctx context.Context, d Definition) (Result, error) {
	if k.isYoung() {
		return d.silent(OK, "the lake is younger than a week: everything is new"), nil
	}
	s, err := k.readSeen(ctx)
	if err != nil {
		return Result{}, err
	}
	services, last := s.ofServices(), yesterday(k.Now)
	most := 0.0
	var names, texts []string
	for _, r := range sortedReleases(s.days) {
		if r.version == "" {
			continue
		}
		now, before := 0.0, 0.0
		for date, n := range s.days[r] {
			all := services[r.service][date].serviceUsers
			if all < adoptedOf || date > last {
				continue
			}
			share := float64(n.serviceUsers) / float64(all)
			if date > last-newsDays {
				now = max(now, share)
			} else {
				before = max(before, share)
			}
		}
		if d.stateOf(now) != OK && d.stateOf(before) == OK {
			most = max(most, now)
			names = append(names, r.String())
			texts = append(texts, fmt.Sprintf("%s with %.0f %% of a day's users", r, 100*now))
		}
	}
	if len(names) == 0 {
		return d.Result(0, nil, "no version has come so far on a day of the last two"), nil
	}
	return d.Result(most, names, "has come so far for the first time: %s", named(texts)), nil
}

// equalAge is the most days after a release over which it is compared with the one before it.
const equalAge = 28

// issuesOfRelease compares the newest release of each service, and class of versions, with the one before it.
func (k *looker) issuesOfRelease(ctx context.Context, d Definition) (Result, error) {
	s, err := k.readSeen(ctx)
	if err != nil {
		return Result{}, err
	}
	on, err := k.releasedOn(ctx, s)
	if err != nil {
		return Result{}, err
	}
	last := yesterday(k.Now)
	worst := 0.0
	var names, texts []string
	all := inOrder(on, last)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list := all[key]
		if len(list) < 2 {
			continue
		}
		now, before := list[len(list)-1], list[len(list)-2]
		days := min(last-on[now], equalAge)
		new, old := between(s.days[now], on[now], on[now]+days), between(s.days[before], on[before], on[before]+days)
		if new.users == 0 || old.users == 0 {
			continue
		}
		low, high := rate(new.issues, new.users)
		oldLow, oldHigh := rate(old.issues, old.users)
		times := low / oldHigh
		worst = max(worst, times)
		if d.stateOf(times) != OK {
			names = append(names, now.String())
			texts = append(texts,
				fmt.Sprintf("%s has %.1f to %.1f issues per 1000 users a day in its first %s, %q had "+
					"%.1f to %.1f at that age", now, 1000*low, 1000*high, count(int(days)+1, "day"),
					Cut(before.version, longestSubject), 1000*oldLow, 1000*oldHigh))
		}
	}
	if len(names) == 0 {
		return d.Result(worst, nil, "no newest release is worse than the one before it was at its age"), nil
	}
	return d.Result(worst, names, "%s", strings.Join(texts, "; ")), nil
}

// usualDays is what a day's downgrades are compared with.
const usualDays = 28

// downgrades compares the last whole days with the four weeks before.
func (k *looker) downgrades(ctx context.Context, d Definition) (Result, error) {
	s, err := k.readSeen(ctx)
	if err != nil {
		return Result{}, err
	}
	services, last := s.ofServices(), yesterday(k.Now)
	worst := 0.0
	var names, texts []string
	for _, service := range slices.Sorted(maps.Keys(services)) {
		usual := between(services[service], last-newsDays-usualDays+1, last-newsDays)
		_, high := rate(usual.downgrades, usual.serviceUsers)
		for date := last - newsDays + 1; date <= last; date++ {
			n := services[service][date]
			low, _ := rate(n.downgrades, n.serviceUsers)
			times := low / high
			worst = max(worst, times)
			if usual.serviceUsers > 0 && d.stateOf(times) != OK {
				name := Cut(service, longestSubject) + " " + lake.FormatDate(date)
				names = append(names, name)
				texts = append(texts, fmt.Sprintf("%s: %s of %s", name, count(int(n.downgrades), "downgrade"),
					count(int(n.serviceUsers), "user")))
			}
		}
	}
	if len(names) == 0 {
		return d.Result(worst, nil, "no day of the last two has more downgrades than usual"), nil
	}
	return d.Result(worst, names, "more than in the four weeks before: %s", named(texts)), nil
}

// lastBelow keeps the last counts of this process: gold is read whole for them.
var lastBelow struct {
	sync.Mutex
	key   string
	below []int64
}

// switchOff counts who still runs the versions of goals, or older ones, and says where that is few enough.
func (k *looker) switchOff(ctx context.Context, d Definition) (Result, error) {
	if len(k.Goals) == 0 {
		return d.silent(OK, "no goal is set: goals of the file of rules"), nil
	}
	below, err := k.usersBelow(ctx)
	if err != nil {
		return Result{}, err
	}
	var names, texts []string
	for i, goal := range k.Goals {
		name := release{goal.Service, goal.Version}.String()
		texts = append(texts, fmt.Sprintf("%s at or below %s, the goal is %d",
			count(int(below[i]), "active user"), name,
			goal.Users))
		if below[i] <= goal.Users {
			names = append(names, name)
		}
	}
	text := strings.Join(texts, "; ")
	if len(names) > 0 {
		text = "safe to switch off: " + named(names) + "; " + text
	}
	return d.Result(float64(len(names)), names, "%s", text), nil
}

// inUse is for how long an installation is active after it was last sighted, as in active_installations.
const inUse = 30 * 24 * time.Hour

// usersBelow counts, goal by goal, known users with an active installation of the version or an older one, as
// users_at_or_below of the view shutdown_impact does.
func (k *looker) usersBelow(ctx context.Context) ([]int64, error) {
	version, err := gold.FindVersion(ctx, k.lake, "")
	if err != nil {
		return nil, err
	}
	lastBelow.Lock()
	defer lastBelow.Unlock()
	key := fmt.Sprintf("%s %d %+v", k.lake.Objects.Root, version.SnapshotID, k.Goals)
	if lastBelow.key == key {
		return lastBelow.below, nil
	}
	end, ran := int64(0), make([][]int64, len(k.Goals)) // goal by goal, when each user last ran one of its versions
	for user, err := range gold.Users(ctx, k.lake, version) {
		if err != nil {
			return nil, err
		}
		end = max(end, user.LastSeenAt)
		for i, goal := range k.Goals {
			if at, ever := lastRan(&user, goal); ever && user.Kind == history.KindUser {
				ran[i] = append(ran[i], at)
			}
		}
	}
	since, below := end-inUse.Microseconds(), make([]int64, len(k.Goals))
	for i, times := range ran {
		for _, at := range times {
			if at > since {
				below[i]++
			}
		}
	}
	lastBelow.key, lastBelow.below = key, below
	return below, nil
}

// lastRan is when an installation of a user that is of a goal's version, or an older one, was last sighted.
func lastRan(user *history.User, goal Goal) (at int64, ever bool) {
	for _, in := range user.History {
		if in.Service != goal.Service || !in.Open || ever && in.LastSeenAt <= at {
			continue
		}
		order, comparable := history.CompareVersions(in.Service, in.Version, goal.Version)
		if comparable && order <= 0 {
			at, ever = in.LastSeenAt, true
		}
	}
	return at, ever
}
