package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/trino"
)

type trinoOptions struct {
	*settings
	port   int
	memory string
}

// trinoPort is where people look for a Trino; taken if it is free.
const trinoPort = 8080

func newTrinoCommand(s *settings, runF func(context.Context, string, *trinoOptions) error) *cobra.Command {
	o := &trinoOptions{settings: s}
	cmd := &cobra.Command{
		Use:   "trino up|down|status|views",
		Short: "Serve the lake to SQL: run a local Trino over it, and make the views",
		Long: `trino up starts a Trino server over the lake, with the lake as its catalog "versionlake", and makes the views that
docs/SQL.md and docs/METRICS.md tell of. It answers on this machine only, to anyone on it, and goes on until trino down; its
configuration, log and state are in the folder trino of --dir. In a checkout of versionlake, it is installed first where it
is missing: half a gigabyte, once.

trino views makes the views, or replaces them by those of this program, in the Trino of --dir or the one that --trino names.`,
		Example: `  versionlake trino up
  versionlake sql "SELECT * FROM users LIMIT 10"
  versionlake trino views --trino https://trino.example.com
  versionlake trino down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("trino: say up, down, status or views")
		},
	}
	add := func(use, short string, run func(context.Context, *trinoOptions) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short, Args: usageArgs(cobra.NoArgs),
			RunE: func(cmd *cobra.Command, _ []string) error {
				if runF != nil {
					return runF(cmd.Context(), use, o)
				}
				return run(cmd.Context(), o)
			},
		}
		cmd.AddCommand(sub)
		return sub
	}
	up := add("up", "Start a Trino over the lake, and make the views", trinoUp)
	up.Flags().IntVar(&o.port, "port", 0,
		fmt.Sprintf("port on the loopback address (default: %d, or any free one)", trinoPort))
	up.Flags().StringVar(&o.memory, "memory", "1G", "what Trino may use, such as 1G or 8G")
	add("down", "Stop it", trinoDown)
	add("status", "Say whether it runs, and where; ends with 1 where it does not", trinoStatus)
	addTrinoServer(add("views", "Make the views, or replace them", trinoViews), s)
	return cmd
}

func (s *settings) trinoDir() string { return filepath.Join(s.dir, "trino") }

func (s *settings) trinoLake() trino.Lake {
	config := s.lakeConfig()
	return trino.Lake{Catalog: config.Catalog, Warehouse: config.Warehouse, Name: config.CatalogName}
}

func trinoUp(ctx context.Context, o *trinoOptions) error {
	l, err := o.readLake(ctx) // Trino can't make what is not there
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	catalog, err := trino.NewCatalog(o.trinoLake())
	if err != nil {
		return err
	}
	if running, err := trino.Running(o.trinoDir()); err != nil {
		return err
	} else if running != nil {
		return o.runsAlready(running)
	}
	install, err := trino.EnsureInstall(ctx, o.stderr.Lines())
	if err != nil {
		return err
	}
	switch {
	case o.port == 0 && isFree(trinoPort):
		o.port = trinoPort
	case o.port != 0 && !isFree(o.port):
		return fmt.Errorf("port %d is taken: name another one, or none for any that is free", o.port)
	}
	o.stderr.Printf("starting Trino: a quarter of a minute, or more where the machine is busy\n")
	server, err := trino.Start(ctx, trino.Options{
		Dir: o.trinoDir(), Install: install, Port: o.port, Heap: o.memory, Lasting: true,
		Catalogs: map[string]trino.Catalog{trino.CatalogName: catalog},
	})
	if err != nil {
		return err
	}
	o.stderr.Printf("making the views\n")
	if err := o.makeViews(ctx, server.URL); err != nil {
		return errors.Join(err, server.Stop())
	}
	return o.printTrino(server, true)
}

func (s *settings) runsAlready(server *trino.Server) error {
	return fmt.Errorf("%w on %s, at %s: stop it first, with `versionlake trino down`, if it is to be another",
		trino.ErrRunning, s.dir, server.URL)
}

func trinoDown(ctx context.Context, o *trinoOptions) error {
	server, err := trino.Running(o.trinoDir())
	if err != nil {
		return err
	}
	if server == nil {
		o.stderr.Printf("no Trino runs on %s\n", o.dir)
		return nil
	}
	return server.Stop()
}

func trinoStatus(ctx context.Context, o *trinoOptions) error {
	server, err := trino.Running(o.trinoDir())
	if err != nil {
		return err
	}
	if server == nil {
		return &noTrinoError{o.dir}
	}
	return o.printTrino(server, server.Ready(ctx) == nil)
}

func (s *settings) printTrino(server *trino.Server, ready bool) error {
	if s.output == outputJSON {
		return s.newPrinter().add(struct {
			URL     string `json:"url"`
			Catalog string `json:"catalog"`
			PID     int    `json:"pid"`
			Ready   bool   `json:"ready"`
			Log     string `json:"log"`
		}{server.URL, trino.CatalogName, server.PID, ready, server.LogFile()})
	}
	state := ""
	if !ready {
		state = ", which does not answer"
	}
	return s.stdout.Printf("Trino    %s%s\nJDBC     jdbc:trino://%s/%s/%s (any user, no password)\nprocess  "+
		"%d\nlog      %s\n", server.URL, state,
		server.URL[len("http://"):], trino.CatalogName, trino.Schema, server.PID, server.LogFile())
}

func trinoViews(ctx context.Context, o *trinoOptions) error {
	address, err := o.trinoAddress()
	if err != nil {
		return err
	}
	return o.makeViews(ctx, address)
}

func (s *settings) makeViews(ctx context.Context, address string) error {
	db, err := trino.Open(address, trino.CatalogName, trino.Schema)
	if err != nil {
		return err
	}
	defer db.Close()
	made := 0
	if err := trino.CreateViews(ctx, db, func(trino.View) { made++ }); err != nil {
		return err
	}
	s.stderr.Printf("%s made in the schema %s\n", count(int64(made), "view"), trino.Schema)
	return nil
}
