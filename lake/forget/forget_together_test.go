package forget_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/telemetry"
)

// The other one who is forgotten, and sessions of both.
const (
	gone2        = "player-b2d0c4e6"
	gone2Session = "6e66204a0000beef"
	bothSession  = "6e66204b0000cafe" // the one, then the other
	threeSession = "6e66204c0000f00d" // both, and p2
)

// TestForgetTwoUsers: in whatever order two are forgotten, both are gone, with the session of both, and nothing of
// others.
//
//nolint:cyclop,funlen // a story that is told step by step reads best in one piece
func TestForgetTwoUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	want := ""
	for name, forgetUser := range map[string]func(*laketest.Ingester, string, string){
		"one after the other": nil,
		"remembered at once": func(in *laketest.Ingester, one, two string) {
			forgetting.Rest(in, one)
			forgetting.Rest(in, two)
		},
		"found at once": func(in *laketest.Ingester, one, two string) {
			for _, erasure := range []string{one, two} {
				_, err := forget.FindSessions(in.TB.Context(), in.Lake, erasure, telemetry.Options{})
				in.Must(err)
			}
			forgetting.Rest(in, two)
			forgetting.Rest(in, one)
		},
		"table by table": func(in *laketest.Ingester, one, two string) {
			_, err := forget.FindSessions(in.TB.Context(), in.Lake, one, telemetry.Options{})
			in.Must(err)
			for _, table := range forget.ErasableTables() {
				_, err := forget.EraseTable(in.TB.Context(), in.Lake, one, table, telemetry.Options{}, func(int64) {})
				in.Must(err)
			}
			_, err = forget.FindSessions(in.TB.Context(), in.Lake, two, telemetry.Options{})
			in.Must(err)
			for _, erasure := range []string{one, two} {
				if elsewhere, err := forgetting.LikeWorkflow(in, erasure); err != nil || elsewhere {
					in.TB.Errorf("%v, %v", elsewhere, err)
				}
			}
		},
		"together": func(in *laketest.Ingester, one, two string) {
			forgetting.Rest(in, forget.Together([]string{one, two}))
		},
		"together, half-way": func(in *laketest.Ingester, one, two string) {
			both := forget.Together([]string{two, one})
			_, err := forget.FindSessions(in.TB.Context(), in.Lake, both, telemetry.Options{})
			in.Must(err)
			for _, table := range forget.ErasableTables()[:4] {
				_, err := forget.EraseTable(in.TB.Context(), in.Lake, both, table, telemetry.Options{}, func(int64) {})
				in.Must(err)
			}
			forgetting.Rest(in, one)
			forgetting.Rest(in, two)
		},
		"together, where one has ended": func(in *laketest.Ingester, one, two string) {
			both := forget.Together([]string{one, two})
			proof, err := forget.ProveForgotten(in.TB.Context(), in.Lake, both, func(int64) {})
			in.Must(err)
			forgetting.Rest(in, one)
			later, err := forget.ProveForgotten(in.TB.Context(), in.Lake, both, func(int64) {})
			in.Must(err)
			if len(proof.Remains) == 0 || len(later.Remains) == 0 {
				in.TB.Errorf("a proof of both does not find the one who is there: %+v, %+v", proof, later)
			}
			forgetting.Rest(in, both)
		},
		"by two processes": func(in *laketest.Ingester, one, two string) {
			var work errgroup.Group
			for erasure, process := range map[string]*laketest.Ingester{one: in, two: in.Reopen()} {
				work.Go(func() error {
					elsewhere, err := forgetting.LikeWorkflow(process, erasure)
					if err == nil && elsewhere {
						err = errors.New("another run ended it")
					}
					return err
				})
			}
			in.Must(work.Wait())
		},
	} {
		in := laketest.NewWorld(t)
		hour := fillTogetherWorld(in)
		if forgetUser == nil {
			forgetting.Forget(in, laketest.Gone)
			forgetting.Forget(in, gone2)
		} else {
			one, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
			in.Must(err)
			two, err := forget.BeginForget(t.Context(), in.Lake, gone2)
			in.Must(err)
			forgetUser(in, one, two)
		}
		if found := forgetting.Remains(in, laketest.Gone, gone2, laketest.GoneSession, gone2Session,
			bothSession); len(found) > 0 {
			t.Errorf("%s: left behind:\n%s", name, strings.Join(found, "\n"))
		}
		if got := laketest.Show(t, in.Lake); !slices.Equal(got,
			[]string{"p2 App/Phone 3.1 27T06:52.. ×1", "p2 App/Phone 3.2 27T07:02.. ×1",
				"session:s1 App 1.0 27T05:14.. ×1"}) &&
			!slices.Equal(got, []string{"p2 App/Phone 3.1 27T06:52..27T07:02 ×1", "p2 App/Phone 3.2 27T07:02.. ×1",
				"session:s1 App 1.0 27T05:14.. ×1"}) {
			t.Errorf("%s: gold is %q", name, got)
		}
		checks.Verify(t, in.Lake)
		// The source gives the same, in whatever order they went.
		for _, tables := range []func(){func() {}, func() {
			for i := range 3 {
				in.Ingest(hour + telemetry.Hour(i))
			}
		}} {
			tables()
			got := laketest.Users(t, in.Lake, "") + laketest.DumpHours(t, in.Lake)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: the tables are\n%s\nnot\n%s", name, got, want)
			}
		}
		erasures, err := forgotten.Erasures(t.Context(), in.Lake)
		in.Must(err)
		for _, erasure := range erasures {
			if erasure.State != forgotten.ErasureDone || erasure.Sessions != 3 {
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
	erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	_, err = forget.FindSessions(t.Context(), in.Lake, erasure, telemetry.Options{})
	in.Must(err)
	_, err = forget.EraseTable(t.Context(), in.Lake, erasure, lake.SilverBindings.Name, telemetry.Options{},
		func(int64) {})
	in.Must(err)
	// Silver knows the sessions no longer; being asked again must not make the erasure lose them.
	again, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
	in.Must(err)
	if sessions, err := forget.FindSessions(t.Context(), in.Lake, again, telemetry.Options{}); again != erasure ||
		err != nil || sessions != 3 {
		t.Errorf("erasure %s, then %s with %d sessions, %v", erasure, again, sessions, err)
	}
	// The other one comes as far as its proof when the first one ends.
	other := in.Reopen()
	tables, proof, err := forgetting.Once(other, erasure)
	in.Must(err)
	forgetting.Rest(in, erasure)
	if done, err := forget.FinishForget(t.Context(), other.Lake, erasure, tables, proof); err != nil ||
		done.State != forgotten.ErasureDone {
		t.Errorf("the second ends with %+v, %v", done, err)
	}
	if elsewhere, err := forgetting.LikeWorkflow(other, erasure); err != nil || !elsewhere {
		t.Errorf("when all is done: %v, %v", elsewhere, err)
	}
	left := 0
	in.Must(in.Lake.Objects.Walk(t.Context(), forgotten.ForgetFolder(in.Lake, erasure),
		func(string, int64) error { left++; return nil }))
	if left > 0 {
		t.Errorf("%d documents are left in the erasure's folder", left)
	}

	// Asked for while the last step runs: whoever is last finds the user's name, or that it is done.
	for range 4 {
		var work errgroup.Group
		erasure, err := forget.BeginForget(t.Context(), in.Lake, laketest.Gone)
		in.Must(err)
		tables, proof, err := forgetting.Once(in, erasure)
		in.Must(err)
		work.Go(func() error {
			_, err := forget.FinishForget(t.Context(), in.Lake, erasure, tables, proof)
			return err
		})
		work.Go(func() error {
			if _, err := forget.BeginForget(t.Context(), other.Lake, laketest.Gone); err != nil {
				return err
			}
			_, err := forgetting.LikeWorkflow(other, erasure)
			return err
		})
		in.Must(work.Wait())
	}
	if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(found, "\n"))
	}
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	checks.Verify(t, in.Lake)
}

