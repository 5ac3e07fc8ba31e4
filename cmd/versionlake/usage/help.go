package usage

import (
	"errors"
	"slices"
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

// inherited is the part of cobra's template that explains the flags of every command below each of them.
const inherited = `Global Flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}`

// ShortenHelp lets the help of a command name the flags that every command has, which the root explains.
func ShortenHelp(root *cobra.Command) {
	cobra.AddTemplateFunc("flagNames", flagNames)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), inherited,
		"Flags of every command, see {{.Root.Name}} --help:\n{{flagNames .InheritedFlags}}", 1))
}

// flagNames are the names of flags, in lines.
func flagNames(flags *pflag.FlagSet) string {
	const width = 100
	var text strings.Builder
	line := 0
	flags.VisitAll(func(flag *pflag.Flag) {
		if line > width-len(flag.Name) {
			text.WriteString("\n")
			line = 0
		}
		if line == 0 {
			text.WriteString(" ")
		}
		text.WriteString(" --" + flag.Name)
		line += len(" --") + len(flag.Name)
	})
	return text.String()
}

// UnknownCommand refuses words that are no command below parent.
func UnknownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, command := range parent.Commands() {
		if command.IsAvailableCommand() {
			names = append(names, command.Name())
		}
	}
	return Errorf("%s has no command %q%s", parent.CommandPath(), args[0], DidYouMean(args[0], names, ""))
}

// FlagError makes errors about flags errors of usage, and says which flag may have been meant.
func FlagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return Errorf("%s: %w", cmd.Name(), err)
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return Errorf("%s has no flag -%s", cmd.Name(), name)
	}
	return Errorf("%s has no flag --%s%s", cmd.Name(), name, DidYouMean(name, names, "--"))
}

// DidYouMean is a question after names that resemble a word; nothing where none does.
func DidYouMean(word string, names []string, prefix string) string {
	near := Near(word, names)
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + prefix + strings.Join(near, " or "+prefix) + "?"
}

// Near are the names that resemble a word, by cobra's own measure.
func Near(word string, names []string) []string {
	tree := cobra.Command{SuggestionsMinimumDistance: 2}
	for _, name := range names {
		tree.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	return tree.SuggestionsFor(word)
}

// wrongCount says which arguments are missing or too many. err is what cobra says, for commands whose arguments are not
// all in their first line.
func wrongCount(cmd *cobra.Command, args []string, err error) error {
	wants := slices.DeleteFunc(strings.Fields(cmd.Use),
		func(word string) bool { return word[0] < 'A' || word[0] > 'Z' })
	path := strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + cmd.Use
	if cmd.HasAvailableSubCommands() && len(args) > 0 {
		return UnknownCommand(cmd, args)
	}
	switch {
	case strings.Contains(cmd.Use, "|") || len(args) == len(wants):
		return Errorf("%s: %w", cmd.Name(), err)
	case len(args) < len(wants):
		return Errorf("%s: %s is missing; write: %s", cmd.Name(), strings.Join(wants[len(args):], " and "), path)
	case len(wants) == 0:
		return Errorf("%s takes no argument: %q is too much", cmd.Name(), args[0])
	}
	return Errorf("%s: %q is too much; write: %s, with quotes around what holds a blank", cmd.Name(), args[len(wants)],
		path)
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
