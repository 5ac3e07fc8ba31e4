package trino_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/why"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/trino"
)

// testWhy compares the view with what package why finds, which is what `versionlake why` prints, for some users of the
// demo, and counts its sightings of all of them.
func (w *world) testWhy(t *testing.T) {
	require.Empty(t, w.rows(t, `
		SELECT i.user_id, i.version, i.valid_from, i.sightings, w.lines
		FROM version_intervals AS i
		LEFT JOIN (
			SELECT user_id, service, device, version, valid_from, count(*) AS lines,
				min(event_time) AS first, max(event_time) AS last
			FROM why
			WHERE says = 'sighting'
			GROUP BY 1, 2, 3, 4, 5
		) AS w ON w.user_id = i.user_id AND w.service = i.service AND w.device IS NOT DISTINCT FROM i.device
			AND w.version = i.version AND w.valid_from = i.valid_from
		WHERE w.lines IS DISTINCT FROM i.sightings OR w.first <> i.valid_from OR w.last <> i.last_seen_at`))
	now, err := gold.FindVersion(t.Context(), w.Lake, "")
	require.NoError(t, err)
	users := w.usersAt(t, now)
	names := slices.Sorted(maps.Keys(users))
	asked := map[string]history.User{}
	for i := 0; i < len(names); i += len(names) / 6 {
		asked[names[i]] = users[names[i]]
	}
	for _, name := range []string{"p1", "p2", "p3"} {
		asked[name] = users[name]
	}
	require.Equal(t, w.linesBehind(t, asked), w.why(t, asked))
}

// TestWhy: the lines behind every interval of a world that has what is rare: names that look like sessions, sightings
// without a session, endings, bindings that come later, are a day away, or of the same moment. With
// VERSIONLAKE_MUTANTS=1 it makes the view wrong, and sees that this is found.
func TestWhy(t *testing.T) {
	skipShort(t)
	w, s := newWorld(t), script{}
	s.rare()
	view := viewOf(t, "why")
	w.execute(t, "CREATE SCHEMA views")
	w.execute(t, "CREATE VIEW version_intervals AS "+viewOf(t, "version_intervals").Query)
	w.execute(t, "CREATE VIEW why AS "+view.Query)
	w.take(t, s)
	now, err := gold.FindVersion(t.Context(), w.Lake, "")
	require.NoError(t, err)
	users := w.usersAt(t, now)
	want := w.linesBehind(t, users)
	require.Equal(t, want, w.why(t, users))
	text := strings.Join(want, "\n")
	for _, says := range []string{"| sighting |", "| user |", "| device |", "| nobody |", "user:session:x",
		"session:later"} {
		require.Contains(t, text, says)
	}
	if os.Getenv("VERSIONLAKE_MUTANTS") != "" {
		for _, mutant := range [][2]string{
			{"user_before[1] >= event_time - INTERVAL '1' DAY",
				"true"}, {"user_after[1] <= event_time + INTERVAL '1' DAY", "true"},
			{"max(IF(l.says = 'user',", "min(IF(l.says = 'user',"}, {"IF(named IS NULL, coalesce", "IF(true, coalesce"},
			{"max(IF(l.says = 'device',", "min(IF(l.says = 'device',"}, {"WHEN NOT told_user[8] THEN",
				"WHEN true THEN"},
			{"s.event_time BETWEEN i.valid_from AND i.last_seen_at", "s.event_time >= i.valid_from"},
			{"coalesce(s.device, s.told_device[7], '')", "coalesce(s.device, '')"},
			{"WHERE session_id IS NULL", "WHERE false"}, {"'read', 'bad', 'gone'", "'bad'"},
		} {
			require.Contains(t, view.Query, mutant[0])
			w.execute(t, "CREATE OR REPLACE VIEW why AS "+strings.Replace(view.Query, mutant[0], mutant[1], 1))
			require.NotEqual(t, want, w.why(t, users), "with %q instead of %q", mutant[1], mutant[0])
		}
		w.execute(t, "CREATE OR REPLACE VIEW why AS "+view.Query)
	}

	w.forget(t, "ann")
	require.Empty(t, w.rows(t, "SELECT * FROM why WHERE user_id = 'ann'"))
	now, err = gold.FindVersion(t.Context(), w.Lake, "")
	require.NoError(t, err)
	users = w.usersAt(t, now)
	require.NotContains(t, users, "ann")
	require.Contains(t, users, "user:user:y")
	require.Equal(t, w.linesBehind(t, users), w.why(t, users))
}

