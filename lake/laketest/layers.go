package laketest

import (
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
	s := StagedHour{Run: lake.Run{Hour: hour, ID: "again" + hour.String() + time.Now().Format("-150405.000000000")}}
	if err := in.try(func() (err error) {
		s.Plan, err = hours.StageSilverPlan(in.TB.Context(), in.Lake, s.Run, 1)
		return err
	}); err != nil {
		return s.Run, ledger.Hour{}, err
	}
	if err := in.stageChunks(&s, nil, s.Plan.Chunks, parsing); err != nil {
		return s.Run, ledger.Hour{}, err
	}
	var row ledger.Hour
	err := in.try(func() (err error) { row, err = in.CommitHour(s); return err })
	return s.Run, row, err
}
