package laketest

import (
	"errors"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/telemetry"
)

// IngestAgain is what the workflow does when a user was forgotten meanwhile: it begins anew. It tells how often.
func (in *Ingester) IngestAgain(hour telemetry.Hour) (tries int, late []string) {
	in.TB.Helper()
	for tries = 1; tries < 5; tries++ {
		s := in.Stage(hour)
		for _, chunk := range s.Chunks {
			late = append(late, chunk.Late...)
		}
		_, err := in.CommitHour(s)
		in.Must(hours.DropStaging(in.TB.Context(), in.Lake, s.Run))
		if errors.Is(err, lake.ErrStale) {
			continue
		}
		in.Must(err)
		in.Gold(s.Run)
		return tries, late
	}
	in.TB.Fatal("the hour never ends")
	return tries, late
}
