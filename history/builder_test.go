package history

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// cutTo cuts a whole history as docs/ARCHITECTURE.md, Cut histories, says it.
func cutTo(whole User, most int) User {
	if len(whole.History) <= most {
		return whole
	}
	newest := slices.Clone(whole.History)
	slices.SortFunc(newest, func(a, b Interval) int {
		switch {
		case a.Open != b.Open && a.Open, !a.Open && !b.Open && a.ValidTo > b.ValidTo:
			return -1
		case a.Open != b.Open, !a.Open && a.ValidTo < b.ValidTo:
			return 1
		}
		return -a.Compare(&b)
	})
	cut := whole
	cut.History = newest[:most]
	slices.SortFunc(cut.History, func(a, b Interval) int { return a.Compare(&b) })
	for _, interval := range newest[most:] {
		cut.IntervalsCut++
		end := interval.ValidTo
		if interval.Open {
			end = EndOfTime
		}
		if cut.IntervalsCut == 1 || end > cut.CutBefore {
			cut.CutBefore = end
		}
	}
	return cut
}

func buildCut(events []Sighting, most int) User {
	b := NewBuilder(User{ID: "u", Kind: KindUser}, most)
	slices.SortFunc(events, CompareWithinUser)
	for i := range events {
		b.Add(&events[i])
	}
	return b.User()
}

// Whatever part comes first: a row that is cut and added to is the row that is made of all sightings, or refuses them.
func TestCutRowsAgree(t *testing.T) {
	refused, added := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		events, most := world(t), rapid.IntRange(1, 5).Draw(t, "most")
		slices.SortFunc(events, func(a, b Sighting) int { return a.Compare(&b) })
		user := User{ID: "u", Kind: KindUser}
		for done := 0; done < len(events); {
			next := done + rapid.IntRange(1, len(events)-done).Draw(t, "part")
			part := slices.Clone(events[done:next])
			done = next
			whole := Build("u", KindUser, slices.Clone(events[:done]))
			want := cutTo(whole, most)
			if got := buildCut(slices.Clone(events[:done]), most); !reflect.DeepEqual(got, want) {
				t.Fatalf("made anew\n%+v\nwant\n%+v", got, want)
			}
			slices.SortFunc(part, CompareWithinUser)
			before := user
			before.History = slices.Clone(user.History)
			b, accepted := NewBuilder(before, most), true
			for i := range part {
				accepted = accepted && b.Add(&part[i])
			}
			if user = want; !accepted {
				refused++
				continue
			}
			added++
			if got := b.User(); !reflect.DeepEqual(got, want) {
				t.Fatalf("added to\n%+v\nwant\n%+v", got, want)
			}
			for at := int64(-1); at <= 13; at++ {
				if !want.CutAt(at) && !slices.Equal(want.At(at), whole.At(at)) {
					t.Fatalf("at %d %v, and of all %v", at, want.At(at), whole.At(at))
				}
			}
		}
	})
	if added < refused/10 {
		t.Errorf("%d parts were added, and %d refused: a cut row should take most of what is later", added, refused)
	}
}

// One user with very many sightings costs no more memory than the row may hold.
func TestBuilderHoldsLittle(t *testing.T) {
	b := NewBuilder(User{ID: "u", Kind: KindUser}, 10)
	for i := range int64(100_000) {
		s := Sighting{Service: "app", Version: []string{"1", "2", "3"}[i%3], Time: i}
		if !b.Add(&s) {
			t.Fatal(i)
		}
		if len(b.made) > 20 || len(b.cut.versions) > 3 {
			t.Fatalf("holds %d intervals and %d versions", len(b.made), len(b.cut.versions))
		}
	}
	user := b.User()
	if len(user.History) != 10 || user.IntervalsCut != 99_990 || user.CutBefore != 99_990 || user.FirstSeenAt != 0 ||
		user.VersionCount != 3 {
		t.Errorf("%+v", user)
	}
}
