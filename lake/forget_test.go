package lake

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// The one who is forgotten in these tests, and the sessions.
const (
	gone        = "player-7f3a91c0"
	goneSession = "5e55104a0000beef"
	shared2     = "5e55104b0000cafe" // first the one, then p2
	lateSession = "5e55104c0000f00d"
)

// forgetWorld is some hours of which every table holds the user somewhere, in versions that were replaced, too.
func forgetWorld(t testing.TB) (in *ingester, hour telemetry.Hour) {
	in = newWorld(t)
	return in, in.fillForgetWorld()
}

func (in *ingester) fillForgetWorld() (hour telemetry.Hour) {
	in.tb.Helper()
	hour = hourAt(in.tb, "2022-05-27T05")
	in.put("27T05/a.tsv",
		sighting("27T05:01", "s1", "1.0"), login("27T05:02", "s1", "p1"),
		sighting("27T05:10", goneSession, "1.0"), event("27T05:11", goneSession, "Chat", "Text", "hello"),
		"Telemetry\tbroken\tApp\t"+goneSession+"\t1\t{'Name': 'Login'}",
		"a line that is none, of 'UserId': '"+gone+"'",
		"a line that is none, of somebody else",
		event("27T05:12", "s2", "Crash", "Message", "no friend "+gone+" found", "UserId", "p2"))
	in.put("27T06/a.tsv",
		login("27T06:00", goneSession, gone), deviceInfo("27T06:01", goneSession, "Gameboy"), sighting("27T06:02", "s1", "1.1"),
		login("27T06:10", shared2, gone), deviceInfo("27T06:11", shared2, "Tablet"), sighting("27T06:12", shared2, "2.0"),
		login("27T06:20", shared2, "p2"), sighting("27T06:22", shared2, "2.1"))
	in.put("27T07/a.tsv", sighting("27T07:00", "s3", "1.0", "UserId", gone), sighting("27T07:01", "s4", "3.0", "UserId", "p3"))
	for i := range 3 {
		in.ingest(hour + telemetry.Hour(i))
	}
	// An hour that is replaced: what it was stays readable in the snapshots.
	in.put("27T05/a.tsv", sighting("27T05:01", "s1", "1.0"), login("27T05:02", "s1", "p1"), sighting("27T05:10", goneSession, "1.0"),
		event("27T05:11", goneSession, "Chat", "Text", "hello"), "a line that is none, of 'UserId': '"+gone+"'", "a line that is none, of somebody else",
		event("27T05:12", "s2", "Crash", "Message", "no friend "+gone+" found", "UserId", "p2"))
	in.ingest(hour)
	return hour
}

// forget takes all steps, one after the other.
func (in *ingester) forget(user string) (Erasure, []ErasedTable) {
	in.tb.Helper()
	erasure, err := in.lake.BeginForget(in.tb.Context(), user)
	in.must(err)
	return in.forgetRest(erasure)
}

func (in *ingester) forgetRest(erasure string) (Erasure, []ErasedTable) {
	in.tb.Helper()
	ctx := in.tb.Context()
	_, err := in.lake.FindSessions(ctx, erasure, telemetry.Options{})
	in.must(err)
	var tables []ErasedTable
	for _, name := range ErasableTables() {
		erased, err := in.lake.EraseTable(ctx, erasure, name, telemetry.Options{}, func(int64) {})
		in.must(err)
		tables = append(tables, erased)
	}
	in.must(in.lake.RecountErased(ctx, erasure))
	_, err = in.lake.SweepForgotten(ctx, erasure)
	in.must(err)
	proof, err := in.lake.ProveForgotten(ctx, erasure, func(int64) {})
	in.must(err)
	if len(proof.Remains) > 0 {
		in.tb.Fatalf("the proof finds %+v", proof.Remains)
	}
	done, err := in.lake.FinishForget(ctx, erasure, tables, proof)
	in.must(err)
	return done, tables
}

