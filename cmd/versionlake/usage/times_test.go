package usage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// read are times at the half hour of a Friday afternoon, with what is said of them.
func read() (times Times, said *strings.Builder) {
	said = &strings.Builder{}
	return Times{
		Now: time.Date(2022, 5, 27, 14, 30, 0, 0, time.FixedZone("", 2*60*60)),
		Say: func(format string, args ...any) error {
			fmt.Fprintf(said, format, args...)
			return nil
		},
	}, said
}

func TestMoment(t *testing.T) {
	for text, want := range map[string]string{
		"2021-12-24T11:31:19.459Z":  "2021-12-24T11:31:19.459Z",
		"2021-12-24 11:31:19.459Z":  "2021-12-24T11:31:19.459Z",
		"2021-12-24T12:31:19+01:00": "2021-12-24T11:31:19Z",
		"2021-12-24T12:31:19+0100":  "2021-12-24T11:31:19Z",
		"2021-12-24T12:31+01:00":    "2021-12-24T11:31:00Z",
		"2021-12-24 12:31 UTC":      "2021-12-24T12:31:00Z",
		"2021-12-24t12:31:00z":      "2021-12-24T12:31:00Z",
	} {
		times, said := read()
		at, err := times.Moment("the time", text)
		require.NoError(t, err)
		require.Equal(t, want, at.Format(time.RFC3339Nano), text)
		require.Empty(t, said.String(), text)
	}
	for text, want := range map[string]string{
		"2021-12-24 11:31:19":     "2021-12-24T11:31:19Z",
		"2021-12-24T11:31:19.459": "2021-12-24T11:31:19.459Z",
		"2021-12-24 11:31":        "2021-12-24T11:31:00Z",
		"2021-12-24T11":           "2021-12-24T11:00:00Z",
		"2021-12-24":              "2021-12-24T00:00:00Z",
		"yesterday":               "2022-05-26T00:00:00Z",
		"today":                   "2022-05-27T00:00:00Z",
		"now":                     "2022-05-27T12:30:00Z",
		"2h ago":                  "2022-05-27T10:30:00Z",
		"-2h":                     "2022-05-27T10:30:00Z",
		"-90m":                    "2022-05-27T11:00:00Z",
		"3d ago":                  "2022-05-24T12:30:00Z",
		"1w ago":                  "2022-05-20T12:30:00Z",
	} {
		times, said := read()
		at, err := times.Moment("the time", text)
		require.NoError(t, err)
		require.Equal(t, want, at.Format(time.RFC3339Nano), text)
		require.Equal(t, fmt.Sprintf("the time %q is read as %s (UTC)\n", text, want), said.String())
	}
	for _, text := range []string{"", "noon", "2021-13-01", "24.12.2021", "12/24/2021", "-2", "2h", "-2y",
		"99999999w ago",
		"2021-12-24T25:00", "16403454790"} {
		times, _ := read()
		_, err := times.Moment("the time", text)
		require.ErrorContains(t, err, "2022-05-27 05:00", text)
	}
	times, _ := read()
	for _, number := range []string{"1640345479", "1640345479000"} { // as logs have it
		_, err := times.Moment("the time", number)
		require.ErrorContains(t, err, "2021-12-24T11:31:19Z")
	}
}

func TestAsOf(t *testing.T) {
	for _, c := range []struct{ text, want, said string }{
		{"", "", ""},
		{"hour-2022-05-27T05", "hour-2022-05-27T05", ""},
		{"7205823904", "7205823904", ""},
		{"2022-05-27T05:00:00Z", "2022-05-27T05:00:00Z", ""},
		{"2022-05-27T05", "hour-2022-05-27T05", "the tag hour-2022-05-27T05"},
		{"2022-05-27 05", "hour-2022-05-27T05", "the tag hour-2022-05-27T05"},
		{"2022-05-27T05:00", "2022-05-27T05:00:00Z", "2022-05-27T05:00:00Z"},
		{"yesterday", "2022-05-26T00:00:00Z", "2022-05-26T00:00:00Z"},
	} {
		times, said := read()
		require.Equal(t, c.want, times.AsOf(c.text))
		if c.said == "" {
			require.Empty(t, said.String())
		} else {
			require.Equal(t, fmt.Sprintf("--as-of %q is read as %s (UTC)\n", c.text, c.said), said.String())
		}
	}
}

func TestHours(t *testing.T) {
	for text, want := range map[string]string{
		"2022-05-27T05": "2022-05-27T05", "2022-05-27 05": "2022-05-27T05", "2022-05-27T05:00": "2022-05-27T05",
		"2022-05-27T05:00:00Z": "2022-05-27T05", "2h ago": "2022-05-27T10", "-2h": "2022-05-27T10",
		"now": "2022-05-27T12",
	} {
		times, said := read()
		hour, err := times.Hour("the hour", text)
		require.NoError(t, err)
		require.Equal(t, want, hour.String(), text)
		require.Equal(t, text != want, strings.Contains(said.String(), want), text)
	}
	for text, want := range map[string]string{
		"2022-05-27T05:30": "name it as 2022-05-27T05",
		"yesterday":        "is a day: name an hour of it, such as 2022-05-26T05",
		"2022-05-27":       "is a day", "five": "is not an hour such as 2022-05-27T05",
	} {
		times, _ := read()
		_, err := times.Hour("the hour", text)
		require.ErrorContains(t, err, want)
	}
	times, said := read()
	hour, err := times.HourOrDay("--from", "yesterday")
	require.NoError(t, err)
	require.Equal(t, "2022-05-26T00", hour.String())
	require.Equal(t, "--from \"yesterday\" is read as 2022-05-26 (UTC)\n", said.String())
	_, err = times.Day("--date", "2022-05-27T05")
	require.ErrorContains(t, err, "is not a day")
}
