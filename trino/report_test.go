package trino_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/look/page"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/lake/report"
)

// testReport gathers the numbers of `versionlake report` from the lake and through Trino, and compares them and the
// pages.
func (w *world) testReport(t *testing.T) {
	released := time.Date(2022, 5, 26, 12, 0, 0, 0, time.UTC).UnixMicro()
	_, err := releases.Import(t.Context(), w.Lake, []releases.Row{
		{Service: "ClientApp", Version: "1.23.01", ReleasedAt: released, Channel: "stable"},
		{Service: "ClientApp", Version: "1.22.04", ReleasedAt: released, Channel: "beta"}}, false)
	require.NoError(t, err)
	for _, options := range []report.Options{{Days: 60}, {Days: 1},
		{Service: "ClientApp", Version: "1.22.04", Days: 2}} {
		want, err := report.Gather(t.Context(), w.Lake, options)
		require.NoError(t, err)
		for _, service := range want.Services {
			for i := range service.Releases {
				service.Releases[i].Rollout = nil // which no page shows
			}
		}
		got, err := report.GatherThrough(t.Context(), w.trino, options)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NotEmpty(t, got.Services[0].Events)
		require.NotEmpty(t, got.Services[0].Oldest)
		var pages [2]bytes.Buffer
		for n, from := range []*report.Report{want, got} {
			require.NoError(t, page.Write(&pages[n], from, time.UnixMicro(released)))
		}
		require.True(t, bytes.Equal(pages[0].Bytes(), pages[1].Bytes()))
	}
	_, err = report.GatherThrough(t.Context(), w.trino, report.Options{Service: "None", Days: 60})
	require.ErrorIs(t, err, report.ErrNothing)
}
