package cost_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/cost"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/weighing"
)

// TestRecord: what the lake weighs is kept by day. A day that is weighed again is replaced, and a month has one file.
func TestRecord(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("29T05/a.tsv", laketest.Sighting("29T05:10", "s1", "1.0", "UserId", "p1"))
	in.Ingest(laketest.HourAt(t, "2022-05-29T05"))
	weigh := func(at time.Time) *cost.Weight {
		t.Helper()
		w, err := cost.Weigh(t.Context(), in.Lake)
		require.NoError(t, err)
		require.NoError(t, cost.Record(t.Context(), in.Lake, w, at))
		return w
	}
	held := func() (held map[string]map[string]int64) {
		held = map[string]map[string]int64{}
		for _, row := range laketest.RowsOf[weighing.StorageRow](t, in.Lake, lake.OpsStorage) {
			day := lake.FormatDate(row.Date)
			if held[day] == nil {
				held[day] = map[string]int64{}
			}
			require.NotContains(t, held[day], row.Table)
			held[day][row.Table] = row.HeldBytes
		}
		return held
	}
	want := func(w *cost.Weight) map[string]int64 {
		tables := map[string]int64{weighing.Beside: w.Other.Bytes}
		for _, table := range w.Tables {
			tables[table.Name] = table.Held.Bytes
		}
		return tables
	}
	morning := time.Date(2022, 5, 30, 3, 40, 0, 0, time.UTC)
	weigh(morning)
	in.Put("29T06/a.tsv", laketest.Sighting("29T06:10", "s2", "1.0", "UserId", "p2"))
	in.Ingest(laketest.HourAt(t, "2022-05-29T06"))
	second := weigh(morning.Add(time.Hour))
	require.Equal(t, map[string]map[string]int64{"2022-05-30": want(second)}, held(), "once a day")
	third, fourth := weigh(morning.AddDate(0, 0, 1)), weigh(morning.AddDate(0, 0, 2))
	require.Equal(t, map[string]map[string]int64{"2022-05-30": want(second), "2022-05-31": want(third),
		"2022-06-01": want(fourth)}, held())
	loaded, err := in.Lake.Load(t.Context(), lake.OpsStorage)
	require.NoError(t, err)
	files, err := lake.LiveFiles(t.Context(), loaded)
	require.NoError(t, err)
	require.Len(t, files, 2, "one a month")
	checks.Verify(t, in.Lake)
}
