package gold_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
)

// TestTagShowsNothingLater: gold follows silver up to the hours that ask, though silver has more, so that the tag
// of a day's last hour tells what was known then. Hours that one commit shows have one tag; a late hour has its
// own, and the lake knows that it shows later ones, too.
func TestTagShowsNothingLater(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T22/a.tsv", laketest.Login("27T22:09", "s1", "p1"), laketest.Sighting("27T22:10", "s1", "1.0"))
	in.Put("27T23/a.tsv", laketest.Login("27T23:09", "s1", "p1"), laketest.Sighting("27T23:10", "s1", "1.1"))
	in.Put("28T00/a.tsv", laketest.Login("28T00:09", "s1", "p1"), laketest.Sighting("28T00:10", "s1", "1.2"))
	in.Put("28T01/a.tsv", laketest.Login("28T01:09", "s1", "p1"), laketest.Sighting("28T01:10", "s1", "1.3"))
	hour := laketest.HourAt(t, "2022-05-27T22")
	first, _ := in.Silver(hour)
	second, _ := in.Silver(hour + 1)
	third, _ := in.Silver(hour + 2)

	if commit := in.GoldUpTo(first, second); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T23"}) {
		t.Errorf("two hours have the tags %v", commit.Tags)
	}
	if known := laketest.Users(t, in.Lake, ""); !strings.Contains(known, "1.1") || strings.Contains(known, "1.2") {
		t.Errorf("gold knows %q", known)
	}
	if commit := in.GoldUpTo(third); !slices.Equal(commit.Tags, []string{"hour-2022-05-28T00"}) {
		t.Errorf("the third hour has the tags %v", commit.Tags)
	}
	last, _ := in.Silver(hour + 3)
	in.GoldUpTo(last)
	in.Put("27T21/a.tsv", laketest.Login("27T21:09", "s1", "p1"), laketest.Sighting("27T21:10", "s1", "0.9"))
	late, _ := in.Silver(hour - 1)
	in.GoldUpTo(late)

	for tag, newest := range map[string]string{"hour-2022-05-27T23": "2022-05-27T23",
		"hour-2022-05-28T00": "2022-05-28T00",
		"hour-2022-05-28T01": "2022-05-28T01", "hour-2022-05-27T21": "2022-05-28T01"} {
		version, err := gold.FindVersion(t.Context(), in.Lake, tag)
		in.Must(err)
		if !version.ShowsHours || version.NewestHour.String() != newest {
			t.Errorf("%s shows hours up to %s, %v", tag, version.NewestHour, version.ShowsHours)
		}
	}
	_, err := gold.FindVersion(t.Context(), in.Lake, "hour-2022-05-27T22")
	if err == nil || !strings.Contains(err.Error(),
		"of hours that gold shows together only the last has a tag: the first one that shows it is "+
			"hour-2022-05-27T23;") {
		t.Errorf("of an hour without a tag: %v", err)
	}
}
