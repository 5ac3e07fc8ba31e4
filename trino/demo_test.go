package trino_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/trino"
)

// TestDemoLake asks the lake of the demo, whose hours were ingested one after the other, so that its tags are the
// same always.
func TestDemoLake(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	demo := generate.Demo()
	w.generate(t, demo)
	_, err := generate.DemoLate(t.Context(), w.folder)
	require.NoError(t, err)
	require.NoError(t, w.ingest(t.Context(), generate.DemoFacts().LateHour))
	require.NoError(t, w.daily(t.Context()))
	require.NoError(t, trino.CreateViews(t.Context(), w.trino, func(trino.View) {}))

	t.Run("docs", w.testDocs)
	t.Run("agreement", w.testAgreement)
	t.Run("few hours", w.testFewHours)
	t.Run("why", w.testWhy)
	t.Run("report", w.testReport)
}

var eventsRead = regexp.MustCompile(`gold\.events\$data[^\x00]*?Input: ([0-9]+) rows`)

// testFewHours asks for the events of some time, and looks how many of gold.events Trino reads for that.
func (w *world) testFewHours(t *testing.T) {
	read := func(condition string) int {
		plan := w.rows(t, "EXPLAIN ANALYZE SELECT count(user_id), count(device), count(version) FROM events "+
			condition)[0][0]
		match := eventsRead.FindStringSubmatch(plan)
		require.NotNil(t, match, plan)
		rows, err := strconv.Atoi(match[1])
		require.NoError(t, err)
		return rows
	}
	all := read("")
	require.Equal(t, [][]string{{strconv.Itoa(all)}}, w.rows(t, "SELECT count(*) FROM gold.events"))
	for _, condition := range []string{"WHERE event_time >= TIMESTAMP '2022-05-28 18:00:00 UTC'",
		"WHERE date(event_time) = DATE '2022-05-26'"} {
		require.Less(t, read(condition), all/3, condition)
	}
}

var sqlBlock = regexp.MustCompile("(?s)\n```sql\n(.*?)\n```\n(?:\n```\n(.*?)```\n)?")

// testDocs runs every block of SQL in docs/, and compares the answer with what is printed below it.
func (w *world) testDocs(t *testing.T) {
	blocks := 0
	require.NoError(t, filepath.WalkDir("../docs", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		written, err := os.ReadFile(path)
		require.NoError(t, err)
		answered := sqlBlock.ReplaceAllStringFunc(string(written), func(block string) string {
			parts := sqlBlock.FindStringSubmatch(block)
			blocks++
			return "\n```sql\n" + parts[1] + "\n```\n\n```\n" +
				w.table(t, strings.TrimSuffix(strings.TrimSpace(parts[1]), ";")) + "```\n"
		})
		if *updateDocs {
			return os.WriteFile(path, []byte(answered), 0o644)
		}
		require.Equal(t, answered, string(written),
			"%s: go test ./trino -run TestDemoLake/docs -update writes the answers", path)
		return nil
	}))
	require.Greater(t, blocks, 5)
}

// parameters reads the comment of a query that says what its question marks stand for: texts and moments.
func parameters(query string) (values []any) {
	line, _, _ := strings.Cut(query, "\n")
	list, ok := strings.CutPrefix(line, "-- ? = ")
	if !ok {
		return nil
	}
	for text := range strings.SplitSeq(list, ", ") {
		if moment, err := time.Parse(time.RFC3339, text); err == nil {
			values = append(values, moment)
		} else {
			values = append(values, text)
		}
	}
	return values
}

// table shows an answer as `versionlake sql` does.
func (w *world) table(t *testing.T, query string) string {
	t.Helper()
	values := parameters(query)
	rows, err := w.trino.QueryContext(t.Context(), query, values...)
	require.NoError(t, err, query)
	columns, err := rows.ColumnTypes()
	require.NoError(t, errors.Join(err, rows.Close()))
	header := table.Row{}
	for _, column := range columns {
		header = append(header, column.Name())
	}
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Format.Header = text.FormatDefault
	out := table.NewWriter()
	out.SetStyle(style)
	out.SuppressTrailingSpaces()
	out.AppendHeader(header)
	found := w.rows(t, query, values...)
	require.NotEmpty(t, found, "an answer in the docs shows something:\n%s", query)
	for _, cells := range found {
		row := table.Row{}
		for i, cell := range cells {
			if columns[i].DatabaseTypeName() == "DATE" {
				cell = strings.TrimSuffix(cell, "T00:00:00Z")
			}
			row = append(row, cell)
			if number, err := strconv.ParseFloat(cell, 64); err == nil && columns[i].DatabaseTypeName() != "VARCHAR" {
				row[i] = number // which stands to the right
			}
		}
		out.AppendRow(row)
	}
	return out.Render() + "\n"
}

