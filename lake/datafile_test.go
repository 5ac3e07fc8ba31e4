package lake_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/columnar"
	"github.com/versionlake/versionlake/lake/laketest"
)

// TestRecycledWriter: a writer that has written a file writes the next one as a new writer does, byte for byte.
//
//nolint:cyclop // a story that is told step by step reads best in one piece
func TestRecycledWriter(t *testing.T) {
	l := laketest.NewLake(t)
	write := func(definition lake.TableDefinition, first int) []byte {
		w, err := lake.NewDataWriter[lake.SilverRow](l, definition, lake.HourOf(1))
		if err != nil {
			t.Fatal(err)
		}
		// Several row groups, columns with and without values, dictionaries that grow.
		batch := make([]lake.SilverRow, 1000)
		for n := 0; n < 3*len(batch); n += len(batch) {
			for i := range batch {
				id := fmt.Sprintf("%08d", (first+n+i)*7919)
				batch[i] = lake.SilverRow{EventName: "FeatureUsed", SessionID: id, Feature: id[:5], Time: int64(n),
					LineNumber: int64(i)}
				if i%3 == 0 {
					batch[i].UserID, batch[i].Feature = id[2:], ""
				}
			}
			if err := w.Append(batch, columnar.BytesPerGroup); err != nil {
				t.Fatal(err)
			}
		}
		file, err := w.Close("test")
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(l.Objects.LocalPath(file.Path))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Objects.IO.Remove(file.Path); err != nil {
			t.Fatal(err)
		}
		return content
	}
	for _, bounded := range [][]string{nil, {"event_timestamp_utc"}} {
		definition := lake.SilverEvents
		definition.Bounded = bounded
		fresh := func(first int) []byte {
			columnar.ForgetWriters(definition.Name)
			return write(definition, first)
		}
		wantOne, wantTwo := fresh(1), fresh(5000)
		columnar.ForgetWriters(definition.Name)
		for range 2 {
			if !bytes.Equal(write(definition, 1), wantOne) || !bytes.Equal(write(definition, 5000), wantTwo) {
				t.Errorf("bounded %v: a recycled writer writes another file", bounded)
			}
		}
		parsed, err := parquet.OpenFile(bytes.NewReader(wantOne), int64(len(wantOne)))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := parquet.Read[lake.SilverRow](bytes.NewReader(wantOne), int64(len(wantOne)))
		if err != nil || int64(len(rows)) != parsed.NumRows() || rows[len(rows)-2].Feature == "" {
			t.Errorf("bounded %v: %d of %d rows, %v", bounded, len(rows), parsed.NumRows(), err)
		}
		for i, column := range parsed.Metadata().RowGroups[1].Columns {
			name := column.MetaData.PathInSchema[0]
			has := column.MetaData.Statistics.MaxValue != nil
			if bounded != nil && has != (name == "event_timestamp_utc") ||
				(column.ColumnIndexOffset == 0) != (bounded != nil) {
				t.Errorf("bounded %v: column %d, %s: %+v", bounded, i, name, column)
			}
		}
	}
}

// TestResetForgetsNames fails once parquet-go's writers can be reset: nameColumns is needless then.
func TestResetForgetsNames(t *testing.T) {
	var file bytes.Buffer
	w := parquet.NewGenericWriter[lake.FileRow](io.Discard)
	for _, out := range []io.Writer{io.Discard, &file} {
		w.Reset(out)
		if _, err := w.Write([]lake.FileRow{{FileName: "f"}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if path := parsed.Metadata().RowGroups[0].Columns[0].MetaData.PathInSchema; len(path) > 0 && path[0] != "" {
		t.Errorf("the column is named %q: nameColumns can go", path)
	}
}

// TestSkippedBoundsAreEmpty fails once parquet-go leaves out what it was told to skip: dropColumnIndex is needless
// then.
func TestSkippedBoundsAreEmpty(t *testing.T) {
	var file bytes.Buffer
	w := parquet.NewGenericWriter[lake.FileRow](&file, parquet.SkipPageBounds("file_name"))
	if _, err := w.Write([]lake.FileRow{{FileName: "f"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	parsed, err := parquet.OpenFile(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for i, column := range parsed.Metadata().RowGroups[0].Columns {
		if column.MetaData.PathInSchema[0] != "file_name" {
			continue
		}
		if index := parsed.ColumnIndexes()[i]; column.ColumnIndexOffset == 0 || index.NullPages[0] ||
			len(index.MaxValues[0]) > 0 {
			t.Errorf("the index has %+v: dropColumnIndex can go", index)
		}
	}
}
