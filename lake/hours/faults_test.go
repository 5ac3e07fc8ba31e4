package hours_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/faults"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
)

// throughFaults takes hours, a rerun and maintenance through a lake whose steps fail, and does as Temporal does:
// each step again until it is done. What is in the lake must then be what a sound one has. sound ends the faults.
func throughFaults(t *testing.T, l *lake.Lake, sound func()) {
	t.Helper()
	write := func(in *laketest.Ingester) {
		for n, at := range []string{"27T05", "27T06"} {
			in.ManyChunks(at, 3)
			in.Put(at+"/login.tsv", laketest.Login(at+":01", "s27T05-0-1", "p7"),
				laketest.Sighting(at+":02", "s1", fmt.Sprintf("1.%d", n)), "broken")
		}
	}
	first := laketest.HourAt(t, "2022-05-27T05")
	hours := []telemetry.Hour{first, first + 1, first}
	plain := laketest.NewWorld(t)
	write(plain)
	for _, hour := range hours {
		plain.Ingest(hour)
	}

	in := laketest.NewIngester(t, l, t.TempDir())
	write(in)
	failures := map[string]int{}
	in.Failed = func(err error) {
		if errors.Is(err, objects.ErrConfig) || errors.Is(err, lake.ErrNoLake) || errors.Is(err, lake.ErrConflict) ||
			len(failures) > 500 {
			t.Fatal(err)
		}
		failures[err.Error()]++
	}
	for _, hour := range hours {
		in.Ingest(hour)
		in.Do(func() error {
			_, err := upkeep.All(t.Context(), l, maintain.Upkeep{Grace: time.Hour})
			return err
		})
	}
	sound()
	in.Failed = nil
	if len(failures) < 5 {
		t.Errorf("only these steps failed: %v", failures)
	}
	if got, want := laketest.Users(t, l, "")+laketest.DumpHours(t, l), laketest.Users(t, plain.Lake, "")+
		laketest.DumpHours(t, plain.Lake); got != want {
		t.Errorf("the tables are\n%s\nand without faults\n%s", got, want)
	}
	checks.Verify(t, l)
	checks.Versions(t, l)
}

// TestFaultyDisk lets one of 50 calls to the disk fail, before or after its effect.
func TestFaultyDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("does everything several times")
	}
	dir := t.TempDir()
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	root := path.Join(dir, "warehouse")
	faults.Below.Store(root, &faults.Faults{Random: rand.New(rand.NewPCG(rand.Uint64(), 0)), Share: 20})
	defer faults.Below.Delete(root)
	throughFaults(t, l, func() { faults.Below.Delete(root) })
}

// TestFaultyServers lets S3 refuse, fail, and break off, and Postgres lose its answers, that of a commit among them.
func TestFaultyServers(t *testing.T) {
	if os.Getenv("VERSIONLAKE_FAULTS") == "" {
		t.Skip("takes minutes: VERSIONLAKE_FAULTS=1 runs it")
	}
	server := testserver.S3(t)
	server.Setenv(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // the client's own retries would hide the faults, and take their time
	bucket := server.NewBucket(t)
	var sound atomic.Bool
	faulty := server.Behind(t, func(*http.Request) testserver.Fault {
		if sound.Load() || rand.IntN(40) > 0 {
			return testserver.NoFault
		}
		return []testserver.Fault{testserver.Refused, testserver.FailsLate, testserver.Cut, testserver.Torn,
			testserver.Slow}[rand.IntN(5)]
	})
	t.Setenv("AWS_ENDPOINT_URL_S3", faulty.Endpoint)
	database, gate := testserver.PostgresBehind(t, testserver.Postgres(t))
	sound.Store(true)
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: database, Warehouse: "s3://" + bucket + "/lake", Buckets: 2, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sound.Store(false)
	gate.Lose(10)
	throughFaults(t, l, func() {
		sound.Store(true)
		gate.Lose(0)
	})
}
