package checks

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/releases"
)

// release is a version of a service.
type release struct{ service, version string }

func (r release) String() string { return Cut(r.service+" "+r.version, longestSubject) }

// numbers are those of a version on a day, summed over devices.
type numbers struct{ users, serviceUsers, issues, downgrades int64 }

func (n *numbers) add(other numbers) {
	n.users += other.users
	n.serviceUsers += other.serviceUsers
	n.issues += other.issues
	n.downgrades += other.downgrades
}

// count adds a row to the numbers of its version.
func (s seen) count(row *dailyRow) {
	r := release{row.Service, row.Version}
	if s.days[r] == nil {
		r = release{clone(r.service), clone(r.version)}
		s.days[r] = map[int32]numbers{}
	}
	sum := s.days[r][row.Date]
	sum.add(numbers{row.VersionUsers, row.ServiceUsers, row.Issues, row.Downgrades})
	s.days[r][row.Date] = sum
}

// ofServices are the numbers of services, by day.
func (s seen) ofServices() map[string]map[int32]numbers {
	all := map[string]map[int32]numbers{}
	for r, days := range s.days {
		if all[r.service] == nil {
			all[r.service] = map[int32]numbers{}
		}
		for date, n := range days {
			sum := all[r.service][date]
			sum.add(n)
			all[r.service][date] = sum
		}
	}
	return all
}

// between adds days up, the last one with them.
func between(days map[int32]numbers, from, to int32) (sum numbers) {
	for date, n := range days {
		if date >= from && date <= to {
			sum.add(n)
		}
	}
	return sum
}

// wilsonZ makes intervals of 95 %.
const wilsonZ = 1.96

// rate is the 95 % interval of how many there are for each, of so many in all: the score interval, Wilson's, of counts
// that are not bounded by them. Of nothing it is everything.
func rate(count, of int64) (low, high float64) {
	if of == 0 {
		return 0, math.Inf(1)
	}
	k, z2 := float64(count), wilsonZ*wilsonZ
	half := wilsonZ * math.Sqrt(k+z2/4)
	return max(0, k+z2/2-half) / float64(of), (k + z2/2 + half) / float64(of)
}

// Enough users for a version to count as released where nobody told of it, as in the view releases: this many, and a
// thousandth of the day's.
const enoughUsers = 5

// releasedOn is the day on which each release was released: as people told, else the first with enough users.
func (k *looker) releasedOn(ctx context.Context, s seen) (map[release]int32, error) {
	on, services := map[release]int32{}, s.ofServices()
	for r, days := range s.days {
		if history.KeyOf(r.service, r.version).Class == "" {
			continue
		}
		for date, n := range days {
			enough := max(enoughUsers, services[r.service][date].serviceUsers/1000)
			if first, known := on[r]; n.users >= enough && (!known || date < first) {
				on[r] = date
			}
		}
	}
	told, err := releases.List(ctx, k.lake)
	for _, row := range told {
		on[release{row.Service, row.Version}] = lake.DateOf(row.ReleasedAt)
	}
	return on, err
}

// inOrder are the released versions of each service, of one class, the oldest first.
func inOrder(on map[release]int32, today int32) map[string][]release {
	all := map[string][]release{}
	for r, date := range on {
		class := history.KeyOf(r.service, r.version).Class
		if class != "" && date <= today {
			all[r.service+"\x00"+class] = append(all[r.service+"\x00"+class], r)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b release) int {
			return cmp.Or(history.SortVersions(a.service, a.version, b.version), strings.Compare(a.version, b.version))
		})
	}
	return all
}

// yesterday is the last whole day.
func yesterday(now time.Time) int32 { return lake.DateOf(now.UnixMicro()) - 1 }

// sortedReleases are the keys in order, so that words are the same each time.
func sortedReleases[T any](all map[release]T) []release {
	return slices.SortedFunc(maps.Keys(all), func(a, b release) int {
		return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.version, b.version))
	})
}
