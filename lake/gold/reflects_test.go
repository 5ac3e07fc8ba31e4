package gold_test

import (
	"testing"

	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// TestHoursThatMoveNoRow: once gold looked at hours that change no row of it, it does not lag, whatever becomes of its
// head; and what comes after them is taken in.
func TestHoursThatMoveNoRow(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Login("27T05:10", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s2", "p2"))
	in.Put("27T07/a.tsv", laketest.Login("27T07:10", "s3", "p3"))
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:10", "s2", "1.1"), laketest.Sighting("27T08:10", "s3", "1.2"))
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Ingest(hour)
	waits := func(want int) {
		t.Helper()
		behind, half, err := gold.Behind(t.Context(), in.Lake)
		in.Must(err)
		waiting, err := gold.WaitingHours(t.Context(), in.Lake)
		in.Must(err)
		if behind != (want > 0) || len(half) > 0 || len(waiting) != want {
			t.Errorf("behind: %v, waiting: %v, and %d hours wait", behind, waiting, want)
		}
	}
	first, _ := in.Silver(hour + 1)
	second, _ := in.Silver(hour + 2)
	waits(2)
	if committed := in.Gold(first, second); committed.New {
		t.Errorf("the hours moved rows: %+v", committed)
	}
	waits(0)
	if moved, read := in.ReadForGold(); moved > 0 || read > 0 {
		t.Errorf("%d rows are read once more, of which follow %d changes", read, moved)
	}
	upkeep.Maintain(in, upkeep.Now)
	waits(0)
	last, _ := in.Silver(hour + 3)
	waits(1)
	in.Gold(last)
	waits(0)
	checks.Verify(t, in.Lake)
	checks.Gold(t, in)
}
