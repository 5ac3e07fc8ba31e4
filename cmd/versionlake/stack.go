package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/terminal"
	"github.com/versionlake/versionlake/worker"
)

// stack is all of versionlake in one process and a local Temporal server: what dev and demo run, and what ingest and
// reprocess fall back on.
type stack struct {
	server *worker.DevServer
	client client.Client
	lake   *lake.Lake
	source source.Source
	worker sdkworker.Worker
	undo   []func() error // in the order of doing
}

type stackOptions struct {
	port, uiPort int // any free ones when zero
	workers      int // steps at once; as many as processors when zero
	logger       *slog.Logger
}

// startStack starts everything on the state in --dir. The caller holds the lock of --dir.
func (s *settings) startStack(ctx context.Context, o stackOptions) (_ *stack, err error) {
	k := &stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.stop())
		}
	}()
	if k.source, err = s.openSource(ctx); err != nil {
		return nil, err
	}
	if _, err := s.catalogue(); err != nil {
		return nil, err
	}
	if k.lake, err = s.openLake(ctx); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.lake.Close)
	if err := s.keepSettings(ctx, k.lake); err != nil {
		return nil, err
	}
	parsing, err := s.parsing()
	if err != nil {
		return nil, err
	}
	if k.source, err = s.openSource(ctx); err != nil { // once more: the lake may keep a layout
		return nil, err
	}
	for _, warning := range s.sourceWarnings(ctx, k.source) {
		o.logger.Warn(warning)
	}
	if k.server, err = worker.StartDevServer(ctx,
		worker.DevServerOptions{Dir: s.dir, Port: o.port, UIPort: o.uiPort}); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.server.Stop)
	if k.client, err = worker.ConnectTo(ctx, k.server.Address, o.logger); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, func() error { k.client.Close(); return nil })
	k.worker = worker.New(k.client, worker.Options{
		Source: k.source, Lake: k.lake, Parsing: parsing, Activities: o.workers,
	})
	if err := k.worker.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	k.undo = append(k.undo, func() error { k.worker.Stop(); return nil })
	devFile := filepath.Join(s.dir, "dev.json")
	if err := writeDevState(devFile,
		devState{Address: k.server.Address, UI: k.server.UI, PID: os.Getpid(), Source: k.source.String()}); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, func() error { return os.Remove(devFile) })
	return k, nil
}

// stop ends everything, last things first. Steps that run get some time to end.
func (k *stack) stop() error {
	var err error
	for i := len(k.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, k.undo[i]())
	}
	k.undo = nil
	return err
}

// devState tells other commands on the same --dir where the local Temporal server is.
type devState struct {
	Address string `json:"address"`
	UI      string `json:"ui"`
	PID     int    `json:"pid"`
	Source  string `json:"source"`
}

func writeDevState(path string, state devState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), fileRights); err != nil {
		return fmt.Errorf("tell other commands where the local server is: %w", err)
	}
	return nil
}

// readDevState is false when nothing runs on --dir, as far as the file tells.
func (s *settings) readDevState() (state devState, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "dev.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return state, false, nil
	}
	if err != nil {
		return state, false, fmt.Errorf("find out whether versionlake dev runs: %w", err)
	}
	// A file that is being written, or that a crash left behind half, is as good as none.
	return state, json.Unmarshal(text, &state) == nil, nil
}

// lock takes --dir for this process: its Temporal state can't be shared. It waits for another one that has it.
func (s *settings) lock(ctx context.Context) (unlock func() error, err error) {
	if err := os.MkdirAll(s.dir, dirRights); err != nil {
		return nil, fmt.Errorf("make the folder --dir: %w", err)
	}
	path := filepath.Join(s.dir, "dev.lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileRights)
	if err != nil {
		return nil, fmt.Errorf("lock --dir: %w", err)
	}
	const poll = 200 * time.Millisecond
	for waiting := false; ; waiting = true {
		locked, err := tryLock(file)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		if locked {
			return file.Close, nil
		}
		if !waiting {
			s.stderr.Printf("another versionlake uses %s: waiting for it to end\n", s.dir)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		case <-time.After(poll):
		}
	}
}

// newLogger writes lines of text.
func newLogger(out *terminal.Output, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q is none of debug, info, warn, error", level)
	}
	return slog.New(slog.NewTextHandler(out.Lines(), &slog.HandlerOptions{Level: l})), nil
}
