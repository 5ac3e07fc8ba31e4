package history

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sightings reads "service/device version@time" or "version@time" words, in the order of their transactions.
func sightings(t *testing.T, text string) []Sighting {
	t.Helper()
	var list []Sighting
	var s Sighting
	for i, word := range strings.Fields(text) {
		if service, device, ok := strings.Cut(word, "/"); ok {
			s.Service, s.Device, s.HasDevice = service, device, device != "-"
			continue
		}
		if _, err := fmt.Sscanf(strings.Replace(word, "@", " ", 1), "%s %d", &s.Version, &s.Time); err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		s.Transaction = int64(i)
		list = append(list, s)
	}
	return list
}

func print(user User) string {
	var lines []string
	for _, in := range user.History {
		device, end, down := in.Device, fmt.Sprint(in.ValidTo), ""
		if !in.HasDevice {
			device = "-"
		}
		if in.Open {
			end = ".."
		}
		if in.IsDowngrade {
			down = " down"
		}
		lines = append(lines, fmt.Sprintf("%s/%s %s [%d,%s) n=%d last=%d%s",
			in.Service, device, in.Version, in.ValidFrom, end, in.Sightings, in.LastSeenAt, down))
	}
	return strings.Join(lines, "\n")
}

func TestBuild(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":    {"", ""},
		"one":        {"app/x 1@5", "app/x 1 [5,..) n=1 last=5"},
		"a run":      {"app/x 1@5 1@7 1@6", "app/x 1 [5,..) n=3 last=7"},
		"an upgrade": {"app/x 1@5 1@6 2@8 2@9", "app/x 1 [5,8) n=2 last=6\napp/x 2 [8,..) n=2 last=9"},
		"a return": {"app/x 1@1 2@2 1@3",
			"app/x 1 [1,2) n=1 last=1\napp/x 2 [2,3) n=1 last=2\napp/x 1 [3,..) n=1 last=3 down"},
		"one moment":    {"app/x a@1 b@2 c@2", "app/x a [1,2) n=1 last=1\napp/x c [2,..) n=1 last=2"},
		"joined":        {"app/x a@1 b@2 a@2", "app/x a [1,..) n=2 last=2"},
		"only a moment": {"app/x a@2 b@2 a@2", "app/x a [2,..) n=1 last=2"},
		// The run of a starts at 1: it is not the one that is dropped, and 2 is when it was last seen.
		"seen at its end":     {"app/x a@1 a@2 b@2", "app/x a [1,2) n=2 last=2\napp/x b [2,..) n=1 last=2"},
		"dropped twice":       {"app/x a@1 b@2 a@2 c@2", "app/x a [1,2) n=1 last=1\napp/x c [2,..) n=1 last=2"},
		"down past a dropped": {"app/x 2@1 3@2 1@2", "app/x 2 [1,2) n=1 last=1\napp/x 1 [2,..) n=1 last=2 down"},
		"not down to joined":  {"app/x 2@1 1@2 2@2", "app/x 2 [1,..) n=2 last=2"},
		"order of a history": {"b/x 1@1 a/y 1@1 a/- 1@1 a/ 1@1",
			"a/- 1 [1,..) n=1 last=1\na/ 1 [1,..) n=1 last=1\na/y 1 [1,..) n=1 last=1\nb/x 1 [1,..) n=1 last=1"},
		"devices apart": {"app/x 1@1 app/y 2@2 app/x 1@3", "app/x 1 [1,..) n=2 last=3\napp/y 2 [2,..) n=1 last=2"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := print(Build("u", KindUser, sightings(t, c.in))); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestUserFields(t *testing.T) {
	user := Build("u", KindUser, sightings(t, "app/x 1@1 2@5 app/y 2@3 9@4 tool/- 2@5 app/x 2@8"))
	user.History = nil
	want := User{ID: "u", Kind: KindUser, FirstSeenAt: 1, LastSeenAt: 8, CurrentService: "tool", CurrentVersion: "2",
		CurrentSince: 5, VersionCount: 4}
	if !reflect.DeepEqual(user, want) {
		t.Errorf("got %+v\nwant %+v", user, want)
	}
	user = Build("u", KindUser, sightings(t, "app/y 1@1 3@3 app/x 7@2 app/y 1@4"))
	if user.CurrentVersion != "1" || user.PreviousVersion != "3" || !user.HasPreviousVersion || user.VersionCount != 3 {
		t.Errorf("got %+v", user)
	}
	if got, want := Build("u", KindSession, nil), (User{ID: "u", Kind: KindSession}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAt(t *testing.T) {
	user := Build("u", KindUser, sightings(t, "app/x 1@1 2@5 app/y 7@3"))
	for at, want := range map[int64]string{0: "", 1: "1", 2: "1", 3: "1 7", 4: "1 7", 5: "7 2", 99: "7 2"} {
		var got []string
		for _, in := range user.At(at) {
			got = append(got, in.Version)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("at %d: got %q, want %q", at, got, want)
		}
	}
}

// A device that is not there is not one whose name is empty, and what its field then holds means nothing.
func TestNoDevice(t *testing.T) {
	user := Build("u", KindUser, []Sighting{{Service: "s", Device: "junk", Version: "1", Time: 1},
		{Service: "s", Device: "other", Version: "2", Time: 2}, {Service: "s", HasDevice: true, Version: "3", Time: 3}})
	want := "s/- 1 [1,2) n=1 last=1\ns/- 2 [2,..) n=1 last=2\ns/ 3 [3,..) n=1 last=3"
	if got := print(user); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAppendRefusesThePast(t *testing.T) {
	user := Build("u", KindUser, sightings(t, "app/x 1@5 2@9 app/y 1@20"))
	before := print(user)
	for _, late := range []string{"app/x 2@9", "app/x 3@1", "app/x 3@30 app/y 1@19", "app/z 1@1 app/y 1@20"} {
		if user.Append(sightings(t, late)) || print(user) != before {
			t.Errorf("%s: accepted, or changed the row:\n%s", late, print(user))
		}
	}
	if !user.Append(sightings(t, "app/x 3@10 app/z 1@1")) {
		t.Errorf("refused what is later than its own installation")
	}
	want := Build("u", KindUser, sightings(t, "app/x 1@5 2@9 app/y 1@20 app/x 3@10 app/z 1@1"))
	if !reflect.DeepEqual(user, want) {
		t.Errorf("got %+v\nwant %+v", user, want)
	}
}

// The first new run may be the tail of one that the row holds: it then began before the moment at which it ends.
func TestAppendGoesOnWithTheLastRun(t *testing.T) {
	user := Build("u", KindUser, sightings(t, "app/x a@1"))
	if !user.Append(sightings(t, "app/x a@2 b@2")) {
		t.Fatal("refused")
	}
	if got, want := print(user), "app/x a [1,2) n=2 last=2\napp/x b [2,..) n=1 last=2"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Events that claim the same place in the source give one result, in whatever order they come.
func TestOnePlaceTwice(t *testing.T) {
	a, b := Sighting{Service: "s", Version: "a", Time: 1}, Sighting{Service: "s", Version: "b", Time: 1}
	one, other := Build("u", KindUser, []Sighting{a, b}), Build("u", KindUser, []Sighting{b, a})
	if !reflect.DeepEqual(one, other) || len(one.History) != 1 {
		t.Errorf("%+v\n%+v", one, other)
	}
}

// world draws the sightings of one user: few values, so that everything collides with everything.
func world(t *rapid.T) []Sighting {
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Sighting {
		s := Sighting{
			Service:     rapid.SampledFrom([]string{"app", "tool"}).Draw(t, "service"),
			Device:      rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "device"),
			Version:     rapid.SampledFrom([]string{"1.2", "1.10", "2-rc", "odd"}).Draw(t, "version"),
			Time:        rapid.Int64Range(0, 12).Draw(t, "time"),
			Transaction: rapid.Int64Range(0, 3).Draw(t, "transaction"),
			File:        rapid.SampledFrom([]string{"a", "b"}).Draw(t, "file"),
		}
		s.HasDevice = s.Device != ""
		return s
	}), 0, 40).Draw(t, "sightings")
	for i := range list {
		list[i].Line = int64(i)
	}
	return list
}

func TestBuildAgreesWithTheRulesAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := world(t)
		user := Build("u", KindUser, slices.Clone(events))
		if want := naive(events); !slices.Equal(user.History, want) {
			t.Fatalf("got\n%s\nwant\n%s", print(user), print(User{History: want}))
		}
		checkRow(t, user)
		shuffled := rapid.Permutation(events).Draw(t, "shuffled")
		if again := Build("u", KindUser, shuffled); !reflect.DeepEqual(again, user) {
			t.Fatalf("another order of the sightings gives\n%s\nnot\n%s", print(again), print(user))
		}
	})
}

