package trino_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/cost"
	"github.com/versionlake/versionlake/trino"
)

// TestStorage: the view says what each table weighed, and by how much it grew; it is never asked for the past.
func TestStorage(t *testing.T) {
	skipShort(t)
	w, s := newWorld(t), script{}
	s.sight("29T05:10", "p1", "PC", "1.0")
	w.take(t, s)
	weigh := func(date string) map[string]int64 {
		t.Helper()
		at, err := time.Parse(time.DateOnly, date)
		require.NoError(t, err)
		weight, err := cost.Weigh(t.Context(), w.Lake)
		require.NoError(t, err)
		require.NoError(t, cost.Record(t.Context(), w.Lake, weight, at))
		held := map[string]int64{"other": weight.Other.Bytes}
		for _, table := range weight.Tables {
			held[table.Name] = table.Held.Bytes
		}
		return held
	}
	first := weigh("2022-05-30")
	second := weigh("2022-06-01")
	w.createViews(t)
	for _, table := range []string{"bronze.events", "ops.storage", "other"} {
		require.Equal(t, [][]string{
			{"2022-05-30", fmt.Sprint(first[table]), "NULL"},
			{"2022-06-01", fmt.Sprint(second[table]), fmt.Sprint(second[table] - first[table])},
		}, w.rows(t, "SELECT CAST(date_utc AS varchar), held_bytes, coalesce(CAST(grew_bytes AS varchar), 'NULL') "+
			"FROM storage WHERE table_name = '"+table+"' ORDER BY 1"), table)
	}
	require.Greater(t, second["ops.storage"], first["ops.storage"])
	require.ErrorIs(t, trino.CheckPinned("SELECT * FROM storage"), trino.ErrUnpinned)
	require.ErrorContains(t, trino.CheckPinned("SELECT * FROM storage"), "ops.storage keeps none")
}
