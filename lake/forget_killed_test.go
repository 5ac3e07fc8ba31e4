package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// TestForgetKilledAnywhere kills the process of an erasure at calls all over it, each time on the same lake. Another process
// then finishes it, and it ends as one that was left alone.
func TestForgetKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("forgets many times")
	}
	const kills = 16
	in, _ := forgetWorld(t)
	in.daily()
	dir := filepath.Dir(strings.TrimPrefix(in.lake.config.Warehouse, "file://"))
	config := in.lake.config
	in.must(in.lake.Close())
	kept := filepath.Join(t.TempDir(), "kept")
	in.must(os.CopyFS(kept, os.DirFS(dir)))
	open := func() *ingester {
		t.Helper()
		l, err := Open(t.Context(), config)
		in.must(err)
		t.Cleanup(func() { l.Close() })
		other := *in
		other.lake = l
		return &other
	}
	restored := func() *ingester {
		t.Helper()
		in.must(os.RemoveAll(dir))
		in.must(os.CopyFS(dir, os.DirFS(kept)))
		return open()
	}
	befall := func(in *ingester, left int) (calls int, killed bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		befalls := &faults{random: rand.New(rand.NewPCG(1, 1)), left: left, die: cancel}
		process := &mortal{TB: t, ctx: ctx}
		in.tb = process
		faultsBelow.Store(filepath.Join(dir, "warehouse"), befalls)
		ended := process.outlives(func() { in.forget(gone) })
		faultsBelow.Delete(filepath.Join(dir, "warehouse"))
		in.tb = t
		in.must(in.lake.Close())
		return left - befalls.left, !ended
	}

	whole := restored()
	const never = 1 << 30
	calls, killed := befall(whole, never)
	if killed || calls < 10*kills {
		t.Fatalf("%d calls, killed: %v", calls, killed)
	}
	whole = open()
	want := users(t, whole.lake, "") + dumpHours(t, whole.lake)
	in.must(whole.lake.Close())
	for n := range kills {
		at := 1 + calls*n/kills + rand.IntN(calls/kills)
		if _, killed := befall(restored(), at); !killed {
			t.Fatalf("not killed at call %d of %d", at, calls)
		}
		after := open()
		erasure, err := after.lake.BeginForget(t.Context(), gone)
		in.must(err)
		if _, err := after.forgetLikeWorkflow(erasure); err != nil {
			t.Errorf("killed at call %d of %d: %v", at, calls, err)
		}
		if got := users(t, after.lake, "") + dumpHours(t, after.lake); got != want {
			t.Errorf("killed at call %d of %d: the tables are\n%s\nnot\n%s", at, calls, got, want)
		}
		if found := after.remains(gone, goneSession); len(found) > 0 {
			t.Errorf("killed at call %d of %d: left behind\n%s", at, calls, strings.Join(found, "\n"))
		}
		left := 0
		in.must(after.lake.objects.walk(t.Context(), after.lake.forgetFolder(erasure), func(string, int64) error { left++; return nil }))
		if left > 0 {
			t.Errorf("killed at call %d of %d: %d documents are left", at, calls, left)
		}
		checkVerify(t, after.lake)
		checkVersions(t, after.lake)
		in.must(after.lake.Close())
	}
}

// TestForgetBesideOthers: hours are ingested, gold follows, and the lake is maintained by other processes while users are forgotten.
func TestForgetBesideOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.put("27T09/a.tsv", sighting("27T09:00", "s1", "1.2", "UserId", "p1"), sighting("27T09:01", goneSession, "1.2"), sighting("27T09:02", "s4", "3.1"),
		event("27T09:03", "s2", "Crash", "Message", "where is "+gone, "UserId", "p2"))
	in.put("27T10/a.tsv", login("27T10:00", lateSession, gone), sighting("27T10:01", lateSession, "1.2"), sighting("27T10:02", "s1", "1.3", "UserId", "p1"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var others errgroup.Group
	ingesting, maintaining := in.reopen(), in.reopen()
	late := make(chan string, 1000)
	rounds := 0
	others.Go(func() error {
		for n := 0; ctx.Err() == nil; n++ {
			if err := ingesting.ingestMeanwhile(hour+telemetry.Hour(n%6), late); err != nil {
				return err
			}
			rounds++
		}
		return nil
	})
	others.Go(func() error {
		for ctx.Err() == nil {
			// The grace keeps what is staged, as it does in earnest.
			if _, err := maintaining.lake.maintainAll(t.Context(), Upkeep{Grace: 1 << 40}); err != nil && !isMissing(err) && !isConflict(err) && !errors.Is(err, ErrConflict) {
				return fmt.Errorf("maintain: %w", err)
			}
		}
		return nil
	})
	for _, user := range []string{gone, "p3", gone} {
		erasure, err := in.lake.BeginForget(t.Context(), user)
		in.must(err)
		if _, err := in.forgetLikeWorkflow(erasure); err != nil {
			t.Error(err)
		}
	}
	stop()
	in.must(others.Wait())
	if rounds < 3 {
		t.Errorf("only %d hours were ingested beside", rounds)
	}
	for range 2 {
		for n := range 6 {
			in.must(in.ingestMeanwhile(hour+telemetry.Hour(n), late))
		}
		close(late)
		for erasure := range late {
			if _, err := in.forgetLikeWorkflow(erasure); err != nil {
				t.Error(err)
			}
		}
		late = make(chan string, 1000)
	}
	if found := in.remains(gone, goneSession, lateSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if now := in.goldRows(""); now[gone] != "" || now["p3"] != "" || !strings.Contains(now["p1"], "1.3") || !strings.Contains(now["p2"], "2.1") {
		t.Errorf("gold is %v", now)
	}
	checkVerify(t, in.lake)
	checkVersions(t, in.lake)
}

// ingestMeanwhile takes an hour as far as gold while others forget, as its workflow does.
func (in *ingester) ingestMeanwhile(hour telemetry.Hour, late chan<- string) error {
	for range 50 {
		s, err := in.tryStage(Run{Hour: hour, ID: in.newRun()})
		for _, chunk := range s.chunks {
			for _, erasure := range chunk.Late {
				late <- erasure
			}
		}
		if err == nil {
			_, err = in.commitHour(s)
		}
		if err == nil {
			err = in.follow(in.tb.Context(), []Run{s.run})
		}
		if err == nil {
			return in.lake.DropStaging(in.tb.Context(), s.run)
		}
		// Files go that are being read or written: steps are taken again.
		if !errors.Is(err, ErrStale) && !errors.Is(err, ErrConflict) && !isMissing(err) {
			return fmt.Errorf("ingest %s: %w", hour, err)
		}
	}
	return fmt.Errorf("hour %s never ends", hour)
}
