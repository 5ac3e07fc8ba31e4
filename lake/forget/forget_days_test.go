package forget_test

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// TestForgetInDays: daily aggregates hold texts of clients. An id in a version of the user's, or in the name of
// somebody else's device, goes out of all their versions at once, and not with a refresh and the end of old snapshots.
func TestForgetInDays(t *testing.T) {
	const gone = "customer-4711"
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv",
		laketest.Sighting("27T05:01", "s1", "1.0 for "+gone, "UserId", gone, "Device", "PC"),
		laketest.Sighting("27T05:02", "s2", "1.1", "UserId", "p2", "Device", "phone of "+gone),
		laketest.Event("27T05:03", "s2", "FeatureUsed", "Feature", "chat with "+gone, "UserId", "p2"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Events(in)
	upkeep.Daily(in)
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:02", "s3", "1.1", "UserId", "p3"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T06"))
	upkeep.Events(in)
	upkeep.Daily(in) // so that only an older version of the tables has the first file
	before := laketest.Dump[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily)
	if !strings.Contains(before, "1.0 for "+gone) || !strings.Contains(before, "phone of "+gone) {
		t.Fatalf("counted is\n%s", before)
	}

	forgetting.Forget(in, gone) // with its proof
	if found := forgetting.Remains(in, gone); len(found) > 0 {
		t.Errorf("left:\n%s", strings.Join(found, "\n"))
	}
	counted := laketest.Dump[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily)
	if want := strings.ReplaceAll(before, gone, "erased"); counted != want {
		t.Errorf("counted is\n%s\nand not\n%s", counted, want)
	}
	checks.Verify(t, in.Lake)
	upkeep.Daily(in)
	if counted := laketest.Dump[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily); strings.Contains(counted,
		"1.0 for") || !strings.Contains(counted, "phone of erased") {
		t.Errorf("counted anew is\n%s", counted)
	}
	checks.Verify(t, in.Lake)
}
