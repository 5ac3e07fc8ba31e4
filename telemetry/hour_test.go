package telemetry

import (
	"encoding/json"
	"testing"
	"time"
)

func date(year int, month time.Month, day, hour int) time.Time {
	return time.Date(year, month, day, hour, 0, 0, 0, time.UTC)
}

func TestHour(t *testing.T) {
	for _, c := range []struct {
		text, folder string
		hour         Hour
		date, ofDay  int32
	}{
		{"1970-01-01T00", "1970/01/01/00", 0, 0, 0},
		{"1970-01-02T03", "1970/01/02/03", 27, 1, 3},
		{"1969-12-31T23", "1969/12/31/23", -1, -1, 23},
		{"1969-12-31T00", "1969/12/31/00", -24, -1, 0},
		{"1969-12-30T23", "1969/12/30/23", -25, -2, 23},
		{"2022-05-27T05", "2022/05/27/05", 459341, 19139, 5},
		{"0001-01-01T00", "0001/01/01/00", firstSecond / 3600, -719162, 0},
		{"9999-12-31T23", "9999/12/31/23", lastSecond / 3600, 2932896, 23},
	} {
		h, err := ParseHour(c.text)
		if err != nil || h != c.hour || h.String() != c.text {
			t.Errorf("ParseHour(%q) = %d (%v), %v", c.text, h, h, err)
		}
		if h.Folder() != c.folder || h.Date() != c.date || h.OfDay() != c.ofDay {
			t.Errorf("%v: folder %s, date %d, of day %d", h, h.Folder(), h.Date(), h.OfDay())
		}
		if HourOf(h.Start()) != h || HourOf(h.End().Add(-1)) != h || HourOf(h.End()) != h+1 {
			t.Errorf("%v: from %v to %v", h, h.Start(), h.End())
		}
	}
}

// An hour is one of UTC, wherever the clock that is asked stands.
func TestHourOfZone(t *testing.T) {
	local := time.Date(2022, 5, 27, 9, 59, 59, 0, time.FixedZone("", 4*3600+1800))
	if h := HourOf(local); h.String() != "2022-05-27T05" {
		t.Errorf("%v lies in %v", local, h)
	}
}

func TestHourErrors(t *testing.T) {
	for _, text := range []string{"", "2022-05-27", "2022-05-27T24", "2022-02-30T00", "2022-5-27T05", "2022-05-27T5",
		"2022-05-27 05", "2022-05-27T05:00", "0000-01-01T00", "10000-01-01T00", " 2022-05-27T05", "2022-05-27T05Z"} {
		if h, err := ParseHour(text); err == nil {
			t.Errorf("ParseHour(%q) = %v", text, h)
		}
		var h Hour
		if h.UnmarshalText([]byte(text)) == nil || h != 0 {
			t.Errorf("UnmarshalText(%q) = %v", text, h)
		}
	}
}

func TestHourJSON(t *testing.T) {
	in := map[Hour]Hour{459341: 459342}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"2022-05-27T05":"2022-05-27T06"}` {
		t.Fatalf("%s, %v", text, err)
	}
	var out map[Hour]Hour
	if err := json.Unmarshal(text, &out); err != nil || out[459341] != 459342 {
		t.Errorf("%v, %v", out, err)
	}
}
