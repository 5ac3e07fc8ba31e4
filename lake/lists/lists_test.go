package lists

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestText: CSV says NULL as nothing, moments in UTC, and no text of a client is a formula.
func TestText(t *testing.T) {
	at := time.Date(2022, 5, 27, 5, 10, 0, 0, time.FixedZone("", 7200))
	for _, c := range []struct {
		kind  string
		value any
		want  string
	}{{"VARCHAR", nil, ""}, {"VARCHAR", "=HYPERLINK(1)", "'=HYPERLINK(1)"}, {"VARCHAR", "1.0", "1.0"},
		{"BIGINT", int64(-3), "-3"}, {"DATE", at, "2022-05-27"}, {"BOOLEAN", true, "true"},
		{"TIMESTAMP WITH TIME ZONE", at, "2022-05-27T03:10:00Z"}, {"ARRAY", []any{"a", 1}, `["a",1]`}} {
		got, err := text(c.kind, c.value)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

// TestCheck: what is no view is never asked for.
func TestCheck(t *testing.T) {
	for _, list := range []List{{View: `x"; DROP`, To: "a"}, {View: "stuck_users"},
		{View: "v", To: "a", Format: "xls"}} {
		require.Error(t, list.Check())
	}
	require.NoError(t, (&List{View: "stuck_users", To: "a", Format: Parquet}).Check())
}
