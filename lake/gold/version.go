package gold

import (
	"context"
	"fmt"
	"slices"
	"strconv"
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
