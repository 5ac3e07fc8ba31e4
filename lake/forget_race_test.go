package lake

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

	"github.com/versionlake/versionlake/telemetry"
)

// ingestAgain is what the workflow does when a user was forgotten meanwhile: it begins anew. It tells how often.
func (in *ingester) ingestAgain(hour telemetry.Hour) (tries int, late []string) {
	in.tb.Helper()
	for tries = 1; tries < 5; tries++ {
		s := in.stage(hour)
		for _, chunk := range s.chunks {
			late = append(late, chunk.Late...)
		}
		_, err := in.commitHour(s)
		in.must(in.lake.DropStaging(in.tb.Context(), s.run))
		if errors.Is(err, ErrStale) {
			continue
		}
		in.must(err)
		in.gold(s.run)
		return tries, late
	}
	in.tb.Fatal("the hour never ends")
	return tries, late
}

// TestForgetMeetsStagedHours: what was staged before a user was forgotten is not committed after it.
func TestForgetMeetsStagedHours(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.put("27T09/a.tsv", sighting("27T09:00", "s1", "1.2", "UserId", "p1"))
	without := in.stage(hour + 4)
	in.put("27T08/a.tsv", sighting("27T08:00", goneSession, "1.2"), event("27T08:01", "s9", "Chat", "UserId", gone))
	early := in.stage(hour + 3)
	erasure, err := in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	// Remembered, and nothing more: the hour that names the user can't be committed, the other one can.
	if row, err := in.commitHour(early); !errors.Is(err, ErrStale) {
		t.Fatalf("committed %+v, %v", row, err)
	}
	if _, err := in.commitHour(without); err != nil {
		t.Fatal(err)
	}
	in.must(in.lake.DropStaging(t.Context(), without.run))
	in.gold(without.run)
	late := in.stage(hour + 3) // finds a session that nobody knew to be the user's
	if !slices.Equal(late.chunks[0].Late, []string{erasure}) {
		t.Errorf("new sessions of %v", late.chunks[0].Late)
	}
	in.forgetRest(erasure)
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("staged files are left:\n%s", strings.Join(found, "\n"))
	}
	for _, staged := range []stagedHour{early, late} {
		if _, err := in.commitHour(staged); !errors.Is(err, ErrStale) {
			t.Errorf("after the erasure: %v", err)
		}
	}
	if tries, late := in.ingestAgain(hour + 3); tries != 1 || len(late) > 0 {
		t.Errorf("%d tries, new sessions of %v", tries, late)
	}
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("came back:\n%s", strings.Join(found, "\n"))
	}
	checkVerify(t, in.lake)
}

// TestForgetFailsOldPlans: a commit that was planned on the history before it is redone on the one after it.
func TestForgetFailsOldPlans(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	other, err := Open(t.Context(), in.lake.config) // another process
	in.must(err)
	t.Cleanup(func() { other.Close() })
	// Any change will do: an hour's files go. The erasure comes before the plan looks at them, or after.
	plans := 0
	in.must(other.commit(t.Context(), silverSightings, func(loaded *table.Table) (*change, error) {
		if plans++; plans == 1 {
			in.forget(gone)
		}
		live, err := other.hourFiles(t.Context(), loaded, hour+2)
		return &change{remove: live, summary: iceberg.Properties{}}, err
	}))
	in.must(other.commit(t.Context(), silverEvents, func(loaded *table.Table) (*change, error) {
		live, err := other.hourFiles(t.Context(), loaded, hour+2)
		if plans++; plans == 3 {
			in.forget("p3")
		}
		return &change{remove: live, summary: iceberg.Properties{}}, err
	}))
	if plans != 4 {
		t.Errorf("%d plans", plans)
	}
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("the old plan brought back:\n%s", strings.Join(found, "\n"))
	}

	// A round of gold that is under way finds its work gone, and begins anew.
	plan, merged := in.mergeGold()
	in.must(in.lake.objects.removeAll(t.Context(), in.lake.objects.root+"/_staging/users"))
	if _, err := in.lake.CommitUsers(t.Context(), plan, merged, nil); !errors.Is(err, ErrConflict) {
		t.Errorf("a round whose work is gone: %v", err)
	}
}

