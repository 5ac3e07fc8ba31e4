package forget_test

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// The one who is forgotten in these tests, and the sessions.
const (
	lateSession = "5e55104c0000f00d"
)

// forgetWorld is some hours of which every table holds the user somewhere, in versions that were replaced, too.
func forgetWorld(t testing.TB) (in *laketest.Ingester, hour telemetry.Hour) {
	in = laketest.NewWorld(t)
	return in, in.FillForgetWorld()
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

func testForget(t *testing.T, in *laketest.Ingester) {
	hour := in.FillForgetWorld()
	in.Daily()
	before := in.GoldVersions()
	if len(in.Remains(laketest.Gone, laketest.GoneSession)) < 10 {
		t.Fatal("the test's own scan finds nothing before")
	}
	done, tables := in.Forget(laketest.Gone)
	if found := in.Remains(laketest.Gone, laketest.GoneSession); len(found) > 0 {
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

	if differences, _ := laketest.Verified(t, in.Lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
	in.Daily()
	if differences, checked := laketest.Verified(t, in.Lake); len(differences) > 0 ||
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
	if found := in.Remains(laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("came back:\n%s", strings.Join(found, "\n"))
	}
	if differences, _ := laketest.Verified(t, in.Lake); len(differences) > 0 {
		t.Errorf("verify: %s", strings.Join(differences, "\n"))
	}
}
