//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// keptAnswer is a command line with what it wrote to stdout.
type keptAnswer struct{ command, said string }

func keptAnswers(t *testing.T, path string) (answers []keptAnswer) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, block := range strings.Split("\n"+strings.TrimSuffix(string(text), "\n"), "\n$ versionlake ")[1:] {
		command, said, _ := strings.Cut(block+"\n", "\n")
		answers = append(answers, keptAnswer{command, said})
	}
	return answers
}

// ended matches how long ago an hour ended, which each day changes.
var ended = regexp.MustCompile(`, ended \d+ days ago`)

// TestKeptLake: the lake was written by commit 94ca12a, the last one in which all of the lake was one package: six
// hours of three days, with a session that became known later, a late hour, a torn file, one that is gone, a reject, an
// erasure and daily aggregates. testdata/lake-94ca12a.txt has what that commit's program said of it. Today's says the
// same, byte for byte (what status says more since stands there, too), goes on with the lake, and says the same of what
// was known then.
func TestKeptLake(t *testing.T) {
	dir := laketest.UnpackLake(t, "94ca12a")
	answers := keptAnswers(t, filepath.Join("testdata", "lake-94ca12a.txt"))
	require.Greater(t, len(answers), 50)
	ask := func(a keptAnswer) {
		t.Helper()
		_, said, _ := execute(t, append(strings.Fields(a.command), "--dir", filepath.Join(dir, "lake"))...)
		require.Equal(t, a.said, ended.ReplaceAllString(said, ", ended"), a.command)
	}
	for _, answer := range answers {
		ask(answer)
	}

	upgradeKept(t, filepath.Join(dir, "lake"))
	l, err := lake.Open(t.Context(), laketest.KeptConfig(dir))
	require.NoError(t, err)
	defer l.Close()
	in := laketest.NewIngester(t, l, filepath.Join(dir, "later"))
	hours := in.Hours()
	require.Len(t, hours, 1)
	_, late := in.IngestAgain(hours[0])
	for _, erasure := range late { // as the hour's workflow asks for
		_, err := forgetting.LikeWorkflow(in, erasure)
		require.NoError(t, err)
	}
	upkeep.Daily(in)
	checks.Verify(t, l)
	for _, answer := range answers {
		if strings.Contains(answer.command, "--as-of") {
			ask(answer)
		}
	}
	rows := in.GoldRows("")
	require.Contains(t, rows["late-owner"], "1.11", "the later hour was not read")
	require.NotContains(t, rows, "forgotten-3c9a11")
	require.Empty(t, forgetting.Remains(in, "forgotten-3c9a11"))
}

// upgradeKept upgrades a lake as somebody does who is refused.
func upgradeKept(t *testing.T, dir string) {
	t.Helper()
	source := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(source, "2022/05/28/05"), 0o700))
	code, _, stderr := execute(t, "ingest", "2022-05-28T05", "--dir", dir, "--source", source)
	require.Equal(t, 1, code)
	require.Regexp(t, `(?m)^versionlake: the lake is of an earlier version of versionlake, and only read: `+
		`run versionlake upgrade \(.*\)$`, stderr)
	for _, test := range []struct{ args, says string }{
		{"upgrade --dry-run", `(?s)^would refuse programs of earlier versions.*\nwould let this version write, in ops.hours` +
			`\nthis takes about \d+s`},
		{"upgrade --dry-run", `^would refuse programs of earlier versions`}, // it has changed nothing
		{"upgrade", `^the lake has the form of this version now\n`},
		{"upgrade", `^the lake has the form of this version\n$`},
		{"upgrade --output json", `^\{"steps":\[\]\}\n$`},
	} {
		code, stdout, stderr := execute(t, append(strings.Fields(test.args), "--dir", dir)...)
		require.Equal(t, 0, code, stderr)
		require.Regexp(t, test.says, stdout, test.args)
	}
}
