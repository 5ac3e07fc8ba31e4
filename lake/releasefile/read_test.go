package releasefile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/ops"
	"github.com/versionlake/versionlake/lake/releasefile"
)

func at(text string) int64 {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return moment.UnixMicro()
}

// TestRead: both kinds of files give the same rows, texts of versions as they are written.
func TestRead(t *testing.T) {
	end := at("2023-05-27T00:00:00Z")
	want := []ops.ReleaseRow{
		{Service: "App", Version: "1.10", ReleasedAt: at("2022-05-27T00:00:00Z"), Channel: "stable"},
		{Service: "App", Version: "1.9", ReleasedAt: at("2022-05-20T12:00:00Z"), Channel: "beta", Kind: "hotfix",
			MinimumSupported: "1.2", EndOfSupport: &end, NotesURL: "https://example.com/1.9",
			Rollout: []ops.StepRow{{At: at("2022-05-20T12:00:00Z"), Share: 0.05},
				{At: at("2022-05-21T00:00:00Z"), Share: 1}}},
	}
	yaml := `releases:
  - {service: App, version: 1.9, released_at: 2022-05-20T14:00:00+02:00, channel: beta, kind: hotfix,
     minimum_supported: 1.2, end_of_support: 2023-05-27, notes_url: "https://example.com/1.9",
     rollout: [{at: 2022-05-20T12:00:00Z, share: 5%}, {at: 2022-05-21, share: 1}]}
  - service: App
    version: 1.10
    released_at: 2022-05-27
`
	csv := "\ufeffservice,version,released_at,channel,kind,minimum_supported,end_of_support,notes_url,rollout\r\n" +
		"App,1.9,2022-05-20T14:00:00+02:00,beta,hotfix,1.2,2023-05-27,https://example.com/1.9," +
		"2022-05-20T12:00:00Z=5%;2022-05-21=1\r\nApp,1.10,2022-05-27,,,,,,\r\n"
	for name, content := range map[string]string{"yaml": yaml, "csv": csv} {
		rows, err := releasefile.Read([]byte(content), name == "csv")
		require.NoError(t, err, name)
		require.Equal(t, want, rows, name)
	}
}

// TestReadMistakes: each is told with its line, and with what is allowed.
func TestReadMistakes(t *testing.T) {
	entry := func(text string) string { return "releases:\n  - {service: App, version: '1', " + text + "}\n" }
	for content, says := range map[string]string{
		entry("released_at: soon"): `line 2: released_at "soon" is no time`,
		entry(
			"relased_at: 2022-05-27"): `line 2: a release has no "relased_at", but service`,
		entry(
			"released_at: 2022-05-27, notes_url: javascript:void"): "no address that begins with https://",
		entry("released_at: 2022-05-27, rollout: [{at: 2022-05-27, share: 5}]"):   `share "5" is no part`,
		entry("released_at: 2022-05-27, rollout: [{at: 2022-05-27, share: NaN}]"): `share "NaN" is no part`,
		entry("released_at: 2022-05-27, " +
			"rollout: [{at: 2022-05-27, share: 1}, {at: 2022-05-27, share: 1}]"): "is not after",
		entry("released_at: 2022-05-27") +
			"  - {service: App, version: '1', released_at: 2022-05-28}\n": "line 3: App 1 " +
			"stands in line 2, too",
		"releases:\n  - {service: App, released_at: 2022-05-27}\n": "needs its version",
		"release: []\n": "field release not found",
	} {
		_, err := releasefile.Read([]byte(content), false)
		require.ErrorContains(t, err, says, content)
	}
	_, err := releasefile.Read([]byte("service,version,date\n"), true)
	require.ErrorContains(t, err, `line 1: a release has no column "date"`)
	_, err = releasefile.Read([]byte("service,version,released_at\nApp,1,2022-05-27\nApp,2,never\n"), true)
	require.ErrorContains(t, err, `line 3: released_at "never"`)
	_, err = releasefile.Read([]byte{0xff}, true)
	require.ErrorContains(t, err, "not UTF-8")
}
