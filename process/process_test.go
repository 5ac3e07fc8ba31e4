//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func up(context.Context) error { return nil }

func startShell(t *testing.T, script string) *Process {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	Tie(cmd)
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// TestProcessThatEndedIsNotUp: whoever answers on its port is another.
func TestProcessThatEndedIsNotUp(t *testing.T) {
	p := startShell(t, "exit 7")
	<-p.Ended()
	err := p.AwaitUp(t.Context(), time.Minute, up)
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "exit status 7") {
		t.Fatal(err)
	}
}

func TestProcessIsUpOnceItSaysSo(t *testing.T) {
	p := startShell(t, "sleep 60")
	asked := 0
	if err := p.AwaitUp(t.Context(), time.Minute, func(context.Context) error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || asked != 3 {
		t.Fatal(err, asked)
	}
	never := errors.New("never")
	err := p.AwaitUp(t.Context(), time.Millisecond, func(context.Context) error { return never })
	if !errors.Is(err, never) || !strings.Contains(err.Error(), "not up after 1ms") {
		t.Fatal(err)
	}
}

// TestStopKillsWhatDoesNotEnd, and lets all others end by themselves.
func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	for script, state := range map[string]string{
		"trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done": "exit status 3",
		"trap '' INT; echo ready; while :; do sleep 0.01; done":       "signal: killed",
	} {
		cmd := exec.Command("/bin/sh", "-c", script)
		ready, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		Tie(cmd)
		p, err := Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fscanln(ready, new(string)); err != nil {
			t.Fatal(err)
		}
		patience := time.Minute
		if state == "signal: killed" {
			patience = 10 * time.Millisecond
		}
		p.Stop(patience)
		if got := p.cmd.ProcessState.String(); got != state {
			t.Errorf("%s: %s, not %s", script, got, state)
		}
		p.Stop(patience) // once more does nothing
	}
}

func TestRetryEndsWhereItIsNotWorthIt(t *testing.T) {
	taken, wrong := errors.New("the port is taken"), errors.New("the settings are wrong")
	for _, test := range []struct {
		fails []error
		tries int
		err   error
	}{
		{nil, 1, nil}, {[]error{taken, taken}, 3, nil}, {[]error{taken, wrong}, 2, wrong},
		{[]error{taken, taken, taken, taken, taken, taken}, 5, taken},
	} {
		tries := 0
		err := Retry(func() error {
			if tries++; tries > len(test.fails) {
				return nil
			}
			return test.fails[tries-1]
		}, func(err error) bool { return errors.Is(err, taken) })
		if tries != test.tries || !errors.Is(err, test.err) {
			t.Errorf("%v: %d tries, %v", test.fails, tries, err)
		}
	}
}
