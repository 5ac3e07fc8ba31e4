// Package programtest runs command lines in tests, as a user would.
package programtest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
)

// Groups are the commands that a test needs: those of other packages can change without it.
type Groups []program.Commands

// Run executes a command line without the settings of whoever runs the tests.
func (g Groups) Run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for _, variable := range []string{"VERSIONLAKE_DIR", "VERSIONLAKE_SOURCE", "VERSIONLAKE_WAREHOUSE",
		"VERSIONLAKE_CATALOG", "VERSIONLAKE_EVENTS", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"} {
		t.Setenv(variable, "")
	}
	t.Setenv("TEMPORAL_CONFIG_FILE", filepath.Join(t.TempDir(), "none.toml"))
	var out, errors bytes.Buffer
	code = program.Execute(t.Context(), args, &out, &errors, g...)
	return code, out.String(), errors.String()
}

// Seen tells of the first thing in an output that leaves no mark of its own, but for line ends.
func Seen(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the output is not UTF-8: %q", text)
	}
	for i, r := range text {
		invisible := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
		if r != '\n' && (invisible || !unicode.IsGraphic(r)) {
			return fmt.Errorf("%q at %d of %q", r, i, text)
		}
	}
	return nil
}
