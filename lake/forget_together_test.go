package lake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// The other one who is forgotten, and sessions of both.
const (
	gone2        = "player-b2d0c4e6"
	gone2Session = "6e66204a0000beef"
	bothSession  = "6e66204b0000cafe" // the one, then the other
	threeSession = "6e66204c0000f00d" // both, and p2
)

// fillTogetherWorld is a world of two users of whom each has a session alone, one with the other, and one with others.
func (in *ingester) fillTogetherWorld() (hour telemetry.Hour) {
	in.tb.Helper()
	in.put("27T05/a.tsv", sighting("27T05:10", goneSession, "1.0"), sighting("27T05:11", gone2Session, "1.0"), sighting("27T05:12", bothSession, "1.0"),
		sighting("27T05:13", threeSession, "1.0"), sighting("27T05:14", "s1", "1.0"))
	in.put("27T06/a.tsv", login("27T06:00", goneSession, gone), login("27T06:01", gone2Session, gone2), login("27T06:10", bothSession, gone),
		deviceInfo("27T06:11", bothSession, "Tablet"), sighting("27T06:12", bothSession, "2.0"), login("27T06:20", bothSession, gone2), sighting("27T06:22", bothSession, "2.1"),
		login("27T06:30", threeSession, gone), login("27T06:40", threeSession, gone2), sighting("27T06:42", threeSession, "3.0"),
		login("27T06:50", threeSession, "p2"), deviceInfo("27T06:51", threeSession, "Phone"), sighting("27T06:52", threeSession, "3.1"))
	in.put("27T07/a.tsv", sighting("27T07:00", bothSession, "2.2"), event("27T07:01", bothSession, "Chat"), sighting("27T07:02", threeSession, "3.2"),
		event("27T07:03", "s9", "Crash", "Message", gone+" met "+gone2, "UserId", "p2"))
	hour = hourAt(in.tb, "2022-05-27T05")
	for i := range 3 {
		in.ingest(hour + telemetry.Hour(i))
	}
	return hour
}

// forgetLikeWorkflow takes the steps as ForgetUser does, again and again while the proof finds the user. It tells whether another
// run ended the erasure.
func (in *ingester) forgetLikeWorkflow(erasure string) (elsewhere bool, err error) {
	in.tb.Helper()
	var remains []Remain
	for range 5 {
		tables, proof, err := in.forgetOnce(erasure)
		remains = proof.Remains
		if err == nil && len(proof.Remains) == 0 {
			in.retry(func() error { _, err = in.lake.FinishForget(in.tb.Context(), erasure, tables, proof); return err })
		}
		switch {
		case errors.Is(err, ErrNotForgetting):
			_, err := in.lake.EndedErasure(in.tb.Context(), erasure)
			return true, err
		case err != nil && !errors.Is(err, ErrStale):
			return false, err
		case err == nil && len(proof.Remains) == 0:
			return false, nil
		}
	}
	return false, fmt.Errorf("after five tries the proof finds %+v", remains)
}

// retry is what Temporal does with a step that fails: once more, unless that can't help.
func (in *ingester) retry(step func() error) {
	in.tb.Helper()
	for range 50 {
		if err := step(); err == nil || errors.Is(err, ErrStale) || errors.Is(err, ErrNotForgetting) || in.tb.Context().Err() != nil {
			return
		}
	}
}

func (in *ingester) forgetOnce(erasure string) (tables []ErasedTable, proof Proof, err error) {
	ctx := in.tb.Context()
	in.retry(func() error { _, err = in.lake.FindSessions(ctx, erasure, telemetry.Options{}); return err })
	for _, name := range ErasableTables() {
		if err == nil {
			in.retry(func() error {
				var erased ErasedTable
				if erased, err = in.lake.EraseTable(ctx, erasure, name, telemetry.Options{}, func(int64) {}); err == nil {
					tables = append(tables, erased)
				}
				return err
			})
		}
	}
	for _, step := range []func() error{
		func() error { return in.lake.RecountErased(ctx, erasure) },
		func() error { _, err := in.lake.SweepForgotten(ctx, erasure); return err },
		func() (err error) { proof, err = in.lake.ProveForgotten(ctx, erasure, func(int64) {}); return err },
	} {
		if err == nil {
			in.retry(func() error { err = step(); return err })
		}
	}
	return tables, proof, err
}

