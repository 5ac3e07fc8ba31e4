package digest_test

import (
	"bytes"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/report"
	"github.com/versionlake/versionlake/notify/digest"
)

var end = time.Date(2022, 5, 30, 10, 0, 0, 0, time.UTC)

// made is a report of a service of two versions: 1.0 had 80 users a day and 1.1 20 in the last week; 100 and none
// before.
func made() *report.Report {
	s := &report.Service{Name: "Client <App>", Focus: "1.1", Before: "1.0", Versions: []string{"1.0", "1.1"},
		Days: map[string]map[int32]*report.Day{"1.0": {}, "1.1": {}}}
	last := lake.DateOf(end.UnixMicro())
	for date := last - 30; date <= last; date++ {
		old, new := &report.Day{Users: 100, VersionUsers: 100, Issues: 1}, (*report.Day)(nil)
		if date >= last-7 {
			old = &report.Day{Users: 80, VersionUsers: 90, Issues: 1}
			new = &report.Day{Users: 20, VersionUsers: 20, Issues: 1, New: 2, Upgrades: 3, Downgrades: 1}
		}
		if date == last { // it is not over, and does not count
			old, new = &report.Day{Users: 5000, Issues: 70}, &report.Day{Users: 9000, VersionUsers: 9000, New: 1000}
		}
		s.Days["1.0"][date] = old
		if new != nil {
			s.Days["1.1"][date] = new
		}
	}
	return &report.Report{End: end, Services: []*report.Service{s}}
}

// TestDigest: the week has the numbers of its seven whole days beside those of the seven before, in text, in HTML
// and in pictures that have words, and what a client wrote acts on nothing.
func TestDigest(t *testing.T) {
	d, err := digest.Of(made(), "production", end)
	require.NoError(t, err)
	require.Equal(t, "versionlake production: the week from 2022-05-23 to 2022-05-29", d.Headline())
	require.Equal(t, []digest.Fact{
		{What: "users a day, in the mean", Now: "100", Before: "100"},
		{What: "new installations", Now: "14", Before: "0"},
		{What: "upgrades", Now: "21", Before: "0"},
		{What: "downgrades", Now: "7", Before: "0"},
		{What: "issues per 1000 users a day", Now: "20.0", Before: "10.0"},
		{What: "… of 1.1", Now: "50.0", Before: "–"},
		{What: "… of 1.0", Now: "11.1", Before: "10.0"},
	}, d.Services[0].Facts)
	require.Equal(t, []digest.Version{{Name: "1.0", Share: "80.0 %", Before: "100.0 %"},
		{Name: "1.1", Share: "20.0 %", Before: "0.0 %"}}, d.Services[0].Versions)
	require.Contains(t, d.Text(), "issues per 1000 users a day                  20.0   the week before 10.0")

	require.Len(t, d.Services[0].Pictures, 2)
	for _, picture := range d.Services[0].Pictures {
		drawn, err := png.Decode(bytes.NewReader(picture.PNG))
		require.NoError(t, err)
		colours := map[any]bool{}
		for x := range drawn.Bounds().Dx() {
			for y := range drawn.Bounds().Dy() {
				colours[drawn.At(x, y)] = true
			}
		}
		require.Greater(t, len(colours), 20, "something is drawn")
		require.Less(t, len(picture.PNG), 200_000)
	}
	require.Equal(t, "Users a day, by version of Client <App>, 28 days up to 2022-05-29: 1.0 from 100 to 80, 1.1 "+
		"from 0 to 20",
		d.Services[0].Pictures[0].Alt)

	var html strings.Builder
	require.NoError(t, d.WriteHTML(&html, "cid:"))
	require.Contains(t, html.String(), `<img src="cid:users-0.png" alt="Users a day, by version of Client &lt;App&gt;`)
	require.NotContains(t, html.String(), "<App>")
	require.NotContains(t, html.String(), "http", "nothing is loaded from elsewhere")
	if out := os.Getenv("VERSIONLAKE_DIGEST"); out != "" { // to be looked at
		html.Reset()
		require.NoError(t, d.WriteHTML(&html, ""))
		require.NoError(t, os.WriteFile(out, []byte(html.String()), 0o600))
	}
	again, err := digest.Of(made(), "production", end.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, d.ID, again.ID, "sent again, it is the same letter")
	other, err := digest.Of(made(), "staging", end)
	require.NoError(t, err)
	require.NotEqual(t, d.ID, other.ID)
}

// TestDigestOfLittle: one day, and no version, are no reason to fail.
func TestDigestOfLittle(t *testing.T) {
	s := &report.Service{Name: strings.Repeat("a\x1b", 50), Days: map[string]map[int32]*report.Day{}}
	d, err := digest.Of(&report.Report{End: end, Services: []*report.Service{s}}, "", end)
	require.NoError(t, err)
	require.Contains(t, d.Text(), "issues per 1000 users a day                     –   the week before –")
	require.NotContains(t, d.Text(), "\x1b")
}
