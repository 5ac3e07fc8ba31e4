package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/trino"
)

type localTrino struct {
	*settings.Settings
	port         int
	memory       string
	asOf, schema string
}

// trinoPort is where people look for a Trino; taken if it is free.
const trinoPort = 8080

func newTrino(s *settings.Settings) *cobra.Command {
	o := &localTrino{Settings: s}
	cmd := &cobra.Command{
		Use:   "trino up|down|status|views|load",
		Short: "Serve the lake to SQL: run a local Trino over it, make the views, load rows of your own",
		Long: `trino up starts a Trino server over the lake, with the lake as its catalog "versionlake", and makes the
views that docs/SQL.md and docs/METRICS.md tell of. It answers on this machine only, to anyone on it,
and goes on until trino down; its configuration, log and state are in the folder trino of --dir. In a
checkout of versionlake, it is installed first where it is missing: half a gigabyte, once. Nothing is
written through it but tables of your own, in the catalog "scratch", whose files lie in the folder
scratch of --dir.

trino views makes the views, or replaces them by those of this program, in the Trino of --dir or the one
that --trino names. With --as-of, it makes those that follow from gold.users as the lake knew it then, in
a schema of the catalog scratch, and names the views that have no past.

trino load makes a table of a CSV file there, to join with the views.`,
		Example: `  versionlake trino up
  versionlake sql "SELECT * FROM users LIMIT 10"
  versionlake trino views --trino https://trino.example.com
  versionlake trino views --as-of hour-2022-05-27T05 --schema friday
  versionlake trino load tickets.csv support.tickets
  versionlake trino down`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage.Errorf("trino: say up, down, status, views or load")
		},
	}
	add := func(use, short string, run func(context.Context) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
		}
		cmd.AddCommand(sub)
		return sub
	}
	up := add("up", "Start a Trino over the lake, and make the views", o.up)
	up.Flags().IntVar(&o.port, "port", 0,
		fmt.Sprintf("port on the loopback address (default: %d, or any free one)", trinoPort))
	up.Flags().StringVar(&o.memory, "memory", "",
		"what Trino may use, such as 8G (default: a quarter of the machine's memory, at least 1G, at most 16G)")
	add("down", "Stop it", o.down)
	add("status", "Say whether it runs, and where; ends with 1 where it does not", o.status)
	views := add("views", "Make the views, or replace them", o.views)
	s.AddTrinoFlag(views)
	views.Flags().StringVar(&o.asOf, "as-of", "",
		"make views of the past: as of a tag (hour-2022-05-27T05), a snapshot id, or a time")
	views.Flags().StringVar(&o.schema, "schema", "", "of the catalog scratch, for the views of the past (default: "+
		"the one that versionlake sql --as-of uses)")
	cmd.AddCommand(newLoad(s))
	return cmd
}

func (o *localTrino) up(ctx context.Context) error {
	l, err := o.ReadLake(ctx) // Trino can't make what is not there
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	catalogs, err := trino.LocalCatalogs(o.TrinoLake(), o.ScratchDir())
	if err != nil {
		return err
	}
	if running, err := trino.Running(o.TrinoDir()); err != nil {
		return err
	} else if running != nil {
		return fmt.Errorf("%w on %s, at %s: stop it first, with `versionlake trino down`, if it is to be another",
			trino.ErrRunning, o.Dir, running.URL)
	}
	install, err := trino.EnsureInstall(ctx, o.Stderr.Lines())
	if err != nil {
		return err
	}
	switch {
	case o.port == 0 && isFree(trinoPort):
		o.port = trinoPort
	case o.port != 0 && !isFree(o.port):
		return fmt.Errorf("port %d is taken: name another one, or none for any that is free", o.port)
	}
	o.Stderr.Printf("starting Trino: a quarter of a minute, or more where the machine is busy\n")
	server, err := trino.Start(ctx, trino.Options{
		Dir: o.TrinoDir(), Install: install, Port: o.port, Heap: o.memory, Lasting: true,
		Catalogs: catalogs, Rules: trino.LocalRules,
	})
	if err != nil {
		return err
	}
	o.Stderr.Printf("making the views\n")
	if err := MakeLocalViews(ctx, o.Settings, server.URL); err != nil {
		return errors.Join(err, server.Stop())
	}
	return PrintTrino(o.Settings, server, true)
}

func (o *localTrino) down(ctx context.Context) error {
	server, err := trino.Running(o.TrinoDir())
	if err != nil {
		return err
	}
	if server == nil {
		o.Stderr.Printf("no Trino runs on %s\n", o.Dir)
		return nil
	}
	return server.Stop()
}

func (o *localTrino) status(ctx context.Context) error {
	server, err := trino.Running(o.TrinoDir())
	if err != nil {
		return err
	}
	if server == nil {
		return &settings.NoTrinoError{Dir: o.Dir}
	}
	return PrintTrino(o.Settings, server, server.Ready(ctx) == nil)
}

// PrintTrino says where a Trino is.
func PrintTrino(s *settings.Settings, server *trino.Server, ready bool) error {
	if s.Objects() {
		return s.NewPrinter().Add(struct {
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
	return s.Stdout.Printf("Trino    %s%s\nJDBC     jdbc:trino://%s/%s/%s (any user, no password)\n"+
		"process  %d\nlog      %s\n", server.URL, state, server.URL[len("http://"):], trino.CatalogName, trino.Schema,
		server.PID, server.LogFile())
}
