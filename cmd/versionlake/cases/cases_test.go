package cases_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// caseTry is a way through a case, on a lake of its own. All must end in the case's expected rows.
type caseTry struct {
	name  string
	flags []string                // of how the source is read
	users []string                // who is expected; everybody by default
	rows  string                  // the file of expected rows; expected.jsonl by default
	does  func(l *caseLake) error // readDay is what it does by default
}

// caseTries are the ways through cases that take more than reading all hours once.
var caseTries = map[string][]caseTry{
	"endings": {{name: "passed over is named", does: named(readDay, "notes.pdf", "region=eu/e.tsv")}},
	"gone-files": {
		{name: "read", does: readDay},
		{name: "folders removed", does: foldersRemoved},
		{name: "source emptied", does: sourceEmptied},
		{name: "source too high", does: sourceTooHigh},
		{name: "file empty", does: fileBecomes("")},
		{name: "file torn", does: fileBecomes("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xab\x56")},
		{name: "one of two gone", rows: "expected-one-of-two.jsonl", does: oneOfTwoGone},
	},
	"layouts": {
		{name: "both", flags: []string{"--layout", "{YYYY}/{MM}/{DD}/{HH}", "--layout", hiveLayout}},
		{name: "hive", flags: []string{"--layout", hiveLayout}, users: []string{"hive"}},
		{name: "unpadded", flags: []string{"--layout", "{YYYY}/{MM}/{DD}/{HH}"}, users: []string{"unpadded"}},
		{name: "not told", users: []string{"unpadded"}, does: layoutIsNamed},
	},
	"terminal":            {{does: sinks}},
	"terminal-directions": {{does: sinks}},
	"terminal-raw":        {{does: sinks}},
	"terminal-wide":       {{does: sinks}},
	"one-bad-file": {
		{name: "not UTF-8", does: beside("caf\xe9.tsv", `caf\xe9.tsv`, file(0o644))},
		{name: "dangling link", does: beside("x.tsv", "x.tsv", link("nowhere.tsv"))},
		{name: "looping link", does: beside("o.tsv", "o.tsv", link("o.tsv"))},
		{name: "absolute link", does: beside("h.tsv", "h.tsv", link("/etc/hostname"))},
		{name: "pipe", does: beside("p.tsv",
			"p.tsv", func(path string) error { return exec.Command("mkfifo", path).Run() })},
		{name: "folder", does: beside("d.tsv", "d.tsv", func(path string) error { return os.Mkdir(path, 0o755) })},
		{name: "no rights", does: beside("r.tsv", "r.tsv", file(0))},
	},
}

const hiveLayout = "year={YYYY}/month={MM}/day={DD}/hour={HH}"

// readDay reads all hours.
func readDay(l *caseLake) error { return l.day("reprocess") }

// named does what it is told, and then finds names in what status says.
func named(does func(*caseLake) error, names ...string) func(*caseLake) error {
	return func(l *caseLake) error {
		if err := does(l); err != nil {
			return err
		}
		status, err := l.command("status")
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.Contains(status, name) {
				return fmt.Errorf("status does not name %s:\n%s", name, status)
			}
		}
		return nil
	}
}

func file(rights os.FileMode) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte("no line\n"), rights) }
}

func link(to string) func(path string) error {
	return func(path string) error { return os.Symlink(to, path) }
}

// beside puts something in the place of a file into an hour that is fine otherwise.
func beside(name, shown string, put func(path string) error) func(*caseLake) error {
	return named(func(l *caseLake) error {
		path := filepath.Join(l.source, "2022", "05", "27", "06", name)
		if err := put(path); err != nil {
			return err
		}
		if name == "r.tsv" && os.Geteuid() == 0 {
			l.t.Skip("root may read everything")
		}
		if err := readDay(l); err != nil {
			return err
		}
		hours, err := l.command("status", "--hours")
		if err == nil && strings.Count(hours, "degraded") != 1 {
			err = fmt.Errorf("not one hour is degraded:\n%s", hours)
		}
		return err
	}, shown)
}

var errNoError = errors.New("it ended well, and should not")

func foldersRemoved(l *caseLake) error {
	if err := readDay(l); err != nil {
		return err
	}
	for _, hour := range []string{"05", "06"} {
		if err := os.RemoveAll(l.path("2022/05/27/" + hour)); err != nil {
			return err
		}
	}
	if err := l.day("reconcile"); err != nil {
		return err
	}
	if err := l.ends("expected.jsonl"); err != nil {
		return fmt.Errorf("after reconcile: %w", err)
	}
	return readDay(l)
}

func sourceEmptied(l *caseLake) error {
	if err := readDay(l); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(l.source), os.Mkdir(l.source, 0o755)); err != nil {
		return err
	}
	if err := l.day("reconcile"); err == nil {
		return errNoError
	}
	return nil
}

func sourceTooHigh(l *caseLake) error {
	if err := readDay(l); err != nil {
		return err
	}
	if err := l.stopWorker(); err != nil {
		return err
	}
	l.source = filepath.Dir(l.source)
	if err := readDay(l); err == nil {
		return errNoError
	}
	return nil
}

func fileBecomes(contents string) func(*caseLake) error {
	return func(l *caseLake) error {
		if err := readDay(l); err != nil {
			return err
		}
		if err := os.WriteFile(l.path("2022/05/27/06/a.tsv"), []byte(contents), 0o644); err != nil {
			return err
		}
		return readDay(l)
	}
}

func oneOfTwoGone(l *caseLake) error {
	if err := readDay(l); err != nil {
		return err
	}
	if err := os.Remove(l.path("2022/05/27/06/a.tsv")); err != nil {
		return err
	}
	left := l.path("2022/05/27/06/b.tsv")
	text, err := os.ReadFile(left)
	if err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.NewReplacer("06:20:00", "06:30:00", "2.00", "2.01").Replace(line)
	if err := os.WriteFile(left, append(text, line+"\n"...), 0o644); err != nil {
		return err
	}
	return l.work("ingest", "2022-05-27T06")
}

func layoutIsNamed(l *caseLake) error {
	if err := l.startWorker(); err != nil {
		return err
	}
	said, err := l.said("reprocess", "--date", "2022-05-27", "--source", l.source)
	if !strings.Contains(said, "--layout") || !strings.Contains(said, "year=2022") {
		return fmt.Errorf("nothing says which setting the folders need: %s (%v)", said, err)
	}
	return nil
}

// TestCases takes every case of testdata through a real Temporal server and a fresh lake, to the rows that are
// expected.
func TestCases(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	startCaseTemporal(t)
	folders, err := filepath.Glob("testdata/*/expected.jsonl")
	require.NoError(t, err)
	require.Greater(t, len(folders), 8)
	for _, expected := range folders {
		folder := filepath.Dir(expected)
		tries := caseTries[filepath.Base(folder)]
		if tries == nil {
			tries = []caseTry{{}}
		}
		for _, try := range tries {
			name := strings.TrimSuffix(filepath.Base(folder)+"/"+try.name, "/")
			t.Run(name, func(t *testing.T) {
				require.NoError(t, try.run(newCaseLake(t, folder, try.flags...)))
			})
		}
	}
}

func (c caseTry) run(l *caseLake) error {
	does, rows := c.does, c.rows
	if does == nil {
		does = readDay
	}
	if rows == "" {
		rows = "expected.jsonl"
	}
	if err := does(l); err != nil {
		return err
	}
	return l.ends(rows, c.users...)
}
