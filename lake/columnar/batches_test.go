package columnar_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/columnar"
	"github.com/versionlake/versionlake/lake/laketest"
)

type sparseRow struct {
	ID int64  `parquet:"id"`
	A  string `parquet:"a,optional,dict"`
	B  string `parquet:"b,optional"`
}

// nulls writes rows and tells, for each, which of its columns are read back as NULL.
func nulls(t require.TestingT, rows []sparseRow, batch func([]sparseRow) int) (found []string) {
	var file bytes.Buffer
	writer := parquet.NewGenericWriter[sparseRow](&file)
	for rest := rows; len(rest) > 0; {
		n := batch(rest)
		_, err := writer.Write(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	require.NoError(t, writer.Close())
	opened, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	require.NoError(t, err)
	for _, group := range opened.RowGroups() {
		reader := group.Rows()
		buffer := make([]parquet.Row, group.NumRows())
		n, _ := reader.ReadRows(buffer)
		for _, row := range buffer[:n] {
			found = append(found, fmt.Sprint(row[1].IsNull(), row[2].IsNull()))
		}
		require.NoError(t, reader.Close())
	}
	return found
}

func wantedNulls(rows []sparseRow) (want []string) {
	for _, row := range rows {
		want = append(want, fmt.Sprint(row.A == "", row.B == ""))
	}
	return want
}

func TestOptionalTexts(t *testing.T) {
	texts := columnar.OptionalTexts[sparseRow]()
	require.Len(t, texts, 2)
	safe := func(rows []sparseRow) int { return columnar.SafeBatch(rows, texts) }
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "x"})
		if rapid.Bool().Draw(t, "sparse") {
			text = rapid.SampledFrom([]string{"", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "x"})
		}
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sparseRow {
			return sparseRow{1, text.Draw(t, "a"), text.Draw(t, "b")}
		}), 1, 200).Draw(t, "rows")
		require.Equal(t, wantedNulls(rows), nulls(t, rows, safe))
	})

	broken := []sparseRow{{ID: 1}, {ID: 2, A: "x"}, {ID: 3}, {ID: 4}}
	require.NotEqual(t, wantedNulls(broken), nulls(t, broken, func(rows []sparseRow) int { return len(rows) }),
		"parquet-go writes this right now: safeBatch is no longer needed")
}

// TestOptionalTextsOfGroups: what is absent is NULL where row groups end, too, however rows came.
func TestOptionalTextsOfGroups(t *testing.T) {
	const batch, batches = 1000, 300
	var file bytes.Buffer
	writer := columnar.NewWriter[sparseRow](&file, columnar.Kind{Name: t.Name()})
	var absent int64
	random := rand.New(rand.NewPCG(1, 2))
	for range batches {
		rows := make([]sparseRow, batch)
		for i := range rows {
			if rows[i].A = "x"; random.IntN(8) > 0 {
				rows[i].A = ""
				absent++
			}
		}
		require.NoError(t, writer.Append(rows, batch))
	}
	footer, err := writer.End()
	require.NoError(t, err)
	require.Equal(t, 3, footer.NumRowGroups())
	var nulls int64
	for _, group := range footer.RowGroups {
		nulls += *group.Columns[1].MetaData.Statistics.NullCount
	}
	require.Equal(t, absent, nulls)
}

// The whole way: what a client did not say is NULL for whoever reads the files.
func TestAbsentIsNull(t *testing.T) {
	l := laketest.NewLake(t)
	in := laketest.NewIngester(t, l, "file://"+t.TempDir())
	lines := []string{laketest.Event("27T05:00", "s1", "Login", "UserId", "x"),
		laketest.Event("27T05:01", "s1", "FeatureUsed", "Feature", "x")}
	for i := range 8 {
		lines = append(lines, laketest.Event(fmt.Sprintf("27T05:%02d", 2+i), "s1", "SessionStart"))
	}
	in.Put("27T05/a.tsv", lines...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	loaded, err := l.Load(t.Context(), lake.SilverEvents)
	require.NoError(t, err)
	files, err := lake.LiveFiles(t.Context(), loaded)
	require.NoError(t, err)
	rows, err := lake.ReadRows[nullableEvent](t.Context(), l, files)
	require.NoError(t, err)
	require.Len(t, rows, len(lines))
	for _, row := range rows {
		for _, text := range []*string{row.UserID, row.Device, row.Version, row.Feature, row.Code, row.Campaign} {
			require.False(t, text != nil && *text == "", "an empty text: %+v", row)
		}
	}
}

type nullableEvent struct {
	UserID   *string `parquet:"user_id,optional"`
	Device   *string `parquet:"device,optional"`
	Version  *string `parquet:"version,optional"`
	Feature  *string `parquet:"feature,optional"`
	Code     *string `parquet:"code,optional"`
	Campaign *string `parquet:"campaign,optional"`
}
