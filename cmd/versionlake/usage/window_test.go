package usage

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRanges: days stand for their hours.
func TestRanges(t *testing.T) {
	for _, test := range []struct {
		from, to, date string
		first, end     string
	}{
		{"2022-05-27T05", "2022-05-27T07", "", "2022-05-27T05", "2022-05-27T07"},
		{"2022-05-27", "2022-06-01T03", "", "2022-05-27T00", "2022-06-01T03"},
		{"", "", "2024-02-29", "2024-02-29T00", "2024-03-01T00"},
	} {
		first, end, err := (&Window{from: test.from, to: test.to, date: test.date}).Parse(Times{})
		require.NoError(t, err)
		require.Equal(t, test.first, first.String())
		require.Equal(t, test.end, end.String())
	}
}
