package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/worker"
)

var readmeBlock = regexp.MustCompile("(?s)```\n(.*?)```")

// TestReadme types the commands by which README lets one look around, and compares with the answers that it shows
// first.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server, twice")
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown, typed := map[string]string{}, ""
	for _, block := range readmeBlock.FindAllStringSubmatch(string(readme), -1) {
		if strings.HasPrefix(block[1], "$ ") {
			for answer := range strings.SplitSeq(block[1][2:], "\n$ ") {
				command, text, _ := strings.Cut(answer, "\n")
				shown[command] = strings.TrimSpace(text)
			}
		}
		if strings.Contains(block[1], " --demo\n") {
			typed = block[1]
		}
	}
	require.Len(t, shown, 2)

	// It is found from here only, where it is not on PATH.
	if os.Getenv(worker.DevProgramVariable) == "" {
		server, err := filepath.Abs("../../.tools/bin/temporal")
		require.NoError(t, err)
		t.Setenv(worker.DevProgramVariable, server)
	}
	picture, err := filepath.Abs("../../docs/images/terminal.svg")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	seen := map[string]string{}
	for command := range strings.Lines(typed) {
		command = strings.TrimSpace(command)
		args, ours := strings.CutPrefix(command, "versionlake ")
		if !ours || strings.HasPrefix(args, "dev ") {
			continue
		}
		code, stdout, stderr := execute(t, strings.Fields(args)...)
		if !onlyDiskIsFull(args, stdout) {
			require.Equal(t, program.ExitOK, code, "%s: %s%s", command, stdout, stderr)
		}
		seen[command] = stdout
		if answer, ok := shown[command]; ok {
			require.Equal(t, answer, strings.TrimSpace(stdout), command)
			delete(shown, command)
		}
	}
	require.Empty(t, shown, "README shows answers that its commands don't ask for")

	var lines []string
	for _, command := range []string{"versionlake versions --service ClientApp", "versionlake history p1"} {
		require.NotEmpty(t, seen[command], command)
		lines = append(lines, "$ "+command)
		lines = append(lines, strings.Split(strings.TrimRight(seen[command], "\n"), "\n")...)
		lines = append(lines, "")
	}
	want := terminalPicture(lines[:len(lines)-1])
	if *update {
		require.NoError(t, os.WriteFile(picture, []byte(want), 0o644))
	}
	got, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "go test ./cmd/versionlake -run TestReadme -update")
}

// onlyDiskIsFull tells whether doctor finds nothing wrong but this machine's disk.
func onlyDiskIsFull(args, stdout string) bool {
	wrong := regexp.MustCompile("(?m)^wrong +([a-z]+)").FindAllStringSubmatch(stdout, -1)
	return strings.HasPrefix(args, "doctor ") && len(wrong) == 1 && wrong[0][1] == "disk"
}

// terminalPicture is an SVG of a terminal with these lines.
func terminalPicture(lines []string) string {
	const wide, high, margin = 8, 19, 16
	longest := 0
	for _, line := range lines {
		longest = max(longest, utf8.RuneCountInString(line))
	}
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="monospace" `+
		`font-size="13"><rect width="100%%" height="100%%" rx="8" fill="#14181f"/>`+"\n",
		longest*wide+2*margin, len(lines)*high+2*margin)
	for i, line := range lines {
		colour := "#c9d1d9"
		if strings.HasPrefix(line, "$ ") {
			colour = "#7ee787"
		}
		fmt.Fprintf(&svg, `<text x="%d" y="%d" fill="%s" xml:space="preserve" textLength="%d">%s</text>`+"\n", margin,
			margin+high*i+13, colour, utf8.RuneCountInString(line)*wide, html.EscapeString(line))
	}
	svg.WriteString("</svg>\n")
	return svg.String()
}