// remains looks for texts in every object of the warehouse and in the catalog: in names, in bytes with and without escapes, and in
// decoded Parquet. Avro is decoded by the library. It shares nothing with the proof.
func (in *ingester) remains(texts ...string) (found []string) {
	in.tb.Helper()
	has := func(data []byte) bool {
		plain, _ := telemetry.Unescape(data)
		return slices.ContainsFunc(texts, func(text string) bool {
			return bytes.Contains(data, []byte(text)) || bytes.Contains(plain, []byte(text))
		})
	}
	look := func(object string) {
		reader, err := in.lake.objects.open(object)
		in.must(err)
		data, err := io.ReadAll(reader)
		in.must(errors.Join(err, reader.Close()))
		if has(data) || has([]byte(object)) {
			found = append(found, object+": bytes")
		}
		if !strings.HasSuffix(object, ".parquet") {
			return
		}
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		in.must(err)
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
	in.must(in.lake.objects.walk(in.tb.Context(), in.lake.objects.root, func(object string, _ int64) error {
		look(object)
		return nil
	}))
	database := strings.TrimPrefix(in.lake.config.Catalog, "sqlite://")
	for _, path := range []string{database, database + "-wal"} {
		if data, err := os.ReadFile(path); err == nil && has(data) {
			found = append(found, path)
		}
	}
	for _, query := range []string{"SELECT metadata_location, previous_metadata_location FROM iceberg_tables", "SELECT property_key, property_value FROM iceberg_namespace_properties"} {
		rows, err := in.lake.db.QueryContext(in.tb.Context(), query)
		in.must(err)
		for rows.Next() {
			var a, b sql.NullString
			in.must(rows.Scan(&a, &b))
			if has([]byte(a.String + " " + b.String)) {
				found = append(found, query)
			}
		}
		in.must(rows.Close())
	}
	for _, definition := range tableDefinitions {
		loaded, err := in.lake.load(in.tb.Context(), definition)
		in.must(err)
		if loaded.CurrentSnapshot() == nil {
			continue
		}
		history, err := in.lake.readHistory(in.tb.Context(), loaded)
		in.must(err)
		for path, manifest := range history.manifests {
			for _, entry := range manifest.entries {
				text := entry.DataFile().FilePath()
				for _, bounds := range []map[int][]byte{entry.DataFile().LowerBoundValues(), entry.DataFile().UpperBoundValues()} {
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

// goldRows are the rows of a version of gold, by user.
func (in *ingester) goldRows(version string) map[string]string {
	in.tb.Helper()
	at, err := in.lake.Version(in.tb.Context(), version)
	in.must(err)
	rows := map[string]string{}
	for user, err := range in.lake.Users(in.tb.Context(), at) {
		in.must(err)
		if _, twice := rows[user.ID]; twice {
			in.tb.Errorf("%s has two rows in %q", user.ID, version)
		}
		rows[user.ID] = marshal(in.tb, user)
	}
	return rows
}

// goldVersions are all snapshots and tags of gold, with their rows.
func (in *ingester) goldVersions() map[string]map[string]string {
	in.tb.Helper()
	versions := map[string]map[string]string{}
	ids, tags := snapshots(in.tb, in.lake, goldUsers)
	for _, id := range ids {
		versions[fmt.Sprint(id)] = in.goldRows(fmt.Sprint(id))
	}
	for _, tag := range tags {
		versions[tag] = in.goldRows(tag)
	}
	return versions
}

func TestForget(t *testing.T) { testForget(t, newWorld(t)) }

// TestForgetOnServers: the same on S3 and Postgres.
func TestForgetOnServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	server := testserver.S3(t)
	server.Setenv(t)
	l, err := Open(t.Context(), Config{Catalog: testserver.Postgres(t), Warehouse: "s3://" + server.NewBucket(t) + "/lake", Buckets: 2, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	testForget(t, newIngester(t, l, t.TempDir()))
}

func testForget(t *testing.T, in *ingester) {
	hour := in.fillForgetWorld()
	in.daily()
	before := in.goldVersions()
	if len(in.remains(gone, goneSession)) < 10 {
		t.Fatal("the test's own scan finds nothing before")
	}
	done, tables := in.forget(gone)
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}

	// Every version is still there, and shows what it did, without the user.
	after := in.goldVersions()
	for version, rows := range before {
		for _, id := range []string{gone, "session:" + goneSession} {
			delete(rows, id)
		}
		if _, there := after[version]; !there {
			t.Errorf("version %s is gone", version)
		} else if got, want := marshal(t, after[version]), marshal(t, rows); got != want {
			t.Errorf("version %s is\n%s\nnot\n%s", version, got, want)
		}
	}
	if len(before) < 7 || len(after) != len(before)+1 {
		t.Errorf("%d versions before, %d after", len(before), len(after))
	}
	// The tablet of the shared session is p2's, too; the line of p2 that named the user stays, without the name.
	if now := in.goldRows("")["p2"]; !strings.Contains(now, "Tablet") || !strings.Contains(now, "2.1") || strings.Contains(now, "2.0") {
		t.Errorf("p2 is %s", now)
	}
	if !strings.Contains(dump[silverRow](t, in.lake, silverEvents), "no friend erased found") {
		t.Error("the line of somebody else went, or was not cleaned")
	}

	if differences, _ := verified(t, in.lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
	in.daily()
	if differences, checked := verified(t, in.lake); len(differences) > 0 || strings.Contains(strings.Join(checked.Notes, " "), "forgotten") {
		t.Errorf("verify, once the daily aggregates have followed: %s %s", strings.Join(differences, "\n"), checked.Notes)
	}
	files, err := in.lake.Files(t.Context(), hour)
	in.must(err)
	for _, file := range files {
		if file.State == FileRead && (file.Lines != 7 || file.Events != 3 || file.Rejects != 1 || file.Erased != 3) {
			t.Errorf("the ledger of files has %+v", file)
		}
	}
	ledger, err := in.lake.Hours(t.Context(), hour, hour+3)
	in.must(err)
	if ledger[0].Erased != 3 || ledger[1].Erased != 4 || ledger[2].Erased != 1 {
		t.Errorf("the ledger has %+v", ledger)
	}

	// The list names nobody.
	all, err := in.lake.Erasures(t.Context())
	in.must(err)
	if len(all) != 1 || all[0] != done || done.State != ErasureDone || done.Sessions != 3 || done.Objects == 0 || done.Rows == 0 {
		t.Errorf("erasures: %+v", all)
	}
	for _, each := range tables {
		if each.Files == 0 || each.Tags == 0 && each.Table == goldUsers.name {
			t.Errorf("%+v", each)
		}
	}

	// The source gives the same again, and nothing of the user.
	want, wantGold := dumpHours(t, in.lake), marshal(t, in.goldRows(""))
	for i := range 3 {
		in.ingest(hour + telemetry.Hour(i))
	}
	if got := dumpHours(t, in.lake); got != want {
		t.Errorf("after another reading of the source\n%s\nis not\n%s", got, want)
	}
	if got := marshal(t, in.goldRows("")); got != wantGold {
		t.Errorf("gold changed:\n%s\nis not\n%s", got, wantGold)
	}
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("came back:\n%s", strings.Join(found, "\n"))
	}
	if differences, _ := verified(t, in.lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
}
