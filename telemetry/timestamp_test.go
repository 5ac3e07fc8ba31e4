package telemetry

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var timestampForm = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)$`)

// expectedTimestamp is parseTimestamp by other means: a regular expression and the time package.
func expectedTimestamp(text string) (micros int64, ok bool) {
	if !timestampForm.MatchString(text) {
		return 0, false
	}
	normal := strings.ToUpper(text[:10] + "T" + text[11:])
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"} {
		t, err := time.Parse(layout, normal)
		if utc := t.UTC().Year(); err == nil && t.Year() >= 1 && 1 <= utc && utc <= 9999 {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

func checkTimestamp(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) {
	t.Helper()
	micros, ok := parseTimestamp([]byte(text), ' ')
	want, wantOK := expectedTimestamp(text)
	if ok != wantOK || ok && micros != want {
		t.Fatalf("%q: %d, %v, not %d, %v", text, micros, ok, want, wantOK)
	}
	micros, ok = parseTimestamp([]byte(text), 'T')
	if wantOK = wantOK && text[10] != ' '; ok != wantOK || ok && micros != want {
		t.Fatalf("%q without a blank: %d, %v, not %d, %v", text, micros, ok, want, wantOK)
	}
}

func TestTimestamp(t *testing.T) {
	for text, want := range map[string]string{
		"2021-12-24T11:31:19.459+0000":        "2021-12-24T11:31:19.459Z",
		"2021-12-24T11:31:19Z":                "2021-12-24T11:31:19Z",
		"2021-12-24t11:31:19z":                "2021-12-24T11:31:19Z",
		"2021-12-24 11:31:19+00":              "2021-12-24T11:31:19Z",
		"2021-12-24T11:31:19.123456789+05:30": "2021-12-24T06:01:19.123456Z",
		"2021-12-24T11:31:19.9-0845":          "2021-12-24T20:16:19.9Z",
		"2021-12-24T11:31:19-00:00":           "2021-12-24T11:31:19Z",
		"2020-02-29T00:00:00+2359":            "2020-02-28T00:01:00Z",
		"1969-12-31T23:59:59.9999999Z":        "1969-12-31T23:59:59.999999Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":      "9999-12-31T23:59:59.999999Z",
	} {
		micros, ok := parseTimestamp([]byte(text), ' ')
		if got := time.UnixMicro(micros).UTC().Format(time.RFC3339Nano); !ok || got != want {
			t.Errorf("%q: %s, %v, not %s", text, got, ok, want)
		}
		checkTimestamp(t, text)
	}
}

func TestTimestampOfEveryDay(t *testing.T) {
	for year := 1; year <= 9999; year++ {
		if year > 5 && year < 1890 && year%100 > 4 || year > 2110 && year%100 > 4 {
			continue // the calendar repeats every 400 years; the turns of centuries are what matters
		}
		for month := 0; month <= 13; month++ {
			for day := 0; day <= 32; day++ {
				text := fmt.Sprintf("%04d-%02d-%02dT12:34:56Z", year, month, day)
				want := time.Date(year, time.Month(month), day, 12, 34, 56, 0, time.UTC)
				exists := want.Year() == year && int(want.Month()) == month && want.Day() == day
				micros, ok := parseTimestamp([]byte(text), ' ')
				if ok != exists || ok && micros != want.UnixMicro() {
					t.Fatalf("%s: %d, %v", text, micros, ok)
				}
			}
		}
	}
}

// Whichever byte of a timestamp becomes whichever other one, both ways of reading it agree.
func TestTimestampChangedByte(t *testing.T) {
	for _, text := range []string{"2020-02-29T23:59:59.999999999+23:59", "2021-10-30 00:00:00-0030", "0001-01-01t00:00:00z"} {
		for i := range text {
			for c := range 256 {
				checkTimestamp(t, text[:i]+string([]byte{byte(c)})+text[i+1:])
			}
			checkTimestamp(t, text[:i])
			checkTimestamp(t, text[:i]+text[i+1:])
			checkTimestamp(t, text[:i]+"0"+text[i:])
		}
	}
}

func TestTimestampProperty(t *testing.T) {
	form := rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?([Zz]|[+-][0-2][0-9](:?[0-6][0-9])?)?`)
	rapid.Check(t, func(t *rapid.T) {
		checkTimestamp(t, form.Draw(t, "timestamp"))
	})
}

func FuzzTimestamp(f *testing.F) {
	f.Add("2021-12-24T11:31:19.459+0000")
	f.Add("0001-01-01 00:00:00.000000001-23:59")
	f.Fuzz(func(t *testing.T, text string) { checkTimestamp(t, text) })
}
