package forget_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// TestForgetMeetsStagedHours: what was staged before a user was forgotten is not committed after it.
func TestForgetMeetsStagedHours(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.Put("27T09/a.tsv", laketest.Sighting("27T09:00", "s1", "1.2", "UserId", "p1"))
	without := in.Stage(hour + 4)
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:00", laketest.GoneSession, "1.2"),
		laketest.Event("27T08:01", "s9", "Chat", "UserId", laketest.Gone))
	early := in.Stage(hour + 3)
	erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	// Remembered, and nothing more: the hour that names the user can't be committed, the other one can.
	if row, err := in.CommitHour(early); !errors.Is(err, lake.ErrStale) {
		t.Fatalf("committed %+v, %v", row, err)
	}
	if _, err := in.CommitHour(without); err != nil {
		t.Fatal(err)
	}
	in.Must(hours.DropStaging(t.Context(), in.Lake, without.Run))
	in.Gold(without.Run)
	late := in.Stage(hour + 3) // finds a session that nobody knew to be the user's
	if !slices.Equal(late.Chunks[0].Late, []string{erasure}) {
		t.Errorf("new sessions of %v", late.Chunks[0].Late)
	}
	forgetting.Rest(in, erasure)
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("staged files are left:\n%s", strings.Join(found, "\n"))
	}
	for _, staged := range []laketest.StagedHour{early, late} {
		if _, err := in.CommitHour(staged); !errors.Is(err, lake.ErrStale) {
			t.Errorf("after the erasure: %v", err)
		}
	}
	if tries, late := in.IngestAgain(hour + 3); tries != 1 || len(late) > 0 {
		t.Errorf("%d tries, new sessions of %v", tries, late)
	}
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("came back:\n%s", strings.Join(found, "\n"))
	}
	checks.Verify(t, in.Lake)
}

// TestForgetFailsOldPlans: a commit that was planned on the history before it is redone on the one after it.
func TestForgetFailsOldPlans(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	other, err := lake.Open(t.Context(), in.Lake.Config) // another process
	in.Must(err)
	t.Cleanup(func() { other.Close() })
	// Any change will do: an hour's files go. The erasure comes before the plan looks at them, or after.
	plans := 0
	in.Must(other.Commit(t.Context(), lake.SilverSightings, func(loaded *table.Table) (*lake.Change, error) {
		if plans++; plans == 1 {
			forgetting.Forget(in, laketest.Gone)
		}
		live, err := other.HourFiles(t.Context(), loaded, hour+2)
		return &lake.Change{Remove: live, Summary: iceberg.Properties{}}, err
	}))
	in.Must(other.Commit(t.Context(), lake.SilverEvents, func(loaded *table.Table) (*lake.Change, error) {
		live, err := other.HourFiles(t.Context(), loaded, hour+2)
		if plans++; plans == 3 {
			forgetting.Forget(in, "p3")
		}
		return &lake.Change{Remove: live, Summary: iceberg.Properties{}}, err
	}))
	if plans != 4 {
		t.Errorf("%d plans", plans)
	}
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("the old plan brought back:\n%s", strings.Join(found, "\n"))
	}

	// A round of gold that is under way finds its work gone, and begins anew.
	plan, merged := in.MergeGold()
	in.Must(in.Lake.Objects.RemoveAll(t.Context(), in.Lake.Objects.Root+"/"+lake.StagingName+"/users"))
	if _, err := gold.CommitUsers(t.Context(), in.Lake, plan, merged, nil); !errors.Is(err, lake.ErrConflict) {
		t.Errorf("a round whose work is gone: %v", err)
	}
}

