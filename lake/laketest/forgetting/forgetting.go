package forgetting

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/telemetry"
)

// Forget takes all steps, one after the other.
func Forget(in *laketest.Ingester, user string) (forgotten.Erasure, []forget.ErasedTable) {
	in.TB.Helper()
	erasure, err := forget.BeginForget(in.TB.Context(), in.Lake, user)
	in.Must(err)
	return Rest(in, erasure)
}

func Rest(in *laketest.Ingester, erasure string) (forgotten.Erasure, []forget.ErasedTable) {
	in.TB.Helper()
	ctx := in.TB.Context()
	_, err := forget.FindSessions(ctx, in.Lake, erasure, telemetry.Options{})
	in.Must(err)
	var tables []forget.ErasedTable
	for _, name := range forget.ErasableTables() {
		erased, err := forget.EraseTable(ctx, in.Lake, erasure, name, telemetry.Options{}, func(int64) {})
		in.Must(err)
		tables = append(tables, erased)
	}
	in.Must(forget.RecountErased(ctx, in.Lake, erasure))
	_, err = forget.SweepForgotten(ctx, in.Lake, erasure)
	in.Must(err)
	proof, err := forget.ProveForgotten(ctx, in.Lake, erasure, func(int64) {})
	in.Must(err)
	if len(proof.Remains) > 0 {
		in.TB.Fatalf("the proof finds %+v", proof.Remains)
	}
	done, err := forget.FinishForget(ctx, in.Lake, erasure, tables, proof)
	in.Must(err)
	return done, tables
}

// Remains looks for texts in every object of the warehouse and in the catalog: in names, in bytes with and without
// escapes, and in decoded Parquet. Avro is decoded by the library. It shares nothing with the proof.
func Remains(in *laketest.Ingester, texts ...string) (found []string) {
	in.TB.Helper()
	has := func(data []byte) bool {
		plain, _ := telemetry.Unescape(data)
		return slices.ContainsFunc(texts, func(text string) bool {
			return bytes.Contains(data, []byte(text)) || bytes.Contains(plain, []byte(text))
		})
	}
	in.Must(in.Lake.Objects.Walk(in.TB.Context(), in.Lake.Objects.Root, func(object string, _ int64) error {
		reader, err := in.Lake.Objects.Open(object)
		in.Must(err)
		data, err := io.ReadAll(reader)
		in.Must(errors.Join(err, reader.Close()))
		if has(data) || has([]byte(object)) {
			found = append(found, object+": bytes")
		}
		if strings.HasSuffix(object, ".parquet") && hasValue(in, data, has) {
			found = append(found, object+": values")
		}
		return nil
	}))
	found = append(found, remainsInCatalog(in, has)...)
	for _, definition := range lake.TableDefinitions {
		found = append(found, remainsInBounds(in, definition, texts)...)
	}
	return found
}

// hasValue looks at every text of a Parquet file.
func hasValue(in *laketest.Ingester, data []byte, has func([]byte) bool) (found bool) {
	in.TB.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	in.Must(err)
	reader := parquet.NewGenericReader[any](file)
	defer reader.Close()
	rows := make([]parquet.Row, 16)
	for {
		n, err := reader.ReadRows(rows)
		for _, row := range rows[:n] {
			for _, value := range row {
				found = found || value.Kind() == parquet.ByteArray && has(value.ByteArray())
			}
		}
		if errors.Is(err, io.EOF) {
			return found
		}
		in.Must(err)
	}
}

func remainsInCatalog(in *laketest.Ingester, has func([]byte) bool) (found []string) {
	in.TB.Helper()
	database := strings.TrimPrefix(in.Lake.Config.Catalog, "sqlite://")
	for _, path := range []string{database, database + "-wal"} {
		if data, err := os.ReadFile(path); err == nil && has(data) {
			found = append(found, path)
		}
	}
	for _, query := range []string{"SELECT metadata_location, previous_metadata_location FROM iceberg_tables",
		"SELECT property_key, property_value FROM iceberg_namespace_properties"} {
		rows, err := in.Lake.Db.QueryContext(in.TB.Context(), query)
		in.Must(err)
		for rows.Next() {
			var a, b sql.NullString
			in.Must(rows.Scan(&a, &b))
			if has([]byte(a.String + " " + b.String)) {
				found = append(found, query)
			}
		}
		in.Must(errors.Join(rows.Err(), rows.Close()))
	}
	return found
}

