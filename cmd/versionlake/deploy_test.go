package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// Command lines of ours in the files of deploy/, each with the command and what follows it.
var deployed = map[string]*regexp.Regexp{
	".service": regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/versionlake (.*)$`),
	".yaml":    regexp.MustCompile(`(?m)^    command: \[(.*)\]$`),
}

// TestDeployNames: the variables, commands and flags that images, units and charts name are those of the program.
func TestDeployNames(t *testing.T) {
	variables := append(ourVariables(t), "VERSIONLAKE_IMAGE") // which Compose alone reads
	flags := map[string]map[string]bool{}
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		name := strings.TrimPrefix(cmd.CommandPath(), "versionlake ")
		flags[name] = map[string]bool{}
		add := func(flag *pflag.Flag) { flags[name]["--"+flag.Name] = true }
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
	})
	lines := 0
	look := func(file, line string) {
		lines++
		command := ""
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(` ,"`, r) }) {
			if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") {
				require.True(t, flags[command][name], "%s: %s has no flag %s", file, command, name)
			} else if next := strings.TrimSpace(command + " " + word); flags[next] != nil {
				command = next
			}
		}
		require.NotEmpty(t, command, "%s: %s", file, line)
	}
	for _, folder := range []string{"compose", "docker", "systemd", "helm"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("../../deploy", folder),
			func(file string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() {
					return err
				}
				raw, err := os.ReadFile(file)
				text := string(raw)
				require.Subset(t, variables,
					regexp.MustCompile(`VERSIONLAKE_[A-Z_]*[A-Z]`).FindAllString(text, -1), file)
				if pattern := deployed[filepath.Ext(file)]; pattern != nil {
					for _, found := range pattern.FindAllStringSubmatch(text, -1) {
						look(file, found[1])
					}
				}
				for _, found := range regexp.MustCompile(`(?m)^ +- (--[a-z-]+)=`).FindAllStringSubmatch(text, -1) {
					look(file, "worker "+found[1]) // of the chart
				}
				return err
			}))
	}
	require.Greater(t, lines, 6)
}
