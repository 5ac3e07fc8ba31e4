package main

import (
	"bytes"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // answers queries here, without a Trino

	"github.com/versionlake/versionlake/terminal"
)

// TestNothingElseWrites: the program has no other way to its outputs than package terminal.
func TestNothingElseWrites(t *testing.T) {
	direct := regexp.MustCompile(`os\.Std(out|err)|\bfmt\.Print|\blog\.(Print|Fatal|Panic)|\bprintln\(`)
	var found []string
	require.NoError(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name := entry.Name(); {
		case entry.IsDir() && (len(name) > 2 && name[0] == '.' || name == "bench" || name == "tools" ||
			name == "testserver"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); direct.MatchString(line) && !strings.HasPrefix(line, "//") {
				found = append(found, filepath.Base(path)+": "+line)
			}
		}
		return err
	}))
	require.Equal(t, []string{"main.go: code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)"}, found)
}

// TestHostileAnswers: what SQL answers may hold anything, in names of columns, too.
func TestHostileAnswers(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	const query = "SELECT 'x\n\u202e\x1by' AS \"a\x1b[2J\n\", '生' AS 生命, 5 AS b UNION ALL SELECT 'split\\nrow', NULL, 1.5"
	for output, wanted := range map[string]string{
		outputTable: " a\\x1b[2J\\n      生命    b\n───────────────────────────\n" +
			" x\\n\\u202e\\x1by  生      5\n split\\\\nrow     –     1.5\n",
		outputJSON: `{"a\u001b[2J\n":"x\n\u202e\u001by","生命":"生","b":5}` + "\n" +
			`{"a\u001b[2J\n":"split\\nrow","生命":null,"b":1.5}` + "\n",
	} {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		var stdout bytes.Buffer
		s := &settings{output: output, stdout: terminal.NewOutput(&stdout)}
		require.NoError(t, s.printRows(rows))
		require.NoError(t, rows.Close())
		require.Equal(t, wanted, stdout.String())
		require.NoError(t, seen(stdout.String()))
	}
}

// TestLongestCell: one long id does not make all rows as long; what is cut says so, and JSON has it all.
func TestLongestCell(t *testing.T) {
	long := strings.Repeat("生\x1b", 1<<17)
	for output, most := range map[string]int{outputTable: 200 * 1100 * 2, outputJSON: 2_000_000} {
		var stdout bytes.Buffer
		p := (&settings{output: output, stdout: terminal.NewOutput(&stdout)}).newPrinter("USER", "END")
		for i := range 100 {
			user := "p1"
			if i == 50 {
				user = long
			}
			require.NoError(t, p.add([]string{user}, user, "|"))
		}
		require.NoError(t, p.flush())
		require.Less(t, stdout.Len(), most)
		require.NoError(t, seen(stdout.String()))
		if output == outputTable {
			require.Contains(t, stdout.String(), "… (cut here: 917504 bytes, see --output json)")
		}
	}
}

// TestWideRows: every row of a table ends in the same column, whatever characters it has.
func TestWideRows(t *testing.T) {
	var stdout bytes.Buffer
	p := (&settings{output: outputTable, stdout: terminal.NewOutput(&stdout)}).newPrinter("USER", "END")
	users := []string{"p1", "生命", "e\u0301", "🎮", "\x1b[31m", "a\nb\tc", "\u202e", "\ufeff", "한국어", "%d", "\xff"}
	columns := []int{2, 4, 1, 2, 8, 7, 6, 6, 6, 2, 4}
	for _, user := range users {
		require.NoError(t, p.add(nil, user, "|"))
	}
	require.NoError(t, p.flush())
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")[2:]
	require.Len(t, lines, len(users))
	for i, line := range lines {
		shown, _, found := strings.Cut(line, "|")
		require.True(t, found, line)
		require.Equal(t, 1+8+2-columns[i], strings.Count(shown, " "), line)
	}
}