// remainsInBounds looks at the names of data files in all manifests of a table, and at the bounds of their columns.
func remainsInBounds(in *laketest.Ingester, definition lake.TableDefinition, texts []string) (found []string) {
	in.TB.Helper()
	loaded, err := in.Lake.Load(in.TB.Context(), definition)
	in.Must(err)
	if loaded.CurrentSnapshot() == nil {
		return nil
	}
	history, err := forget.ReadHistory(in.TB.Context(), in.Lake, loaded)
	in.Must(err)
	for path, manifest := range history.Manifests {
		for _, entry := range manifest.Entries {
			text := entry.DataFile().FilePath()
			for _, bounds := range []map[int][]byte{entry.DataFile().LowerBoundValues(),
				entry.DataFile().UpperBoundValues()} {
				for _, value := range bounds {
					text += "\n" + string(value)
				}
			}
			// Bounds may be cut to 16 bytes.
			for _, needle := range texts {
				if strings.Contains(text, needle[:min(len(needle), 15)]) {
					found = append(found, path+": bounds")
				}
			}
		}
	}
	return found
}

// As forgets a user of a lake whose lines are read as in.parsing says.
func As(in *laketest.Ingester, user string) {
	in.TB.Helper()
	ctx := in.TB.Context()
	erasure, err := forget.BeginForget(ctx, in.Lake, user)
	in.Must(err)
	_, err = forget.FindSessions(ctx, in.Lake, erasure, in.Parsing)
	in.Must(err)
	for _, name := range forget.ErasableTables() {
		_, err := forget.EraseTable(ctx, in.Lake, erasure, name, in.Parsing, func(int64) {})
		in.Must(err)
	}
	in.Must(forget.RecountErased(ctx, in.Lake, erasure))
	proof, err := forget.ProveForgotten(ctx, in.Lake, erasure, func(int64) {})
	in.Must(err)
	_, err = forget.FinishForget(ctx, in.Lake, erasure, nil, proof)
	in.Must(err)
}

// LikeWorkflow takes the steps as ForgetUser does, again and again while the proof finds the user. It tells
// whether another run ended the erasure.
func LikeWorkflow(in *laketest.Ingester, erasure string) (elsewhere bool, err error) {
	in.TB.Helper()
	var remains []forget.Remain
	for range 5 {
		tables, proof, err := Once(in, erasure)
		remains = proof.Remains
		if err == nil && len(proof.Remains) == 0 {
			retry(in, func() error {
				_, err = forget.FinishForget(in.TB.Context(), in.Lake, erasure, tables, proof)
				return err
			})
		}
		switch {
		case errors.Is(err, lake.ErrNotForgetting):
			_, err := forget.EndedErasure(in.TB.Context(), in.Lake, erasure)
			return true, err
		case err != nil && !errors.Is(err, lake.ErrStale):
			return false, err
		case err == nil && len(proof.Remains) == 0:
			return false, nil
		}
	}
	return false, fmt.Errorf("after five tries the proof finds %+v", remains)
}

// retry is what Temporal does with a step that fails: once more, unless that can't help.
func retry(in *laketest.Ingester, step func() error) {
	in.TB.Helper()
	for range 50 {
		if err := step(); err == nil || errors.Is(err, lake.ErrStale) || errors.Is(err, lake.ErrNotForgetting) ||
			in.TB.Context().Err() != nil {
			return
		}
	}
}

func Once(in *laketest.Ingester, erasure string) (tables []forget.ErasedTable, proof forget.Proof, err error) {
	ctx := in.TB.Context()
	retry(in, func() error { _, err = forget.FindSessions(ctx, in.Lake, erasure, telemetry.Options{}); return err })
	for _, name := range forget.ErasableTables() {
		if err == nil {
			retry(in, func() error {
				var erased forget.ErasedTable
				if erased, err = forget.EraseTable(ctx, in.Lake, erasure, name, telemetry.Options{},
					func(int64) {}); err == nil {
					tables = append(tables, erased)
				}
				return err
			})
		}
	}
	for _, step := range []func() error{
		func() error { return forget.RecountErased(ctx, in.Lake, erasure) },
		func() error { _, err := forget.SweepForgotten(ctx, in.Lake, erasure); return err },
		func() (err error) {
			proof, err = forget.ProveForgotten(ctx, in.Lake, erasure, func(int64) {})
			return err
		},
	} {
		if err == nil {
			retry(in, func() error { err = step(); return err })
		}
	}
	return tables, proof, err
}
