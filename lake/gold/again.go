package gold

import (
	"context"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// HourRange are the hours in [From, To).
type HourRange struct {
	From telemetry.Hour `json:"from"`
	To   telemetry.Hour `json:"to"`
}

func (r HourRange) String() string { return r.From.String() + " to " + r.To.String() }

// Again are users of gold that are made anew from silver: where someone doubts the rows that are there.
type Again struct {
	// All: gold starts anew, and keeps nothing of what it has.
	All bool `json:"all,omitempty"`
	// Hours: the users that have a sighting in them.
	Hours []HourRange `json:"hours,omitempty"`
	// Users are these, by user_id. Workflows name none: Temporal would keep their ids.
	Users []string `json:"-"`
}

// filesAgain are the files of silver.sightings, or their parts, that hold the hours, as of what the round takes
// gold to.
func filesAgain(ctx context.Context, l *lake.Lake, a Again, c silverChange) (files []iceberg.DataFile, err error) {
	if !c.base.Known || c.toSightings == 0 {
		return nil, nil // all are made anew
	}
	for _, hours := range a.Hours {
		live, err := lake.LiveFiles(ctx, c.sightings, table.WithSnapshotID(c.toSightings),
			lake.HoursBetween(hours.From, hours.To))
		if err != nil {
			return nil, err
		}
		chosen := map[telemetry.Hour][]lake.HourRows{}
		for _, file := range live {
			parts, err := l.ByHour(ctx, lake.SilverSightings, file)
			if err != nil {
				return nil, err
			}
			for _, part := range parts {
				if part.Hour >= hours.From && part.Hour < hours.To {
					chosen[part.Hour] = append(chosen[part.Hour], part)
				}
			}
		}
		files = append(files, lake.JoinParts(chosen)...)
	}
	return files, nil
}
