package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// TestSourceSettings: what of a source is read follows from flags, or else from variables; what can't work is a
// wrong usage.
func TestSourceSettings(t *testing.T) {
	folder := t.TempDir()
	for _, key := range []string{"year=2022/month=05/day=27/hour=05/a.evt", "2022/5/27/5/b.tsv", "2022/5/27/5/c.evt",
		"dt=2022052705/d.tsv"} {
		path := filepath.Join(folder, filepath.FromSlash(key))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	hour, err := telemetry.ParseHour("2022-05-27T05")
	require.NoError(t, err)
	files := func(s *Settings) (names []string) {
		s.Source, s.Format, s.maxPast = folder, output.Table, telemetry.DefaultMaxPast
		s.maxIntervals = 1
		require.NoError(t, s.validate())
		src, err := s.OpenSource(t.Context())
		require.NoError(t, err)
		listing, err := src.List(t.Context(), hour)
		require.NoError(t, err)
		for _, file := range listing.Files {
			names = append(names, filepath.Base(file.Key))
		}
		return names
	}
	hive := "year={YYYY}/month={MM}/day={DD}/hour={HH}"
	require.Equal(t, []string{"b.tsv"}, files(&Settings{}))
	require.Equal(t, []string{"d.tsv"}, files(&Settings{layouts: []string{hive, "dt={YYYY}{MM}{DD}{HH}"}}))
	require.Equal(t, []string{"c.evt"}, files(&Settings{endings: []string{"evt"}}))
	t.Setenv("VERSIONLAKE_LAYOUT", hive+", {YYYY}/{MM}/{DD}/{HH},")
	t.Setenv("VERSIONLAKE_ENDINGS", ".tsv,.EVT")
	require.Equal(t, []string{"b.tsv", "c.evt", "a.evt"}, files(&Settings{}))
	require.Equal(t, []string{"d.tsv"}, files(&Settings{layouts: []string{"dt={YYYY}{MM}{DD}{HH}"}}),
		"a flag wins over its variable")

	t.Setenv("VERSIONLAKE_LAYOUT", "{YYYY}/{MM}/{DD}")
	var usage *usage.Error
	table := output.Streams{Format: output.Table}
	err = (&Settings{Streams: table, maxPast: telemetry.DefaultMaxPast, maxIntervals: 1}).validate()
	require.ErrorAs(t, err, &usage)
	require.ErrorIs(t, err, source.ErrConfig)
	require.ErrorContains(t, err, "has no {HH}")
	require.ErrorContains(t,
		(&Settings{Streams: table, maxPast: telemetry.DefaultMaxPast, maxIntervals: 1, layouts: []string{source.DefaultLayout},
			endings: []string{".gz"}}).validate(), "--endings")
}
