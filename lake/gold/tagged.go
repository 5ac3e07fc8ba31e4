package gold

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// tagsNear names the first tag that shows an hour, and the last one before it; nothing when no tag is of that hour or a
// later one.
func tagsNear(loaded *table.Table, hour telemetry.Hour) string {
	var before, from string
	last, first := telemetry.Hour(math.MinInt64), telemetry.Hour(math.MaxInt64)
	for name, ref := range loaded.Metadata().Refs() {
		tagged, isHour := HourOfTag(name)
		switch {
		case !isHour || strings.Contains(name, "."):
		case tagged >= hour && tagged < first:
			from, first = name, tagged
		case tagged < hour && tagged > last:
			// The tag of a late hour shows later ones.
			if newest, ok := newestHour(loaded, ref.SnapshotID); ok && newest < hour {
				before, last = name, tagged
			}
		}
	}
	switch {
	case from == "":
		return ""
	case before == "":
		return "the first one that shows it is " + from
	}
	return fmt.Sprintf("the first one that shows it is %s, and the last one before it is %s", from, before)
}

// newestHour is the last hour that a snapshot of gold.users shows, as its commits say; of lakes that are older than
// that, the last one that has a tag on it or before it.
func newestHour(loaded *table.Table, snapshot int64) (newest telemetry.Hour, ok bool) {
	tagged := map[int64]telemetry.Hour{}
	for name, ref := range loaded.Metadata().Refs() {
		if hour, isHour := HourOfTag(name); isHour {
			if before, known := tagged[ref.SnapshotID]; !known || hour > before {
				tagged[ref.SnapshotID] = hour
			}
		}
	}
	for at := loaded.SnapshotByID(snapshot); at != nil; {
		if hour, known := tagged[at.SnapshotID]; known && (!ok || hour > newest) {
			newest, ok = hour, true
		}
		if at.Summary != nil {
			if hour, err := telemetry.ParseHour(at.Summary.Properties[lake.SummaryNewestHour]); err == nil {
				if !ok || hour > newest {
					newest = hour
				}
				return newest, true
			}
		}
		if at.ParentSnapshotID == nil {
			break
		}
		at = loaded.SnapshotByID(*at.ParentSnapshotID)
	}
	return newest, ok
}

// HourOfTag is the hour that a tag of a commit of gold is named after.
func HourOfTag(tag string) (telemetry.Hour, bool) {
	text, ok := strings.CutPrefix(tag, "hour-")
	if !ok {
		return 0, false
	}
	text, _, _ = strings.Cut(text, ".")
	hour, err := telemetry.ParseHour(text)
	return hour, err == nil
}