func TestAppendEqualsBuild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := world(t)
		slices.SortFunc(events, func(a, b Sighting) int { return a.Compare(&b) })
		var user User
		user.ID, user.Kind = "u", KindUser
		done := 0
		for done < len(events) {
			next := done + rapid.IntRange(1, len(events)-done).Draw(t, "part")
			part := slices.Clone(events[done:next])
			late := slices.ContainsFunc(part, func(s Sighting) bool {
				return slices.ContainsFunc(events[:done], func(old Sighting) bool {
					return s.installation() == old.installation() && s.Time <= old.Time
				})
			})
			before := user
			before.History = slices.Clone(user.History)
			if accepted := user.Append(part); accepted == late {
				t.Fatalf("accepted %v, late %v", accepted, late)
			}
			if late {
				if !slices.Equal(user.History, before.History) {
					t.Fatalf("a refused append changed the history")
				}
				user = Build("u", KindUser, slices.Clone(events[:next]))
			}
			done = next
			if want := Build("u", KindUser, slices.Clone(events[:done])); !reflect.DeepEqual(user, want) {
				t.Fatalf("got\n%+v\nwant\n%+v", user, want)
			}
		}
	})
}

// A step function, sampled everywhere: in effect is the version of an installation's last sighting so far.
func TestAtAgreesWithTheLastSighting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := world(t)
		user := Build("u", KindUser, slices.Clone(events))
		for at := int64(-1); at <= 13; at++ {
			last := map[installation]Sighting{}
			for _, s := range events {
				if old, ok := last[s.installation()]; s.Time <= at && (!ok || s.Compare(&old) > 0) {
					last[s.installation()] = s
				}
			}
			in := user.At(at)
			if len(in) != len(last) || !slices.IsSortedFunc(in, func(a, b Interval) int { return a.Compare(&b) }) {
				t.Fatalf("at %d: %v, want one interval for each of %v", at, in, last)
			}
			for _, interval := range in {
				if want := last[interval.installation()].Version; interval.Version != want {
					t.Fatalf("at %d: %+v, want %s", at, interval, want)
				}
			}
		}
	})
}

