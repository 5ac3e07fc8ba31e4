package laketest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// SilverAgain makes an hour's silver from its bronze.
func (in *Ingester) SilverAgain(hour telemetry.Hour, parsing telemetry.Options) (lake.Run, ledger.Hour, error) {
	in.TB.Helper()
	in.runs++
	s, err := in.TryStageSilver(lake.Run{Hour: hour, ID: "again" + hour.String() +
		time.Now().Format("-150405.000000000")}, parsing)
	if err != nil {
		return s.Run, ledger.Hour{}, err
	}
	var row ledger.Hour
	err = in.Try(func() (err error) { row, err = in.CommitHour(s); return err })
	return s.Run, row, err
}

// TryStageSilver takes an hour's silver, from its bronze, as far as it is written but not committed.
func (in *Ingester) TryStageSilver(run lake.Run, parsing telemetry.Options) (s StagedHour, err error) {
	in.TB.Helper()
	s.Run = run
	if err := in.Try(func() (err error) {
		s.Plan, err = hours.StageSilverPlan(in.TB.Context(), in.Lake, s.Run, 1)
		return err
	}); err != nil {
		return s, err
	}
	return s, in.stageChunks(&s, nil, s.Plan.Chunks, parsing)
}

// FileStates are the rows of ops.files, as key=state:events.
func (in *Ingester) FileStates(hour telemetry.Hour) []string {
	in.TB.Helper()
	rows, err := ledger.Files(in.TB.Context(), in.Lake, hour)
	in.Must(err)
	states := []string{}
	for _, row := range rows {
		if row.Lines != row.Events+row.Rejects+row.Blanks {
			in.TB.Errorf("%s: %d lines, %d events, %d rejects, %d blanks", row.Key, row.Lines, row.Events, row.Rejects,
				row.Blanks)
		}
		states = append(states, fmt.Sprintf("%s=%s:%d", row.Key[strings.LastIndexByte(row.Key, '/')+1:],
			row.State, row.Events))
	}
	slices.Sort(states)
	return states
}

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
