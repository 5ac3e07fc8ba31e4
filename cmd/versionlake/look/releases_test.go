package look_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/look"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
)

var groups = programtest.Groups{look.Commands}

// TestReleases: a file is imported once, listed, and what is wrong in one is told with its line.
func TestReleases(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "releases.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("releases: [{service: App, version: 1.10, released_at: 2022-05-27, rollout: [{at: 2022-05-27, share: 5%}]}]")
	code, stdout, stderr := groups.Run(t, "releases", "import", file, "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t, "1 added, 0 changed, 0 removed, 0 as they were\n", stdout)
	_, stdout, _ = groups.Run(t, "releases", "import", file, "--dir", dir, "-o", "json")
	require.JSONEq(t, `{"added":0,"changed":0,"removed":0,"same":1}`, stdout)
	_, stdout, _ = groups.Run(t, "releases", "--dir", dir, "-o", "json")
	require.JSONEq(t, `{"service":"App","version":"1.10","released_at":"2022-05-27T00:00:00Z","channel":"stable",
		"rollout":"2022-05-27T00:00:00Z=0.05"}`, stdout)
	_, stdout, _ = groups.Run(t, "releases", "--dir", dir)
	require.Contains(t, stdout, "5 %")
	_, stdout, stderr = groups.Run(t, "releases", "--service", "Other", "--dir", dir)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "nobody told of any release")

	write("releases:\n  - {service: App, version: 2, released_at: tomorrow}\n")
	code, _, stderr = groups.Run(t, "releases", "import", file, "--dir", dir)
	require.Equal(t, program.ExitUsage, code)
	require.Contains(t, stderr, `line 2: released_at "tomorrow"`)
	write("releases: []\n")
	code, _, stderr = groups.Run(t, "releases", "import", file, "--dir", dir, "--replace")
	require.Equal(t, program.ExitUsage, code, stderr)
}
