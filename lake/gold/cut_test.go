package gold_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
)

// TestCutUser: rows hold the newest intervals, the same whether hours come together, one by one or backwards, and
// whatever becomes of them later. The row says what it lacks, and moves of the user are left out.
//
//nolint:cyclop // one story, told in six orders
func TestCutUser(t *testing.T) {
	keep := func(in *laketest.Ingester, most int) {
		in.Must(ledger.KeepSettings(t.Context(), in.Lake,
			map[string]string{ledger.SettingMaxIntervals: strconv.Itoa(most)}))
	}
	rows := map[string]bool{}
	for _, hours := range [][]int{{5, 6, 7}, {7, 6, 5}, {6, 7, 5, 6}} {
		for _, together := range []bool{true, false} {
			in := laketest.NewWorld(t)
			keep(in, 3)
			for hour := 5; hour < 8; hour++ {
				var lines []string
				for i := range 4 {
					lines = append(lines, laketest.Sighting(fmt.Sprintf("27T%02d:%d0", hour, i+1), "s",
						fmt.Sprint("1.", i), "UserId", "hot"))
				}
				in.Put(fmt.Sprintf("27T%02d/a.tsv", hour), append(lines,
					laketest.Sighting(fmt.Sprintf("27T%02d:05", hour), "s2", "2.0", "UserId", "p2"))...)
			}
			for _, hour := range hours {
				run, _ := in.Silver(laketest.HourAt(t, fmt.Sprintf("2022-05-27T%02d", hour)))
				if !together {
					in.Gold(run)
				}
			}
			in.Gold()
			upkeep.Daily(in)
			checks.Gold(t, in)
			checks.Verify(t, in.Lake)
			rows[laketest.UsersNow(t, in.Lake)] = true
			now, err := gold.FindVersion(t.Context(), in.Lake, "")
			in.Must(err)
			hot, _, err := gold.User(t.Context(), in.Lake, now, "hot")
			in.Must(err)
			if len(hot.History) != 3 || hot.IntervalsCut != 9 || hot.VersionCount != 4 ||
				!hot.CutAt(hot.CutBefore-1) || hot.CutAt(hot.CutBefore) ||
				len(hot.At(hot.CutBefore)) != 1 || hot.FirstSeenAt >= hot.CutBefore {
				t.Errorf("%v: %+v", hours, hot)
			}
			for _, row := range laketest.RowsOf[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily) {
				if row.Version != "2.0" && row.NewInstallations+row.UpgradesIn+row.DowngradesIn > 0 {
					t.Errorf("moves of a user who was cut: %+v", row)
				}
			}
			// Another number makes gold anew, without news of silver.
			keep(in, 20)
			in.Gold()
			checks.Gold(t, in)
			whole, _, err := gold.User(t.Context(), in.Lake, mustVersion(t, in.Lake), "hot")
			in.Must(err)
			if len(whole.History) != 12 || whole.IntervalsCut != 0 {
				t.Errorf("%v: with room for all of them: %+v", hours, whole)
			}
		}
	}
	if len(rows) != 1 {
		t.Errorf("%d different results", len(rows))
	}
}

func mustVersion(t *testing.T, l *lake.Lake) gold.Version {
	t.Helper()
	version, err := gold.FindVersion(t.Context(), l, "")
	if err != nil {
		t.Fatal(err)
	}
	return version
}
