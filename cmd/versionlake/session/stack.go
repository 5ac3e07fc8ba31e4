package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/versionlake/versionlake/activities"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/observe"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/worker"
)

// Stack is all of versionlake in one process and a local Temporal server: what dev and demo run, and what ingest and
// reprocess fall back on.
type Stack struct {
	Server *worker.DevServer
	Client client.Client
	Source source.Source

	lake   *lake.Lake
	worker sdkworker.Worker
	undo   []func() error // in the order of doing
}

// StackOptions say where a stack listens, and how much it does at once.
type StackOptions struct {
	Port, UIPort int  // any free ones when zero
	Workers      int  // steps at once; as many as processors when zero
	Waits        bool // for the first hour of a source that has none
	Observe      *observe.Observer
	// Checks are what looks for what is wrong; nil: that is left to others.
	Checks *activities.Checks
}

// StartStack starts everything on the state in --dir. The caller holds the lock of --dir.
func StartStack(ctx context.Context, s *settings.Settings, o StackOptions) (_ *Stack, err error) {
	k := &Stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Stop())
		}
	}()
	if err := s.Check(ctx); err != nil {
		return nil, err
	}
	if k.lake, err = s.OpenLake(ctx); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.lake.Close)
	if err := s.Keep(ctx, k.lake); err != nil {
		return nil, err
	}
	parsing, err := s.Parsing()
	if err != nil {
		return nil, err
	}
	if k.Source, err = s.OpenSource(ctx); err != nil { // by the layout that the lake keeps
		return nil, err
	}
	if err := s.ReachSource(ctx, k.Source, o.Waits); err != nil {
		return nil, err
	}
	for _, warning := range s.SourceWarnings(ctx, k.Source) {
		o.Observe.Logger().Warn(warning)
	}
	if k.Server, err = worker.StartDevServer(ctx,
		worker.DevServerOptions{Dir: s.Dir, Port: o.Port, UIPort: o.UIPort}); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, k.Server.Stop)
	if k.Client, err = worker.ConnectTo(ctx, k.Server.Address, o.Observe); err != nil {
		return nil, err
	}
	k.Client = worker.Named(k.Client, s.Name)
	k.undo = append(k.undo, func() error { k.Client.Close(); return nil })
	if o.Checks == nil {
		o.Checks = &activities.Checks{Elsewhere: true}
	}
	k.worker = worker.New(k.Client, worker.Options{
		Source: k.Source, Lake: k.lake, Parsing: parsing, Activities: o.Workers, Without: s.Without,
		Observe: o.Observe,
		Checks:  *o.Checks,
	})
	if err := k.worker.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	k.undo = append(k.undo, func() error { o.Observe.Drain(); k.worker.Stop(); return nil })
	worker.Observe(o.Observe, k.Client, client.DefaultNamespace, k.lake)
	if err := writeDevState(s,
		devState{Address: k.Server.Address, UI: k.Server.UI, PID: os.Getpid(), Source: k.Source.String(),
			Since: time.Now().UTC().Format(time.RFC3339), Name: s.Name}); err != nil {
		return nil, err
	}
	k.undo = append(k.undo, func() error { return os.Remove(devFile(s)) })
	return k, nil
}

// Stop ends everything, last things first. Steps that run get some time to end.
func (k *Stack) Stop() error {
	var err error
	for i := len(k.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, k.undo[i]())
	}
	k.undo = nil
	return err
}
