package look_test

import (
	"cmp"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/program"
	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/lake/report"
)

// reported is a folder with a lake of three weeks, of which few hours have files.
func reported(t *testing.T) (dir string, in *laketest.Ingester) {
	t.Helper()
	dir = t.TempDir()
	l, err := lake.Open(t.Context(), lake.Config{Catalog: "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse"})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	in = laketest.NewIngester(t, l, t.TempDir())
	options := generate.Defaults()
	options.Hours, options.EmptyHours, options.Users = 21*24, 0.92, 300
	options.LinesPerHour, options.FilesPerHour = 1500, 1
	_, err = generate.Write(t.Context(), strings.TrimPrefix(in.Source.String(), "file://"), options)
	require.NoError(t, err)
	for _, hour := range in.Hours() {
		in.Ingest(hour)
	}
	upkeep.Daily(in)
	at := time.Date(2022, 5, 23, 12, 0, 0, 0, time.UTC).UnixMicro()
	_, err = releases.Import(t.Context(), l, []releases.Row{{Service: "ClientApp", Version: "1.23.01", ReleasedAt: at,
		Channel: "stable"}}, false)
	require.NoError(t, err)
	return dir, in
}

var (
	rowOf  = regexp.MustCompile(`(?s)<tr>(.*?)</tr>`)
	cellOf = regexp.MustCompile(`<t[hd][^>]*>(.*?)</t[hd]>`)
)

// tableOf reads the numbers behind the chart whose caption begins so: the first column, then the others.
func tableOf(t *testing.T, page, caption string) (rows [][]string) {
	t.Helper()
	_, after, found := strings.Cut(page, "<caption>"+caption)
	require.True(t, found, caption)
	table, _, _ := strings.Cut(after, "</table>")
	for _, row := range rowOf.FindAllStringSubmatch(table, -1) {
		var cells []string
		for _, cell := range cellOf.FindAllStringSubmatch(row[1], -1) {
			cells = append(cells, html.UnescapeString(cell[1]))
		}
		rows = append(rows, cells)
	}
	require.NotEmpty(t, rows, caption)
	return rows
}

// TestReport: the page holds all that it needs, no ids, and the numbers that the lake has; people can read it, and the
// letter.
func TestReport(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir, in := reported(t)
	out := filepath.Join(cmp.Or(os.Getenv("VERSIONLAKE_REPORT"), t.TempDir()), "report.html")
	code, stdout, stderr := groups.Run(t, "report", "--dir", dir, "--out", out)
	require.Equal(t, program.ExitOK, code, stderr)
	require.Contains(t, stdout, "4 services")
	written, err := os.ReadFile(out)
	require.NoError(t, err)
	page := string(written)
	require.NotRegexp(t, `(?:src|href)\s*=\s*"(?:https?:)?//`, page, "it works offline")
	require.Contains(t, page, "Licensed to the Apache Software Foundation")

	gathered, err := report.Gather(t.Context(), in.Lake, report.Options{Service: "ClientApp", Days: 60})
	require.NoError(t, err)
	service := gathered.Services[0]
	for _, row := range tableOf(t, page, "Versions in use, of "+fmt.Sprint(service.Users))[1:] {
		require.Equal(t, fmt.Sprint(service.InUse[row[0]]), row[1])
	}
	cut := tableOf(t, page, "Shutting a version and all older ones down")
	last := cut[len(cut)-1]
	require.Equal(t, []string{fmt.Sprint(service.Users), fmt.Sprint(service.Users)}, last[1:],
		"shutting the newest version down hits everyone")
	require.NotRegexp(t, `\bp1[0-9]{3}\b`, page, "no ids of users")

	doc, err := os.ReadFile("../../../docs/METRICS.md")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(doc), "\n| question | chart | command |\n|---|---|---|\n")
	charts := regexp.MustCompile(`\*([^*…]+?) ?…?\*`).FindAllStringSubmatch(strings.Split(rest, "\n\n")[0], -1)
	require.Greater(t, len(charts), 5)
	for _, chart := range charts {
		require.Contains(t, page, "<caption>"+html.EscapeString(chart[1]),
			"docs/METRICS.md names a chart that is not there")
	}

	letter := filepath.Join(filepath.Dir(out), "digest.html")
	code, _, stderr = groups.Run(t, "report", "--dir", dir, "--digest", "--out", letter)
	require.Equal(t, program.ExitOK, code, stderr)
	for _, file := range []string{out, letter} {
		t.Run("people can read "+filepath.Base(file), func(t *testing.T) { testAccessible(t, file, filepath.Dir(out)) })
	}

	code, _, stderr = groups.Run(t, "report", "--dir", dir, "--service", "None", "--out", out)
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, `no day of a service "None"`)
	code, _, stderr = groups.Run(t, "report", "--dir", dir, "--trino", "ftp://nowhere", "--out", out)
	require.Equal(t, program.ExitError, code)
	require.Contains(t, stderr, "Trino's address", "the lake is not read where a Trino is named")
	code, _, _ = groups.Run(t, "report", "--dir", dir)
	require.Equal(t, program.ExitUsage, code)
}