// TestForgetTwoUsers: in whatever order two are forgotten, both are gone, with the session of both, and nothing of others.
func TestForgetTwoUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	want := ""
	for name, forget := range map[string]func(*ingester, string, string){
		"one after the other": nil,
		"remembered at once": func(in *ingester, one, two string) {
			in.forgetRest(one)
			in.forgetRest(two)
		},
		"found at once": func(in *ingester, one, two string) {
			for _, erasure := range []string{one, two} {
				_, err := in.lake.FindSessions(in.tb.Context(), erasure, telemetry.Options{})
				in.must(err)
			}
			in.forgetRest(two)
			in.forgetRest(one)
		},
		"table by table": func(in *ingester, one, two string) {
			_, err := in.lake.FindSessions(in.tb.Context(), one, telemetry.Options{})
			in.must(err)
			for _, table := range ErasableTables() {
				_, err := in.lake.EraseTable(in.tb.Context(), one, table, telemetry.Options{}, func(int64) {})
				in.must(err)
			}
			_, err = in.lake.FindSessions(in.tb.Context(), two, telemetry.Options{})
			in.must(err)
			for _, erasure := range []string{one, two} {
				if elsewhere, err := in.forgetLikeWorkflow(erasure); err != nil || elsewhere {
					in.tb.Errorf("%v, %v", elsewhere, err)
				}
			}
		},
		"by two processes": func(in *ingester, one, two string) {
			var work errgroup.Group
			for erasure, process := range map[string]*ingester{one: in, two: in.reopen()} {
				work.Go(func() error {
					elsewhere, err := process.forgetLikeWorkflow(erasure)
					if err == nil && elsewhere {
						err = errors.New("another run ended it")
					}
					return err
				})
			}
			in.must(work.Wait())
		},
	} {
		in := newWorld(t)
		hour := in.fillTogetherWorld()
		if forget == nil {
			in.forget(gone)
			in.forget(gone2)
		} else {
			one, err := in.lake.BeginForget(t.Context(), gone)
			in.must(err)
			two, err := in.lake.BeginForget(t.Context(), gone2)
			in.must(err)
			forget(in, one, two)
		}
		if found := in.remains(gone, gone2, goneSession, gone2Session, bothSession); len(found) > 0 {
			t.Errorf("%s: left behind:\n%s", name, strings.Join(found, "\n"))
		}
		if got := show(t, in.lake); !slices.Equal(got, []string{"p2 App/Phone 3.1 27T06:52.. ×1", "p2 App/Phone 3.2 27T07:02.. ×1", "session:s1 App 1.0 27T05:14.. ×1"}) &&
			!slices.Equal(got, []string{"p2 App/Phone 3.1 27T06:52..27T07:02 ×1", "p2 App/Phone 3.2 27T07:02.. ×1", "session:s1 App 1.0 27T05:14.. ×1"}) {
			t.Errorf("%s: gold is %q", name, got)
		}
		checkVerify(t, in.lake)
		// The source gives the same, in whatever order they went.
		for _, tables := range []func(){func() {}, func() {
			for i := range 3 {
				in.ingest(hour + telemetry.Hour(i))
			}
		}} {
			tables()
			got := users(t, in.lake, "") + dumpHours(t, in.lake)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: the tables are\n%s\nnot\n%s", name, got, want)
			}
		}
		erasures, err := in.lake.Erasures(t.Context())
		in.must(err)
		for _, erasure := range erasures {
			if erasure.State != ErasureDone || erasure.Sessions != 3 {
				t.Errorf("%s: %+v", name, erasure)
			}
		}
	}
}

