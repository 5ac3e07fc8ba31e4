package page

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/report"
)

// chart is a chart, and the table behind it.
type chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Note   string   `json:"note"`
	Kind   string   `json:"kind"` // area, line, bars (up), rows (sideways)
	Stack  bool     `json:"stack"`
	Ramp   bool     `json:"ramp"` // series are versions in order: colours go from old to new
	Unit   string   `json:"unit"` // "%" or ""
	Axis   string   `json:"axis"` // what X is: the first column of the table
	X      []string `json:"x"`
	Series []series `json:"series"`
	Marks  []mark   `json:"marks,omitempty"`
}

type series struct {
	Name   string     `json:"name"`
	Values []*float64 `json:"values"` // nil: nothing is known
	Rest   bool       `json:"rest"`   // the tail
}

// mark is a release on the day that it was told of.
type mark struct {
	At   string `json:"at"`
	Name string `json:"name"`
}

// Cells are the numbers of a line of the table.
func (c *chart) Cells(row int) []string {
	cells := make([]string, len(c.Series))
	for i, s := range c.Series {
		if cells[i] = "–"; s.Values[row] != nil {
			cells[i] = strconv.FormatFloat(*s.Values[row], 'f', -1, 64) + c.Unit
		}
	}
	return cells
}

// shownVersions are how many versions have a colour of their own; the others are one tail.
const shownVersions = 8

// longest is how many rows a list has.
const longest = 12

func number(value float64) *float64 { return &value }

// tenth rounds to a digit after the point.
func tenth(value float64) float64 { return math.Round(value*10) / 10 }

func chartsOf(s *report.Service) []*chart {
	charts := []*chart{usersByDay(s), sharesByDay(s), issuesByDay(s), inUse(s), cutOff(s), movesByDay(s), devices(s),
		notifications(s), topics(s, "Issue", "Issues"), topics(s, "FeatureUsed", "Features")}
	return slices.DeleteFunc(charts, func(c *chart) bool { return len(c.X) == 0 || len(c.Series) == 0 })
}

func datesOf(s *report.Service) (dates []string) {
	for _, date := range s.Dates {
		dates = append(dates, lake.FormatDate(date))
	}
	return dates
}

// apart are the versions with the largest share of any day, in order, and the others.
func apart(s *report.Service) (own, tail []string) {
	totals := map[int32]int64{}
	for _, days := range s.Days {
		for date, day := range days {
			totals[date] += day.Users
		}
	}
	peak := map[string]float64{}
	for version, days := range s.Days {
		for date, day := range days {
			if totals[date] > 0 {
				peak[version] = max(peak[version], float64(day.Users)/float64(totals[date]))
			}
		}
	}
	byPeak := slices.Clone(s.Versions)
	slices.SortStableFunc(byPeak, func(a, b string) int {
		switch {
		case peak[a] > peak[b]:
			return -1
		case peak[a] < peak[b]:
			return 1
		}
		return 0
	})
	chosen := map[string]bool{}
	for i, version := range byPeak {
		chosen[version] = i < shownVersions || version == s.Focus || version == s.Before
	}
	for _, version := range s.Versions {
		if chosen[version] {
			own = append(own, version)
		} else {
			tail = append(tail, version)
		}
	}
	if _, unknown := s.Days[""]; unknown {
		tail = append(tail, "")
	}
	return own, tail
}

// users are series of users by version and day, the oldest first, the tail before them.
func users(s *report.Service) (list []series, totals []float64) {
	own, tail := apart(s)
	totals = make([]float64, len(s.Dates))
	sum := func(name string, versions ...string) series {
		one := series{Name: name, Values: make([]*float64, len(s.Dates))}
		for i, date := range s.Dates {
			n := 0.0
			for _, version := range versions {
				if day := s.Days[version][date]; day != nil {
					n += float64(day.Users)
				}
			}
			one.Values[i] = number(n)
			totals[i] += n
		}
		return one
	}
	if len(tail) > 0 {
		rest := sum(fmt.Sprintf("others (%d)", len(tail)), tail...)
		rest.Rest = true
		list = append(list, rest)
	}
	for _, version := range own {
		list = append(list, sum(shown(version), version))
	}
	return list, totals
}

func marks(s *report.Service) (list []mark) {
	for _, release := range s.Releases {
		date := lake.DateOf(release.ReleasedAt)
		if slices.Contains(s.Dates, date) {
			list = append(list, mark{lake.FormatDate(date), shown(release.Version)})
		}
	}
	return list
}

func usersByDay(s *report.Service) *chart {
	list, _ := users(s)
	return &chart{Title: "Users a day, by version", Kind: "area", Stack: true, Ramp: true, Axis: "Day", X: datesOf(s),
		Series: list, Marks: marks(s),
		Note: "Everyone with an event on the day, sessions of nobody known included; each counts once a day. " +
			"Versions of small share are together in others."}
}

