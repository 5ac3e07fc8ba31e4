package cases_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/intake"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/run"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/upkeep"
	"github.com/versionlake/versionlake/testserver"
)

// caseLake is a fresh lake with a copy of a case's source, a namespace of Temporal of its own, and a worker that is
// told how to read that source.
type caseLake struct {
	t      *testing.T
	folder string // of the case
	source string
	dir    string
	flags  []string // of how the source is read
	// patience is how long a command may take: about a second is usual.
	patience time.Duration
	stop     func() error
	log      *awaited // of the worker
}

const patience = 2 * time.Minute

// commands are those that the cases take.
var commands = []program.Commands{ask.Commands, intake.Commands, run.Commands, upkeep.Commands}

// newCaseLake copies the source of a case. The worker starts with the first command that ingests.
func newCaseLake(t *testing.T, folder string, flags ...string) *caseLake {
	root := t.TempDir()
	l := &caseLake{
		t: t, folder: folder, source: filepath.Join(root, "telemetry"), dir: filepath.Join(root, "lake"), flags: flags,
		patience: patience,
	}
	require.NoError(t, os.CopyFS(l.source, os.DirFS(filepath.Join(folder, "telemetry"))))
	t.Cleanup(func() { require.NoError(t, l.stopWorker()) })
	return l
}

// path is a file or folder of the source.
func (l *caseLake) path(key string) string { return filepath.Join(l.source, filepath.FromSlash(key)) }

// command runs a command line on the lake.
func (l *caseLake) command(args ...string) (stdout string, err error) {
	stdout, _, err = l.run(args...)
	return stdout, err
}

// said is all that a command line says.
func (l *caseLake) said(args ...string) (string, error) {
	stdout, stderr, err := l.run(args...)
	return stdout + stderr, err
}

func (l *caseLake) run(args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), l.patience)
	defer cancel()
	var out, said bytes.Buffer
	if code := program.Execute(ctx, append(args, "--dir", l.dir), &out, &said, commands...); code != program.ExitOK {
		err = fmt.Errorf("versionlake %s: exit code %d: %s", strings.Join(args, " "), code, said.String())
	}
	return out.String(), said.String(), err
}

// day does something with all hours of the cases' day, by a worker that is told how to read the source.
func (l *caseLake) day(command string, flags ...string) error {
	return l.work(append([]string{command, "--date", "2022-05-27"}, flags...)...)
}

// work runs a command that lets a worker work.
func (l *caseLake) work(args ...string) error {
	if err := l.startWorker(); err != nil {
		return err
	}
	_, err := l.command(append(append(args, "--source", l.source), l.flags...)...)
	return err
}

// caseTemporal is one server for all cases.
var caseTemporal struct {
	*testserver.TemporalServer
	namespaces int
}

func startCaseTemporal(t *testing.T) {
	caseTemporal.TemporalServer = testserver.Temporal(t)
	t.Setenv("TEMPORAL_ADDRESS", caseTemporal.Address)
	t.Setenv("TEMPORAL_PROFILE", "")
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	for _, variable := range settings.Variables {
		t.Setenv(variable, "")
	}
}

func (l *caseLake) startWorker() error {
	if l.stop != nil {
		return nil
	}
	caseTemporal.namespaces++
	if err := caseTemporal.NewNamespace(fmt.Sprintf("case-%d", caseTemporal.namespaces)); err != nil {
		return err
	}
	l.t.Setenv("TEMPORAL_NAMESPACE", caseTemporal.Namespace)
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	l.log = &awaited{text: "msg=working", seen: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		args := append([]string{"worker", "--no-schedule", "--dir", l.dir, "--source", l.source}, l.flags...)
		code := program.Execute(ctx, args, io.Discard, l.log, commands...)
		if code != program.ExitOK && ctx.Err() == nil {
			ended <- fmt.Errorf("the worker ended with %d: %s", code, l.log)
		}
		close(ended)
	}()
	l.stop = func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the worker does not end")
		}
	}
	select {
	case <-l.log.seen:
		return nil
	case err := <-ended:
		l.stop = nil
		return err
	}
}

