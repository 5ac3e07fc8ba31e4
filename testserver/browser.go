package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Chromium is the path of a Chromium: the one that `make tools` installs, or what is on PATH where it installs none.
// Where there is neither, the test is skipped, and says aloud what was not looked at.
func Chromium(tb testing.TB, notDone string) string {
	tb.Helper()
	const variable = "VERSIONLAKE_TEST_CHROMIUM"
	if path := os.Getenv(variable); path != "" {
		return path
	}
	installed := filepath.Join(toolsDir(tb), "chromium", "chromium")
	for _, name := range []string{installed, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	tb.Skipf("%s: there is no Chromium in .tools or on PATH; name one in %s", notDone, variable)
	return ""
}

// Axe is axe-core, a script that looks at a page for what keeps people from reading it; where it could not be
// installed, the test is skipped, and says so.
func Axe(tb testing.TB, notDone string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(toolsDir(tb), "axe", "axe.min.js"))
	if err != nil {
		tb.Skipf("%s: axe-core is not installed: it comes by npm, with `make tools`", notDone)
	}
	return string(text)
}
