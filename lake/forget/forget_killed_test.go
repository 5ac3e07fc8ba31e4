package forget_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/faults"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// TestForgetKilledAnywhere kills the process of an erasure at calls all over it, each time on the same lake.
// Another process then finishes it, and it ends as one that was left alone.
//
//nolint:funlen // a story that is told step by step reads best in one piece
func TestForgetKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("forgets many times")
	}
	const kills = 16
	in, _ := forgetWorld(t)
	upkeep.Daily(in)
	dir := filepath.Dir(strings.TrimPrefix(in.Lake.Config.Warehouse, "file://"))
	config := in.Lake.Config
	in.Must(in.Lake.Close())
	kept := filepath.Join(t.TempDir(), "kept")
	in.Must(os.CopyFS(kept, os.DirFS(dir)))
	open := func() *laketest.Ingester {
		t.Helper()
		l, err := lake.Open(t.Context(), config)
		in.Must(err)
		t.Cleanup(func() { l.Close() })
		other := *in
		other.Lake = l
		return &other
	}
	restored := func() *laketest.Ingester {
		t.Helper()
		in.Must(os.RemoveAll(dir))
		in.Must(os.CopyFS(dir, os.DirFS(kept)))
		return open()
	}
	befall := func(in *laketest.Ingester, left int) (calls int, killed bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		befalls := &faults.Faults{Random: rand.New(rand.NewPCG(1, 1)), Left: left, Die: cancel}
		process := &faults.Mortal{TB: t, Ctx: ctx}
		in.TB = process
		faults.Below.Store(filepath.Join(dir, "warehouse"), befalls)
		ended := process.Outlives(func() { forgetting.Forget(in, laketest.Gone) })
		faults.Below.Delete(filepath.Join(dir, "warehouse"))
		in.TB = t
		in.Must(in.Lake.Close())
		return left - befalls.Left, !ended
	}

	whole := restored()
	const never = 1 << 30
	calls, killed := befall(whole, never)
	if killed || calls < 10*kills {
		t.Fatalf("%d calls, killed: %v", calls, killed)
	}
	whole = open()
	want := laketest.Users(t, whole.Lake, "") + laketest.DumpHours(t, whole.Lake)
	in.Must(whole.Lake.Close())
	for n := range kills {
		at := 1 + calls*n/kills + rand.IntN(calls/kills)
		if _, killed := befall(restored(), at); !killed {
			t.Fatalf("not killed at call %d of %d", at, calls)
		}
		after := open()
		erasure, err := forget.BeginForget(t.Context(), after.Lake, laketest.Gone)
		in.Must(err)
		if _, err := forgetting.LikeWorkflow(after, erasure); err != nil {
			t.Errorf("killed at call %d of %d: %v", at, calls, err)
		}
		if got := laketest.Users(t, after.Lake, "") + laketest.DumpHours(t, after.Lake); got != want {
			t.Errorf("killed at call %d of %d: the tables are\n%s\nnot\n%s", at, calls, got, want)
		}
		if found := forgetting.Remains(after, laketest.Gone, laketest.GoneSession); len(found) > 0 {
			t.Errorf("killed at call %d of %d: left behind\n%s", at, calls, strings.Join(found, "\n"))
		}
		left := 0
		in.Must(after.Lake.Objects.Walk(t.Context(), forgotten.ForgetFolder(after.Lake, erasure),
			func(string, int64) error { left++; return nil }))
		if left > 0 {
			t.Errorf("killed at call %d of %d: %d documents are left", at, calls, left)
		}
		checks.Verify(t, after.Lake)
		checks.Versions(t, after.Lake)
		in.Must(after.Lake.Close())
	}
}