func (l *caseLake) stopWorker() error {
	if l.stop == nil {
		return nil
	}
	stop := l.stop
	l.stop = nil
	return stop()
}

// awaited is an output that tells when a text was written.
type awaited struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
	text   string
	seen   chan struct{}
	told   bool
}

func (a *awaited) Write(text []byte) (int, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.buffer.Write(text)
	if !a.told && strings.Contains(a.buffer.String(), a.text) {
		a.told = true
		close(a.seen)
	}
	return len(text), nil
}

func (a *awaited) String() string {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.buffer.String()
}

// users are rows of history --all --output json, or of what is expected of it.
func readUsers(text string) (users []any, err error) {
	for line := range strings.Lines(text) {
		var user any
		if err := json.Unmarshal([]byte(line), &user); err != nil {
			return nil, fmt.Errorf("read %q: %w", line, err)
		}
		users = append(users, user)
	}
	return users, nil
}

// ends compares the lake with what is expected: the same users, or some of them, and in each what the expected row
// has of fields.
func (l *caseLake) ends(expected string, users ...string) error {
	text, err := os.ReadFile(filepath.Join(l.folder, expected))
	if err != nil {
		return err
	}
	wanted, err := readUsers(string(text))
	if err != nil {
		return err
	}
	wanted = slices.DeleteFunc(wanted, func(row any) bool {
		return len(users) > 0 && !slices.Contains(users, row.(map[string]any)["user_id"].(string))
	})
	shown, err := l.command("history", "--all", "--output", "json")
	if err != nil {
		return err
	}
	got, err := readUsers(shown)
	if err != nil {
		return err
	}
	return differs("", wanted, got)
}

// differs tells where got does not have what is wanted of it. Objects may have more fields than that, lists no more
// items.
func differs(where string, wanted, got any) error {
	switch wanted := wanted.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for name, field := range wanted {
			if _, has := object[name]; !has {
				return fmt.Errorf("%s has no %s: %v", where, name, got)
			}
			if err := differs(where+"."+name, field, object[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, _ := got.([]any)
		for i := range min(len(wanted), len(list)) {
			if err := differs(fmt.Sprintf("%s[%d]", where, i), wanted[i], list[i]); err != nil {
				return err
			}
		}
		if len(wanted) != len(list) {
			return fmt.Errorf("%s has %d items, not %d: %v", where, len(list), len(wanted),
				list[min(len(wanted), len(list)):])
		}
		return nil
	}
	if wanted != got {
		return fmt.Errorf("%s is %v, not %v", where, got, wanted)
	}
	return nil
}

// TestDiffers: the cases' comparison can fail.
func TestDiffers(t *testing.T) {
	row := `{"user_id": "kim", "history": [{"version": "1.0", "valid_to": null}]}`
	for _, test := range []struct{ got, says string }{
		{`{"user_id": "kim", "user_kind": "user", "history": [{"version": "1.0", "valid_to": null, "sightings": 1}]}`,
			""},
		{`{"user_id": "lee", "history": [{"version": "1.0", "valid_to": null}]}`, "is lee, not kim"},
		{`{"user_id": "kim", "history": [{"version": "1.1", "valid_to": null}]}`, "is 1.1, not 1.0"},
		{`{"user_id": "kim", "history": [{"version": "1.0"}]}`, "has no valid_to"},
		{`{"user_id": "kim", "history": [{"version": "1.0", "valid_to": "2022"}]}`, "is 2022, not <nil>"},
		{`{"user_id": "kim", "history": [{"version": "1.0", "valid_to": null}, {"version": "1.1"}]}`,
			"has 2 items, not 1"},
		{`{"user_id": "kim", "history": []}`, "has 0 items, not 1"},
		{row + "\n" + row, "has 2 items, not 1"},
		{"", "has 0 items, not 1"},
	} {
		wanted, err := readUsers(row)
		require.NoError(t, err)
		got, err := readUsers(test.got)
		require.NoError(t, err)
		if err := differs("", wanted, got); test.says == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, test.says)
		}
	}
}
