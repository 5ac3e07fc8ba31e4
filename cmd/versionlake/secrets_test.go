package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
)

// mark stands for a password in every setting.
const mark = "hunter2-do-not-show"

// ourVariables are the variables of settings that the commands' code names.
func ourVariables(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*/*.go")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`VERSIONLAKE_[A-Z_]*[A-Z]`).FindAllString(string(text), -1) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	require.Subset(t, names, []string{"VERSIONLAKE_CATALOG", "VERSIONLAKE_TRINO_URL"})
	return names
}

// everyCommand walks the tree of commands.
func everyCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, visit)
	}
}

// TestHelpHasNoSecrets: help, completions and errors of usage say which variables there are, and never what they hold.
func TestHelpHasNoSecrets(t *testing.T) {
	names := ourVariables(t)
	for _, name := range append(names, "TEMPORAL_API_KEY", "PGPASSWORD") {
		t.Setenv(name, "postgres://me:"+mark+"@db/catalog")
	}
	var shown []string
	try := func(args ...string) string {
		var stdout, stderr bytes.Buffer
		program.Execute(t.Context(), args, &stdout, &stderr, groups...)
		require.NotContains(t, stdout.String()+stderr.String(), mark, args)
		shown = append(shown, stdout.String()+stderr.String())
		return stdout.String()
	}
	everyCommand(newRoot(), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		require.NotEmpty(t, try(append(path, "--help")...))
		try(append([]string{"help"}, path...)...)
		try(append(path, "--no-such-flag")...)
		try(append(path, "--output", "xml")...)
		try(append(path, "--dir")...)
		if cmd.Name() != "version" { // it has no arguments to be wrong, and runs
			try(append(path, "--max-future", "soon")...)
		}
		try(append(append([]string{"__complete"}, path...), "--")...)
		require.NotContains(t, cmd.UsageString(), mark)
	})
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		try("completion", shell)
	}
	try()
	for flag, variable := range settings.Variables {
		require.Contains(t, strings.Join(shown, "\n"), variable+"]", "the help says where --%s may come from", flag)
	}
}

// TestVariables: a flag counts before its variable, even if it is empty; an empty variable counts as none.
func TestVariables(t *testing.T) {
	for _, test := range []struct {
		name, variable string
		args           []string
		catalog        string
	}{
		{"none", "", nil, ""},
		{"variable", "sqlite:///v.db", nil, "sqlite:///v.db"},
		{"flag", "sqlite:///v.db", []string{"--catalog", "sqlite:///f.db"}, "sqlite:///f.db"},
		{"empty flag", "sqlite:///v.db", []string{"--catalog="}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, variable := range settings.Variables {
				t.Setenv(variable, "")
			}
			t.Setenv("VERSIONLAKE_CATALOG", test.variable)
			t.Setenv("VERSIONLAKE_KEEP_BRONZE", "24h")
			root := newRoot()
			root.SetArgs(append([]string{"dev"}, test.args...))
			var dev *cobra.Command
			everyCommand(root, func(cmd *cobra.Command) {
				if cmd.Name() == "dev" {
					dev = cmd
				}
			})
			dev.RunE = func(*cobra.Command, []string) error { return nil }
			require.NoError(t, root.Execute())
			require.Equal(t, test.catalog, dev.Flag("catalog").Value.String())
			require.Equal(t, "24h", dev.Flag("keep-bronze").Value.String())
			require.Equal(t, ".versionlake", filepath.Base(dev.Flag("dir").Value.String()))
			for name := range settings.Variables {
				if flag := dev.Flag(name); flag != nil {
					require.NotContains(t, flag.DefValue, "v.db")
				}
			}
		})
	}
}

// TestErrorsHaveNoSecrets: a wrong setting is told by what is wrong, never by its text.
func TestErrorsHaveNoSecrets(t *testing.T) {
	for _, test := range []struct{ flag, value string }{
		{"catalog", "postgres://me:" + mark + "@127.0.0.1:1/catalog?connect_timeout=1"},
		{"catalog", "postgres://me:" + mark + "@127.0.0.1:port/catalog"},
		{"catalog", "postgres://me:" + mark + "@[::1/catalog"},
		{"catalog", "postgres://me:%zz" + mark + "@db/catalog"},
		{"catalog", "postgres://me:1/" + mark + "@127.0.0.1:1/catalog?connect_timeout=1"},
		{"catalog", "postgres://me:1?" + mark + "@127.0.0.1:1/catalog"},
		{"catalog", "postgres://me:1#" + mark + "@127.0.0.1:1/catalog"},
		{"catalog", "postgres://me@127.0.0.1:1/catalog?connect_timeout=1&password=" + mark},
		{"catalog", "postgres://me@127.0.0.1:1/catalog?sslmode=bogus&password=" + mark},
		{"catalog", "postgres://me:" + mark + "@127.0.0.1:1/catalog?sslmode=bogus"},
		{"catalog", "postgres://me:" + mark + "@127.0.0.1:1/catalog?sslrootcert=/none.pem&sslmode=verify-full"},
		{"catalog", "host=127.0.0.1 port=1 user=me password=" + mark},
		{"catalog", "mysql://me:" + mark + "@db/catalog"},
		{"catalog", "sqlite://me:" + mark + "@db/catalog.db"},
		{"catalog", "sqlite:///proc/none/catalog.db?key=" + mark},
		{"catalog", "sqlite:catalog.db?key=" + mark},
		{"catalog", "me:" + mark + "@db/catalog"},
		{"warehouse", "s3://key:" + mark + "@bucket/prefix"},
		{"warehouse", "s3://key:" + mark + "@bucket:port/prefix"},
		{"warehouse", "https://key:" + mark + "@host/prefix"},
		{"warehouse", "https://key:" + mark + "@[host/prefix"},
		{"source", "s3://key:" + mark + "@bucket/prefix"},
		{"source", "https://key:" + mark + "@host/prefix"},
		{"source", "file://key:" + mark + "@host/prefix"},
		{"source", "file://key:" + mark + "@[host/prefix"},
	} {
		t.Run(test.flag+" "+strings.ReplaceAll(test.value, mark, "…"), func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			for _, command := range [][]string{{"status"}, {"maintain"}, {"trino", "up"}, {"dev"}} {
				dir := t.TempDir()
				args := append(command, "--dir", dir)
				if test.flag != "source" {
					args = append(args, "--source", dir)
				}
				if test.flag == "warehouse" {
					args = append(args, "--catalog", "sqlite://"+dir+"/catalog.db")
				}
				if test.flag == "source" && (command[0] == "status" || command[0] == "trino") {
					continue // they read none
				}
				code, stdout, stderr := execute(t, append(args, "--"+test.flag, test.value)...)
				require.NotEqual(t, program.ExitOK, code, command)
				require.NotContains(t, stdout+stderr, mark, command)
			}
		})
	}
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer refuses.Close()
	for _, address := range []string{
		strings.Replace(refuses.URL, "://", "://me:"+mark+"@", 1), refuses.URL + "?password=" + mark,
		refuses.URL + "/1/" + mark + "@trino",
		"http://me:" + mark + "@127.0.0.1:port", "me:" + mark + "@trino", "ftp://me:" + mark + "@trino",
	} {
		code, stdout, stderr := execute(t, "sql", "SELECT 1", "--trino", address)
		require.Equal(t, program.ExitError, code)
		require.NotContains(t, stdout+stderr, mark, address)
	}
}
