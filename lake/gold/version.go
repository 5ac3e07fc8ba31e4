package gold

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// Version is a snapshot of gold.users that a reader can name.
type Version struct {
	SnapshotID  int64     `json:"snapshot_id,string"` // as text: JSON readers round large numbers
	CommittedAt time.Time `json:"committed_at"`
	Tags        []string  `json:"tags"`
	// NewestHour is the last hour that it shows, where ShowsHours.
	NewestHour telemetry.Hour `json:"-"`
	ShowsHours bool           `json:"-"`
}

// FindVersion finds the snapshot that text names: "" (now), a tag, a snapshot id, or an RFC 3339 time.
// lake.ErrUnknownVersion.
func FindVersion(ctx context.Context, l *lake.Lake, text string) (Version, error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return Version{}, err
	}
	var snapshot *table.Snapshot
	if id, err := strconv.ParseInt(text, 10, 64); text == "" {
		snapshot = loaded.CurrentSnapshot()
		if snapshot == nil {
			return Version{}, fmt.Errorf("%w: gold.users has no snapshot yet: ingest an hour first",
				lake.ErrUnknownVersion)
		}
	} else if err == nil {
		snapshot = loaded.SnapshotByID(id)
	} else if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		snapshot = loaded.SnapshotAsOf(at.UnixMilli(), true)
	} else {
		snapshot = loaded.SnapshotByName(text)
	}
	if snapshot == nil {
		why := "it may have been there and expired"
		if hour, isHour := HourOfTag(text); isHour {
			if near := tagsNear(loaded, hour); near != "" {
				why = "it may have expired, and of hours that gold shows together only the last has a tag: " + near
			}
		}
		return Version{}, fmt.Errorf("%w: %q; %s; `versionlake status --versions` lists what can still be read",
			lake.ErrUnknownVersion, text, why)
	}
	return VersionOf(loaded, *snapshot), nil
}

// Versions are the snapshots of gold.users that can still be read, newest first.
func Versions(ctx context.Context, l *lake.Lake) ([]Version, error) {
	loaded, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for _, snapshot := range slices.Backward(loaded.Metadata().Snapshots()) {
		versions = append(versions, VersionOf(loaded, snapshot))
	}
	return versions, nil
}

func VersionOf(loaded *table.Table, snapshot table.Snapshot) Version {
	version := Version{SnapshotID: snapshot.SnapshotID, CommittedAt: time.UnixMilli(snapshot.TimestampMs).UTC(),
		Tags: []string{}}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot.SnapshotID && ref.SnapshotRefType == table.TagRef {
			version.Tags = append(version.Tags, name)
		}
	}
	slices.Sort(version.Tags)
	version.NewestHour, version.ShowsHours = newestHour(loaded, snapshot.SnapshotID)
	return version
}

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
