package upgrade_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/upgrade"
)

// TestOlderProgramGoesOn: programs from before formats refuse nothing. What one of them commits to gold.users of a lake
// that was upgraded does not count: gold is made anew.
func TestOlderProgramGoesOn(t *testing.T) {
	for name, present := range map[string]bool{"an older program": false, "a present one": true} {
		t.Run(name, func(t *testing.T) {
			in := laketest.NewWorld(t)
			for user := range 9 {
				in.Put(fmt.Sprintf("27T05/%d.tsv", user), laketest.Sighting("27T05:10", fmt.Sprint("s", user), "1.0",
					"UserId", fmt.Sprint("user-", user)))
			}
			in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
			want := in.GoldRows("")

			// It loses rows, and says that all of silver is in.
			in.Must(in.Lake.Commit(t.Context(), lake.GoldUsers, func(loaded *table.Table) (*lake.Change, error) {
				files, err := lake.LiveFiles(t.Context(), loaded)
				summary := maps.Clone(loaded.CurrentSnapshot().Summary.Properties)
				maps.DeleteFunc(summary, func(key, _ string) bool { return !strings.HasPrefix(key, "versionlake.") })
				summary[lake.SummaryRound] = "of an older program"
				delete(summary, lake.SummaryTags)
				if !present {
					delete(summary, lake.PropertyFormat)
				}
				if loaded.CurrentSnapshot().Summary.Properties[lake.SummaryRound] == summary[lake.SummaryRound] {
					return nil, err
				}
				return &lake.Change{Remove: files[:1], Summary: summary}, err
			}))
			if lost := in.GoldRows(""); len(lost) >= len(want) {
				t.Fatalf("%d of %d rows are there", len(lost), len(want))
			}
			in.Gold()
			if got := in.GoldRows(""); maps.Equal(got, want) == present {
				t.Errorf("after the next round: %d rows of %d", len(got), len(want))
			}
			if !present {
				checks.Verify(t, in.Lake)
			}
		})
	}
}

// TestOtherForms: a lake that is divided in another way has no way to this version, and says so; one that is of a later
// one is not touched.
func TestOtherForms(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	plan, err := upgrade.New(t.Context(), in.Lake)
	if err != nil || len(plan.Steps) > 0 {
		t.Errorf("a new lake is to be upgraded: %+v, %v", plan, err)
	}
	later := iceberg.Properties{lake.PropertyFormat: strconv.Itoa(99)}
	in.Must(in.Lake.Commit(t.Context(), lake.OpsFiles, func(loaded *table.Table) (*lake.Change, error) {
		return lake.MetadataChange(loaded, later), nil
	}))
	if _, err := upgrade.New(t.Context(), in.Lake); err == nil || !strings.Contains(err.Error(), "update this one") {
		t.Errorf("upgrade a later lake: %v", err)
	}
}
