package laketest

import (
	"errors"
	"fmt"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// IngestMeanwhile takes an hour as far as gold while others forget, as its workflow does.
func (in *Ingester) IngestMeanwhile(hour telemetry.Hour, late chan<- string) error {
	for range 50 {
		s, err := in.tryStage(lake.Run{Hour: hour, ID: in.newRun()})
		for _, chunk := range s.Chunks {
			for _, erasure := range chunk.Late {
				late <- erasure
			}
		}
		if err == nil {
			_, err = in.CommitHour(s)
		}
		if err == nil {
			err = in.Follow(in.TB.Context(), []lake.Run{s.Run})
		}
		if err == nil {
			return hours.DropStaging(in.TB.Context(), in.Lake, s.Run)
		}
		// Files go that are being read or written: steps are taken again.
		if !errors.Is(err, lake.ErrStale) && !errors.Is(err, lake.ErrConflict) && !objects.IsMissing(err) {
			return fmt.Errorf("ingest %s: %w", hour, err)
		}
	}
	return fmt.Errorf("hour %s never ends", hour)
}
