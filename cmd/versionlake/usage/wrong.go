package usage

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// UnknownCommand refuses words that are no command below parent.
func UnknownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names, meant []string
	for _, command := range parent.Commands() {
		if command.IsAvailableCommand() {
			names = append(names, command.Name())
			if slices.Contains(command.SuggestFor, args[0]) || slices.Contains(otherNames[command.Name()], args[0]) {
				meant = append(meant, command.Name())
			}
		}
	}
	before := strings.TrimPrefix(strings.TrimPrefix(parent.CommandPath(), parent.Root().Name())+" ", " ")
	if len(meant) > 0 {
		return Errorf("there is no command %q: did you mean %s?", before+args[0], orList(meant, before))
	}
	return Errorf("there is no command %q%s", before+args[0], DidYouMean(args[0], names, before))
}

// SubCommands names the commands below one.
func SubCommands(parent *cobra.Command) string {
	var names []string
	for _, command := range parent.Commands() {
		names = append(names, command.Name())
	}
	return strings.Join(names, ", ")
}

// otherNames are what other tools call the likes of our commands.
var otherNames = map[string][]string{
	"at": {"when", "as-of", "lookup"}, "history": {"show", "describe", "log", "get-user"},
	"users": {"list", "ls", "get", "who"}, "versions": {"releases", "list"},
	"status": {"info", "st", "summary", "stats"},
	"sql":    {"query", "select", "SELECT", "duckdb", "psql"}, "ingest": {"load", "import", "add", "apply", "push"},
	"reprocess": {"backfill", "replay", "rebuild"}, "forget": {"delete", "rm", "erase", "gdpr"},
	"dev": {"start", "serve", "server", "run"}, "doctor": {"check", "diagnose", "debug", "config"},
	"verify": {"validate", "fsck"}, "maintain": {"compact", "vacuum", "optimize", "gc"},
	"up": {"start", "run"}, "down": {"stop", "kill"},
}

// otherFlags are what other tools call the likes of our flags.
var otherFlags = map[string][]string{
	"output json": {"json", "format"}, "output csv": {"csv"}, "yes": {"force", "y", "f", "confirm", "no-input"},
	"as-of": {"asof", "at", "timestamp"}, "version": {"V"}, "log-level": {"verbose", "debug", "quiet"},
	"from": {"since", "start"}, "to": {"until", "end"},
}

// FlagError makes errors about flags errors of usage, and says which flag may have been meant.
func FlagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &valueless):
		return Errorf("%s: --%s needs a value", cmd.Name(), valueless.GetFlag().Name)
	case errors.As(err, &invalid):
		return Errorf("%s: --%s %q is %s", cmd.Name(), invalid.GetFlag().Name, invalid.GetValue(),
			cmp.Or(notOf[invalid.GetFlag().Value.Type()], "not a value that it takes"))
	case !errors.As(err, &unknown):
		return Errorf("%s: %w", cmd.Name(), err)
	case !cmd.HasParent() && cmd.Flags().NArg() > 0:
		return UnknownCommand(cmd, cmd.Flags().Args()) // whose flags they are can't be told
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	name, dashes := unknown.GetSpecifiedName(), "--"
	if unknown.GetSpecifiedShortnames() != "" {
		dashes = "-"
	}
	what := "no flag " + dashes + name
	if cmd.HasParent() {
		what = cmd.Name() + " has " + what
	} else {
		what = "there is " + what
	}
	for meant, others := range otherFlags {
		if flag, _, _ := strings.Cut(meant, " "); slices.Contains(others, name) && slices.Contains(names, flag) {
			return Errorf("%s: did you mean --%s?", what, meant)
		}
	}
	if dashes == "-" {
		return Errorf("%s", what)
	}
	return Errorf("%s%s", what, DidYouMean(name, names, "--"))
}

// notOf says what a flag's value is not, by its type.
var notOf = map[string]string{
	"duration": "not a time such as 90m or 48h",
	"int":      "not a whole number",
	"uint64":   "not a whole number",
	"bool":     "neither true nor false",
	"float64":  "not a number",
}

var exclusive = regexp.MustCompile(`none of the others can be; \[([^]]*)\] were all set$`)

// flagsTogether says which flags don't go together.
func flagsTogether(cmd *cobra.Command) error {
	err := cmd.ValidateFlagGroups()
	if err == nil {
		return nil
	}
	if set := exclusive.FindStringSubmatch(err.Error()); set != nil {
		return Errorf("%s: --%s don't go together: give one of them", cmd.Name(),
			strings.Join(strings.Fields(set[1]), " and --"))
	}
	return Errorf("%s: %w", cmd.Name(), err)
}

// wrongCount says which arguments are missing or too many, by the first way to write a command.
func wrongCount(cmd *cobra.Command, args []string, err error) error {
	if cmd.HasAvailableSubCommands() && len(args) > 0 {
		return UnknownCommand(cmd, args)
	}
	first, _, others := strings.Cut(cmd.Use, " | ")
	var wants []string
	for i, word := range strings.Fields(first) {
		word = strings.Trim(word, "[]")
		if i > 0 && !strings.HasPrefix(word, "-") && !strings.HasPrefix(strings.Fields(first)[i-1], "-") {
			wants = append(wants, word)
		}
	}
	path := strings.TrimSuffix(cmd.CommandPath(), cmd.Name()) + cmd.Use
	switch {
	case len(args) < len(wants) && !others:
		missing := wants[len(args):]
		is := "is"
		if len(missing) > 1 {
			is = "are"
		}
		return Errorf("%s: %s %s missing; write: %s", cmd.Name(), strings.Join(missing, " and "), is, path)
	case len(args) <= len(wants):
		return Errorf("%s: %w", cmd.Name(), err)
	case len(wants) == 0 && !others:
		return Errorf("%s takes no argument: %q is too much", cmd.Name(), args[0])
	case !strings.Contains(first, "TIME") && !strings.Contains(first, "QUERY"):
		return Errorf("%s: %q is too much; write: %s", cmd.Name(), args[len(wants)], path)
	}
	return Errorf("%s: %q is too much; write: %s, with quotes around what holds a blank", cmd.Name(), args[len(wants)],
		path)
}

// DidYouMean is a question after names that resemble a word; nothing where none does.
func DidYouMean(word string, names []string, prefix string) string {
	near := near(word, names)
	if len(near) == 0 {
		return ""
	}
	return ": did you mean " + orList(near, prefix) + "?"
}

func orList(names []string, prefix string) string { return prefix + strings.Join(names, " or "+prefix) }

// near are the names that differ from a word by its case, by a letter or two, or that it begins.
func near(word string, names []string) (found []string) {
	most := 2
	if len(word) < 6 {
		most = 1
	}
	word = strings.ToLower(word)
	for _, name := range names {
		lower := strings.ToLower(name)
		if distance(word, lower) <= most || len(word) > 2 && strings.HasPrefix(lower, word) {
			found = append(found, name)
		}
	}
	const told = 3
	return found[:min(told, len(found))]
}

// distance is how many letters must be put in, left out, replaced, or swapped with their neighbour.
func distance(a, b string) int {
	before, row := []int(nil), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last, now := row, make([]int, len(b)+1)
		now[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, row = last, now
	}
	return row[len(b)]
}