// rare writes what is rare.
func (s script) rare() {
	n := 0
	line := func(at, session, body string) {
		moment, err := time.Parse("2006-01-02T15:04", "2022-05-"+at)
		if err != nil {
			panic(err)
		}
		n++
		hour := telemetry.HourOf(moment)
		s[hour] = append(s[hour], fmt.Sprintf("c\t%s\tApp\t%s\t%d\t{%s}", moment.Format(time.RFC3339), session,
			n, body))
	}
	const version = "'Name': 'SoftwareVersion', 'Version': '%s'"
	sight := func(at, session, ran string, more ...string) {
		line(at, session, fmt.Sprintf(version, ran)+strings.Join(more, ""))
	}
	login := func(at, session, user string) { line(at, session, "'Name': 'Login', 'UserId': '"+user+"'") }
	device := func(at, session, model string) {
		line(at, session, "'Name': 'DeviceInfo', 'Device': '"+model+"'")
	}
	login("10T05:00", "S1", "ann")
	device("10T05:00", "S1", "PC")
	sight("10T05:01", "S1", "1.0")
	sight("10T05:02", "S1", "1.0")
	device("10T05:30", "S1", "Phone") // from here on, all else is another installation
	sight("10T05:31", "S1", "1.0")
	login("10T06:00", "S1", "bob") // the session changes hands, before a sighting of the same moment
	sight("10T06:00", "S1", "1.1")
	login("10T06:00", "S1", "cid") // and once more
	line("10T07:00", "S1", "'Name': 'Logout'")
	sight("10T07:01", "S1", "1.1") // nobody's
	sight("10T07:02", "S1", "1.2", ", 'UserId': 'ann'")
	sight("20T05:00", "later", "1.0") // a day and more before it is told whose it is
	sight("20T09:00", "later", "1.1") // a day before
	login("21T09:00", "later", "ann")
	device("21T09:00", "later", "PC")
	sight("22T09:00", "later", "1.2") // a day behind
	sight("22T09:01", "later", "1.3")
	login("22T10:00", "S2", "session:x")
	sight("22T10:01", "S2", "1.0")
	sight("22T10:02", "null", "1.0", ", 'UserId': 'ann', 'Device': 'Tablet'")
	sight("22T10:03", "null", "1.0", ", 'UserId': 'user:y'")
	sight("22T10:04", "null", "1.1", ", 'UserId': 'ann', 'Device': 'Tablet'")
	sight("22T10:05", "null", "1.0", ", 'UserId': 'ann', 'Device': 'Tablet'") // back again
}

// linesBehind are the lines that package why finds behind each interval of users.
func (w *world) linesBehind(t *testing.T, users map[string]history.User) (a answer) {
	t.Helper()
	counts := map[string]int{}
	for name, user := range users {
		for _, from := range user.History {
			found, ok, err := why.Ask(t.Context(), w.Lake, name, time.UnixMicro(from.ValidFrom), 0)
			require.NoError(t, err)
			require.True(t, ok)
			for i := range found.Intervals {
				if of := &found.Intervals[i]; of.Service == from.Service && of.ValidFrom == from.ValidFrom &&
					of.Device == from.Device && of.HasDevice == from.HasDevice {
					countLines(counts, name, of)
				}
			}
		}
	}
	for row, n := range counts {
		a.row(row, n)
	}
	slices.Sort(a)
	return a
}

func countLines(counts map[string]int, user string, i *why.Interval) {
	ends := any(null)
	if !i.Open {
		ends = moment(i.ValidTo)
	}
	for _, e := range i.Evidence {
		for _, line := range []*why.Line{e.Sighting, e.User, e.Device} {
			if line == nil {
				continue
			}
			var row answer
			row.row(user, i.Service, orNull(i.Device, i.HasDevice), i.Version, moment(i.ValidFrom), ends, line.Says,
				line.At.Format(time.RFC3339Nano), line.File, line.Line, line.Hour+":00:00Z",
				orNull(line.Run, line.Run != ""))
			counts[row[0]]++
		}
	}
}

// why asks the view for users.
func (w *world) why(t *testing.T, users map[string]history.User) (a answer) {
	t.Helper()
	var names []string
	for name := range users {
		names = append(names, trino.Quote(name))
	}
	for _, row := range w.rows(t, `SELECT user_id, service, device, version, valid_from, valid_to, says, event_time,
		file_name, line_number, hour_utc, run_id, sightings FROM why WHERE user_id IN (`+strings.Join(names, ", ")+
		")") {
		a = append(a, strings.Join(row, " | "))
	}
	slices.Sort(a)
	return a
}
