package telemetry

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var timestampForm = regexp.MustCompile(
	`^(\d{4})(?:-(\d\d)-(\d\d)[Tt ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?|` +
		`(\d\d)(\d\d)[Tt ](\d\d)(?:(\d\d)(?:(\d\d)(?:[.,](\d+))?)?)?)` +
		`( ?)(?:([Zz]|(?i:UTC|GMT))|([+-])([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d))?|([0-5]\d)([0-5]\d)?)?)` +
		`( [A-Za-z]{1,5})?(?:\[(?s:.*)\])?$`)

// expectedTimestamp is parseTimestamp by other means: a regular expression and the time package.
func expectedTimestamp(text string) (micros int64, ok bool) {
	m := timestampForm.FindStringSubmatch(text)
	if m == nil || m[16] == "" && m[22] != "" {
		return 0, false
	}
	number := func(groups ...int) int {
		n, _ := strconv.Atoi(cmp.Or(m[groups[0]], m[groups[len(groups)-1]]))
		return n
	}
	year, month, day := number(1), number(2, 8), number(3, 9)
	hour, minute, second := number(4, 10), number(5, 11), number(6, 12)
	fraction, _ := strconv.Atoi((cmp.Or(m[7], m[13]) + "000000")[:6])
	t := time.Date(year, time.Month(month), day, hour, minute, second, fraction*1000, time.UTC)
	if year == 0 || t.Year() != year || int(t.Month()) != month || t.Day() != day || hour > 23 || minute > 59 ||
		second > 59 {
		return 0, false
	}
	offset := time.Duration(number(17))*time.Hour + time.Duration(number(18, 20))*time.Minute +
		time.Duration(number(19, 21))*time.Second
	if m[16] == "-" {
		offset = -offset
	}
	t = t.Add(-offset)
	return t.UnixMicro(), t.Year() >= 1 && t.Year() <= 9999
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
	zone, _, _ := strings.Cut(text, "[")
	if wantOK = wantOK && !strings.Contains(zone, " "); ok != wantOK || ok && micros != want {
		t.Fatalf("%q without a blank: %d, %v, not %d, %v", text, micros, ok, want, wantOK)
	}
}

func TestTimestamp(t *testing.T) {
	for text, want := range map[string]string{
		"2021-12-24T11:31:19.459+0000":             "2021-12-24T11:31:19.459Z",
		"2021-12-24T11:31:19Z":                     "2021-12-24T11:31:19Z",
		"2021-12-24t11:31:19z":                     "2021-12-24T11:31:19Z",
		"2021-12-24 11:31:19+00":                   "2021-12-24T11:31:19Z",
		"2021-12-24T11:31:19.123456789+05:30":      "2021-12-24T06:01:19.123456Z",
		"2021-12-24T11:31:19.9-0845":               "2021-12-24T20:16:19.9Z",
		"2021-12-24T11:31:19-00:00":                "2021-12-24T11:31:19Z",
		"2020-02-29T00:00:00+2359":                 "2020-02-28T00:01:00Z",
		"1969-12-31T23:59:59.9999999Z":             "1969-12-31T23:59:59.999999Z",
		"0001-01-01T00:00:00Z":                     "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":           "9999-12-31T23:59:59.999999Z",
		"2022-05-27T05:12Z":                        "2022-05-27T05:12:00Z",
		"2022-05-27 05:13+00:00":                   "2022-05-27T05:13:00Z",
		"2022-05-27T05:13-0330":                    "2022-05-27T08:43:00Z",
		"2022-05-27t05z":                           "2022-05-27T05:00:00Z",
		"2022-05-27T05+02":                         "2022-05-27T03:00:00Z",
		"20220527T0512Z":                           "2022-05-27T05:12:00Z",
		"20220527T051259,25-0100":                  "2022-05-27T06:12:59.25Z",
		"2022-05-27T05:12:01.1234567Z":             "2022-05-27T05:12:01.123456Z",
		"2022-05-27T05:12:01.123456789012Z":        "2022-05-27T05:12:01.123456Z",
		"2022-05-27T05:12:01,5+00:00":              "2022-05-27T05:12:01.5Z",
		"2022-05-27 05:12:01.5 +0000 UTC":          "2022-05-27T05:12:01.5Z",
		"2022-05-27 05:12:01 UTC":                  "2022-05-27T05:12:01Z",
		"2022-05-27 05:12 gmt":                     "2022-05-27T05:12:00Z",
		"2022-05-27T05:12Z[UTC]":                   "2022-05-27T05:12:00Z",
		"2022-05-27T05:12:30+02:00[Europe/Berlin]": "2022-05-27T03:12:30Z",
		"1890-05-27T05:12:30+00:53:28":             "1890-05-27T04:19:02Z",
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
	for _, text := range []string{"2020-02-29T23:59:59.999999999+23:59", "2021-10-30 00:00:00-0030",
		"0001-01-01t00:00:00z",
		"2022-05-27T05:12Z", "2022-05-27 05:13 +00:00 CET", "20220527T051259,2Z", "2022-05-27T05:12:30+02:00:01[X]"} {
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
	form := rapid.OneOf(
		rapid.StringMatching(
			`[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,15})? ?`+
				`([Zz]|UTC|[+-][0-2][0-9](:?[0-6][0-9]){0,2}( [A-Z]{1,6})?)?(\[x\]?)?`),
		rapid.StringMatching(
			`[0-9]{4}-?[01][0-9]-?[0-3][0-9][Tt ][0-2][0-9](:?[0-6][0-9]){0,2}([.,][0-9]{0,3})?`+
				`([Zz]|[+-][0-2][0-9](:?[0-6][0-9]){0,2})?`))
	rapid.Check(t, func(t *rapid.T) {
		checkTimestamp(t, form.Draw(t, "timestamp"))
	})
}

func FuzzTimestamp(f *testing.F) {
	f.Add("2021-12-24T11:31:19.459+0000")
	f.Add("0001-01-01 00:00:00.000000001-23:59")
	f.Add("20220527T0512,5 +00:00:01 CET[x]")
	f.Fuzz(func(t *testing.T, text string) { checkTimestamp(t, text) })
}
