package laketest

import (
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// HeadsNow are the snapshots of bronze, silver, gold and of ops.files.
func (in *Ingester) HeadsNow() (heads []int64) {
	in.TB.Helper()
	for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles, lake.GoldUsers) {
		loaded, err := in.Lake.Load(in.TB.Context(), definition)
		in.Must(err)
		heads = append(heads, lake.HeadOf(loaded))
	}
	return heads
}

func (in *Ingester) LedgerRow(hour telemetry.Hour) ledger.Hour {
	in.TB.Helper()
	rows, err := ledger.Hours(in.TB.Context(), in.Lake, hour, hour+1)
	in.Must(err)
	if len(rows) != 1 {
		in.TB.Fatalf("the ledger has %+v", rows)
	}
	return rows[0]
}