// TestForgetLateSessions: a session turns out to be a forgotten user's in a later hour, or in another chunk of its
// hour.
func TestForgetLateSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:00", lateSession, "1.2"),
		laketest.DeviceInfo("27T08:01", lateSession, "Gameboy"))
	in.Ingest(hour + 3)
	done, _ := forgetting.Forget(in, laketest.Gone)
	if !strings.Contains(laketest.DumpHours(t, in.Lake), lateSession) {
		t.Fatal("the session went before anybody knew")
	}
	in.Put("27T09/a.tsv", laketest.Event("27T09:00", lateSession, "Chat"), laketest.Sighting("27T09:01", "s1", "1.2"))
	in.Put("27T09/b.tsv", laketest.Event("27T09:02", lateSession, "Login", "UserId", laketest.Gone),
		laketest.Event("27T09:03", lateSession, "Chat"))
	tries, late := in.IngestAgain(hour + 4)
	if tries != 2 || !slices.Equal(slices.Compact(late), []string{done.ID}) {
		t.Errorf("%d tries, new sessions of %v", tries, late)
	}
	files, err := ledger.Files(t.Context(), in.Lake, hour+4)
	in.Must(err)
	for _, file := range files {
		if want := map[string]int64{"a.tsv": 1,
			"b.tsv": 2}[file.Key[strings.LastIndexByte(file.Key, '/')+1:]]; file.Erased != want {
			t.Errorf("%+v", file)
		}
	}
	all, err := forgotten.Erasures(t.Context(), in.Lake)
	in.Must(err)
	if all[0].State != forgotten.ErasureBegun || all[0].Sessions != 4 {
		t.Errorf("before it is done once more: %+v", all)
	}
	forgetting.Rest(in, done.ID)
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession, lateSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if tries, late := in.IngestAgain(hour + 4); tries != 1 || len(late) > 0 {
		t.Errorf("the hour once more: %d tries, new sessions of %v", tries, late)
	}
	checks.Verify(t, in.Lake)
}

// stubborn is a warehouse that does not let go of files, or of the n-th only.
type stubborn struct{ icebergio.IO }

func (s stubborn) Remove(name string) error {
	return fmt.Errorf("remove %s: %w", name, fs.ErrPermission)
}

// TestForgetResumes: given up anywhere, and begun anew, it ends right.
func TestForgetResumes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	before := in.GoldRows("")
	erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	again, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	if err != nil || again != erasure {
		t.Fatalf("the second time %s, %v", again, err)
	}
	_, err = forget.FindSessions(t.Context(), in.Lake, erasure, telemetry.Options{})
	in.Must(err)
	for _, name := range forget.ErasableTables() {
		// Between two files.
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := forget.EraseTable(ctx, in.Lake, erasure, name, telemetry.Options{},
			func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		cancel()
		// After the swap, before the old files are gone.
		files := in.Lake.Objects.IO
		in.Lake.Objects.IO = stubborn{files}
		if _, err := forget.EraseTable(t.Context(), in.Lake, erasure, name, telemetry.Options{},
			func(int64) {}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s, without a right to remove: %v", name, err)
		}
		in.Lake.Objects.IO = files
		proof, err := forget.ProveForgotten(t.Context(), in.Lake, erasure, func(int64) {})
		in.Must(err)
		if len(proof.Remains) == 0 {
			t.Errorf("%s: the proof does not see the old files", name)
		}
		if _, err := forget.FinishForget(t.Context(), in.Lake, erasure, nil, proof); err == nil {
			t.Error("finished without a proof")
		}
		// Silver knows the sessions no longer; they are not lost.
		_, err = forget.FindSessions(t.Context(), in.Lake, erasure, telemetry.Options{})
		in.Must(err)
	}
	in.Must(forget.RecountErased(t.Context(), in.Lake, erasure))
	forgetting.Rest(in, erasure)
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	delete(before, laketest.Gone)
	if got, want := laketest.Marshal(t, in.GoldRows("")), laketest.Marshal(t, before); got != want {
		t.Errorf("gold is\n%s\nnot\n%s", got, want)
	}
	ledger, err := ledger.Hours(t.Context(), in.Lake, hour, hour+1)
	in.Must(err)
	if ledger[0].Erased != 3 {
		t.Errorf("%+v", ledger[0])
	}
	checks.Verify(t, in.Lake)
	if _, err := forget.EraseTable(t.Context(), in.Lake, erasure, lake.GoldUsers.Name, telemetry.Options{},
		func(int64) {}); err != nil {
		t.Errorf("once more, when all is done: %v", err)
	}
	if _, err := forget.FindSessions(t.Context(), in.Lake, erasure, telemetry.Options{}); !errors.Is(err,
		lake.ErrNotForgetting) {
		t.Errorf("who was meant is still known: %v", err)
	}
	if _, err := forget.FinishForget(t.Context(), in.Lake, erasure, nil, forget.Proof{}); err != nil {
		t.Errorf("an answer that was lost: %v", err)
	}
}
