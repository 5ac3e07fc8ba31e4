package usage

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/versionlake/versionlake/telemetry"
)

// Times reads hours, days and moments as people write them, all UTC where no zone is named. What was not written in
// full is said.
type Times struct {
	Now time.Time
	Say func(format string, args ...any) error
}

// zoned and bare are the forms of a moment, with its zone and without; a blank may stand for the T.
var (
	zoned = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999-0700"}
	bare  = []string{"2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02T15", time.DateOnly}
)

var (
	ago     = regexp.MustCompile(`^(?:-(\d+) ?([smhdw])|(\d+) ?([smhdw]) ago)$`)
	slashes = regexp.MustCompile(`^(\d{4})/(\d{2})/(\d{2})(?:/(\d{2}))?/?$`) // as folders of hours are called
	epoch   = regexp.MustCompile(`^\d{10}$|^\d{13}$`)
	dayTime = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(?: +|t)(\d)`)
	utcName = regexp.MustCompile(` ?(?:Z|z|UTC|utc)$`)
)

var units = map[string]time.Duration{
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// parse reads a moment; full tells that it was written with its zone.
func (t Times) parse(text string) (at time.Time, full, ok bool) {
	text = unslashed(strings.TrimSpace(text))
	today := t.Now.UTC().Truncate(24 * time.Hour)
	switch strings.ToLower(text) {
	case "now":
		return t.Now.UTC().Truncate(time.Second), false, true
	case "today":
		return today, false, true
	case "yesterday":
		return today.AddDate(0, 0, -1), false, true
	}
	if parts := ago.FindStringSubmatch(strings.ToLower(text)); parts != nil {
		n, err := strconv.ParseInt(parts[1]+parts[3], 10, 32)
		unit := units[parts[2]+parts[4]]
		if err != nil || time.Duration(n) > maxAgo/unit {
			return at, false, false
		}
		return t.Now.UTC().Truncate(time.Second).Add(-time.Duration(n) * unit), false, true
	}
	text = utcName.ReplaceAllString(dayTime.ReplaceAllString(text, "${1}T${2}"), "Z")
	for _, layout := range zoned {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true, true
		}
	}
	for _, layout := range bare {
		if at, err := time.Parse(layout, text); err == nil {
			return at, false, true
		}
	}
	return at, false, false
}

// maxAgo bounds what "ago" can name: durations end at 292 years.
const maxAgo = 100 * 365 * 24 * time.Hour

// forms are how a moment can be written, for errors.
const forms = "2022-05-27T05:00:00Z, 2022-05-27 05:00, 2022-05-27, yesterday or 2h ago (UTC)"

// unslashed is the text of a folder of an hour, or of a day, with dashes.
func unslashed(text string) string {
	parts := slashes.FindStringSubmatch(text)
	if parts == nil {
		return text
	}
	day := parts[1] + "-" + parts[2] + "-" + parts[3]
	if parts[4] == "" {
		return day
	}
	return day + "T" + parts[4]
}

// fromEpoch reads seconds or milliseconds since 1970, which people copy from logs.
func fromEpoch(text string) (at time.Time, ok bool) {
	if !epoch.MatchString(text) {
		return at, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if len(text) == len("1653629400000") {
		return time.UnixMilli(n), err == nil
	}
	return time.Unix(n, 0), err == nil
}

// IsTime tells whether a text is a moment.
func (t Times) IsTime(text string) bool {
	_, _, ok := t.parse(text)
	return ok
}

// UserFirst refuses USER and TIME the wrong way round.
func (t Times) UserFirst(command, user, at string) error {
	if t.IsTime(user) && !t.IsTime(at) {
		return Errorf("%s: the user comes first; write: versionlake %s %s %q", command, command, at, user)
	}
	return nil
}

// MomentForms says how a moment can be written, for help.
const MomentForms = `TIME is written 2022-05-27T05:00:00Z, 2022-05-27 05:00 (in quotes), 2022-05-27, yesterday, or 2h
ago as -2h; UTC where it names no zone.`

// Moment reads a moment; name is what the command line calls it.
func (t Times) Moment(name, text string) (time.Time, error) {
	at, full, ok := t.parse(text)
	if since, number := fromEpoch(text); !ok && number {
		return at, Errorf("%s %q is a number, which since 1970 would be %s: write that", name, text,
			since.UTC().Format(time.RFC3339Nano))
	}
	if !ok {
		return at, Errorf("%s %q is no time: write it as %s", name, text, forms)
	}
	if !full {
		t.say(name, text, at.Format(time.RFC3339Nano))
	}
	return at, nil
}

// AsOf reads what --as-of may be: a tag or the hour of one, a snapshot id, or a moment; "" is now. An hour stands for
// its tag, moments come back as RFC 3339.
func (t Times) AsOf(text string) string {
	if hour, err := telemetry.ParseHour(dayTime.ReplaceAllString(unslashed(text), "${1}T${2}")); err == nil {
		tag := "hour-" + hour.String()
		t.say("--as-of", text, "the tag "+tag)
		return tag
	}
	at, full, ok := t.parse(text)
	switch {
	case text == "" || !ok:
		return text // a tag, or an id
	case full:
		return at.Format(time.RFC3339Nano)
	}
	t.say("--as-of", text, at.Format(time.RFC3339Nano))
	return at.Format(time.RFC3339Nano)
}

// Hour reads an hour; name is what the command line calls it.
func (t Times) Hour(name, text string) (telemetry.Hour, error) {
	if hour, err := telemetry.ParseHour(text); err == nil {
		return hour, nil
	}
	at, _, ok := t.parse(text)
	relative := ago.MatchString(strings.ToLower(strings.TrimSpace(text))) || strings.EqualFold(text, "now")
	switch {
	case !ok:
		return 0, Errorf("%s %q is not an hour such as 2022-05-27T05 (UTC)", name, text)
	case isDay(text):
		return 0, Errorf("%s %q is a day: name an hour of it, such as %s (UTC)", name, text,
			telemetry.HourOf(at)+5)
	case !relative && !at.Equal(at.Truncate(time.Hour)):
		return 0, Errorf("%s %q lies in an hour: name it as %s (UTC)", name, text, telemetry.HourOf(at))
	}
	hour := telemetry.HourOf(at)
	t.say(name, text, hour.String())
	return hour, nil
}

// HourOrDay takes a day for its first hour.
func (t Times) HourOrDay(name, text string) (telemetry.Hour, error) {
	if !isDay(text) {
		return t.Hour(name, text)
	}
	return t.Day(name, text)
}

// Day reads a day, and gives its first hour.
func (t Times) Day(name, text string) (telemetry.Hour, error) {
	at, _, ok := t.parse(text)
	if !ok || !isDay(text) {
		return 0, Errorf("%s %q is not a day such as 2022-05-27 (UTC)", name, text)
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		t.say(name, text, at.Format(time.DateOnly))
	}
	return telemetry.HourOf(at), nil
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, unslashed(text))
	return err == nil || strings.EqualFold(text, "today") || strings.EqualFold(text, "yesterday")
}

func (t Times) say(name, text, read string) {
	_ = t.Say("%s %q is read as %s (UTC)\n", name, text, read)
}