// userMoment is a question: which versions did the user run then?
type userMoment struct {
	N    int    `json:"n"`
	User string `json:"user_id"`
	At   int64  `json:"at"` // microseconds since 1970
}

const (
	userMoments = 1000
	taggedTimes = 20
)

// testAgreement asks for versions at moments, now and as of tags, and compares with what package lake reads, which
// is what `versionlake at` prints.
func (w *world) testAgreement(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 476))
	now, err := gold.FindVersion(t.Context(), w.Lake, "")
	require.NoError(t, err)
	users := w.usersAt(t, now)
	asked := ask(random, users, userMoments)
	w.compare(t, users, asked, "version_intervals")

	var tags []string
	versions, err := gold.Versions(t.Context(), w.Lake)
	require.NoError(t, err)
	for _, version := range versions {
		tags = append(tags, version.Tags...)
	}
	slices.Sort(tags)
	random.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	require.Greater(t, len(tags), taggedTimes)
	for _, tag := range tags[:taggedTimes] {
		version, err := gold.FindVersion(t.Context(), w.Lake, tag)
		require.NoError(t, err)
		// Users of today, too, whom nobody knew then.
		w.compare(t, w.usersAt(t, version), append(asked[:100:100], ask(random, users, 100)...), fmt.Sprintf(`(
			SELECT u.user_id, h.*, coalesce(h.valid_to, TIMESTAMP '9999-12-31 00:00:00 UTC') AS valid_until
			FROM gold.users FOR VERSION AS OF '%s' AS u
			CROSS JOIN UNNEST(u.history) AS h
				(service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade))`, tag))
	}
}

func (w *world) usersAt(t *testing.T, version gold.Version) map[string]history.User {
	t.Helper()
	users := map[string]history.User{}
	for user, err := range gold.Users(t.Context(), w.Lake, version) {
		require.NoError(t, err)
		users[user.ID] = user
	}
	return users
}

// ask makes up questions: about users with several installations more often than others; at the very moment when a
// version changes, a tick before and after it, before the first sighting, or at any time.
func ask(random *rand.Rand, users map[string]history.User, n int) []userMoment {
	var several, all []string
	for id, user := range users {
		all = append(all, id)
		for i := range user.History {
			if user.History[i].Service != user.History[0].Service || user.History[i].Device != user.History[0].Device {
				several = append(several, id)
				break
			}
		}
	}
	slices.Sort(all)
	slices.Sort(several)
	from := generate.Demo().From.Start().UnixMicro()
	asked := make([]userMoment, n)
	for i := range asked {
		among := all
		if i%2 == 0 && len(several) > 0 {
			among = several
		}
		user := users[among[random.IntN(len(among))]]
		interval := user.History[random.IntN(len(user.History))]
		boundary := interval.ValidFrom
		if !interval.Open && random.IntN(2) == 0 {
			boundary = interval.ValidTo
		}
		moments := []int64{boundary, boundary - 1, boundary + 1, user.FirstSeenAt - random.Int64N(1e12) - 1,
			from + random.Int64N(49*3600*1e6)}
		asked[i] = userMoment{i, user.ID, moments[random.IntN(len(moments))]}
	}
	return asked
}

func (w *world) compare(t *testing.T, users map[string]history.User, asked []userMoment, intervals string) {
	t.Helper()
	var want [][]string
	answers, nobody := 0, 0
	for _, q := range asked {
		user := users[q.User] // nobody's history is empty
		effective := user.At(q.At)
		if len(effective) == 0 {
			nobody++
		}
		for _, i := range effective {
			device, validTo := "–", "–"
			if i.HasDevice {
				device = i.Device
			}
			if !i.Open {
				validTo = instant(i.ValidTo)
			}
			answers++
			want = append(want, []string{fmt.Sprint(q.N), q.User, i.Service, device, i.Version, instant(i.ValidFrom),
				validTo, fmt.Sprint(i.Sightings)})
		}
	}
	require.Positive(t, nobody)
	require.Greater(t, answers, len(asked)/20)
	text, err := json.Marshal(asked)
	require.NoError(t, err)
	got := w.rows(t, `WITH asked AS (
		SELECT a.n, a.user_id, from_unixtime_nanos(a.at * 1000) AS at
		FROM UNNEST(CAST(json_parse(?) AS array(row(n bigint, user_id varchar, at bigint)))) AS a (n, user_id, at))
		SELECT a.n, i.user_id, i.service, i.device, i.version, i.valid_from, i.valid_to, i.sightings
		FROM asked AS a JOIN `+intervals+
		` AS i ON i.user_id = a.user_id AND i.valid_from <= a.at AND a.at < i.valid_until`, string(text))
	order := func(rows [][]string) [][]string {
		slices.SortFunc(rows, slices.Compare[[]string])
		return rows
	}
	require.Equal(t, order(want), order(got), intervals)
}

func instant(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
