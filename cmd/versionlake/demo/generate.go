package demo

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/generate"
)

type generateWorld struct {
	*settings.Settings
	folder string
	world  generate.Options
	demo   bool
	bench  bool
}

func newGenerate(s *settings.Settings) *cobra.Command {
	o := &generateWorld{Settings: s, world: generate.Defaults()}
	from := o.world.From.String()
	cmd := &cobra.Command{
		Use:   "generate DIR",
		Short: "Write believable telemetry from a seed number",
		Long: `generate writes hours of made-up telemetry below a folder, as DIR/2022/05/27/05/part-000.tsv: releases
that roll out in stages, users with several devices, downgrades, late clients, wrong clocks, retries and
broken lines. The same options give the same bytes.`,
		Example: `  versionlake generate telemetry --hours 24 --users 10000
  versionlake generate telemetry --demo
  versionlake generate telemetry --benchmark --hours 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.folder = args[0]
			if o.world.From, err = o.Times().HourOrDay("--from", from); err != nil {
				return err
			}
			switch {
			case o.demo:
				o.world = generate.Demo()
			case o.bench:
				o.world = benchmark(cmd.Flags(), o.world)
			}
			if err := o.world.Validate(); err != nil {
				return usage.Errorf("%w", err)
			}
			return o.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&o.world.Seed, "seed", o.world.Seed, "another number, another world")
	flags.StringVar(&from, "from", from, "the first hour")
	flags.IntVar(&o.world.Hours, "hours", o.world.Hours, "how many hours")
	flags.IntVar(&o.world.Users, "users", o.world.Users, "how many users")
	flags.IntVar(&o.world.LinesPerHour, "lines", o.world.LinesPerHour, "lines an hour, roughly")
	flags.IntVar(&o.world.FilesPerHour, "files", o.world.FilesPerHour, "files an hour")
	flags.BoolVar(&o.demo, "demo", false,
		"the world of the demo, and its late file in the hour after it; other flags do not count")
	flags.BoolVar(&o.bench, "benchmark",
		false, "hours of 2 million lines, 350 MB and 200,000 users; only --hours, --lines and --users count")
	cmd.MarkFlagsMutuallyExclusive("demo", "benchmark")
	return cmd
}

// benchmark is the world to measure with: one hour, unless flags say otherwise.
func benchmark(flags *pflag.FlagSet, said generate.Options) generate.Options {
	world := generate.Benchmark(1)
	for name, each := range map[string][2]*int{
		"hours": {&world.Hours, &said.Hours}, "lines": {&world.LinesPerHour, &said.LinesPerHour},
		"users": {&world.Users, &said.Users},
	} {
		if flags.Changed(name) {
			*each[0] = *each[1]
		}
	}
	return world
}

// generated is the summary as --output json writes it.
type generated struct {
	Hours    int              `json:"hours"` // with files
	Files    int              `json:"files"`
	Bytes    int64            `json:"bytes"` // of text, before compression
	Lines    int64            `json:"lines"`
	Bad      int64            `json:"bad"`
	Repeated int64            `json:"repeated"`
	Events   map[string]int64 `json:"events"`
}

func (o *generateWorld) run(ctx context.Context) error {
	summary, err := generate.Write(ctx, o.folder, o.world)
	if err != nil {
		return fmt.Errorf("generate telemetry in %s: %w", o.folder, err)
	}
	if o.demo {
		late, err := generate.DemoLate(ctx, o.folder)
		if err != nil {
			return fmt.Errorf("generate the late file in %s: %w", o.folder, err)
		}
		summary.Add(late)
		summary.Hours++
	}
	p := o.NewPrinter("HOURS", "FILES", "BYTES", "LINES", "BAD", "REPEATED")
	if err := p.Add(generated(summary), summary.Hours, summary.Files, output.Size(summary.Bytes),
		summary.Lines, summary.Bad, summary.Repeated); err != nil {
		return err
	}
	return p.Flush()
}