// TestForgetLateSessions: a session turns out to be a forgotten user's in a later hour, or in another chunk of its hour.
func TestForgetLateSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	in.put("27T08/a.tsv", sighting("27T08:00", lateSession, "1.2"), deviceInfo("27T08:01", lateSession, "Gameboy"))
	in.ingest(hour + 3)
	done, _ := in.forget(gone)
	if !strings.Contains(dumpHours(t, in.lake), lateSession) {
		t.Fatal("the session went before anybody knew")
	}
	in.put("27T09/a.tsv", event("27T09:00", lateSession, "Chat"), sighting("27T09:01", "s1", "1.2"))
	in.put("27T09/b.tsv", event("27T09:02", lateSession, "Login", "UserId", gone), event("27T09:03", lateSession, "Chat"))
	tries, late := in.ingestAgain(hour + 4)
	if tries != 2 || !slices.Equal(slices.Compact(late), []string{done.ID}) {
		t.Errorf("%d tries, new sessions of %v", tries, late)
	}
	files, err := in.lake.Files(t.Context(), hour+4)
	in.must(err)
	for _, file := range files {
		if want := map[string]int64{"a.tsv": 1, "b.tsv": 2}[file.Key[strings.LastIndexByte(file.Key, '/')+1:]]; file.Erased != want {
			t.Errorf("%+v", file)
		}
	}
	all, err := in.lake.Erasures(t.Context())
	in.must(err)
	if all[0].State != ErasureBegun || all[0].Sessions != 4 {
		t.Errorf("before it is done once more: %+v", all)
	}
	in.forgetRest(done.ID)
	if found := in.remains(gone, goneSession, lateSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	if tries, late := in.ingestAgain(hour + 4); tries != 1 || len(late) > 0 {
		t.Errorf("the hour once more: %d tries, new sessions of %v", tries, late)
	}
	checkVerify(t, in.lake)
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
	before := in.goldRows("")
	erasure, err := in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	again, err := in.lake.BeginForget(t.Context(), gone)
	if err != nil || again != erasure {
		t.Fatalf("the second time %s, %v", again, err)
	}
	_, err = in.lake.FindSessions(t.Context(), erasure, telemetry.Options{})
	in.must(err)
	for _, name := range ErasableTables() {
		// Between two files.
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := in.lake.EraseTable(ctx, erasure, name, telemetry.Options{}, func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		cancel()
		// After the swap, before the old files are gone.
		files := in.lake.objects.io
		in.lake.objects.io = stubborn{files}
		if _, err := in.lake.EraseTable(t.Context(), erasure, name, telemetry.Options{}, func(int64) {}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s, without a right to remove: %v", name, err)
		}
		in.lake.objects.io = files
		proof, err := in.lake.ProveForgotten(t.Context(), erasure, func(int64) {})
		in.must(err)
		if len(proof.Remains) == 0 {
			t.Errorf("%s: the proof does not see the old files", name)
		}
		if _, err := in.lake.FinishForget(t.Context(), erasure, nil, proof); err == nil {
			t.Error("finished without a proof")
		}
		// Silver knows the sessions no longer; they are not lost.
		_, err = in.lake.FindSessions(t.Context(), erasure, telemetry.Options{})
		in.must(err)
	}
	in.must(in.lake.RecountErased(t.Context(), erasure))
	in.forgetRest(erasure)
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	delete(before, gone)
	if got, want := marshal(t, in.goldRows("")), marshal(t, before); got != want {
		t.Errorf("gold is\n%s\nnot\n%s", got, want)
	}
	ledger, err := in.lake.Hours(t.Context(), hour, hour+1)
	in.must(err)
	if ledger[0].Erased != 3 {
		t.Errorf("%+v", ledger[0])
	}
	checkVerify(t, in.lake)
	if _, err := in.lake.EraseTable(t.Context(), erasure, goldUsers.name, telemetry.Options{}, func(int64) {}); err != nil {
		t.Errorf("once more, when all is done: %v", err)
	}
	if _, err := in.lake.FindSessions(t.Context(), erasure, telemetry.Options{}); !errors.Is(err, ErrNotForgetting) {
		t.Errorf("who was meant is still known: %v", err)
	}
	if _, err := in.lake.FinishForget(t.Context(), erasure, nil, Proof{}); err != nil {
		t.Errorf("an answer that was lost: %v", err)
	}
}

func TestMentions(t *testing.T) {
	f := imagine("player-7f3a91c0", []named{{"5e55104a", 5, sideSubject}, {"5e55104b", 5, sideSubject}, {"5e55104b", 9, sideOthers},
		{"5e55104c", 1, sideSubject}, {"5e55104c", 2, sideNobody},
		{"5e55104d", 5, sideSubject}, {"5e55104d", 7, sideNobody}, {"5e55104d", 9, sideOthers},
		{"5e55104e", 5, sideNobody}, {"5e55104e", 7, sideSubject}, {"5e55104e", 9, sideOthers}})
	g := f.guard()
	for text, want := range map[string]string{
		"player-7f3a91c0":                         "erased",
		"{'UserId':player-7f3a91c0}":              "{'UserId':erased}",
		"no player-7f3a91c0, nor 5e55104a.":       "no erased, nor erased.",
		"user:player-7f3a91c0/x":                  "user:erased/x",
		"player-7f3a91c0-2 player-7f3a91c09":      "player-7f3a91c0-2 player-7f3a91c09",
		"the-player-7f3a91c0 player-7f3a91c0.5":   "the-player-7f3a91c0 player-7f3a91c0.5",
		"5e55104b is everybody's":                 "5e55104b is everybody's",
		"player-7f3a91c0player-7f3a91c0":          "player-7f3a91c0player-7f3a91c0",
		"player-7f3a91c0 player-7f3a91c0\tplayer": "erased erased\tplayer",
		"": "",
	} {
		if got := g.redact(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
	for _, test := range []struct {
		fact fact
		owns bool
	}{
		{fact{"5e55104a", "", 1 << 50, false, false}, true}, // the session named nobody else
		{fact{"5e55104a", "", 0, true, false}, true},
		{fact{"5e55104a", "p2", 0, false, false}, false},
		{fact{"5e55104b", "", 4, false, false}, true},
		{fact{"5e55104b", "", 8, false, false}, true},
		{fact{"5e55104b", "", 9, false, false}, false},
		{fact{"5e55104b", "", 4, true, false}, false}, // the device is everybody's
		{fact{"5e55104b", "player-7f3a91c0", 10, true, false}, true},
		{fact{"s1", "", 5, false, false}, false},
		{fact{"5e55104c", "", 5, false, false}, true}, // ended, and named nobody else
		{fact{"5e55104d", "", 6, false, false}, true},
		{fact{"5e55104d", "", 7, false, false}, false}, // nobody's until the other one came
		{fact{"5e55104d", "", 8, false, false}, false},
		{fact{"5e55104d", "", 9, false, false}, false},
		{fact{"5e55104e", "", 4, false, false}, true}, // an ending is never taken for what comes next
		{fact{"5e55104e", "", 5, false, false}, false},
		{fact{"5e55104e", "", 6, false, false}, false},
		{fact{"5e55104e", "", 7, false, false}, true},
	} {
		if got := g.owns(test.fact); got != test.owns {
			t.Errorf("%+v: %v", test.fact, got)
		}
	}
	for id, owns := range map[string]bool{"player-7f3a91c0": true, "session:5e55104a": true, "session:5e55104b": false, "user:player-7f3a91c0": true, "5e55104a": false, "p2": false} {
		if got := g.ownsRow(&userRow{UserID: id, History: []intervalRow{{ValidFrom: 9, LastSeenAt: 9}}}); got != owns {
			t.Errorf("the row of %s: %v", id, got)
		}
	}
	if !g.ownsRow(&userRow{UserID: "session:5e55104b", History: []intervalRow{{ValidFrom: 4, LastSeenAt: 8}}}) {
		t.Error("a row of the user's time alone in a session of several")
	}
	var nobody *forgotten
	if nobody.guard() != nil || (&forgotten{}).guard() != nil || nobody.guard().owns(fact{user: "x"}) {
		t.Error("a guard of nobody")
	}
}

func TestNamedAs(t *testing.T) {
	for user, want := range map[string]string{"p1": "p1", "user:session:x": "session:x", "user:user:x": "user:x", "user:x": "user:x"} {
		if got, err := namedAs(user); err != nil || got != want {
			t.Errorf("%s is named %q, %v", user, got, err)
		}
	}
	for _, user := range []string{"", "session:x"} {
		if _, err := namedAs(user); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", user, err)
		}
	}
}
