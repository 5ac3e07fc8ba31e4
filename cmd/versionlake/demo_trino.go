package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

// showTrino asks in SQL what the demo has asked before, and more, and holds the answers against those of the commands.
func (d *demo) showTrino(ctx context.Context) (err error) {
	d.say("The same in SQL: a Trino reads the tables, and views make flat rows of the histories")
	catalog, err := trino.NewCatalog(d.trinoLake())
	if err != nil {
		return err
	}
	install, err := trino.EnsureInstall(ctx, d.stderr.Lines())
	if err != nil {
		return err
	}
	d.command("trino up")
	server, err := trino.Start(ctx,
		trino.Options{Dir: d.trinoDir(), Install: install,
			Catalogs: map[string]trino.Catalog{trino.CatalogName: catalog}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	d.trino = server.URL
	if err := d.makeViews(ctx, server.URL); err != nil {
		return err
	}
	if err := d.printTrino(server, true); err != nil {
		return err
	}
	for _, question := range d.questions() {
		if err := d.ask(ctx, question); err != nil {
			return err
		}
	}
	return d.compareAll(ctx)
}

// sqlQuestion is what a user would ask. at, if any, is a command that must give the same answer.
type sqlQuestion struct {
	what, query string
	at          *atOptions
}

func (d *demo) questions() []sqlQuestion {
	user, moment := d.facts.User, "TIMESTAMP '"+d.facts.Asked.UTC().Format("2006-01-02 15:04:05")+" UTC'"
	before := "hour-" + (d.facts.LateHour - 1).String()
	return []sqlQuestion{
		{"Everything about one user", fmt.Sprintf(`SELECT service, device, version, valid_from, valid_to, sightings
FROM version_intervals
WHERE user_id = '%s'
ORDER BY valid_from`, user), nil},
		{"What ran at " + instant(d.facts.Asked) + ", by what is known today",
			fmt.Sprintf(`SELECT service, device, version, valid_from, valid_to
FROM version_intervals
WHERE user_id = '%s' AND valid_from <= %s AND %[2]s < valid_until`, user, moment),
			&atOptions{settings: &d.settings, user: user, time: d.facts.Asked}},
		{"And by what was known before the late file",
			fmt.Sprintf(`SELECT h.service, h.device, h.version, h.valid_from, h.valid_to
FROM gold.users FOR VERSION AS OF '%s' AS u
CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)
WHERE u.user_id = '%s' AND h.valid_from <= %s AND (h.valid_to IS NULL OR %[3]s < h.valid_to)`, before, user, moment),
			&atOptions{settings: &d.settings, user: user, time: d.facts.Asked, asOf: before}},
		{"The versions of a product, the oldest first, with the users who run each now",
			fmt.Sprintf(`SELECT v.version, v.first_seen_at, count(u.user_id) AS users_now
FROM versions AS v
LEFT JOIN users AS u ON u.current_service = v.service AND u.current_version = v.version AND u.user_kind = 'user'
WHERE v.service = '%s'
GROUP BY v.version, v.version_rank, v.first_seen_at
ORDER BY v.version_rank`, d.facts.Service), nil},
		{"Who would be hit if everything older than " + d.facts.After + " were shut down: a number for each device",
			fmt.Sprintf(`SELECT i.device, count(DISTINCT i.user_id) AS users
FROM version_intervals AS i
JOIN versions AS v ON v.service = i.service AND v.version = i.version
JOIN versions AS kept ON kept.service = i.service AND kept.version_class = v.version_class AND kept.version = '%s'
WHERE i.service = '%s' AND i.user_kind = 'user' AND i.valid_to IS NULL AND v.version_rank < kept.version_rank
GROUP BY i.device
ORDER BY users DESC, i.device`, d.facts.After, d.facts.Service), nil},
		{"The versions day by day: such trends stay when the events themselves are dropped",
			fmt.Sprintf(
				`SELECT date_utc, version, active_users, upgrades_in, sessions, round(issues_per_thousand_users) AS issues_per_thousand, installed
FROM version_trend
WHERE service = '%s' AND active_users >= 10
ORDER BY date_utc, version_rank`, d.facts.Service), nil},
		{"Why lines were rejected", `SELECT reason, sum(rejects) AS lines
FROM rejects_by_reason
GROUP BY reason
ORDER BY lines DESC, reason`, nil},
	}
}

func (d *demo) ask(ctx context.Context, question sqlQuestion) error {
	d.say("%s", question.what)
	fmt.Fprintf(d.stdout.Lines(), "\n$ versionlake sql \"%s\"\n", question.query) // which has several lines
	if err := sqlRun(ctx, &sqlOptions{settings: &d.settings, query: question.query}); err != nil {
		return err
	}
	if question.at == nil {
		return nil
	}
	told, err := answers[historyInterval](d, func(s *settings) error {
		at := *question.at
		at.settings = s
		return atRun(ctx, &at)
	})
	if err != nil {
		return err
	}
	for i := range told {
		told[i].LastSeenAt, told[i].Sightings, told[i].IsDowngrade = "", 0, nil // the question leaves them out
	}
	asked, err := answers[historyInterval](d,
		func(s *settings) error { return sqlRun(ctx, &sqlOptions{settings: s, query: question.query}) })
	if err != nil {
		return err
	}
	return d.same("versionlake at", told, asked)
}

// compareAll holds every interval, day and hour that Trino tells of against the commands.
func (d *demo) compareAll(ctx context.Context) error {
	d.say("Is it all the same? Every interval of every user, every day of a version and every hour of the " +
		"ledger, from Trino and from the commands")
	users, err := answers[userHistory](d,
		func(s *settings) error { return historyRun(ctx, &historyOptions{settings: s, all: true}) })
	if err != nil {
		return err
	}
	type row struct {
		UserID   string `json:"user_id"`
		UserKind string `json:"user_kind"`
		historyInterval
	}
	var told []row
	for _, user := range users {
		for _, interval := range user.History {
			told = append(told, row{user.UserID, user.UserKind, interval})
		}
	}
	asked, err := answers[row](d, func(s *settings) error {
		return sqlRun(ctx, &sqlOptions{settings: s,
			query: `SELECT user_id, user_kind, service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade
FROM version_intervals ORDER BY user_id, valid_from, service, coalesce(device, '')`})
	})
	if err != nil {
		return err
	}
	if err := d.same("versionlake history --all", told, asked); err != nil {
		return err
	}
	type day struct {
		Date          string `json:"date"`
		Service       string `json:"service"`
		Version       string `json:"version"`
		Users         int64  `json:"users"`
		Installations int64  `json:"new_installations"`
		UpgradesIn    int64  `json:"upgrades_in"`
		UpgradesOut   int64  `json:"upgrades_out"`
		DowngradesIn  int64  `json:"downgrades_in"`
		DowngradesOut int64  `json:"downgrades_out"`
		OtherIn       int64  `json:"other_moves_in"`
		OtherOut      int64  `json:"other_moves_out"`
		Sessions      int64  `json:"sessions"`
		Issues        int64  `json:"issues"`
	}
	days, err := answers[day](d, func(s *settings) error {
		return dailyRun(ctx, &dailyOptions{settings: s, from: math.MinInt32, to: math.MaxInt32})
	})
	if err != nil {
		return err
	}
	trend, err := answers[day](d, func(s *settings) error {
		return sqlRun(ctx, &sqlOptions{settings: s,
			query: `SELECT date_utc AS date, service, coalesce(version, '') AS version, active_users AS users, new_installations,
upgrades_in, upgrades_out, downgrades_in, downgrades_out, other_moves_in, other_moves_out, sessions, issues FROM version_trend`})
	})
	if err != nil {
		return err
	}
	if err := d.same("versionlake daily", days, trend); err != nil {
		return err
	}
	type hour struct {
		Hour    string `json:"hour"`
		State   string `json:"state"`
		Lines   int64  `json:"lines"`
		Events  int64  `json:"events"`
		Rejects int64  `json:"rejects"`
	}
	ledger, err := answers[hour](d, func(s *settings) error {
		o := &statusOptions{settings: s, hours: true}
		return statusRun(ctx, o)
	})
	if err != nil {
		return err
	}
	hours, err := answers[hour](d, func(s *settings) error {
		return sqlRun(ctx, &sqlOptions{settings: s,
			query: `SELECT date_format(hour_utc, '%Y-%m-%dT%H') AS hour, state, lines, events, rejects FROM ingest_hours ORDER BY 1`})
	})
	if err != nil {
		return err
	}
	return d.same("versionlake status --hours", ledger, hours)
}

// answers runs a command with --output json, and reads what it prints.
func answers[T any](d *demo, run func(*settings) error) ([]T, error) {
	var text bytes.Buffer
	s := d.settings
	s.output, s.stdout = outputJSON, terminal.NewOutput(&text)
	if err := run(&s); err != nil {
		return nil, err
	}
	var all []T
	for line := range strings.Lines(text.String()) {
		var each T
		if err := json.Unmarshal([]byte(line), &each); err != nil {
			return nil, fmt.Errorf("read %s: %w", line, err)
		}
		all = append(all, each)
	}
	return all, nil
}

// same compares answers, whatever their order.
func (d *demo) same(command string, told, asked any) error {
	if a, b := sorted(told), sorted(asked); !slices.Equal(a, b) {
		return fmt.Errorf("answers of Trino and `%s` differ:\n%s\nnot\n%s", command, strings.Join(b, "\n"),
			strings.Join(a, "\n"))
	}
	d.stdout.Printf("(%s, as `%s` says)\n", count(int64(reflect.ValueOf(told).Len()), "row"), command)
	return nil
}

func sorted(list any) []string {
	values := reflect.ValueOf(list)
	lines := make([]string, values.Len())
	for i := range lines {
		text, err := json.Marshal(values.Index(i).Interface())
		if err != nil {
			panic(err) // structs of texts and numbers
		}
		lines[i] = string(text)
	}
	slices.Sort(lines)
	return lines
}
