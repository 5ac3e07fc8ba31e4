// Package session connects a command to Temporal, or runs a Temporal server and a worker for it, and lets it wait for
// workflows.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
)

// Session is a command's connection to Temporal.
type Session struct {
	Client client.Client
	// Where names the server in messages.
	Where string
	// Namespace is that of Client.
	Namespace string
	// UI is the URL of the server's UI, where it is known.
	UI string

	lasting bool // it outlives the command
	detach  bool // nobody waits for what is started
	failed  <-chan struct{}
	close   func() error
	stderr  *terminal.Output
}

// Options say what a command wants of a session.
type Options struct {
	// Workers are steps at once where the command works itself; as many as processors when zero.
	Workers int
	// Detach leaves what is started to the server, which therefore must be one that stays.
	Detach bool
}

// errDetachOwn: there is no server to leave the work to.
var errDetachOwn = errors.New("--detach needs a Temporal server that stays: run `versionlake dev` on the same " +
	"--dir, or set TEMPORAL_ADDRESS")

// Connect finds the Temporal server to use: the one that TEMPORAL_* settings name; else that of `versionlake dev`
// on the same --dir; else one of its own, with a worker, for as long as the command runs. It waits while another
// process has --dir and does not answer.
func Connect(ctx context.Context, s *settings.Settings, o Options) (*Session, error) {
	const poll = 200 * time.Millisecond
	for waiting := false; ; waiting = true {
		c, err := connectLasting(ctx, s)
		switch {
		case err != nil:
			return nil, err
		case c != nil:
			c.detach = o.Detach
			return c, nil
		case o.Detach:
			return nil, usage.Errorf("%w", errDetachOwn)
		}
		if c, err = ConnectOwn(ctx, s, o.Workers); !errors.Is(err, errBusy) {
			return c, err
		}
		if !waiting {
			s.Stderr.Printf("another versionlake uses %s: waiting for it to answer, or to end\n", s.Dir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// Close ends the connection, and the server if it is the command's own.
func (c *Session) Close() error { return c.close() }

// connectLasting is nil where no server runs. It refuses settings that the server's workers would not follow.
func connectLasting(ctx context.Context, s *settings.Settings) (*Session, error) {
	c, err := connectRunning(ctx, s)
	if err != nil || c == nil {
		return nil, err
	}
	c.lasting, c.stderr = true, s.Stderr
	if err := s.RefuseOthers(ctx, c.Where); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if src, err := WorkSource(ctx, s); err == nil { // a worker may know one that this command does not
		tellStrays(ctx, s, src)
	}
	return c, nil
}

// tellStrays warns of folders that look like hours and are not read, where others are.
func tellStrays(ctx context.Context, s *settings.Settings, src source.Source) {
	if s.ReadsNoSource || src.CheckHours(ctx) != nil { // without one hour, the command says so
		return
	}
	for _, stray := range src.Strays(ctx) {
		s.Stderr.Printf("warning: %s\n", stray)
	}
}

// Find connects to the Temporal server that Connect would use and that stays; nil where none does.
func Find(ctx context.Context, s *settings.Settings) (*Session, error) { return connectRunning(ctx, s) }

func connectRunning(ctx context.Context, s *settings.Settings) (*Session, error) {
	configured, err := worker.Configured()
	if err != nil {
		return nil, err
	}
	if !configured {
		return connectDev(ctx, s)
	}
	c, options, err := worker.Connect(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &Session{Client: worker.Named(c, s.Name), Where: "Temporal at " + options.HostPort,
		Namespace: options.Namespace,
		close:     closing(c)}, nil
}

func closing(c client.Client) func() error {
	return func() error { c.Close(); return nil }
}

// connectDev is nil where no `versionlake dev` runs.
func connectDev(ctx context.Context, s *settings.Settings) (*Session, error) {
	state, ok, err := readDevState(s)
	if !ok || err != nil {
		return nil, err
	}
	dialCtx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := worker.ConnectTo(dialCtx, state.Address, nil)
	if err != nil {
		return nil, ctx.Err() // the file is a leftover of a process that was killed
	}
	if err := sameWork(ctx, s, state); err != nil {
		c.Close()
		return nil, err
	}
	where := fmt.Sprintf("versionlake dev (process %d, %s)", state.PID, state.UI)
	return &Session{Client: worker.Named(c, state.Name), Where: where, Namespace: client.DefaultNamespace,
		close: closing(c)}, nil
}

// sameWork refuses to let the running worker read another source, or fill another lake, than was asked for.
func sameWork(ctx context.Context, s *settings.Settings, state devState) error {
	if s.Name != "" && s.Name != state.Name {
		return usage.Errorf("process %d works on %s with the name %q; stop it to use %q", state.PID, s.Dir, state.Name,
			s.Name)
	}
	if s.Source == "" {
		return nil
	}
	wanted, err := source.Open(ctx, s.Source)
	if err != nil {
		return err
	}
	if wanted.String() != state.Source {
		return usage.Errorf("process %d works on %s with the source %s; stop it to use %s", state.PID, s.Dir,
			state.Source, wanted)
	}
	return nil
}

// ConnectOwn starts a server and a worker for this command alone. Errors: errBusy.
func ConnectOwn(ctx context.Context, s *settings.Settings, workers int) (_ *Session, err error) {
	unlock, err := lock(s)
	if err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(filepath.Join(s.Dir, "versionlake.log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileRights)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the log: %w", err), unlock())
	}
	observer, err := (&Observation{}).Start(ctx, terminal.NewOutput(logFile))
	if err != nil {
		return nil, errors.Join(err, logFile.Close(), unlock())
	}
	k, err := StartStack(ctx, s, StackOptions{Workers: workers, Observe: observer})
	if err != nil {
		return nil, errors.Join(err, observer.Close(), logFile.Close(), unlock())
	}
	tellStrays(ctx, s, k.Source)
	s.Stderr.Printf("no Temporal server is named: running one in %s for this command, see %s\n", s.Dir, k.Server.UI)
	return &Session{
		Client: k.Client, Namespace: client.DefaultNamespace,
		Where: "the local Temporal server, whose log is in " + s.Dir, UI: k.Server.UI,
		stderr: s.Stderr, failed: k.Server.Ended(),
		close: func() error { return errors.Join(k.Stop(), observer.Close(), logFile.Close(), unlock()) },
	}, nil
}

// WorkSource is the source of the command, or else of the `versionlake dev` that works for it.
func WorkSource(ctx context.Context, s *settings.Settings) (source.Source, error) {
	if s.Source == "" {
		if state, ok, err := readDevState(s); err != nil {
			return nil, err
		} else if ok {
			dev := *s
			dev.Source = state.Source
			return dev.OpenSource(ctx)
		}
	}
	return s.OpenSource(ctx)
}
