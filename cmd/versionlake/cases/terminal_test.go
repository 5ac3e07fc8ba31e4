package cases_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
)

var update = flag.Bool("update", false, "write what the cases of terminals show")

// sinks ingests what is hostile, and looks at all that commands say of it.
func sinks(l *caseLake) error {
	hostile := "evil\x1b[2J\u202e\r\n\xff"
	for _, file := range []string{"2022/05/27/05/b\x1b[2J\u202e\n.tsv", "2022/05/27/05/torn\u2028\x7f.tsv.gz"} {
		if err := os.WriteFile(l.path(file), []byte("\x1f\x8b\x1b[31mno line\n"), 0o644); err != nil {
			return err
		}
	}
	if err := readDay(l); err != nil {
		return err
	}
	events := filepath.Join(l.dir, "events\x1b[2J.json") // nothing of what the lake has: verify finds differences
	if err := os.WriteFile(events, []byte(`{"events": {"SoftwareVersion": ["\u001b[2J"]}}`), 0o644); err != nil {
		return err
	}
	asked := [][]string{
		{"status"}, {"status", "--hours"}, {"status", "--versions"}, {"status", "--findings"}, {"daily"},
		{"maintain", "--dry-run"},
		{"verify"}, {"verify", "--events", events}, {"verify", "--events", hostile}, {hostile}, {"help", hostile},
		{"at", hostile, "2022-05-27T06:00:00Z"}, {"at", "p", hostile}, {"history", hostile},
		{"history", "p", "--as-of", hostile},
		{"status", "--" + hostile}, {"status", "--output", hostile}, {"status", "--catalog", "sqlite:///" + hostile},
		{"status", "--catalog", hostile}, {"status", "--warehouse", "file:///" + hostile}, {"forget", hostile},
		{"ingest", hostile}, {"ingest", "2022-05-27T05", "--max-future", hostile}, {"reprocess", "--date", hostile},
		{"reprocess", "--all", "--layer", hostile}, {"sql", hostile},
		{"sql", "SELECT 1", "--trino", hostile}, {"worker", "--source", hostile},
		{"worker", "--source", "s3://" + hostile},
		{"worker", "--source", l.source, "--log-level", hostile},
	}
	users, err := l.users()
	if err != nil {
		return err
	}
	for _, user := range users {
		moment := []string{"at", user, "2022-05-27T06:00:00Z"}
		before := []string{"at", user, "2021-05-27T06:00:00Z"}
		asked = append(asked, moment, before, []string{"history", user}, []string{"forget", user})
	}
	for _, args := range asked {
		for _, output := range []string{output.Table, output.JSON} {
			said, _ := l.said(append([]string{"--output", output}, args...)...) // most are wrong use
			if err := programtest.Seen(said); err != nil {
				return fmt.Errorf("%q: %w", args, err)
			}
		}
	}
	if err := programtest.Seen(l.log.String()); err != nil {
		return fmt.Errorf("the worker's log: %w", err)
	}
	return l.shows(filepath.Join(l.folder, "history.txt"))
}

// users are the ids of the lake's users.
func (l *caseLake) users() (ids []string, err error) {
	text, err := l.command("history", "--all", "--output", "json")
	for line := range strings.Lines(text) {
		var user ask.UserHistory
		err = errors.Join(err, json.Unmarshal([]byte(line), &user))
		ids = append(ids, user.UserID)
	}
	return ids, err
}

// shows compares the table of all users with a file.
func (l *caseLake) shows(golden string) error {
	shown, err := l.command("history", "--all")
	if err != nil {
		return err
	}
	if *update {
		return os.WriteFile(golden, []byte(shown), 0o644)
	}
	wanted, err := os.ReadFile(golden)
	if err == nil && shown != string(wanted) {
		err = fmt.Errorf("the table is\n%s, not\n%s", shown, wanted)
	}
	return err
}
