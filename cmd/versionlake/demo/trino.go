package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/run"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/trino"
)

// showTrino asks in SQL what the demo has asked before, and more, and holds the answers against those of the commands.
func (d *demo) showTrino(ctx context.Context) (err error) {
	d.say("The same in SQL: a Trino reads the tables, and views make flat rows of the histories")
	catalogs, err := trino.LocalCatalogs(d.TrinoLake(), d.ScratchDir())
	if err != nil {
		return err
	}
	install, err := trino.EnsureInstall(ctx, d.Stderr.Lines())
	if err != nil {
		return err
	}
	d.command("trino up")
	server, err := trino.Start(ctx, trino.Options{Dir: d.TrinoDir(), Install: install,
		Catalogs: catalogs, Rules: trino.LocalRules})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	d.Trino = server.URL
	if err := run.MakeLocalViews(ctx, d.Settings, server.URL); err != nil {
		return err
	}
	if err := run.PrintTrino(d.Settings, server, true); err != nil {
		return err
	}
	for _, question := range d.questions() {
		if err := d.ask(ctx, question); err != nil {
			return err
		}
	}
	return d.compareAll(ctx)
}

func (d *demo) ask(ctx context.Context, question sqlQuestion) error {
	d.say("%s", question.what)
	fmt.Fprintf(d.Stdout.Lines(), "\n$ versionlake sql \"%s\"\n", question.query) // which has several lines
	if err := (&ask.SQL{Settings: d.Settings, Query: question.query}).Run(ctx); err != nil {
		return err
	}
	if question.at == nil {
		return nil
	}
	told, err := answers[ask.Interval](d, func(s *settings.Settings) error {
		at := *question.at
		at.Settings = s
		return at.Run(ctx)
	})
	if err != nil {
		return err
	}
	for i := range told {
		told[i].LastSeenAt, told[i].Sightings, told[i].IsDowngrade = "", 0, nil // the question leaves them out
	}
	return compare(ctx, d, "versionlake at", told, question.query)
}

// compareAll holds every interval, day and hour that Trino tells of against the commands.
func (d *demo) compareAll(ctx context.Context) error {
	d.say("Is it all the same? Every interval of every user, every day of a version and every hour of the " +
		"ledger, from Trino and from the commands")
	if err := d.compareHistories(ctx); err != nil {
		return err
	}
	if err := d.compareDays(ctx); err != nil {
		return err
	}
	return d.compareHours(ctx)
}

func (d *demo) compareHistories(ctx context.Context) error {
	users, err := answers[ask.UserHistory](d, func(s *settings.Settings) error {
		return (&ask.History{Settings: s, All: true}).Run(ctx)
	})
	if err != nil {
		return err
	}
	type row struct {
		UserID   string `json:"user_id"`
		UserKind string `json:"user_kind"`
		ask.Interval
	}
	var told []row
	for _, user := range users {
		for _, interval := range user.History {
			told = append(told, row{user.UserID, user.UserKind, interval})
		}
	}
	return compare(ctx, d, "versionlake history --all", told, `SELECT user_id, user_kind, service, device, version,
valid_from, valid_to, last_seen_at, sightings, is_downgrade
FROM version_intervals ORDER BY user_id, valid_from, service, coalesce(device, '')`)
}

func (d *demo) compareDays(ctx context.Context) error {
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
	told, err := answers[day](d, func(s *settings.Settings) error {
		return (&ask.Daily{Settings: s, From: math.MinInt32, To: math.MaxInt32}).Run(ctx)
	})
	if err != nil {
		return err
	}
	return compare(ctx, d, "versionlake daily", told, `SELECT date_utc AS date, service,
coalesce(version, '') AS version, sum(version_users) AS users, sum(new_installations) AS new_installations,
sum(upgrades_in) AS upgrades_in, sum(upgrades_out) AS upgrades_out, sum(downgrades_in) AS downgrades_in,
sum(downgrades_out) AS downgrades_out, sum(other_moves_in) AS other_moves_in, sum(other_moves_out) AS other_moves_out,
sum(sessions) AS sessions, sum(issues) AS issues FROM version_trend GROUP BY 1, 2, 3`)
}

func (d *demo) compareHours(ctx context.Context) error {
	type hour struct {
		Hour    string `json:"hour"`
		State   string `json:"state"`
		Lines   int64  `json:"lines"`
		Events  int64  `json:"events"`
		Rejects int64  `json:"rejects"`
	}
	told, err := answers[hour](d, func(s *settings.Settings) error {
		return (&ask.Status{Settings: s, Hours: true}).Run(ctx)
	})
	if err != nil {
		return err
	}
	return compare(ctx, d, "versionlake status --hours", told,
		`SELECT date_format(hour_utc, '%Y-%m-%dT%H') AS hour, state, lines, events, rejects
FROM ingest_hours ORDER BY 1`)
}

// answers runs a command with --output json, and reads what it prints.
func answers[T any](d *demo, command func(*settings.Settings) error) ([]T, error) {
	var text bytes.Buffer
	if err := command(d.To(terminal.NewOutput(&text), output.JSON)); err != nil {
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

// compare holds what a command told against what Trino answers to a query, whatever their order.
func compare[T any](ctx context.Context, d *demo, command string, told []T, query string) error {
	asked, err := answers[T](d, func(s *settings.Settings) error {
		return (&ask.SQL{Settings: s, Query: query}).Run(ctx)
	})
	if err != nil {
		return err
	}
	if a, b := sorted(told), sorted(asked); !slices.Equal(a, b) {
		return fmt.Errorf("answers of Trino and `%s` differ:\n%s\nnot\n%s", command, strings.Join(b, "\n"),
			strings.Join(a, "\n"))
	}
	d.Stdout.Printf("(%s, as `%s` says)\n", output.Count(int64(len(told)), "row"), command)
	return nil
}

func sorted[T any](list []T) []string {
	lines := make([]string, len(list))
	for i := range list {
		text, err := json.Marshal(list[i])
		if err != nil {
			panic(err) // structs of texts and numbers
		}
		lines[i] = string(text)
	}
	slices.Sort(lines)
	return lines
}
