package program

import (
	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/completion"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/terminal"
)

// Commands make the commands of a group.
type Commands func(*settings.Settings) []*cobra.Command

// NewRoot makes the command versionlake with those of groups, and with version.
func NewRoot(stdout, stderr *terminal.Output, groups ...Commands) *cobra.Command {
	s := settings.New(stdout, stderr)
	root := &cobra.Command{
		Use:   "versionlake",
		Short: "Which software version did a user run at a given moment, and what was known about it at the time?",
		Long: `versionlake derives the history of the software versions that users run from hourly telemetry files,
keeps it in Apache Iceberg tables with one row per user, and answers from it. Temporal makes the work
durable.

Hours are written 2022-05-27T05, times 2021-12-24T11:31:19.459Z, both UTC. Where a range has an end, it
is exclusive.`,
		Example: `  versionlake demo
  versionlake ingest 2022-05-27T05 --source s3://telemetry/service-logs
  versionlake at p1 2022-05-27T22:00:00Z --as-of hour-2022-05-27T23`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              cobra.NoArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return s.Read(cmd) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout.Lines())
	root.SetErr(stderr.Lines())
	root.SetFlagErrorFunc(usage.FlagError)
	root.Version = versionOf().Version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	s.AddFlags(root)
	root.AddGroup(usage.Groups...)
	root.AddCommand(newVersion(s))
	for _, commands := range groups {
		root.AddCommand(commands(s)...)
	}
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		command.Args = usage.Args(command.Args)
		for _, sub := range command.Commands() {
			sub.Args = usage.Args(sub.Args)
		}
		if command.Name() == "completion" {
			command.Example = "  source <(versionlake completion bash)"
		}
		if command.HasSubCommands() && !command.Runnable() {
			command.RunE = func(*cobra.Command, []string) error {
				return usage.Errorf("%s: say which of: %s", command.Name(), usage.SubCommands(command))
			}
		}
	}
	root.Args = usage.UnknownCommand
	completion.Add(root, s)
	usage.ShortenHelp(root)
	return root
}

// newHelp is cobra's command help, which refuses what is no command.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "What a command does, and how it is written",
		Example: `  versionlake help at
  versionlake help trino load`,
		RunE: func(_ *cobra.Command, args []string) error {
			command, left, err := root.Find(args)
			if err != nil || len(left) > 0 {
				return usage.UnknownCommand(command, left)
			}
			return command.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, command := range root.Commands() {
				names = append(names, command.Name()+"\t"+command.Short)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}