// checkRow checks what holds for every row, whatever the sightings.
func checkRow(t *rapid.T, user User) {
	end := map[installation]int64{}
	open := map[installation]bool{}
	previous := map[installation]Interval{}
	for i, in := range user.History {
		if i > 0 && user.History[i-1].Compare(&in) >= 0 {
			t.Fatalf("out of order: %+v", user.History)
		}
		if open[in.installation()] || in.ValidFrom < end[in.installation()] {
			t.Fatalf("overlap: %+v", user.History)
		}
		if !in.Open && in.ValidTo <= in.ValidFrom {
			t.Fatalf("no tick long: %+v", in)
		}
		if before, ok := previous[in.installation()]; ok &&
			(before.Version == in.Version || before.ValidTo != in.ValidFrom) {
			t.Fatalf("%+v, then %+v", before, in)
		}
		if in.Sightings < 1 || in.LastSeenAt < in.ValidFrom || (!in.Open && in.LastSeenAt > in.ValidTo) {
			t.Fatalf("seen wrongly: %+v", in)
		}
		end[in.installation()], open[in.installation()] = in.ValidTo, in.Open
		previous[in.installation()] = in
	}
	for at := range end {
		if !open[at] {
			t.Fatalf("the last interval of %v is closed", at)
		}
	}
}

// naive follows docs/ARCHITECTURE.md, section History, a sentence at a time.
func naive(events []Sighting) []Interval {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Sighting) int { return a.Compare(&b) })
	copies := map[installation][]Sighting{}
	for _, s := range events {
		copies[s.installation()] = append(copies[s.installation()], s)
	}
	var all []Interval
	for copy, events := range copies {
		var runs []Interval
		for i, s := range events {
			if i == 0 || events[i-1].Version != s.Version {
				runs = append(runs, Interval{Service: copy.service, Device: copy.device, HasDevice: copy.hasDevice,
					Version: s.Version, ValidFrom: s.Time})
			}
			runs[len(runs)-1].LastSeenAt = s.Time
			runs[len(runs)-1].Sightings++
		}
		for i := range runs {
			if runs[i].Open = i == len(runs)-1; !runs[i].Open {
				runs[i].ValidTo = runs[i+1].ValidFrom
			}
		}
		runs = slices.DeleteFunc(runs, func(r Interval) bool { return !r.Open && r.ValidTo == r.ValidFrom })
		for i := len(runs) - 1; i > 0; i-- {
			if before := &runs[i-1]; before.Version == runs[i].Version {
				before.ValidTo, before.Open, before.LastSeenAt = runs[i].ValidTo, runs[i].Open, runs[i].LastSeenAt
				before.Sightings += runs[i].Sightings
				runs = slices.Delete(runs, i, i+1)
			}
		}
		for i := 1; i < len(runs); i++ {
			order, comparable := CompareVersions(runs[i].Service, runs[i-1].Version, runs[i].Version)
			runs[i].IsDowngrade, runs[i].NotComparable = order > 0, !comparable
		}
		all = append(all, runs...)
	}
	slices.SortFunc(all, func(a, b Interval) int { return a.Compare(&b) })
	return all
}

func BenchmarkBuild(b *testing.B) {
	var events []Sighting
	for i := range int64(100) {
		events = append(events, Sighting{Service: "app", Device: "x", HasDevice: true, Version: fmt.Sprint("1.", i/10),
			Time: i})
	}
	b.ReportAllocs()
	for b.Loop() {
		user := Build("u", KindUser, events)
		if len(user.History) != 10 {
			b.Fatal(len(user.History))
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	user := Build("u", KindUser, []Sighting{{Service: "app", Version: "1"}})
	events := make([]Sighting, 1)
	b.ReportAllocs()
	for i := int64(1); b.Loop(); i++ {
		events[0] = Sighting{Service: "app", Version: "1", Time: i}
		if !user.Append(events) {
			b.Fatal(i)
		}
	}
}
