// Package digest is the week in a letter: what a report shows, in few numbers and two pictures for each service. It
// holds no id of anybody.
package digest

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/report"
)

// Digest is a week.
type Digest struct {
	ID       string // the same however often it is sent
	Lake     string // its name, by the rules
	At       time.Time
	First    string // of the week's days: 2022-05-20
	Last     string
	Services []Service
}

// Service is a service's week.
type Service struct {
	Name     string
	Facts    []Fact
	Versions []Version
	Pictures []Picture
}

// Fact is a number of the week, and of the week before.
type Fact struct {
	What   string `json:"what"`
	Now    string `json:"now"`
	Before string `json:"before"`
}

// Version is the part that a version has of the users of a day, in the mean of the week; those of few are together.
type Version struct {
	Name   string `json:"name"`
	Share  string `json:"share"`
	Before string `json:"before"`
}

// Picture is a chart, with what it shows in words.
type Picture struct {
	Name string // unique in the digest
	Alt  string
	PNG  []byte
}

// Days is of how many a digest needs the numbers: two weeks, four in pictures, and the day that is not over.
const Days = shownDays + 1

const (
	week      = 7
	shownDays = 28
	// mostVersions have a line of their own, mostServices a part of the letter.
	mostVersions = 5
	mostServices = 10
	longestName  = 40 // in characters
)

// Of makes the digest of the last seven whole days before a report's end.
func Of(r *report.Report, name string, now time.Time) (*Digest, error) {
	last := lake.DateOf(r.End.UnixMicro()) - 1 // the last day is not over
	d := &Digest{Lake: name, At: now.UTC(), First: lake.FormatDate(last - week + 1), Last: lake.FormatDate(last)}
	of := fnv.New32a()
	of.Write([]byte(name))
	for i, s := range r.Services {
		if i == mostServices {
			break
		}
		part, err := serviceOf(s, last, i)
		if err != nil {
			return nil, err
		}
		d.Services = append(d.Services, part)
		of.Write([]byte("\x00" + s.Name))
	}
	// Lakes whose letters one person gets must not have the same: mail programs show one of two.
	d.ID = fmt.Sprintf("digest-%s-%08x", d.Last, of.Sum32())
	return d, nil
}

// Headline is the digest in a line.
func (d *Digest) Headline() string {
	name := "versionlake"
	if d.Lake != "" {
		name += " " + d.Lake
	}
	return fmt.Sprintf("%s: the week from %s to %s", name, d.First, d.Last)
}

// Text is the digest in plain text.
func (d *Digest) Text() string {
	var text strings.Builder
	text.WriteString(d.Headline() + "\n")
	for _, s := range d.Services {
		fmt.Fprintf(&text, "\n%s\n", s.Name)
		for _, f := range s.Facts {
			fmt.Fprintf(&text, "  %-36s %12s   the week before %s\n", f.What, f.Now, f.Before)
		}
		for _, v := range s.Versions {
			fmt.Fprintf(&text, "  %-36s %12s   the week before %s\n", v.Name, v.Share, v.Before)
		}
		for _, p := range s.Pictures {
			fmt.Fprintf(&text, "  %s\n", p.Alt)
		}
	}
	return text.String()
}

// sumOf adds up some days of a version.
func sumOf(s *report.Service, version string, from, to int32) (sum report.Day) {
	for date, d := range s.Days[version] {
		if date >= from && date <= to {
			sum.Add(*d)
		}
	}
	return sum
}

// totalOf adds up some days of all versions.
func totalOf(s *report.Service, from, to int32) (total report.Day) {
	for version := range s.Days {
		total.Add(sumOf(s, version, from, to))
	}
	return total
}

func serviceOf(s *report.Service, last int32, number int) (part Service, err error) {
	part.Name = shortened(s.Name)
	from, before := last-week+1, last-2*week+1
	now, then := totalOf(s, from, last), totalOf(s, before, from-1)
	count := func(what string, now, then int64) {
		part.Facts = append(part.Facts, Fact{what, thousands(now), thousands(then)})
	}
	count("users a day, in the mean", now.Users/week, then.Users/week)
	count("new installations", now.New, then.New)
	count("upgrades", now.Upgrades, then.Upgrades)
	count("downgrades", now.Downgrades, then.Downgrades)
	part.Facts = append(part.Facts, Fact{"issues per 1000 users a day", perThousand(now.Issues, now.Users),
		perThousand(then.Issues, then.Users)})
	for _, version := range []string{s.Focus, s.Before} {
		if version != "" {
			now, then := sumOf(s, version, from, last), sumOf(s, version, before, from-1)
			part.Facts = append(part.Facts,
				Fact{"… of " + shortened(version), perThousand(now.Issues, now.VersionUsers),
					perThousand(then.Issues, then.VersionUsers)})
		}
	}
	largest := largestOf(s, from, last)
	rest, restBefore := now.Users, then.Users
	for _, version := range largest {
		mine, old := sumOf(s, version, from, last).Users, sumOf(s, version, before, from-1).Users
		rest, restBefore = rest-mine, restBefore-old
		part.Versions = append(part.Versions, Version{shortened(version), percent(mine, now.Users),
			percent(old, then.Users)})
	}
	if rest > 0 || restBefore > 0 {
		part.Versions = append(part.Versions, Version{"all others", percent(rest, now.Users),
			percent(restBefore, then.Users)})
	}
	part.Pictures, err = pictures(s, largest, last, number)
	return part, err
}

// largestOf are the versions with the most users on some days, the oldest first.
func largestOf(s *report.Service, from, to int32) []string {
	versions := slices.DeleteFunc(slices.Clone(s.Versions), func(version string) bool {
		return sumOf(s, version, from, to).Users == 0
	})
	slices.SortStableFunc(versions, func(a, b string) int {
		return cmp.Compare(sumOf(s, b, from, to).Users, sumOf(s, a, from, to).Users)
	})
	largest := versions[:min(len(versions), mostVersions)]
	slices.SortFunc(largest, func(a, b string) int {
		return cmp.Compare(slices.Index(s.Versions, a), slices.Index(s.Versions, b))
	})
	return largest
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + " " + text[at:]
	}
	return text
}

func percent(some, all int64) string {
	if all == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(some)/float64(all))
}

func perThousand(count, users int64) string {
	if users == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", 1000*float64(count)/float64(users))
}

// shortened cuts names of clients, which are as long as they like, and takes out what acts on a terminal or a line.
func shortened(name string) string {
	return checks.Cut(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, name), longestName)
}
