package history

import (
	"sort"
	"strings"
)

// Timeline says what the bindings of one session and one kind tell, as Bindings.Resolve does within DefaultWindow. It
// holds 16 bytes of each and every value once, since a session that a whole product shares may have millions.
type Timeline struct {
	moments []moment
	values  []string
	places  map[string]int32 // of values, where they are many
}

type moment struct {
	time    int64
	value   int32 // its place in values; -1: the session is nobody's from here on
	endings int32 // how many there are from here to the next moment that is none; see Link
}

const (
	ending       = -1
	fewValues    = 8
	valuesToFind = 1 << 14
)

// Add takes the next binding, in the order of Binding.Compare. The value is kept as it is.
func (t *Timeline) Add(value string, ends bool, time int64) {
	place := int32(ending)
	if !ends {
		place = t.place(value)
	}
	// Between two that say the same, within reach of each other, nothing is told by a third.
	if n := len(t.moments); n > 1 && t.moments[n-1].value == place && t.moments[n-2].value == place &&
		uint64(time)-uint64(t.moments[n-2].time) <= uint64(DefaultWindow.Microseconds()) {
		t.moments[n-1].time = time
		return
	}
	t.moments = append(t.moments, moment{time: time, value: place})
}

// place finds or makes the place of a value; of very many values some get several.
func (t *Timeline) place(value string) int32 {
	if n := len(t.values); n <= fewValues {
		for i := n - 1; i >= 0; i-- {
			if t.values[i] == value {
				return int32(i)
			}
		}
	} else if place, ok := t.places[value]; ok {
		return place
	}
	place := int32(len(t.values))
	t.values = append(t.values, value)
	if len(t.values) <= fewValues {
		return place
	}
	if t.places == nil {
		t.places = map[string]int32{}
	}
	if len(t.places) == 0 || len(t.places) == valuesToFind {
		clear(t.places)
		for i, known := range t.values[:fewValues] {
			t.places[known] = int32(i)
		}
	}
	t.places[value] = place
	return place
}

// Reset leaves the timeline empty, with the room that it had.
func (t *Timeline) Reset() {
	clear(t.values)
	clear(t.places)
	t.moments, t.values = t.moments[:0], t.values[:0]
}

// Own copies the values, so that what they lay in may go.
func (t *Timeline) Own() {
	clear(t.places)
	for i, value := range t.values {
		t.values[i] = strings.Clone(value)
	}
}

// Len is how much the timeline holds: at most as many as were added.
func (t *Timeline) Len() int { return len(t.moments) }

// Link lets Resolve pass over many endings at once. Resolve is right without it.
func (t *Timeline) Link() {
	endings := int32(0)
	for i := len(t.moments) - 1; i >= 0; i-- {
		if t.moments[i].value != ending {
			endings = -1
		}
		endings++
		t.moments[i].endings = endings
	}
}

// Resolve says what held at a moment: see Bindings.Resolve.
func (t *Timeline) Resolve(time int64) (value string, ok bool) {
	window := uint64(DefaultWindow.Microseconds())
	after := sort.Search(len(t.moments), func(i int) bool { return t.moments[i].time > time })
	// Unsigned, a difference cannot overflow.
	if after > 0 && uint64(time)-uint64(t.moments[after-1].time) <= window {
		last := t.moments[after-1].value
		if last == ending {
			return "", false
		}
		return t.values[last], true
	}
	for after < len(t.moments) && t.moments[after].value == ending {
		after += max(int(t.moments[after].endings), 1)
	}
	if after < len(t.moments) && uint64(t.moments[after].time)-uint64(time) <= window {
		return t.values[t.moments[after].value], true
	}
	return "", false
}
