package trino_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/generate"
)

func TestTrinoReadsGold(t *testing.T) {
	skipShort(t)
	w := newWorld(t)
	options := generate.Demo()
	options.Hours = 3
	w.generate(t, options)

	now, err := w.Version(t.Context(), "")
	require.NoError(t, err)
	want := [][]string{}
	for user, err := range w.Users(t.Context(), now) {
		require.NoError(t, err)
		want = append(want, []string{user.ID, user.CurrentVersion, strconv.Itoa(len(user.History))})
	}
	require.NotEmpty(t, want)
	require.Equal(t, want, w.rows(t, "SELECT user_id, current_version, cardinality(history) FROM gold.users ORDER BY user_id"))
}
