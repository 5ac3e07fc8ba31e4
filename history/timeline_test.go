package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A timeline tells what the bindings tell that it is made of, at any moment, whether they are few or many.
func TestTimelineTellsWhatItsBindingsTell(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	var timeline Timeline // with the room of earlier ones
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]int{1, 2, 40}).Draw(t, "values")
		bindings := Bindings(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Binding {
			b := Binding{Value: fmt.Sprint("v", rapid.IntRange(1, values).Draw(t, "value")),
				Time:        rapid.Int64Range(0, 120).Draw(t, "time") * hour,
				Transaction: rapid.Int64Range(0, 2).Draw(t, "transaction"),
				Line:        rapid.Int64Range(0, 3).Draw(t, "line")}
			if b.Ends = rapid.IntRange(0, 3).Draw(t, "ends") == 0; b.Ends {
				b.Value = ""
			}
			return b
		}), 0, 60).Draw(t, "bindings"))
		slices.SortFunc(bindings, func(a, b Binding) int { return a.Compare(&b) })
		timeline.Reset()
		for _, b := range bindings {
			timeline.Add(b.Value, b.Ends, b.Time)
		}
		if rapid.Bool().Draw(t, "linked") {
			timeline.Link()
		}
		for at := int64(-30); at < 150; at++ {
			for _, moment := range []int64{at * hour, at*hour + 1} {
				want, wanted := bindings.Resolve(moment, DefaultWindow)
				if got, ok := timeline.Resolve(moment); got != want || ok != wanted {
					t.Fatalf("at %d: %q %v, not %q %v", moment, got, ok, want, wanted)
				}
			}
		}
	})
}

// What says nothing new takes no room, and what says the same in turn with something else takes 16 bytes.
func TestTimelineIsSmall(t *testing.T) {
	var one, turns Timeline
	for i := range int64(1_000_000) {
		one.Add("u", false, i)
		turns.Add(fmt.Sprint("u", i%100_000), false, i)
	}
	if one.Len() != 2 || turns.Len() != 1_000_000 || len(turns.places) > valuesToFind {
		t.Fatalf("%d and %d moments, %d places", one.Len(), turns.Len(), len(turns.places))
	}
	for _, at := range []int64{0, 77, 100_000, 999_999} {
		if got, _ := turns.Resolve(at); got != fmt.Sprint("u", at%100_000) {
			t.Fatalf("at %d: %s", at, got)
		}
	}
}