// TestForgetOneUserTwice: asked for twice at once, by processes that know nothing of each other.
func TestForgetOneUserTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hour := forgetWorld(t)
	erasure, err := in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	_, err = in.lake.FindSessions(t.Context(), erasure, telemetry.Options{})
	in.must(err)
	_, err = in.lake.EraseTable(t.Context(), erasure, silverBindings.name, telemetry.Options{}, func(int64) {})
	in.must(err)
	// Silver knows the sessions no longer; being asked again must not make the erasure lose them.
	again, err := in.lake.BeginForget(t.Context(), gone)
	in.must(err)
	if sessions, err := in.lake.FindSessions(t.Context(), again, telemetry.Options{}); again != erasure || err != nil || sessions != 3 {
		t.Errorf("erasure %s, then %s with %d sessions, %v", erasure, again, sessions, err)
	}
	// The other one comes as far as its proof when the first one ends.
	other := in.reopen()
	tables, proof, err := other.forgetOnce(erasure)
	in.must(err)
	in.forgetRest(erasure)
	if done, err := other.lake.FinishForget(t.Context(), erasure, tables, proof); err != nil || done.State != ErasureDone {
		t.Errorf("the second ends with %+v, %v", done, err)
	}
	if elsewhere, err := other.forgetLikeWorkflow(erasure); err != nil || !elsewhere {
		t.Errorf("when all is done: %v, %v", elsewhere, err)
	}
	left := 0
	in.must(in.lake.objects.walk(t.Context(), in.lake.forgetFolder(erasure), func(string, int64) error { left++; return nil }))
	if left > 0 {
		t.Errorf("%d documents are left in the erasure's folder", left)
	}

	// Asked for while the last step runs: whoever is last finds the user's name, or that it is done.
	for range 4 {
		var work errgroup.Group
		erasure, err := in.lake.BeginForget(t.Context(), gone)
		in.must(err)
		tables, proof, err := in.forgetOnce(erasure)
		in.must(err)
		work.Go(func() error {
			_, err := in.lake.FinishForget(t.Context(), erasure, tables, proof)
			return err
		})
		work.Go(func() error {
			if _, err := other.lake.BeginForget(t.Context(), gone); err != nil {
				return err
			}
			_, err := other.forgetLikeWorkflow(erasure)
			return err
		})
		in.must(work.Wait())
	}
	if found := in.remains(gone, goneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	for i := range 3 {
		in.ingest(hour + telemetry.Hour(i))
	}
	checkVerify(t, in.lake)
}

// TestForgetEscapes: an id that is written with escapes is the id, in bodies, rejects, and what others say.
func TestForgetEscapes(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	const odd = `dom/nick\new-7f3a` // has what looks like an escape
	in.put("27T05/a.tsv",
		sighting("27T05:00", "s1", "1.0", "UserId", `\u0070layer-7f3a91c0`),
		sighting("27T05:01", "s2", "1.0", "UserId", `player\x2d7f3a91c0`),
		sighting("27T05:02", "s3", "1.0", "UserId", `\U00000070layer-7f3a91c0`),
		sighting("27T05:03", "s4", "1.0", "UserId", `dom\/nick\\new-7f3a`),
		event("27T05:04", "s5", "Crash", "UserId", "p2", "Message", `\tplayer-7f3a91c0\n, {\"id\": \"\\u0070layer-7f3a91c0\"}`),
		event("27T05:05", "s5", "Crash", "UserId", "p2", "Message", `not player-7f3a91c0\u0030 nor \u0030player-7f3a91c0`),
		event("27T05:06", "s5", "Crash", "UserId", "p2", "Message", `met dom\x2fnick\\new-7f3a.`),
		`broken: {'UserId': '\u0070layer-7f3a91c0'`,
		`broken: {'UserId': 'dom\/nick\\new-7f3a'`,
		`broken: {'UserId': 'p\u0033'}`,
		`broken: {'UserId': 'p2'}`)
	in.ingest(hour)
	names := []string{gone, odd, "p3"}
	look := func(before bool) {
		t.Helper()
		for _, name := range names {
			erasure, err := in.lake.BeginForget(t.Context(), name)
			in.must(err)
			proof, err := in.lake.ProveForgotten(t.Context(), erasure, func(int64) {})
			in.must(err)
			if found := len(proof.Remains) > 0; found != before {
				t.Errorf("%s: the proof finds %+v", name, proof.Remains)
			}
		}
	}
	look(true)
	for _, name := range names {
		in.forget(name)
	}
	look(false)
	for _, name := range names {
		in.forget(name)
	}
	want := dumpHours(t, in.lake)
	for _, wanted := range []string{`\\terased\\n, {\\\"id\\\": \\\"erased\\\"}`, `not player-7f3a91c0\\u0030 nor \\u0030player-7f3a91c0`, `met erased.`} {
		if !strings.Contains(want, wanted) {
			t.Errorf("bronze lacks %s:\n%s", wanted, want)
		}
	}
	for _, lines := range [][]string{{dump[rejectRow](t, in.lake, bronzeRejects), "1"}, {dump[silverRow](t, in.lake, silverEvents), "3"}} {
		if got := fmt.Sprint(strings.Count(lines[0], "\n") - 1); got != lines[1] {
			t.Errorf("%s rows are left, not %s:\n%s", got, lines[1], lines[0])
		}
	}
	checkVerify(t, in.lake)
	in.ingest(hour)
	if got := dumpHours(t, in.lake); got != want {
		t.Errorf("after another reading\n%s\nis not\n%s", got, want)
	}
	checkVerify(t, in.lake)
}

