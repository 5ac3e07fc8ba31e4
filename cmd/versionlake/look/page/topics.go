package page

import (
	"fmt"
	"slices"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/report"
)

func notifications(s *report.Service) *chart {
	c := &chart{Title: fmt.Sprintf("Notifications of the last %d days, by target version and status", report.Recent),
		Kind: "bars", Axis: "Target version", Note: "Events, not users: one user may get several."}
	statuses := []string{"Sent", "Shown", "Accepted", "Dismissed", "Failed"}
	counts := map[string]map[string]int64{}
	for topic, versions := range s.Events {
		if topic.Event != "Notification" || topic.Name == "" {
			continue
		}
		if counts[topic.Name] == nil {
			counts[topic.Name] = map[string]int64{}
		}
		for _, n := range versions {
			counts[topic.Name][topic.Detail] += n
		}
	}
	var targets []string
	for target := range counts {
		targets = append(targets, target)
	}
	slices.SortFunc(targets, func(a, b string) int { return history.SortVersions(s.Name, a, b) })
	targets = targets[max(0, len(targets)-longest):]
	for _, target := range targets {
		c.X = append(c.X, shown(target))
	}
	for _, status := range statuses {
		one := series{Name: status}
		for _, target := range targets {
			one.Values = append(one.Values, number(float64(counts[target][status])))
		}
		c.Series = append(c.Series, one)
	}
	return c
}

// topics compares what events are about, between the version to look at and the one before it, per 1000 users a day.
func topics(s *report.Service, event, title string) *chart {
	c := &chart{Title: fmt.Sprintf("%s of %s, per 1000 users a day", title, shown(s.Focus)), Kind: "rows", Axis: title,
		Note: fmt.Sprintf("%s of the last %d days per user and day of the version.", title, report.Recent)}
	if s.Before != "" {
		c.Title = fmt.Sprintf("%s of %s and of %s, per 1000 users a day", title, shown(s.Focus), shown(s.Before))
	}
	days := func(version string) (n float64) {
		if len(s.Dates) == 0 {
			return 0
		}
		for date, day := range s.Days[version] {
			if date > s.Dates[len(s.Dates)-1]-report.Recent {
				n += float64(day.VersionUsers)
			}
		}
		return n
	}
	counts := map[report.Topic]int64{}
	for topic, versions := range s.Events {
		if n := versions[s.Focus] + versions[s.Before]; topic.Event == event && s.Focus != "" && n > 0 {
			counts[topic] = n
		}
	}
	names, left := largest(counts, func(topic report.Topic) string { return topic.Name })
	if left > 0 {
		c.Note += fmt.Sprintf(" %d more are not shown.", left)
	}
	for _, topic := range names {
		c.X = append(c.X, shown(topic.Name))
	}
	for _, version := range []string{s.Before, s.Focus} {
		if version == "" {
			continue
		}
		one := series{Name: fmt.Sprintf("%s (%.0f user-days)", shown(version), days(version))}
		for _, topic := range names {
			var value *float64
			if all := days(version); all > 0 {
				value = number(tenth(1000 * float64(s.Events[topic][version]) / all))
			}
			one.Values = append(one.Values, value)
		}
		c.Series = append(c.Series, one)
	}
	return c
}

// factsOf are the numbers above the charts.
func factsOf(s *report.Service, end time.Time) (facts []fact) {
	facts = append(facts, fact{"users in use", fmt.Sprint(s.Users), "known, seen in the last 30 days of data"})
	if s.Focus == "" {
		return facts
	}
	running := s.InUse[s.Focus]
	share := "–"
	if s.Users > 0 {
		share = fmt.Sprintf("%.1f %%", 100*float64(running)/float64(s.Users))
	}
	facts = append(facts, fact{"run " + shown(s.Focus), share, fmt.Sprintf("%d of %d users", running, s.Users)})
	for _, release := range s.Releases {
		if release.Version != s.Focus {
			continue
		}
		age := end.Sub(time.UnixMicro(release.ReleasedAt))
		facts = append(facts, fact{"days since its release", fmt.Sprintf("%.0f", max(0, age.Hours()/24)),
			lake.FormatDate(lake.DateOf(release.ReleasedAt)) + ", channel " + shown(release.Channel)})
	}
	for _, version := range []string{s.Focus, s.Before} {
		if version == "" {
			continue
		}
		users, issues := int64(0), int64(0)
		for _, day := range s.Days[version] {
			users, issues = users+day.VersionUsers, issues+day.Issues
		}
		value, note := "–", "no user had it in the time of the report"
		if users > 0 {
			value = fmt.Sprintf("%.0f", 1000*float64(issues)/float64(users))
			note = fmt.Sprintf("%d issues in %d user-days", issues, users)
			if users < 30 {
				note += ": few, so this says little"
			}
		}
		facts = append(facts, fact{"issues of " + shown(version) + " per 1000 users a day", value, note})
	}
	return facts
}
