package output_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/terminal"
)

// TestLongestCell: one long id does not make all rows as long; what is cut says so, and JSON has it all.
func TestLongestCell(t *testing.T) {
	long := strings.Repeat("生\x1b", 1<<17)
	for format, most := range map[string]int{output.Table: 200 * 1100 * 2, output.JSON: 2_000_000} {
		var stdout bytes.Buffer
		p := (&output.Streams{Format: format, Stdout: terminal.NewOutput(&stdout)}).NewPrinter("USER", "END")
		for i := range 100 {
			user := "p1"
			if i == 50 {
				user = long
			}
			require.NoError(t, p.Add([]string{user}, user, "|"))
		}
		require.NoError(t, p.Flush())
		require.Less(t, stdout.Len(), most)
		require.NoError(t, programtest.Seen(stdout.String()))
		if format == output.Table {
			require.Contains(t, stdout.String(), "… (cut here: 917504 bytes, see --output json)")
		}
	}
}

// TestWideRows: every row of a table ends in the same column, whatever characters it has.
func TestWideRows(t *testing.T) {
	var stdout bytes.Buffer
	p := (&output.Streams{Format: output.Table, Stdout: terminal.NewOutput(&stdout)}).NewPrinter("USER", "END")
	users := []string{"p1", "生命", "e\u0301", "🎮", "\x1b[31m", "a\nb\tc", "\u202e", "\ufeff", "한국어", "%d", "\xff"}
	columns := []int{2, 4, 1, 2, 8, 7, 6, 6, 6, 2, 4}
	for _, user := range users {
		require.NoError(t, p.Add(nil, user, "|"))
	}
	require.NoError(t, p.Flush())
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")[2:]
	require.Len(t, lines, len(users))
	for i, line := range lines {
		shown, _, found := strings.Cut(line, "|")
		require.True(t, found, line)
		require.Equal(t, 1+8+2-columns[i], strings.Count(shown, " "), line)
	}
}
