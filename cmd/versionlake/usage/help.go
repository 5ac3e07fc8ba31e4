package usage

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands in the help.
const (
	Ask    = "ask"
	Intake = "intake"
	Run    = "run"
	Upkeep = "upkeep"
)

// Groups are those of the help, in its order.
var Groups = []*cobra.Group{
	{ID: Ask, Title: "Ask:"},
	{ID: Intake, Title: "Bring in:"},
	{ID: Run, Title: "Run:"},
	{ID: Upkeep, Title: "Look after:"},
}

// InGroup puts commands into a group of the help.
func InGroup(group string, commands ...*cobra.Command) []*cobra.Command {
	for _, command := range commands {
		command.GroupID = group
	}
	return commands
}

// Width is that of the help in characters.
const Width = 100

// These are parts of cobra's template.
const (
	inherited = `Global Flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}`
	own = `{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}`
)

// ShortenHelp breaks lines, and lets the help of a command point to the flags that every command has: the root explains
// them.
func ShortenHelp(root *cobra.Command) {
	cobra.AddTemplateFunc("wrapped", func(flags *pflag.FlagSet) string { return flags.FlagUsagesWrapped(Width) })
	root.SetUsageTemplate(strings.NewReplacer(
		inherited, "Flags of every command, such as --dir, --source and --output: see {{.Root.Name}} --help",
		own, "{{wrapped .LocalFlags | trimTrailingWhitespaces}}").Replace(root.UsageTemplate()))
}

// Ago lets -2h be a time that many hours ago, not a flag -2.
func Ago(args []string) []string {
	read := make([]string, len(args))
	for i, arg := range args {
		read[i] = arg
		if parts := ago.FindStringSubmatch(arg); parts != nil && parts[1] != "" {
			read[i] = parts[1] + parts[2] + " ago"
		}
	}
	return read
}