// TestVerifyKnowsTheForgotten: rows of a forgotten user that somebody else wrote are told, each table's.
func TestVerifyKnowsTheForgotten(t *testing.T) {
	in, hour := forgetWorld(t)
	in.forget(gone)
	in.daily()
	checkVerify(t, in.lake)
	at := hour.String()
	plant(t, in.lake, bronzeEvents, at, func(rows []eventRow) []eventRow {
		rows[0].BodyMessage = "{'Name': 'Login', 'UserId': 'player-7f3a91c\\x30'}"
		return rows
	})
	plant(t, in.lake, bronzeRejects, at, func(rows []rejectRow) []rejectRow {
		rows[0].RawLine = []byte("broken " + goneSession)
		return rows
	})
	plant(t, in.lake, silverEvents, at, func(rows []silverRow) []silverRow { rows[0].Message = "no friend " + gone; return rows })
	plant(t, in.lake, silverSightings, at, func(rows []sightingRow) []sightingRow { rows[0].SessionID = goneSession; return rows })
	plant(t, in.lake, silverBindings, at, func(rows []bindingRow) []bindingRow { rows[0].Value = gone; return rows })
	plant(t, in.lake, goldUsers, "", func(rows []userRow) []userRow {
		for i := range rows {
			if rows[i].UserID == "p3" {
				rows[i].UserID = gone
			}
		}
		return rows
	})
	lines, _ := verified(t, in.lake)
	lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "6 ") })
	for _, definition := range erasable {
		mentioned := definition.name == silverEvents.name
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "6 "+definition.name+" ") && strings.Contains(line, map[bool]string{true: "mention", false: "1 rows are of"}[mentioned])
		}) {
			t.Errorf("nothing is said of %s:\n%s", definition.name, strings.Join(lines, "\n"))
		}
	}
	if len(lines) != len(erasable) {
		t.Errorf("%q", lines)
	}
}

// TestForgetWhatOthersWereGiven: gold gave sightings to others of a session, or to nobody, before an hour told that they are the
// forgotten one's.
func TestForgetWhatOthersWereGiven(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv", sighting("27T05:46", "s4", "1.0"),
		login("27T04:50", "s5", "p2"), sighting("27T05:10", "s5", "1.0"), sighting("27T05:50", "s5", "1.1", "UserId", "p2"),
		sighting("27T05:20", "s6", "1.0"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.forget(gone)
	in.put("27T04/a.tsv", login("27T02:34", "s4", gone), login("27T02:00", "s4", "p2"), login("27T05:05", "s5", gone))
	before := users(t, in.lake, "")
	for _, given := range []string{`"ID":"session:s4"`, `"VersionCount":2`} {
		if !strings.Contains(before, given) {
			t.Fatalf("gold has no %s:\n%s", given, before)
		}
	}
	late := &planRun{truth: newTruth(true), in: in}
	late.ingest(hourAt(t, "2022-05-27T04"))
	late.forgetLate()
	after := users(t, in.lake, "")
	if want := naive(t, in.lake); after != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", after, want)
	}
	if strings.Contains(after, "session:s4") || !strings.Contains(after, "session:s6") {
		t.Errorf("gold is\n%s", after)
	}
	if then := users(t, in.lake, "hour-2022-05-27T05"); strings.Contains(then, "session:s4") || !strings.Contains(then, "session:s6") {
		t.Errorf("gold was\n%s", then)
	}
	checkVerify(t, in.lake)
}