// TestForgetEscapes: an id that is written with escapes is the id, in bodies, rejects, and what others say.
func TestForgetEscapes(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	const odd = `dom/nick\new-7f3a` // has what looks like an escape
	in.Put("27T05/a.tsv",
		laketest.Sighting("27T05:00", "s1", "1.0", "UserId", `\u0070layer-7f3a91c0`),
		laketest.Sighting("27T05:01", "s2", "1.0", "UserId", `player\x2d7f3a91c0`),
		laketest.Sighting("27T05:02", "s3", "1.0", "UserId", `\U00000070layer-7f3a91c0`),
		laketest.Sighting("27T05:03", "s4", "1.0", "UserId", `dom\/nick\\new-7f3a`),
		laketest.Event("27T05:04", "s5", "Crash", "UserId", "p2", "Message",
			`\tplayer-7f3a91c0\n, {\"id\": \"\\u0070layer-7f3a91c0\"}`),
		laketest.Event("27T05:05", "s5", "Crash", "UserId", "p2", "Message",
			`not player-7f3a91c0\u0030 nor \u0030player-7f3a91c0`),
		laketest.Event("27T05:06", "s5", "Crash", "UserId", "p2", "Message", `met dom\x2fnick\\new-7f3a.`),
		`broken: {'UserId': '\u0070layer-7f3a91c0'`,
		`broken: {'UserId': 'dom\/nick\\new-7f3a'`,
		`broken: {'UserId': 'p\u0033'}`,
		`broken: {'UserId': 'p2'}`)
	in.Ingest(hour)
	names := []string{laketest.Gone, odd, "p3"}
	look := func(before bool) {
		t.Helper()
		for _, name := range names {
			erasure, err := forget.BeginForget(t.Context(), in.Lake, name)
			in.Must(err)
			proof, err := forget.ProveForgotten(t.Context(), in.Lake, erasure, func(int64) {})
			in.Must(err)
			if found := len(proof.Remains) > 0; found != before {
				t.Errorf("%s: the proof finds %+v", name, proof.Remains)
			}
		}
	}
	look(true)
	for _, name := range names {
		forgetting.Forget(in, name)
	}
	look(false)
	for _, name := range names {
		forgetting.Forget(in, name)
	}
	want := laketest.DumpHours(t, in.Lake)
	for _, wanted := range []string{`\\terased\\n, {\\\"id\\\": \\\"erased\\\"}`,
		`not player-7f3a91c0\\u0030 nor \\u0030player-7f3a91c0`, `met erased.`} {
		if !strings.Contains(want, wanted) {
			t.Errorf("bronze lacks %s:\n%s", wanted, want)
		}
	}
	for _, lines := range [][]string{{laketest.Dump[lake.RejectRow](t, in.Lake, lake.BronzeRejects), "1"},
		{laketest.Dump[lake.SilverRow](t, in.Lake, lake.SilverEvents), "3"}} {
		if got := fmt.Sprint(strings.Count(lines[0], "\n") - 1); got != lines[1] {
			t.Errorf("%s rows are left, not %s:\n%s", got, lines[1], lines[0])
		}
	}
	checks.Verify(t, in.Lake)
	in.Ingest(hour)
	if got := laketest.DumpHours(t, in.Lake); got != want {
		t.Errorf("after another reading\n%s\nis not\n%s", got, want)
	}
	checks.Verify(t, in.Lake)
}

