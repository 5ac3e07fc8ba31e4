package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
)

// readWith reads the settings of a command line, with this file in its folder.
func readWith(t *testing.T, file string, args ...string) (*Settings, error) {
	t.Helper()
	for _, name := range append(fileKeys(), "dir") {
		if variable := variableOf(name); variable != "" && os.Getenv(variable) == "" {
			t.Setenv(variable, "")
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte(file), 0o600))
	s := New(nil, nil)
	root := &cobra.Command{Use: "versionlake", RunE: func(cmd *cobra.Command, _ []string) error { return s.Read(cmd) },
		SilenceErrors: true, SilenceUsage: true}
	s.AddFlags(root)
	root.SetArgs(append(args, "--dir", dir))
	return s, root.Execute()
}

// TestFile: a flag wins over a variable, and that over the file; each setting knows where it comes from.
func TestFile(t *testing.T) {
	t.Setenv("VERSIONLAKE_NAME", "by-variable")
	s, err := readWith(t, `# ours
source: telemetry
name: by-file
layout: ["{YYYY}/{MM}/{DD}/{HH}", "dt={YYYY}{MM}{DD}{HH}"]
--max-past: 100h
endings: .tsv,.evt
sessions-by-service: true
delay: 5m # a flag of other commands
`, "--max-past", "50h")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(s.Dir, "telemetry"), s.Source, "from the folder of the file")
	require.Equal(t, "by-variable", s.Name)
	require.Equal(t, "50h0m0s", s.maxPast.String())
	require.True(t, s.byService)
	require.Equal(t, []string{"{YYYY}/{MM}/{DD}/{HH}", "dt={YYYY}{MM}{DD}{HH}"}, s.layouts)
	require.Equal(t, []string{".tsv", ".evt"}, s.endings)
	from := map[string]string{}
	for _, origin := range s.Origins() {
		from[origin.Name] = origin.From
	}
	require.Equal(t, map[string]string{"dir": "the command line", "max-past": "the command line",
		"name": "VERSIONLAKE_NAME", "source": FileName, "layout": FileName, "endings": FileName,
		"sessions-by-service": FileName}, from)
	require.True(t, s.given["layout"], "it counts before what the lake keeps")
	_, err = readWith(t, "")
	require.NoError(t, err)
	_, err = readWith(t, "# nothing yet\n")
	require.NoError(t, err)
}

// TestWrongFile: what the file may not hold is refused with its line and the way that works, and is not repeated.
func TestWrongFile(t *testing.T) {
	for file, says := range map[string]string{
		"source: a\nsorce: b":                     "line 2: there is no setting \"sorce\": did you mean source?",
		"yes: true":                               "there is no setting \"yes\"",
		"dir: /data":                              "dir is where this file lies",
		"password: s3cret":                        "PGPASSFILE",
		"aws_secret_access_key: s3cret":           "AWS_*",
		"catalog: postgres://me:s3cret@db/lake":   "PGPASSFILE",
		"trino: https://me:s3cret@trino":          "VERSIONLAKE_TRINO_URL",
		"source: a\nsource: b":                    "line 2: source stands there twice",
		"source:":                                 "takes a value",
		"source: [a, b]":                          "takes one value",
		"source: {a: b}":                          "takes a value",
		"- source":                                "a setting a line",
		"max-past: five":                          "\"five\" is not a value that max-past takes",
		"source: [":                               "line 1",
		"name: UPPER":                             "small letters",
		"events: AKIAIOSFODNN7EXAMPLE":            "holds no passwords and keys",
		"warehouse: s3://AKIAIOSFODNN7EXAMPLE/wh": "holds no passwords and keys",
	} {
		_, err := readWith(t, file)
		var wrong *usage.Error
		require.ErrorAs(t, err, &wrong, file)
		require.ErrorContains(t, err, says, file)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
