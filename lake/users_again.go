package lake

import (
	"context"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

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

// filesAgain are the files of silver.sightings, or their parts, that hold the hours, as of what the round takes gold to.
func (l *Lake) filesAgain(ctx context.Context, a Again, c silverChange) (files []iceberg.DataFile, err error) {
	if !c.base.known || c.toSightings == 0 {
		return nil, nil // all are made anew
	}
	for _, hours := range a.Hours {
		live, err := liveFiles(ctx, c.sightings, table.WithSnapshotID(c.toSightings), hoursBetween(hours.From, hours.To))
		if err != nil {
			return nil, err
		}
		chosen := map[telemetry.Hour][]hourRows{}
		for _, file := range live {
			parts, err := l.byHour(ctx, silverSightings, file)
			if err != nil {
				return nil, err
			}
			for _, part := range parts {
				if part.hour >= hours.From && part.hour < hours.To {
					chosen[part.hour] = append(chosen[part.hour], part)
				}
			}
		}
		files = append(files, joinParts(chosen)...)
	}
	return files, nil
}
