package trino_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// TestRestated: what was published of a day and of a month is told beside what is said now, with the reason: a late
// hour, one that was read again, a user who was forgotten. Numbers that stay have no row.
func TestRestated(t *testing.T) {
	skipShort(t)
	w, s := newWorld(t), script{}
	s.sight("27T05:10", "p1", "PC", "1.0")
	s.sight("27T05:20", "gone-user", "PC", "1.0")
	s.sight("28T05:10", "p2", "PC", "1.0")
	s.sight("29T05:10", "p3", "PC", "1.0")
	s.sight("30T05:10", "p4", "PC", "1.0")
	view := viewOf(t, "restated_numbers")
	w.execute(t, "CREATE SCHEMA "+trino.Schema)
	w.execute(t, "CREATE VIEW restated_numbers AS "+view.Query)
	w.take(t, s) // ends the 27th and the 28th
	june := telemetry.HourOf(time.Date(2022, 6, 2, 5, 0, 0, 0, time.UTC))
	later := script{}
	later.sight("27T10:00", "p5", "PC", "1.0") // late: it comes with an hour of June, which ends May
	later.sight("28T05:10", "p2", "PC", "1.0")
	later.sight("28T05:30", "p6", "PC", "1.0") // read again
	late := telemetry.HourOf(time.Date(2022, 5, 27, 10, 0, 0, 0, time.UTC))
	w.take(t, script{june: later[late], june - 5*24: later[june-5*24]})
	asked := "SELECT period, CAST(date_utc AS varchar), version, said_then, says_now, change, reason FROM " +
		"restated_numbers WHERE metric = 'version_users' ORDER BY 1, 2"
	days := [][]string{{"day", "2022-05-27", "1.0", "2", "3", "1", "late"},
		{"day", "2022-05-28", "1.0", "1", "2", "1", "reprocessed"}}
	require.Equal(t, days, w.rows(t, asked))

	last := script{}
	last.sight("30T11:00", "p7", "PC", "1.0")
	w.take(t, script{june + 1: last[telemetry.HourOf(time.Date(2022, 5, 30, 11, 0, 0, 0, time.UTC))]})
	want := append(slices.Clone(days), []string{"day", "2022-05-30", "1.0", "1", "2", "1", "late"},
		[]string{"month", "2022-05-01", "1.0", "7", "8", "1", "late"})
	require.Equal(t, want, w.rows(t, asked), "of the month, what came before its end is no news")

	w.forget(t, "gone-user")
	require.NoError(t, w.daily(t.Context()))
	want = [][]string{{"day", "2022-05-28", "1.0", "1", "2", "1", "reprocessed, erased"},
		{"day", "2022-05-30", "1.0", "1", "2", "1", "late, erased"}}
	require.Equal(t, want, w.rows(t, asked), "where one went and another came, the number is what was said")
	w.execute(t, "CREATE VIEW users AS "+viewOf(t, "users").Query)
	w.writesLists(t, "users")
	if os.Getenv("VERSIONLAKE_MUTANTS") == "" {
		return
	}
	for _, mutant := range [][2]string{{"h.came_at > p.published_at", "h.came_at > p.date_utc"},
		{"HAVING sum(said) <> sum(says)", ""}, {"kind = 'user'", "kind = 'nobody'"}} {
		require.Equal(t, 1, strings.Count(view.Query, mutant[0]), mutant[0])
		w.execute(t, "CREATE OR REPLACE VIEW restated_numbers AS "+strings.Replace(view.Query, mutant[0], mutant[1], 1))
		require.NotEqual(t, want, w.rows(t, asked), mutant[1])
	}
}

// forget takes a user out of the lake, as the workflow does.
func (w *world) forget(t *testing.T, user string) {
	t.Helper()
	ctx := t.Context()
	erasure, err := forget.BeginForget(ctx, w.Lake, user)
	require.NoError(t, err)
	_, err = forget.FindSessions(ctx, w.Lake, erasure, telemetry.Options{})
	require.NoError(t, err)
	for _, name := range forget.ErasableTables() {
		_, err := forget.EraseTable(ctx, w.Lake, erasure, name, telemetry.Options{}, func(int64) {})
		require.NoError(t, err)
	}
	require.NoError(t, forget.RecountErased(ctx, w.Lake, erasure))
}