// TestForgetBesideOthers: hours are ingested, gold follows, and the lake is maintained by other processes while
// users are forgotten.
func TestForgetBesideOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.Put("27T09/a.tsv", laketest.Sighting("27T09:00", "s1", "1.2", "UserId", "p1"),
		laketest.Sighting("27T09:01", laketest.GoneSession, "1.2"), laketest.Sighting("27T09:02", "s4", "3.1"),
		laketest.Event("27T09:03", "s2", "Crash", "Message", "where is "+laketest.Gone, "UserId", "p2"))
	in.Put("27T10/a.tsv", laketest.Login("27T10:00", lateSession, laketest.Gone),
		laketest.Sighting("27T10:01", lateSession, "1.2"), laketest.Sighting("27T10:02", "s1", "1.3", "UserId", "p1"))
	running, stop := context.WithCancel(t.Context())
	defer stop()
	others, ctx := errgroup.WithContext(running) // ends with the first that fails, too
	ingesting, maintaining := in.Reopen(), in.Reopen()
	late := make(chan string, 1000)
	var ingested atomic.Int64
	others.Go(func() error {
		for n := 0; ctx.Err() == nil; n++ {
			if err := ingestMeanwhile(ingesting, hour+telemetry.Hour(n%6), late); err != nil {
				return fmt.Errorf("after %d hours: %w", n, err)
			}
			ingested.Add(1)
		}
		return nil
	})
	others.Go(func() error { return maintainUntil(ctx, maintaining.Lake) })
	forget := func(user string) {
		erasure, err := forget.BeginForget(t.Context(), in.Lake, user)
		in.Must(err)
		if _, err := forgetting.LikeWorkflow(in, erasure); err != nil {
			t.Error(err)
		}
	}
	for _, user := range []string{laketest.Gone, "p3", laketest.Gone} {
		forget(user)
	}
	for ingested.Load() < 3 && ctx.Err() == nil { // a busy machine may not have come to them yet
		forget("p3")
	}
	stop()
	in.Must(others.Wait())
	for range 2 {
		for n := range 6 {
			in.Must(ingestMeanwhile(in, hour+telemetry.Hour(n), late))
		}
		close(late)
		for erasure := range late {
			if _, err := forgetting.LikeWorkflow(in, erasure); err != nil {
				t.Error(err)
			}
		}
		late = make(chan string, 1000)
	}
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession, lateSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if now := in.GoldRows(""); now[laketest.Gone] != "" || now["p3"] != "" || !strings.Contains(now["p1"], "1.3") ||
		!strings.Contains(now["p2"], "2.1") {
		t.Errorf("gold is %v", now)
	}
	checks.Verify(t, in.Lake)
	checks.Versions(t, in.Lake)
}

// ingestMeanwhile takes an hour as far as gold while others forget, as its workflow does.
func ingestMeanwhile(in *laketest.Ingester, hour telemetry.Hour, late chan<- string) error {
	for range 50 {
		s, err := in.TryStage(lake.Run{Hour: hour, ID: in.NewRun()})
		for _, chunk := range s.Chunks {
			for _, erasure := range chunk.Late {
				late <- erasure
			}
		}
		if err == nil {
			_, err = in.CommitHour(s)
		}
		if err == nil {
			err = in.Follow(in.TB.Context(), []lake.Run{s.Run})
		}
		if err == nil {
			return hours.DropStaging(in.TB.Context(), in.Lake, s.Run)
		}
		// Files go that are being read or written: steps are taken again.
		if !errors.Is(err, lake.ErrStale) && !errors.Is(err, lake.ErrConflict) && !objects.IsMissing(err) {
			return fmt.Errorf("ingest %s: %w", hour, err)
		}
	}
	return fmt.Errorf("hour %s never ends", hour)
}

// maintainUntil maintains a lake again and again; what others win is done by the next turn.
func maintainUntil(ctx context.Context, l *lake.Lake) error {
	for ctx.Err() == nil {
		// The grace keeps what is staged, as it does in earnest.
		_, err := upkeep.All(context.WithoutCancel(ctx), l, maintain.Upkeep{Grace: 1 << 40})
		if err != nil && !objects.IsMissing(err) && !lake.IsConflict(err) && !errors.Is(err, lake.ErrConflict) {
			return fmt.Errorf("maintain: %w", err)
		}
	}
	return nil
}
