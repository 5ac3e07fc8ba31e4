package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

var update = flag.Bool("update", false, "write docs/CLI.md anew")

const cliDoc = "../../docs/CLI.md"

// TestCLIDoc holds docs/CLI.md against the commands.
func TestCLIDoc(t *testing.T) {
	want := cliPage(newRoot())
	if *update {
		require.NoError(t, os.WriteFile(cliDoc, []byte(want), 0o644))
	}
	got, err := os.ReadFile(cliDoc)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "go test ./cmd/versionlake -run TestCLIDoc -update")
}

// cliPage describes all commands, group by group.
func cliPage(root *cobra.Command) string {
	var page strings.Builder
	page.WriteString(`# The command line

Made from the commands by ` + "`go test ./cmd/versionlake -run TestCLIDoc -update`" + `: change their help, not this page.
How they are used is in [OPERATIONS.md](OPERATIONS.md); settings that last are best kept in
[versionlake.yaml](OPERATIONS.md#settings).

- Times are UTC where no zone is named: ` + "`2022-05-27T05:00:00Z`, `2022-05-27 05:00`, `2022-05-27`, `yesterday`, `2h ago`, `-2h`" + `.
- Exit codes: 0 all is well · 1 it failed, or something is wrong · 2 wrong use, or cancelled · 3 part of the lake can't be
  read. ` + "`status --check`" + ` has those of monitors.
- Shells complete commands, flags, tags, hours, users and views: ` + "`source <(versionlake completion bash)`" + `; zsh, fish and
  PowerShell likewise.

`)
	var below strings.Builder
	for _, group := range append(root.Groups(), &cobra.Group{Title: "Others:"}) {
		fmt.Fprintf(&page, "**%s**\n\n| command | |\n|---|---|\n", strings.TrimSuffix(group.Title, ":"))
		for _, command := range root.Commands() {
			if command.GroupID == group.ID && command.IsAvailableCommand() {
				fmt.Fprintf(&page, "| [%s](#%[1]s) | %s |\n", command.Name(), cell(command.Short))
				describe(&below, command, 2)
			}
		}
		page.WriteString("\n")
	}
	fmt.Fprintf(&page, "## Flags of every command\n\n```\n%s```\n", flagText(root, true))
	return page.String() + below.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func describe(page *strings.Builder, command *cobra.Command, depth int) {
	fmt.Fprintf(page, "\n%s %s\n\n", strings.Repeat("#", depth),
		strings.TrimPrefix(command.CommandPath(), "versionlake "))
	if text := strings.TrimSpace(command.Long); text != "" {
		fmt.Fprintf(page, "%s\n\n", strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(text))
	} else {
		fmt.Fprintf(page, "%s.\n\n", command.Short)
	}
	path := strings.TrimSuffix(command.CommandPath(), command.Name()) + command.Use
	fmt.Fprintf(page, "```\n%s\n", path)
	if flags := flagText(command, false); flags != "" {
		fmt.Fprintf(page, "\n%s", flags)
	}
	if command.Example != "" {
		fmt.Fprintf(page, "\n%s\n", command.Example)
	}
	page.WriteString("```\n")
	for _, sub := range command.Commands() {
		if sub.IsAvailableCommand() && command.Name() != "completion" {
			describe(page, sub, depth+1)
		}
	}
}

// flagText explains the flags of a command that are its own: those of every command stand once.
func flagText(command *cobra.Command, persistent bool) string {
	flags := command.LocalNonPersistentFlags()
	if persistent {
		flags = command.PersistentFlags()
	}
	if help := flags.Lookup("help"); help != nil {
		help.Hidden = true
	}
	return flags.FlagUsagesWrapped(usage.Width)
}
