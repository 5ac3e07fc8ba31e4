package history

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestUserID(t *testing.T) {
	for _, c := range [][4]string{
		{"p1", "S", "p1", KindUser},
		{"", "S", "session:S", KindSession},
		{"", "", "session:", KindSession},
		{"session:S", "T", "user:session:S", KindUser},
		{"user:p1", "T", "user:user:p1", KindUser},
		{"user", "T", "user", KindUser},
	} {
		if id, kind := UserID(c[0], c[1]); id != c[2] || kind != c[3] {
			t.Errorf("UserID(%q, %q) = %q, %q, want %q, %q", c[0], c[1], id, kind, c[2], c[3])
		}
	}
}

func TestNameOf(t *testing.T) {
	for user, want := range map[string]string{"p1": "p1", "user:session:x": "session:x", "user:user:x": "user:x",
		"user:x": "user:x"} {
		if got, ok := NameOf(user); !ok || got != want {
			t.Errorf("%s is named %q, %v", user, got, ok)
		}
	}
	for _, user := range []string{"", "session:x", "session:"} {
		if got, ok := NameOf(user); ok {
			t.Errorf("%q is named %q", user, got)
		}
	}
}

func TestUserIDIsInjective(t *testing.T) {
	name := rapid.StringMatching(`(user:|session:){0,3}[ab]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		s, r := name.Draw(t, "session of a"), name.Draw(t, "session of b")
		same := a == b && (a != "" || s == r)
		idA, kindA := UserID(a, s)
		if name, ok := NameOf(idA); name != a || ok != (a != "") || KindOf(idA) != kindA {
			t.Fatalf("%q is named %q, %v", idA, name, ok)
		}
		idB, kindB := UserID(b, r)
		if (idA == idB) != same || (idA == idB && kindA != kindB) {
			t.Fatalf("(%q, %q) is %q, (%q, %q) is %q", a, s, idA, b, r, idB)
		}
	})
}

func TestResolve(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	bindings := Bindings{{Value: "a", Time: 10 * hour}, {Value: "b", Time: 20 * hour, Transaction: 1},
		{Value: "c", Time: 20 * hour, Transaction: 2}, {Value: "d", Time: 100 * hour},
		{Value: "e", Time: 100 * hour, Line: 1},
		{Ends: true, Time: 200 * hour}, {Ends: true, Time: 210 * hour}, {Value: "f", Time: 220 * hour},
		{Ends: true, Time: 220 * hour}}
	for _, c := range []struct {
		at   int64
		want string
	}{
		{-14*hour - 1, ""}, {-14 * hour, "a"}, {0, "a"}, {10 * hour, "a"}, {20*hour - 1, "a"},
		{20 * hour, "c"}, {44 * hour, "c"}, {44*hour + 1, ""}, {76*hour - 1, ""}, {76 * hour, "d"},
		{100*hour - 1, "d"}, {100 * hour, "e"}, {124 * hour, "e"}, {124*hour + 1, ""},
		{196*hour - 1, ""}, {196 * hour, "f"}, {200*hour - 1, "f"}, {200 * hour, ""}, {215 * hour, ""}, {220*hour - 1,
			""}, {220 * hour, ""},
		{230 * hour, ""}, {300 * hour, ""},
		{math.MinInt64, ""}, {math.MaxInt64, ""},
	} {
		if got, ok := bindings.Resolve(c.at, DefaultWindow); got != c.want || ok != (c.want != "") {
			t.Errorf("at %d: got %q %v, want %q", c.at, got, ok, c.want)
		}
	}
	if value, ok := (Bindings{}).Resolve(0, DefaultWindow); ok {
		t.Errorf("no bindings gave %q", value)
	}
	if value, ok := bindings.Resolve(10*hour, -1); ok {
		t.Errorf("a negative window gave %q", value)
	}
}

func TestResolveAgreesWithASearchOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bindings := Bindings(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Binding {
			b := Binding{Value: rapid.StringMatching("[a-d]").Draw(t, "value"),
				Time:        rapid.Int64Range(0, 20).Draw(t, "time"),
				Transaction: rapid.Int64Range(0, 2).Draw(t, "transaction"),
				Line:        rapid.Int64Range(0, 3).Draw(t, "line")}
			if b.Ends = rapid.Bool().Draw(t, "ends"); b.Ends {
				b.Value = ""
			}
			return b
		}), 0, 12).Draw(t, "bindings"))
		slices.SortFunc(bindings, func(a, b Binding) int { return a.Compare(&b) })
		// Of equal places, only a line's binding and its ending are real.
		bindings = slices.CompactFunc(bindings, func(a, b Binding) bool { return a.Compare(&b) == 0 })
		if rapid.Bool().Draw(t, "linked") {
			bindings.Link()
		}
		at, within := rapid.Int64Range(-5, 25).Draw(t, "at"), rapid.Int64Range(0, 8).Draw(t, "within")

		var before, after *Binding
		for i := range bindings {
			b := &bindings[i]
			switch {
			case b.Time <= at && at-b.Time <= within && (before == nil || b.Compare(before) > 0):
				before = b
			case b.Time > at && b.Time-at <= within && !b.Ends && (after == nil || b.Compare(after) < 0):
				after = b
			}
		}
		if before == nil {
			before = after
		}
		got, ok := bindings.Resolve(at, time.Duration(within)*time.Microsecond)
		if ok != (before != nil && !before.Ends) || (ok && got != before.Value) {
			t.Fatalf("got %q %v, want %+v", got, ok, before)
		}
	})
}
