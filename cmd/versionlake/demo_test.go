package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDemo runs what a newcomer runs first.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Temporal server")
	}
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("VERSIONLAKE_SOURCE", "/there/is/nothing/here")
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"demo"}, &stdout, &stderr)
	require.Equal(t, exitOK, code, "%s", stderr.String())
	require.Contains(t, stdout.String(), "1 of them empty")
}
