package laketest

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
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	Gone        = "player-7f3a91c0"
	GoneSession = "5e55104a0000beef"
	shared2     = "5e55104b0000cafe" // first the one, then p2
)

func (in *Ingester) FillForgetWorld() (hour telemetry.Hour) {
	in.TB.Helper()
	hour = HourAt(in.TB, "2022-05-27T05")
	in.Put("27T05/a.tsv",
		Sighting("27T05:01", "s1", "1.0"), Login("27T05:02", "s1", "p1"),
		Sighting("27T05:10", GoneSession, "1.0"), Event("27T05:11", GoneSession, "Chat", "Text", "hello"),
		"Telemetry\tbroken\tApp\t"+GoneSession+"\t1\t{'Name': 'Login'}",
		"a line that is none, of 'UserId': '"+Gone+"'",
		"a line that is none, of somebody else",
		Event("27T05:12", "s2", "Crash", "Message", "no friend "+Gone+" found", "UserId", "p2"))
	in.Put("27T06/a.tsv",
		Login("27T06:00", GoneSession, Gone), DeviceInfo("27T06:01", GoneSession, "Gameboy"),
		Sighting("27T06:02", "s1", "1.1"),
		Login("27T06:10", shared2, Gone), DeviceInfo("27T06:11", shared2, "Tablet"),
		Sighting("27T06:12", shared2, "2.0"),
		Login("27T06:20", shared2, "p2"), Sighting("27T06:22", shared2, "2.1"))
	in.Put("27T07/a.tsv", Sighting("27T07:00", "s3", "1.0", "UserId", Gone),
		Sighting("27T07:01", "s4", "3.0", "UserId", "p3"))
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	// An hour that is replaced: what it was stays readable in the snapshots.
	in.Put("27T05/a.tsv", Sighting("27T05:01", "s1", "1.0"), Login("27T05:02", "s1", "p1"),
		Sighting("27T05:10", GoneSession, "1.0"),
		Event("27T05:11", GoneSession, "Chat", "Text", "hello"), "a line that is none, of 'UserId': '"+Gone+"'",
		"a line that is none, of somebody else",
		Event("27T05:12", "s2", "Crash", "Message", "no friend "+Gone+" found", "UserId", "p2"))
	in.Ingest(hour)
	return hour
}

// Forget takes all steps, one after the other.
func (in *Ingester) Forget(user string) (forgotten.Erasure, []forget.ErasedTable) {
	in.TB.Helper()
	erasure, err := forget.BeginForget(in.TB.Context(), in.Lake, user)
	in.Must(err)
	return in.ForgetRest(erasure)
}

func (in *Ingester) ForgetRest(erasure string) (forgotten.Erasure, []forget.ErasedTable) {
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
func (in *Ingester) Remains(texts ...string) (found []string) {
	in.TB.Helper()
	has := func(data []byte) bool {
		plain, _ := telemetry.Unescape(data)
		return slices.ContainsFunc(texts, func(text string) bool {
			return bytes.Contains(data, []byte(text)) || bytes.Contains(plain, []byte(text))
		})
	}
	look := func(object string) {
		reader, err := in.Lake.Objects.Open(object)
		in.Must(err)
		data, err := io.ReadAll(reader)
		in.Must(errors.Join(err, reader.Close()))
		if has(data) || has([]byte(object)) {
			found = append(found, object+": bytes")
		}
		if !strings.HasSuffix(object, ".parquet") {
			return
		}
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		in.Must(err)
		rowReader := parquet.NewGenericReader[any](file)
		defer rowReader.Close()
		rows := make([]parquet.Row, 16)
		for {
			n, err := rowReader.ReadRows(rows)
			for _, row := range rows[:n] {
				for _, value := range row {
					if value.Kind() == parquet.ByteArray && has(value.ByteArray()) {
						found = append(found, object+": values")
					}
				}
			}
			if err != nil {
				return
			}
		}
	}
	in.Must(in.Lake.Objects.Walk(in.TB.Context(), in.Lake.Objects.Root, func(object string, _ int64) error {
		look(object)
		return nil
	}))
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
		in.Must(rows.Close())
	}
	for _, definition := range lake.TableDefinitions {
		loaded, err := in.Lake.Load(in.TB.Context(), definition)
		in.Must(err)
		if loaded.CurrentSnapshot() == nil {
			continue
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
	}
	return found
}

// GoldRows are the rows of a version of gold, by user.
func (in *Ingester) GoldRows(version string) map[string]string {
	in.TB.Helper()
	at, err := in.Lake.Version(in.TB.Context(), version)
	in.Must(err)
	rows := map[string]string{}
	for user, err := range gold.Users(in.TB.Context(), in.Lake, at) {
		in.Must(err)
		if _, twice := rows[user.ID]; twice {
			in.TB.Errorf("%s has two rows in %q", user.ID, version)
		}
		rows[user.ID] = Marshal(in.TB, user)
	}
	return rows
}

// GoldVersions are all snapshots and tags of gold, with their rows.
func (in *Ingester) GoldVersions() map[string]map[string]string {
	in.TB.Helper()
	versions := map[string]map[string]string{}
	ids, tags := Snapshots(in.TB, in.Lake, lake.GoldUsers)
	for _, id := range ids {
		versions[fmt.Sprint(id)] = in.GoldRows(fmt.Sprint(id))
	}
	for _, tag := range tags {
		versions[tag] = in.GoldRows(tag)
	}
	return versions
}

// The other one who is forgotten, and sessions of both.
const (
	Gone2        = "player-b2d0c4e6"
	Gone2Session = "6e66204a0000beef"
	BothSession  = "6e66204b0000cafe" // the one, then the other
	threeSession = "6e66204c0000f00d" // both, and p2
)
