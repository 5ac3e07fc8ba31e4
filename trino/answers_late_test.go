package trino_test

import (
	"cmp"
	"maps"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// completeness: how late events came, by the hours that they lie in, and which days are final by that.
func (t *truth) completeness() (a answer) {
	type lateness struct{ events, late, latest int64 }
	days := map[int32]*lateness{}
	comes := map[int32]map[int64]int64{} // events by day and by hours after its end
	ends := func(date int32) telemetry.Hour { return telemetry.Hour(date+1) * 24 }
	for i := range t.facts {
		f := &t.facts[i]
		date := lake.DateOf(f.Time)
		after := max(0, int64(f.Hour+1-ends(date)))
		if days[date] == nil {
			days[date], comes[date] = &lateness{}, map[int64]int64{}
		}
		days[date].events++
		days[date].latest = max(days[date].latest, after)
		comes[date][after]++
		if after > 0 {
			days[date].late++
		}
	}
	age := func(date int32) int64 { return max(0, int64(t.newestHour+1-ends(date))) }
	var past []int32
	for date := range days {
		if age(date) >= 14*24 {
			past = append(past, date)
		}
	}
	slices.SortFunc(past, func(a, b int32) int { return cmp.Compare(b, a) })
	past = past[:min(28, len(past))]
	for _, date := range slices.Sorted(maps.Keys(days)) {
		come, all := int64(0), int64(0)
		for _, other := range past {
			for after, events := range comes[other] {
				if all += events; after <= age(date) {
					come += events
				}
			}
		}
		final := age(date) > 0 && all > 0 && float64(come)/float64(all) >= 0.999
		d := days[date]
		a.row(moment(int64(date)*day), d.events, d.late, d.latest, age(date), part(come, all), final)
	}
	return a
}
