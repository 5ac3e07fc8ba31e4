package lake

import (
	"fmt"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/history"
)

// storedUser is a user as a row of gold.users.
func storedUser(u *history.User) userRow {
	row := userRow{
		UserID: u.ID, UserKind: u.Kind, FirstSeenAt: u.FirstSeenAt, LastSeenAt: u.LastSeenAt, CurrentService: u.CurrentService,
		CurrentDevice: u.CurrentDevice, CurrentVersion: u.CurrentVersion, CurrentSince: u.CurrentSince,
		PreviousVersion: u.PreviousVersion, VersionCount: u.VersionCount, History: make([]intervalRow, len(u.History)),
	}
	for i := range u.History {
		interval := &u.History[i]
		row.History[i] = intervalRow{
			Service: interval.Service, Device: interval.Device, Version: interval.Version, ValidFrom: interval.ValidFrom,
			LastSeenAt: interval.LastSeenAt, Sightings: interval.Sightings, IsDowngrade: interval.IsDowngrade,
		}
		if !interval.Open {
			row.History[i].ValidTo = &interval.ValidTo
		}
	}
	return row
}

// user is the inverse of storedUser.
func (row *userRow) user() history.User {
	u := history.User{
		ID: row.UserID, Kind: row.UserKind, FirstSeenAt: row.FirstSeenAt, LastSeenAt: row.LastSeenAt,
		CurrentService: row.CurrentService, CurrentDevice: row.CurrentDevice, CurrentHasDevice: row.CurrentDevice != "",
		CurrentVersion: row.CurrentVersion, CurrentSince: row.CurrentSince, PreviousVersion: row.PreviousVersion,
		HasPreviousVersion: row.PreviousVersion != "", VersionCount: row.VersionCount, History: make([]history.Interval, len(row.History)),
	}
	for i, interval := range row.History {
		u.History[i] = history.Interval{
			Service: interval.Service, Device: interval.Device, HasDevice: interval.Device != "", Version: interval.Version,
			ValidFrom: interval.ValidFrom, Open: interval.ValidTo == nil, LastSeenAt: interval.LastSeenAt,
			Sightings: interval.Sightings, IsDowngrade: interval.IsDowngrade,
		}
		if interval.ValidTo != nil {
			u.History[i].ValidTo = *interval.ValidTo
		}
	}
	return u
}

// bucketFunc is Iceberg's bucket transform of user ids.
func bucketFunc(buckets int) func(string) int {
	transform := iceberg.BucketTransform{NumBuckets: buckets}.Transformer(iceberg.PrimitiveTypes.String)
	return func(user string) int { return int(transform(user).Val) }
}

// bucketsOf reads the number of buckets from the table: the setting only counts when it is made.
func bucketsOf(spec iceberg.PartitionSpec) (int, error) {
	for _, field := range spec.Fields() {
		if transform, ok := field.Transform.(iceberg.BucketTransform); ok {
			return transform.NumBuckets, nil
		}
	}
	return 0, fmt.Errorf("gold.users is not partitioned by bucket(user_id): %s", spec.String())
}
