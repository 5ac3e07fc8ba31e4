package forget

import (
	"maps"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// touched is what has to follow once rows of a table are gone: the counts of hours, and of dates.
type touched struct {
	Hours []telemetry.Hour `json:"hours"`
	Dates []int32          `json:"dates"` // in days since 1970
}

func touchedRef(l *lake.Lake, erasure, table string) string {
	return forgotten.ForgetFolder(l, erasure) + "/touched-" + table + ".json"
}

// noteTouched keeps what a table's rewriting touches, before it does.
func noteTouched(l *lake.Lake, erasure, table string, hours map[telemetry.Hour]bool, dates map[int32]bool) error {
	var before touched
	if err := l.Objects.ReadJSON(touchedRef(l, erasure, table), &before); err != nil && !objects.IsMissing(err) {
		return err
	}
	for _, hour := range before.Hours {
		hours[hour] = true
	}
	for _, date := range before.Dates {
		dates[date] = true
	}
	return l.Objects.WriteJSON(touchedRef(l, erasure, table),
		touched{slices.Sorted(maps.Keys(hours)), slices.Sorted(maps.Keys(dates))})
}

// findTouched is what all tables noted.
func findTouched(l *lake.Lake, erasure string) (hours map[telemetry.Hour]bool, dates map[int32]bool, err error) {
	hours, dates = map[telemetry.Hour]bool{}, map[int32]bool{}
	for _, one := range apart(erasure) {
		for _, definition := range lake.UserTables {
			var each touched
			if err := l.Objects.ReadJSON(touchedRef(l, one, definition.Name), &each); err != nil &&
				!objects.IsMissing(err) {
				return nil, nil, err
			}
			for _, hour := range each.Hours {
				hours[hour] = true
			}
			for _, date := range each.Dates {
				dates[date] = true
			}
		}
	}
	return hours, dates, nil
}

func touchedRefs(l *lake.Lake, erasure string) (refs []string) {
	for _, definition := range append([]lake.TableDefinition{lake.GoldVersions}, lake.UserTables...) {
		refs = append(refs, touchedRef(l, erasure, definition.Name))
	}
	return refs
}
