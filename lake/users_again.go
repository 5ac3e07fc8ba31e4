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
}

// files are the files of silver.sightings that hold the hours, as of what the round takes gold to.
func (a Again) files(ctx context.Context, c silverChange) (files []iceberg.DataFile, err error) {
	if !c.base.known || c.toSightings == 0 {
		return nil, nil // all are made anew
	}
	for _, hours := range a.Hours {
		live, err := liveFiles(ctx, c.sightings, table.WithSnapshotID(c.toSightings), hoursBetween(hours.From, hours.To))
		if err != nil {
			return nil, err
		}
		for _, file := range live {
			hour, err := hourOfFile(file)
			if err != nil {
				return nil, err
			}
			if hour >= hours.From && hour < hours.To {
				files = append(files, file)
			}
		}
	}
	return files, nil
}
