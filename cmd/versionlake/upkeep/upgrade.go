package upkeep

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/session"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/upgrade"
)

type upgradeLake struct {
	*settings.Settings
	dryRun bool
}

func newUpgrade(s *settings.Settings) *cobra.Command {
	o := &upgradeLake{Settings: s}
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Bring a lake of an earlier version to the form of this one",
		Long: `upgrade gives a lake that an earlier version made (of November 28, 2026, or later) what this version
needs: tables, columns, properties, and gold by today's rules. Tags answer what they did, and who was
forgotten stays forgotten. Until it has run, this version reads the lake, and does not write to it.

Stop all workers first, and start those of this version afterwards: upgrade refuses to run beside workers
that it knows of. An upgrade that was killed leaves a lake that is read, and that no version writes to, until
another upgrade ends. There is no way back: copy the catalog and the warehouse before, or see --dry-run.`,
		Example: `  versionlake upgrade --dry-run
  versionlake upgrade`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, and about how long it takes")
	return cmd
}

func (o *upgradeLake) run(ctx context.Context) (err error) {
	l, err := o.ReadLake(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	plan, err := upgrade.New(ctx, l)
	if err != nil {
		return err
	}
	if !o.dryRun && len(plan.Steps) > 0 {
		if err := o.upgrade(ctx, l); err != nil {
			return err
		}
	}
	if o.Objects() {
		return o.NewPrinter().Add(plan)
	}
	return o.tell(plan)
}

func (o *upgradeLake) upgrade(ctx context.Context, l *lake.Lake) (err error) {
	release, err := session.Alone(ctx, o.Settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	plan, err := upgrade.New(ctx, l) // another one may just have ended
	if err != nil {
		return err
	}
	bar := o.Stderr.NewProgress("upgrade")
	defer bar.End()
	return plan.Run(ctx, l, func(step upgrade.Step, read int64) { bar.Update(step.Does, read, 0, "rows") })
}

func (o *upgradeLake) tell(plan upgrade.Plan) error {
	if len(plan.Steps) == 0 {
		return o.Stdout.Printf("the lake has the form of this version\n")
	}
	if o.dryRun {
		about := time.Duration(0)
		for _, step := range plan.Steps {
			about += step.About
			o.Stdout.Printf("would %s\n", step.Does)
		}
		o.Stdout.Printf("this takes about %s, and writes no file of bronze and silver\n",
			about.Round(time.Second)+time.Second)
	} else {
		o.Stdout.Printf("the lake has the form of this version now\n")
	}
	for _, note := range plan.Notes {
		o.Stdout.Printf("note: %s\n", note)
	}
	return nil
}
