//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/lake/laketest"
)

// scripted are the variables of a script that its command lines see.
var scripted = []string{"VERSIONLAKE_DIR", "VERSIONLAKE_SOURCE", "VERSIONLAKE_WAREHOUSE", "VERSIONLAKE_CATALOG",
	"VERSIONLAKE_EVENTS", "VERSIONLAKE_LAYOUT", "VERSIONLAKE_NAME", "VERSIONLAKE_MAX_PAST", "VERSIONLAKE_TRINO_URL",
	"VERSIONLAKE_TEMPORAL_CLI", "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "AWS_ENDPOINT_URL_S3", "AWS_REGION",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_MAX_ATTEMPTS", "AWS_CONFIG_FILE", "PGPASSFILE", "HOME"}

// TestMistakesAndHabits types what people type who don't know the program yet, or know others: testdata/script has
// each command line with its exact text and, in brackets, its exit code. go test -run TestMistakesAndHabits -update
// writes the texts anew: read what changed.
func TestMistakesAndHabits(t *testing.T) {
	dir := filepath.Join(laketest.UnpackLake(t, "94ca12a"), "lake")
	code, _, stderr := execute(t, "upgrade", "--dir", dir)
	require.Equal(t, program.ExitOK, code, stderr)
	scripts, err := filepath.Abs("testdata/script")
	require.NoError(t, err)
	denying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-amz-request-id", "REQUESTID")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"))
	}))
	defer denying.Close()
	var one sync.Mutex // variables and the working folder are the process's
	t.Run("script", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: scripts, UpdateScripts: *update, RequireUniqueNames: true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("VERSIONLAKE_DIR", dir)
				env.Setenv("DENYING", denying.URL)
				env.Setenv("TEMPORAL_CONFIG_FILE", env.Getenv("WORK")+"/none.toml")
				env.Setenv("AWS_CONFIG_FILE", env.Getenv("WORK")+"/none.toml")
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"versionlake": func(ts *testscript.TestScript, _ bool, args []string) {
					one.Lock()
					defer one.Unlock()
					var stdout, stderr strings.Builder
					code := typed(t.Context(), ts, args, &stdout, &stderr)
					cleaned := strings.NewReplacer(ts.Getenv("WORK"), "$WORK", dir, "$LAKE", denying.URL, "$S3",
						strings.TrimPrefix(denying.URL, "http://"), "$S3")
					fmt.Fprint(ts.Stdout(), cleaned.Replace(stdout.String()))
					fmt.Fprintf(ts.Stderr(), "%s[%d]\n", cleaned.Replace(stderr.String()), code)
				},
			},
		})
	})
}

// typed runs a command line where its script is, with the script's variables.
func typed(ctx context.Context, ts *testscript.TestScript, args []string, stdout, stderr *strings.Builder) int {
	var undo []func()
	defer func() {
		for _, back := range undo {
			back()
		}
	}()
	for _, name := range scripted {
		before, set := os.LookupEnv(name)
		undo = append(undo, func() {
			if os.Unsetenv(name); set {
				os.Setenv(name, before)
			}
		})
		if os.Unsetenv(name); ts.Getenv(name) != "" {
			ts.Check(os.Setenv(name, ts.Getenv(name)))
		}
	}
	was, err := os.Getwd()
	ts.Check(err)
	undo = append(undo, func() { _ = os.Chdir(was) })
	ts.Check(os.Chdir(ts.MkAbs(".")))
	return program.Execute(ctx, args, stdout, stderr, groups...)
}