// TestVerifyKnowsTheForgotten: rows of a forgotten user that somebody else wrote are told, each table's.
func TestVerifyKnowsTheForgotten(t *testing.T) {
	in, hour := forgetWorld(t)
	forgetting.Forget(in, laketest.Gone)
	upkeep.Daily(in)
	checks.Verify(t, in.Lake)
	at := hour.String()
	laketest.Plant(t, in.Lake, lake.BronzeEvents, at, func(rows []lake.EventRow) []lake.EventRow {
		rows[0].BodyMessage = "{'Name': 'Login', 'UserId': 'player-7f3a91c\\x30'}"
		return rows
	})
	laketest.Plant(t, in.Lake, lake.BronzeRejects, at, func(rows []lake.RejectRow) []lake.RejectRow {
		rows[0].RawLine = []byte("broken " + laketest.GoneSession)
		return rows
	})
	laketest.Plant(t, in.Lake, lake.SilverEvents, at, func(rows []lake.SilverRow) []lake.SilverRow {
		rows[0].Message = "no friend " + laketest.Gone
		return rows
	})
	laketest.Plant(t, in.Lake, lake.SilverSightings, at, func(rows []lake.SightingRow) []lake.SightingRow {
		rows[0].SessionID = laketest.GoneSession
		return rows
	})
	laketest.Plant(t, in.Lake, lake.SilverBindings, at,
		func(rows []lake.BindingRow) []lake.BindingRow { rows[0].Value = laketest.Gone; return rows })
	laketest.Plant(t, in.Lake, lake.GoldUsers, "", func(rows []lake.UserRow) []lake.UserRow {
		for i := range rows {
			if rows[i].UserID == "p3" {
				rows[i].UserID = laketest.Gone
			}
		}
		return rows
	})
	laketest.PlantDaily(t, in.Lake, lake.GoldEvents, func(rows []lake.ResolvedRow) []lake.ResolvedRow {
		rows[slices.IndexFunc(rows,
			func(row lake.ResolvedRow) bool { return row.UserID == "p3" })].UserID = laketest.Gone
		return rows
	})
	lines, _ := checks.Verified(t, in.Lake)
	lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "6 ") })
	for _, definition := range lake.UserTables {
		mentioned := definition.Name == lake.SilverEvents.Name
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "6 "+definition.Name+" ") &&
				strings.Contains(line, map[bool]string{true: "mention", false: "1 rows are of"}[mentioned])
		}) {
			t.Errorf("nothing is said of %s:\n%s", definition.Name, strings.Join(lines, "\n"))
		}
	}
	if len(lines) != len(lake.UserTables) {
		t.Errorf("%q", lines)
	}
}

