package demo_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/demo"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
)

// TestHostileFolder: what a command line says comes back in errors, without acting on the terminal.
func TestHostileFolder(t *testing.T) {
	code, stdout, stderr := programtest.Groups{demo.Commands}.Run(t, "generate", "/proc/evil\x1b[2J\u202e\r\n\xff")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "evil")
	require.NoError(t, programtest.Seen(stdout+stderr))
}