func sharesByDay(s *report.Service) *chart {
	list, totals := users(s)
	for _, one := range list {
		for i := range one.Values {
			if totals[i] == 0 {
				one.Values[i] = nil
			} else {
				one.Values[i] = number(tenth(100 * *one.Values[i] / totals[i]))
			}
		}
	}
	most := 0.0
	for _, total := range totals {
		most = max(most, total)
	}
	return &chart{Title: fmt.Sprintf("Share of the day's users (up to %.0f a day), by version", most),
		Kind: "area", Stack: true, Ramp: true, Unit: "%", Axis: "Day", X: datesOf(s), Series: list, Marks: marks(s),
		Note: "The same users as parts of all of the day."}
}

func issuesByDay(s *report.Service) *chart {
	own, _ := apart(s)
	c := &chart{Title: "Issues per 1000 users a day, by version", Kind: "line", Ramp: true, Axis: "Day", X: datesOf(s),
		Note: "Days on which fewer than 10 users had the version are left out."}
	for _, version := range own {
		one := series{Name: shown(version), Values: make([]*float64, len(s.Dates))}
		some := false
		for i, date := range s.Dates {
			if day := s.Days[version][date]; day != nil && day.VersionUsers >= 10 {
				one.Values[i], some = number(tenth(1000*float64(day.Issues)/float64(day.VersionUsers))), true
			}
		}
		if some {
			c.Series = append(c.Series, one)
		}
	}
	return c
}

func inUse(s *report.Service) *chart {
	c := &chart{Title: fmt.Sprintf("Versions in use, of %d users", s.Users), Kind: "bars", Axis: "Version",
		Note: "Known users seen with the version in the last 30 days of data; one with two versions counts in both."}
	one := series{Name: "users"}
	for _, version := range s.Versions {
		if n := s.InUse[version]; n > 0 {
			c.X, one.Values = append(c.X, shown(version)), append(one.Values, number(float64(n)))
		}
	}
	c.Series = []series{one}
	return c
}

func cutOff(s *report.Service) *chart {
	c := &chart{Title: fmt.Sprintf("Shutting a version and all older ones down: who is hit, of %d users", s.Users),
		Kind: "bars", Axis: "Version",
		Note: "Known users in use who run this or an older version, and of them those who run no newer one. " +
			"Versions without an order are left out."}
	below, without := series{Name: "run it or older"}, series{Name: "and nothing newer"}
	atOrBelow, cut := 0.0, 0.0
	for _, version := range s.Versions {
		if s.InUse[version] == 0 || history.KeyOf(s.Name, version).Class == "" {
			continue
		}
		atOrBelow += float64(s.Oldest[version])
		cut += float64(s.Newest[version])
		c.X = append(c.X, shown(version))
		below.Values, without.Values = append(below.Values, number(atOrBelow)), append(without.Values, number(cut))
	}
	c.Series = []series{below, without}
	return c
}

func movesByDay(s *report.Service) *chart {
	c := &chart{Title: "Installations that came or changed, a day", Kind: "bars", Axis: "Day", X: datesOf(s),
		Note: "By the day on which the new version was first seen."}
	fresh, up, down := series{Name: "new"}, series{Name: "upgrades"}, series{Name: "downgrades"}
	for _, date := range s.Dates {
		var sum report.Day
		for _, days := range s.Days {
			if day := days[date]; day != nil {
				sum.New, sum.Upgrades, sum.Downgrades = sum.New+day.New, sum.Upgrades+day.Upgrades,
					sum.Downgrades+day.Downgrades
			}
		}
		fresh.Values = append(fresh.Values, number(float64(sum.New)))
		up.Values = append(up.Values, number(float64(sum.Upgrades)))
		down.Values = append(down.Values, number(float64(sum.Downgrades)))
	}
	c.Series = []series{fresh, up, down}
	return c
}

// largest are the keys with the largest values, at most so many, and how many others there are.
func largest[K comparable](of map[K]int64, name func(K) string) (keys []K, left int) {
	keys = slices.SortedFunc(maps.Keys(of), func(a, b K) int {
		if of[a] != of[b] {
			return int(max(-1, min(1, of[b]-of[a])))
		}
		if name(a) < name(b) {
			return -1
		}
		return 1
	})
	left = max(0, len(keys)-longest)
	return keys[:len(keys)-left], left
}

func devices(s *report.Service) *chart {
	c := &chart{Title: fmt.Sprintf("Devices in use, of %d users", s.Users), Kind: "rows", Axis: "Device",
		Note: "Known users by the device of their installations in use; one with two devices counts on both."}
	names, left := largest(s.Devices, func(device string) string { return device })
	one := series{Name: "users"}
	for _, device := range names {
		name := "unknown"
		if device != "" {
			name = shown(device)
		}
		c.X, one.Values = append(c.X, name), append(one.Values, number(float64(s.Devices[device])))
	}
	if left > 0 {
		c.Note += fmt.Sprintf(" %d more devices are not shown.", left)
	}
	c.Series = []series{one}
	return c
}
