package trino_test

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/lists"
)

// writesLists: a view goes to a folder as CSV and as Parquet, with the rows and the columns that Trino gives, and
// one of the same day is replaced.
func (w *world) writesLists(t *testing.T, view string) {
	t.Helper()
	to, now := t.TempDir(), time.Date(2022, 5, 30, 0, 0, 0, 0, time.UTC)
	want := w.rows(t, "SELECT * FROM "+view)
	for range 2 {
		written, err := lists.Write(t.Context(), w.trino, lists.List{View: view, To: to}, t.TempDir(), now)
		require.NoError(t, err)
		require.Equal(t, int64(len(want)), written.Rows)
	}
	text, err := os.ReadFile(to + "/" + view + "-2022-05-30.csv")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, len(want)+1)
	require.Contains(t, rows[0], "user_id")
	_, err = lists.Write(t.Context(), w.trino, lists.List{View: view, To: to, Format: lists.Parquet}, t.TempDir(), now)
	require.NoError(t, err)
	file, err := os.Open(to + "/" + view + "-2022-05-30.parquet")
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	stored, err := parquet.OpenFile(file, info.Size())
	require.NoError(t, err)
	require.Equal(t, int64(len(want)), stored.NumRows())
	require.Len(t, stored.Root().Columns(), len(rows[0]))
	left, err := os.ReadDir(to)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing is left beside them")
}