// TestForgetWhatOthersWereGiven: gold gave sightings to others of a session, or to nobody, before an hour told that
// they are the forgotten one's.
func TestForgetWhatOthersWereGiven(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:46", "s4", "1.0"),
		laketest.Login("27T04:50", "s5", "p2"), laketest.Sighting("27T05:10", "s5", "1.0"),
		laketest.Sighting("27T05:50", "s5", "1.1", "UserId", "p2"),
		laketest.Sighting("27T05:20", "s6", "1.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	forgetting.Forget(in, laketest.Gone)
	in.Put("27T04/a.tsv", laketest.Login("27T02:34", "s4", laketest.Gone), laketest.Login("27T02:00", "s4", "p2"),
		laketest.Login("27T05:05", "s5", laketest.Gone))
	before := laketest.Users(t, in.Lake, "")
	for _, given := range []string{`"ID":"session:s4"`, `"VersionCount":2`} {
		if !strings.Contains(before, given) {
			t.Fatalf("gold has no %s:\n%s", given, before)
		}
	}
	// The first run notes the sessions and is stale with that; the second one reads the hour without them.
	hour := laketest.HourAt(t, "2022-05-27T04")
	first := in.Stage(hour)
	if len(first.Chunks) != 1 || len(first.Chunks[0].Late) != 1 {
		t.Fatalf("the hour asks for no erasure: %+v", first.Chunks)
	}
	second := in.Stage(hour)
	_, err := in.CommitHour(second)
	in.Must(err)
	in.Must(hours.DropStaging(t.Context(), in.Lake, first.Run))
	in.Must(hours.DropStaging(t.Context(), in.Lake, second.Run))
	forgetting.Forget(in, laketest.Gone)
	after := laketest.Users(t, in.Lake, "")
	if want := checks.Naive(t, in.Lake); after != want {
		t.Errorf("gold is\n%s\nand silver says\n%s", after, want)
	}
	if strings.Contains(after, "session:s4") || !strings.Contains(after, "session:s6") {
		t.Errorf("gold is\n%s", after)
	}
	if then := laketest.Users(t, in.Lake, "hour-2022-05-27T05"); strings.Contains(then, "session:s4") ||
		!strings.Contains(then, "session:s6") {
		t.Errorf("gold was\n%s", then)
	}
	checks.Verify(t, in.Lake)
}

// fillTogetherWorld is a world of two users of whom each has a session alone, one with the other, and one with others.
func fillTogetherWorld(in *laketest.Ingester) (hour telemetry.Hour) {
	in.TB.Helper()
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", laketest.GoneSession, "1.0"),
		laketest.Sighting("27T05:11", gone2Session, "1.0"),
		laketest.Sighting("27T05:12", bothSession, "1.0"),
		laketest.Sighting("27T05:13", threeSession, "1.0"), laketest.Sighting("27T05:14", "s1", "1.0"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:00", laketest.GoneSession, laketest.Gone),
		laketest.Login("27T06:01", gone2Session, gone2),
		laketest.Login("27T06:10", bothSession, laketest.Gone),
		laketest.DeviceInfo("27T06:11", bothSession, "Tablet"), laketest.Sighting("27T06:12", bothSession, "2.0"),
		laketest.Login("27T06:20", bothSession, gone2), laketest.Sighting("27T06:22", bothSession, "2.1"),
		laketest.Login("27T06:30", threeSession, laketest.Gone), laketest.Login("27T06:40", threeSession, gone2),
		laketest.Sighting("27T06:42", threeSession, "3.0"),
		laketest.Login("27T06:50", threeSession, "p2"), laketest.DeviceInfo("27T06:51", threeSession, "Phone"),
		laketest.Sighting("27T06:52", threeSession, "3.1"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:00", bothSession, "2.2"),
		laketest.Event("27T07:01", bothSession, "Chat"),
		laketest.Sighting("27T07:02", threeSession, "3.2"),
		laketest.Event("27T07:03", "s9", "Crash", "Message", laketest.Gone+" met "+gone2, "UserId", "p2"))
	hour = laketest.HourAt(in.TB, "2022-05-27T05")
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	return hour
}
