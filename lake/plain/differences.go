package plain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
)

// UserDifference says in what a row of gold differs from what it should be; "" if in nothing.
func UserDifference(is, want *lake.UserRow) string {
	var texts []string
	differ := func(name string, is, want any) {
		if is != want {
			texts = append(texts, fmt.Sprintf("%s is %v and should be %v", name, is, want))
		}
	}
	differ("user_kind", is.UserKind, want.UserKind)
	differ("first_seen_at", lake.Moment(is.FirstSeenAt), lake.Moment(want.FirstSeenAt))
	differ("last_seen_at", lake.Moment(is.LastSeenAt), lake.Moment(want.LastSeenAt))
	differ("current_service", is.CurrentService, want.CurrentService)
	differ("current_device", is.CurrentDevice, want.CurrentDevice)
	differ("current_version", is.CurrentVersion, want.CurrentVersion)
	differ("current_since", lake.Moment(is.CurrentSince), lake.Moment(want.CurrentSince))
	differ("previous_version", is.PreviousVersion, want.PreviousVersion)
	differ("version_count", is.VersionCount, want.VersionCount)
	differ("intervals_cut", is.IntervalsCut, want.IntervalsCut)
	differ("cut_before", momentOrNone(is.CutBefore), momentOrNone(want.CutBefore))
	for i := range max(len(is.History), len(want.History)) {
		isText, wantText := "missing", "absent"
		if i < len(is.History) {
			isText = intervalText(&is.History[i])
		}
		if i < len(want.History) {
			wantText = intervalText(&want.History[i])
		}
		differ(fmt.Sprintf("interval %d", i+1), isText, wantText)
	}
	return strings.Join(texts, "; ")
}

func momentOrNone(t *int64) string {
	if t == nil {
		return "absent"
	}
	return lake.Moment(*t)
}

// VersionDailyDifferences say in what the rows of a date of gold.version_daily differ from what they should be; of a
// frozen date, in its moves alone.
func VersionDailyDifferences(date int32, frozen bool, rows, wanted []lake.VersionDailyRow) (differences []string) {
	keyOf := func(row *lake.VersionDailyRow) string {
		return fmt.Sprintf("%q %q %q", row.Service, row.Version, row.Device)
	}
	is, want := map[string]lake.VersionDailyRow{}, map[string]lake.VersionDailyRow{}
	for _, row := range rows {
		key := keyOf(&row)
		if _, twice := is[key]; twice {
			differences = append(differences, fmt.Sprintf("%s has two rows of %s", lake.FormatDate(date), key))
		}
		is[key] = row
	}
	for _, row := range wanted {
		want[keyOf(&row)] = row
	}
	keys := maps.Clone(is)
	maps.Copy(keys, want)
	names := lake.GoldVersionDaily.Schema().Fields()[4:]
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		a, b := is[key], want[key]
		have, should := a.Counts(), b.Counts()
		var texts []string
		for i := range have {
			if frozen && i < lake.FirstMove {
				continue
			}
			if *have[i] != *should[i] {
				texts = append(texts, fmt.Sprintf("%s is %d and should be %d", names[i].Name, *have[i], *should[i]))
			}
		}
		if len(texts) > 0 {
			differences = append(differences, fmt.Sprintf("%s %s: %s", lake.FormatDate(date), key,
				strings.Join(texts, "; ")))
		}
	}
	return differences
}

// EventDailyDifferences say which rows of a date of gold.event_daily should not be there, or are missing.
func EventDailyDifferences(date int32, is, want []lake.EventDailyRow) (differences []string) {
	count := map[lake.EventDailyRow]int{}
	for _, row := range is {
		count[row]++
	}
	for _, row := range want {
		count[row]--
	}
	for row, n := range count {
		if n == 0 {
			continue
		}
		wrong := "which is not there, and should be there"
		if n > 0 {
			wrong = "which should not be"
		}
		differences = append(differences, fmt.Sprintf("%s %q %q %q %s %q %q: %d events, %d users, %d sessions, %s",
			lake.FormatDate(date), row.Service, row.Version, row.Device, row.EventName, row.Name, row.Detail,
			row.Events,
			row.Users, row.Sessions, wrong))
	}
	return differences
}
