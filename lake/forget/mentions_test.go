package forget

import (
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
)

// guardOfSessions knows a user with sessions that named others, or nobody, at some times.
func guardOfSessions() *forgotten.Guard {
	return imagine([]party{{who: subject{User: "player-7f3a91c0"}}},
		[][]forgotten.Named{{{Session: "5e55104a", At: 5, Side: forgotten.SideSubject},
			{Session: "5e55104b", At: 5, Side: forgotten.SideSubject},
			{Session: "5e55104b", At: 9, Side: forgotten.SideOthers},
			{Session: "5e55104c", At: 1, Side: forgotten.SideSubject},
			{Session: "5e55104c", At: 2, Side: forgotten.SideNobody},
			{Session: "5e55104d", At: 5, Side: forgotten.SideSubject},
			{Session: "5e55104d", At: 7, Side: forgotten.SideNobody},
			{Session: "5e55104d", At: 9, Side: forgotten.SideOthers},
			{Session: "5e55104e", At: 5, Side: forgotten.SideNobody},
			{Session: "5e55104e", At: 7, Side: forgotten.SideSubject},
			{Session: "5e55104e", At: 9, Side: forgotten.SideOthers}}}).Guard()
}

func TestMentions(t *testing.T) {
	g := guardOfSessions()
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
		if got := g.Redact(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}

func TestWhoseLine(t *testing.T) {
	g := guardOfSessions()
	for _, test := range []struct {
		fact forgotten.Fact
		owns bool
	}{
		// the session named nobody else
		{forgotten.Fact{Session: "5e55104a", Time: 1 << 50}, true},
		{forgotten.Fact{Session: "5e55104a", Time: 0, Device: true}, true},
		{forgotten.Fact{Session: "5e55104a", User: "p2", Time: 0}, false},
		{forgotten.Fact{Session: "5e55104b", Time: 4}, true},
		{forgotten.Fact{Session: "5e55104b", Time: 8}, true},
		{forgotten.Fact{Session: "5e55104b", Time: 9}, false},
		// the device is everybody's
		{forgotten.Fact{Session: "5e55104b", Time: 4, Device: true}, false},
		{forgotten.Fact{Session: "5e55104b", User: "player-7f3a91c0", Time: 10, Device: true}, true},
		{forgotten.Fact{Session: "s1", Time: 5}, false},
		// ended, and named nobody else
		{forgotten.Fact{Session: "5e55104c", Time: 5}, true},
		{forgotten.Fact{Session: "5e55104d", Time: 6}, true},
		// nobody's until the other one came
		{forgotten.Fact{Session: "5e55104d", Time: 7}, false},
		{forgotten.Fact{Session: "5e55104d", Time: 8}, false},
		{forgotten.Fact{Session: "5e55104d", Time: 9}, false},
		// an ending is never taken for what comes next
		{forgotten.Fact{Session: "5e55104e", Time: 4}, true},
		{forgotten.Fact{Session: "5e55104e", Time: 5}, false},
		{forgotten.Fact{Session: "5e55104e", Time: 6}, false},
		{forgotten.Fact{Session: "5e55104e", Time: 7}, true},
	} {
		if got := g.Owns(test.fact); got != test.owns {
			t.Errorf("%+v: %v", test.fact, got)
		}
	}
}

func TestWhoseRow(t *testing.T) {
	g := guardOfSessions()
	for id, owns := range map[string]bool{"player-7f3a91c0": true, "session:5e55104a": true, "session:5e55104b": false,
		"user:player-7f3a91c0": true, "5e55104a": false, "p2": false} {
		if got := g.OwnsRow(&lake.UserRow{UserID: id,
			History: []lake.IntervalRow{{ValidFrom: 9, LastSeenAt: 9}}}); got != owns {
			t.Errorf("the row of %s: %v", id, got)
		}
	}
	if !g.OwnsRow(&lake.UserRow{UserID: "session:5e55104b",
		History: []lake.IntervalRow{{ValidFrom: 4, LastSeenAt: 8}}}) {
		t.Error("a row of the user's time alone in a session of several")
	}
	var nobody *forgotten.Set
	if nobody.Guard() != nil || (&forgotten.Set{}).Guard() != nil || nobody.Guard().Owns(forgotten.Fact{User: "x"}) {
		t.Error("a guard of nobody")
	}
}
