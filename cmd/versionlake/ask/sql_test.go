package ask

import (
	"bytes"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // answers queries here, without a Trino

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/programtest"
	"github.com/versionlake/versionlake/terminal"
)

// TestHostileAnswers: what SQL answers may hold anything, in names of columns, too.
func TestHostileAnswers(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	const query = "SELECT 'x\n\u202e\x1by' AS \"a\x1b[2J\n\", '生' AS 生命, 5 AS b " +
		"UNION ALL SELECT 'split\\nrow', NULL, 1.5"
	for format, wanted := range map[string]string{
		output.Table: " a\\x1b[2J\\n      生命    b\n───────────────────────────\n" +
			" x\\n\\u202e\\x1by  生      5\n split\\\\nrow     –     1.5\n",
		output.JSON: `{"a\u001b[2J\n":"x\n\u202e\u001by","生命":"生","b":5}` + "\n" +
			`{"a\u001b[2J\n":"split\\nrow","生命":null,"b":1.5}` + "\n",
	} {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		var stdout bytes.Buffer
		s := &output.Streams{Format: format, Stdout: terminal.NewOutput(&stdout)}
		require.NoError(t, printRows(s, rows))
		require.NoError(t, rows.Close())
		require.Equal(t, wanted, stdout.String())
		require.NoError(t, programtest.Seen(stdout.String()))
	}
}
