package main

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/terminal"
)

func newRootCommand(stdout, stderr *terminal.Output) *cobra.Command {
	s := &settings{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:   "versionlake",
		Short: "Which software version did a user run at a given moment, and what was known about it at the time?",
		Long: `versionlake derives the history of the software versions that users run from hourly telemetry files, keeps it in
Apache Iceberg tables with one row per user, and answers from it. Temporal makes the work durable.

Hours are written 2022-05-27T05, times 2021-12-24T11:31:19.459Z, both UTC. Where a range has an end, it is exclusive.`,
		Example: `  versionlake demo
  versionlake ingest 2022-05-27T05 --source s3://telemetry/service-logs
  versionlake at p1 2022-05-27T22:00:00Z --as-of hour-2022-05-27T23`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.readVariables(cmd); err != nil {
				return err
			}
			return s.validate()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout.Lines())
	root.SetErr(stderr.Lines())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	s.addFlags(root)
	root.AddCommand(
		newDemoCommand(s, nil), newDevCommand(s, nil), newWorkerCommand(s, nil), newIngestCommand(s, nil),
		newReprocessCommand(s, nil), newReconcileCommand(s, nil),
		newHistoryCommand(s, nil), newAtCommand(s, nil), newDailyCommand(s, nil), newStatusCommand(s, nil),
		newVerifyCommand(s, nil), newGenerateCommand(s, nil), newVersionCommand(s, nil),
		newMaintainCommand(s, nil), newTrinoCommand(s, nil), newSQLCommand(s, nil),
		newForgetCommand(s, nil),
	)
	for _, command := range root.Commands() {
		command.Args = usageArgs(command.Args)
	}
	root.Args = unknownCommand
	return root
}

func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("there is no command %q", args[0])
	}
	return nil
}

// usageArgs makes errors about arguments, and about flags that don't go together, errors of usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cmd.ValidateFlagGroups(); err != nil {
			return usagef("%s: %w", cmd.Name(), err)
		}
		if err := check(cmd, args); err != nil {
			return usagef("%s: %w", cmd.Name(), err)
		}
		return nil
	}
}
