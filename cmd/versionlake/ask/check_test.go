package ask_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/telemetry"
)

// TestStatusCheck: one line and an exit code, by thresholds that a file sets.
func TestStatusCheck(t *testing.T) {
	run := programtest.Groups{ask.Commands}.Run
	dir := t.TempDir()
	check := func(wantCode int, wants ...string) {
		t.Helper()
		code, stdout, stderr := run(t, "status", "--check", "--dir", dir, "--thresholds",
			filepath.Join(dir, "thresholds.yaml"))
		require.Equal(t, wantCode, code, stdout)
		require.Empty(t, stderr)
		require.Regexp(t, `^VERSIONLAKE [A-Z]+ - [^\n]*\n$`, stdout, "one line")
		for _, want := range wants {
			require.Contains(t, stdout, want)
		}
	}
	set := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "thresholds.yaml"), []byte(text), 0o644))
	}
	set("")
	check(3, "UNKNOWN", "no lake here yet")
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse"})
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "source"), 0o755))
	in := laketest.NewIngester(t, l, filepath.Join(dir, "source"))
	check(3, "no hours")
	newest := telemetry.HourOf(time.Now()) - 3
	write(t, dir, newest)
	shown, _ := in.Silver(newest)
	check(2, "CRITICAL", "gold shows no hour", "waiting_hours=1;3;24", "silver_age=")
	in.Gold(shown)
	check(1, "WARNING", "the newest hour in silver, "+newest.String(), ";7200;14400")
	set("silver_age: {warn: 20h, critical: 30h}\ngold_age: {warn: 20h}\nreject_share: {warn: 0, critical: 0}\n")
	check(0, "OK", "the newest hour in gold", ";72000;108000")
	set("silver_age: {warn: 1h, critical: 2h}\n")
	check(2, "CRITICAL", "silver")
	set("silver_ages: {warn: 1h}\n")
	check(3, "UNKNOWN", "silver_ages")
	set("silver_age: {warn: soon}\n")
	check(3, "UNKNOWN", "soon")
}

func write(t *testing.T, dir string, hour telemetry.Hour) {
	t.Helper()
	folder := filepath.Join(dir, "source", filepath.FromSlash(hour.Folder()))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	line := "Info\t" + hour.Start().Format("2006-01-02T15:04:05.000+0000") +
		"\tApp\ts1\t1\t{'Name': 'SoftwareVersion', 'Version': 1.2, 'UserId': 'p1'}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.tsv"), []byte(line), 0o644))
}
