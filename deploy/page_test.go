// Package deploy_test tries what docs/DEPLOY.md promises, with real servers. tools/ship checks the other files here.
package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/process"
	"github.com/versionlake/versionlake/testserver"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// programs is a folder with versionlake, built from this checkout.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "versionlake"),
		"../cmd/versionlake").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return dir
}

var shell = regexp.MustCompile("(?s)```sh\n(.*?)```")

// section is what a page says under one of its headings.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, below, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the page has no %q", heading)
	}
	text, _, _ := strings.Cut(below, "\n## ")
	return text
}

// TestWithoutContainers runs the commands of the page, one after the other, in an empty folder. Ports are others:
// this machine may have those of the page in use.
func TestWithoutContainers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	var commands strings.Builder
	for _, block := range shell.FindAllStringSubmatch(section(t, read(t, "../docs/DEPLOY.md"), "Without containers"),
		-1) {
		commands.WriteString(block[1])
	}
	script := commands.String()
	for _, port := range []string{"7070", "7233", "8233", "9464"} {
		free, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		script = strings.ReplaceAll(script, port, strconv.Itoa(free))
	}
	dir := t.TempDir()
	said, err := runShell(t, dir, "set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n"+script)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, want := range []string{"2022-05-27", "Gameboy", "requests that write",
		"versionlake_gold_newest_hour_age_seconds"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %s:\n%s", want, said)
		}
	}
}

// runShell runs a script of the shell, and ends whatever it has left behind.
func runShell(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "PATH="+programs(t)+":"+testserver.Tools(t)+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = &said, &said
	err := testserver.RunGroup(cmd)
	return said.String(), err
}

// TestUnits asks systemd what it thinks of the units.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT CHECKED: there is no systemd-analyze here")
	}
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("%d units: %v", len(units), err)
	}
	dir := t.TempDir()
	for _, unit := range units {
		// The program is not installed here, and nor is its user.
		text := strings.ReplaceAll(read(t, unit), "/usr/local/bin/versionlake", "/bin/true")
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(unit)), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(dir, filepath.Base(unit)))
		if said, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(said)) > 0 {
			t.Errorf("%s: %v\n%s", unit, err, said)
		}
	}
}
