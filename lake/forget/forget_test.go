package forget_test

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// Sessions of the one who is forgotten.
const (
	lateSession   = "5e55104c0000f00d"
	sharedSession = "5e55104b0000cafe" // first hers, then p2's
)

// forgetWorld is some hours of which every table holds the user somewhere, in versions that were replaced, too.
func forgetWorld(t testing.TB) (in *laketest.Ingester, hour telemetry.Hour) {
	in = laketest.NewWorld(t)
	return in, fillForgetWorld(in)
}

func TestForget(t *testing.T) { testForget(t, laketest.NewWorld(t)) }

// TestForgetOnServers: the same on S3 and Postgres.
func TestForgetOnServers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	server := testserver.S3(t)
	server.Setenv(t)
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: testserver.Postgres(t), Warehouse: "s3://" + server.NewBucket(t) + "/lake", Buckets: 2,
			Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	testForget(t, laketest.NewIngester(t, l, t.TempDir()))
}

//nolint:cyclop,funlen // each branch is one thing that must hold after the erasure
func testForget(t *testing.T, in *laketest.Ingester) {
	hour := fillForgetWorld(in)
	upkeep.Daily(in)
	before := in.GoldVersions()
	if len(forgetting.Remains(in, laketest.Gone, laketest.GoneSession)) < 10 {
		t.Fatal("the test's own scan finds nothing before")
	}
	done, tables := forgetting.Forget(in, laketest.Gone)
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}

	// Every version is still there, and shows what it did, without the user.
	after := in.GoldVersions()
	for version, rows := range before {
		for _, id := range []string{laketest.Gone, "session:" + laketest.GoneSession} {
			delete(rows, id)
		}
		if _, there := after[version]; !there {
			t.Errorf("version %s is gone", version)
		} else if got, want := laketest.Marshal(t, after[version]), laketest.Marshal(t, rows); got != want {
			t.Errorf("version %s is\n%s\nnot\n%s", version, got, want)
		}
	}
	if len(before) < 7 || len(after) != len(before)+1 {
		t.Errorf("%d versions before, %d after", len(before), len(after))
	}
	// The tablet of the shared session is p2's, too; the line of p2 that named the user stays, without the name.
	if now := in.GoldRows("")["p2"]; !strings.Contains(now, "Tablet") || !strings.Contains(now, "2.1") ||
		strings.Contains(now, "2.0") {
		t.Errorf("p2 is %s", now)
	}
	if !strings.Contains(laketest.Dump[lake.SilverRow](t, in.Lake, lake.SilverEvents), "no friend erased found") {
		t.Error("the line of somebody else went, or was not cleaned")
	}

	if differences, _ := checks.Verified(t, in.Lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
	upkeep.Daily(in)
	if differences, checked := checks.Verified(t, in.Lake); len(differences) > 0 ||
		strings.Contains(strings.Join(checked.Notes, " "), "forgotten") {
		t.Errorf("verify, once the daily aggregates have followed: %s %s", strings.Join(differences, "\n"),
			checked.Notes)
	}
	files, err := ledger.Files(t.Context(), in.Lake, hour)
	in.Must(err)
	for _, file := range files {
		if file.State == ledger.FileRead &&
			(file.Lines != 7 || file.Events != 3 || file.Rejects != 1 || file.Erased != 3) {
			t.Errorf("the ledger of files has %+v", file)
		}
	}
	ledger, err := ledger.Hours(t.Context(), in.Lake, hour, hour+3)
	in.Must(err)
	if ledger[0].Erased != 3 || ledger[1].Erased != 4 || ledger[2].Erased != 1 {
		t.Errorf("the ledger has %+v", ledger)
	}

	// The list names nobody.
	all, err := forgotten.Erasures(t.Context(), in.Lake)
	in.Must(err)
	if len(all) != 1 || all[0] != done || done.State != forgotten.ErasureDone || done.Sessions != 3 ||
		done.Objects == 0 || done.Rows == 0 {
		t.Errorf("erasures: %+v", all)
	}
	for _, each := range tables {
		if each.Files == 0 || each.Tags == 0 && each.Table == lake.GoldUsers.Name {
			t.Errorf("%+v", each)
		}
	}

	// The source gives the same again, and nothing of the user.
	want, wantGold := laketest.DumpHours(t, in.Lake), laketest.Marshal(t, in.GoldRows(""))
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	if got := laketest.DumpHours(t, in.Lake); got != want {
		t.Errorf("after another reading of the source\n%s\nis not\n%s", got, want)
	}
	if got := laketest.Marshal(t, in.GoldRows("")); got != wantGold {
		t.Errorf("gold changed:\n%s\nis not\n%s", got, wantGold)
	}
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("came back:\n%s", strings.Join(found, "\n"))
	}
	if differences, _ := checks.Verified(t, in.Lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
}

func fillForgetWorld(in *laketest.Ingester) (hour telemetry.Hour) {
	in.TB.Helper()
	hour = laketest.HourAt(in.TB, "2022-05-27T05")
	in.Put("27T05/a.tsv",
		laketest.Sighting("27T05:01", "s1", "1.0"), laketest.Login("27T05:02", "s1", "p1"),
		laketest.Sighting("27T05:10", laketest.GoneSession, "1.0"),
		laketest.Event("27T05:11", laketest.GoneSession, "Chat", "Text", "hello"),
		"Telemetry\tbroken\tApp\t"+laketest.GoneSession+"\t1\t{'Name': 'Login'}",
		"a line that is none, of 'UserId': '"+laketest.Gone+"'",
		"a line that is none, of somebody else",
		laketest.Event("27T05:12", "s2", "Crash", "Message", "no friend "+laketest.Gone+" found", "UserId", "p2"))
	in.Put("27T06/a.tsv",
		laketest.Login("27T06:00", laketest.GoneSession, laketest.Gone),
		laketest.DeviceInfo("27T06:01", laketest.GoneSession, "Gameboy"),
		laketest.Sighting("27T06:02", "s1", "1.1"),
		laketest.Login("27T06:10", sharedSession, laketest.Gone),
		laketest.DeviceInfo("27T06:11", sharedSession, "Tablet"),
		laketest.Sighting("27T06:12", sharedSession, "2.0"),
		laketest.Login("27T06:20", sharedSession, "p2"), laketest.Sighting("27T06:22", sharedSession, "2.1"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:00", "s3", "1.0", "UserId", laketest.Gone),
		laketest.Sighting("27T07:01", "s4", "3.0", "UserId", "p3"))
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
		upkeep.Events(in)
	}
	// An hour that is replaced: what it was stays readable in the snapshots.
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:01", "s1", "1.0"), laketest.Login("27T05:02", "s1", "p1"),
		laketest.Sighting("27T05:10", laketest.GoneSession, "1.0"),
		laketest.Event("27T05:11", laketest.GoneSession, "Chat", "Text", "hello"),
		"a line that is none, of 'UserId': '"+laketest.Gone+"'",
		"a line that is none, of somebody else",
		laketest.Event("27T05:12", "s2", "Crash", "Message", "no friend "+laketest.Gone+" found", "UserId", "p2"))
	in.Ingest(hour)
	upkeep.Events(in)
	return hour
}
