package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/doctor"
	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/cmd/versionlake/run"
	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

// TestTrino starts a Trino over an empty lake, asks, and stops it.
//
//nolint:funlen // a Trino takes a quarter of a minute to start: all that is asked of it is asked of one
func TestTrino(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Trino")
	}
	testserver.TrinoInstall(t)
	t.Setenv("VERSIONLAKE_TRINO_URL", "")
	dir := filepath.Join(t.TempDir(), "lake")
	in := func(args ...string) (int, string, string) {
		return programtest.Groups{run.Commands, ask.Commands, doctor.Commands}.Run(t, append(args, "--dir", dir)...)
	}

	code, _, stderr := in("trino", "up")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "ingest an hour first")
	require.NoDirExists(t, dir)
	for _, args := range [][]string{{"trino", "status"}, {"trino", "views"}, {"sql", "SELECT 1"}} {
		code, _, stderr := in(args...)
		require.Equal(t, program.ExitError, code)
		require.Contains(t, stderr, "versionlake trino up")
	}
	code, _, stderr = in("trino", "down")
	require.Equal(t, program.ExitOK, code)
	require.Contains(t, stderr, "no Trino runs")

	require.NoError(t, os.Mkdir(dir, 0o755))
	l, err := (&settings.Settings{Dir: dir}).OpenLake(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	guarded := make(chan struct{})
	go func() { // while it starts
		defer close(guarded)
		for t.Context().Err() == nil {
			if server, err := trino.Running(filepath.Join(dir, "trino")); err == nil && server != nil {
				testserver.Guard(t, server.PID, "")
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	code, stdout, stderr := in("trino", "up")
	require.Equal(t, program.ExitOK, code, stderr)
	<-guarded
	server, err := trino.Running(filepath.Join(dir, "trino"))
	require.NoError(t, err)
	t.Cleanup(func() { // when the test has failed
		if left, err := trino.Running(server.Dir); err == nil && left != nil {
			require.NoError(t, left.Stop())
		}
	})
	require.Contains(t, stdout, server.URL)

	code, _, stderr = in("trino", "up")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, server.URL+": stop it first, with `versionlake trino down`")
	code, stdout, stderr = in("trino", "status", "--output", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stdout, `"ready":true`)
	_, stdout, _ = in("doctor") // of Temporal, this test has nothing
	require.Regexp(t, `(?m)^ok +trino +Trino \d+ answers and has all views$`, stdout)
	require.Regexp(t, `(?m)^ok +clocks .*Trino`, stdout)

	code, stdout, stderr = in("sql", "SELECT * FROM versions;")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Empty(t, stdout, "an empty lake")
	const values = `SELECT 1 AS n, 'a<b' AS text, CAST(NULL AS varchar) AS nothing,
		DATE '2022-05-27' AS day, TIMESTAMP '2022-05-27 05:00:00.1234567 UTC' AS at,
		TIMESTAMP '2022-05-27 05:00:00' AS local, nan() AS nan, 1.50 AS dec,
		ARRAY[CAST(ROW(1, TIMESTAMP '2022-05-27 05:00:00 UTC')
		AS row(x bigint, y timestamp(6) with time zone))] AS rows`
	code, stdout, stderr = in("sql", values, "-o", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t,
		`{"n":1,"text":"a<b","nothing":null,"day":"2022-05-27","at":"2022-05-27T05:00:00.1234567Z",`+
			`"local":"2022-05-27T05:00:00","nan":"NaN","dec":"1.50",`+
			`"rows":[{"x":1,"y":"2022-05-27T05:00:00Z"}]}`+"\n", stdout)
	code, stdout, stderr = in("sql", values)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t, []string{"1", "a<b", "–", "2022-05-27", "2022-05-27T05:00:00.1234567Z", "2022-05-27T05:00:00",
		"NaN", "1.50", `[{"x":1,"y":"2022-05-27T05:00:00Z"}]`},
		strings.Fields(strings.Split(stdout, "\n")[2]))
	code, _, stderr = in("sql", "SELECT nothing FROM nowhere")
	require.Equal(t, program.ExitError, code)
	require.Equal(t, "versionlake: Trino says: line 1:21: Table 'versionlake.views.nowhere' does not exist; "+
		"`versionlake views` lists the views, and docs/TABLES.md has the tables\n", stderr)
	code, stdout, stderr = in("sql", "SELECT 1 AS a, '=2' AS a; -- and\nTABLE activ_versions", "-o", "csv")
	require.Equal(t, program.ExitError, code)
	require.Equal(t, "\ufeffa,a\n1,'=2\n", stdout)
	require.Contains(t, stderr, "statement 2 of 2: Trino says: ")
	require.Contains(t, stderr, "does not exist: did you mean active_versions? ")

	code, _, stderr = in("sql", "SELECT * FROM users FOR VERSION AS OF 'hour-2022-05-27T05'")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "users is a view, and only tables have a past")
	code, _, stderr = in("sql", "DELETE FROM gold.users")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "Access Denied")
	for _, args := range [][]string{{"sql", "SELECT * FROM users"}, {"trino", "views"}} {
		code, _, stderr = in(append(args, "--as-of", "hour-2022-05-27T05")...)
		require.Equal(t, program.ExitError, code)
		require.Contains(t, stderr, `no such version of gold.users: "hour-2022-05-27T05"`)
	}
	code, _, stderr = in("sql", "SELECT * FROM events", "--as-of", "hour-2022-05-27T05")
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "events can't be asked for the past")
	code, _, stderr = in("trino", "views")
	require.Equal(t, program.ExitOK, code, stderr)
	tickets := filepath.Join(t.TempDir(), "tickets.csv")
	require.NoError(t, os.WriteFile(tickets, []byte("ticket,user_id,opened_at\n1,007,2022-05-27 05:00\n"), 0o644))
	code, stdout, stderr = in("trino", "load", tickets, "support.tickets", "-o", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stderr, "1 row in the table scratch.support.tickets")
	require.Contains(t, stdout, `{"column":"opened_at","type":"timestamp(6) with time zone"}`)
	code, stdout, stderr = in("sql", "SELECT * FROM scratch.support.tickets", "-o", "json")
	require.Equal(t, program.ExitOK, code, stderr)
	require.Equal(t, `{"ticket":1,"user_id":"007","opened_at":"2022-05-27T05:00:00Z"}`+"\n", stdout)
	require.DirExists(t, filepath.Join(dir, "scratch"))
	code, _, _ = in("trino", "load", tickets, "tickets")
	require.Equal(t, program.ExitUsage, code)

	for address, says := range map[string]string{
		"http://127.0.0.1:1": "Trino does not answer: dial tcp 127.0.0.1:1: connect: connection refused",
		"localhost:8080":     "not a URL such as http://127.0.0.1:8080",
	} {
		code, _, stderr = in("sql", "SELECT 1", "--trino", address)
		require.Equal(t, program.ExitError, code)
		require.Contains(t, stderr, says)
	}

	code, _, stderr = in("trino", "down")
	require.Equal(t, program.ExitOK, code, stderr)
	code, _, _ = in("trino", "status")
	require.Equal(t, program.ExitError, code)
}
