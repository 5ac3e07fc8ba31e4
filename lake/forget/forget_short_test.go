package forget_test

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// TestForgetShortID: an id of 4 to 7 bytes goes out of others' lines where a key names users, and where only people
// read; what silver reads stays, and is counted.
func TestForgetShortID(t *testing.T) {
	const short = "1234567"
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	nested := strings.Replace(laketest.Event("27T05:10", "s2", "Chat", "UserId", "p2", "Text", "to 1234567: 12345678"),
		"{'", "{'From': {'UserId': '1234567'}, 'List': {'PlayerId': ['1234567', 'p3']}, '", 1)
	in.Put("27T05/a.tsv",
		laketest.Sighting("27T05:01", "s1", "1.0", "UserId", short),
		nested,
		laketest.Event("27T05:12", "s2", "Crash", "Message", "no friend 1234567 found", "UserId", "p2"),
		laketest.Sighting("27T05:13", "s2", short, "UserId", "p2"),
		"a line that is none, of "+short)
	in.Ingest(hour)
	upkeep.Events(in)
	erasure, err := forget.BeginForget(t.Context(), in.Lake, short)
	in.Must(err)
	_, proof, err := forgetting.Once(in, erasure)
	in.Must(err)
	if len(proof.Remains) > 0 || proof.Left != 1 { // the version of p2
		t.Errorf("remains %+v, left %d", proof.Remains, proof.Left)
	}
	forgetting.Rest(in, erasure)
	check := func() {
		t.Helper()
		bronze := laketest.Dump[lake.EventRow](t, in.Lake, lake.BronzeEvents)
		for text, want := range map[string]bool{"{'UserId': 'erased'}": true, "'PlayerId': ['erased', 'p3']": true,
			"to erased: 12345678": true, "no friend erased found": true, "'Version': '" + short: true,
			"'" + short + "'": strings.Contains(bronze, "'Version': '"+short+"'"), "s1": false} {
			if strings.Contains(strings.ReplaceAll(bronze, `\u0027`, "'"), text) != want {
				t.Errorf("%q: not %v in\n%s", text, want, bronze)
			}
		}
		if silver := laketest.Dump[lake.SilverRow](t, in.Lake, lake.SilverEvents); !strings.Contains(silver,
			"no friend erased found") || !strings.Contains(silver, short) {
			t.Errorf("silver is\n%s", silver)
		}
		if rejects := laketest.Dump[lake.RejectRow](t, in.Lake, lake.BronzeRejects); strings.Contains(rejects, short) {
			t.Errorf("rejects are\n%s", rejects)
		}
		if differences, _ := checks.Verified(t, in.Lake); len(differences) > 0 {
			t.Errorf("verify: %s", strings.Join(differences, "\n"))
		}
	}
	check()
	want := laketest.DumpHours(t, in.Lake)
	in.Ingest(hour)
	check()
	if got := laketest.DumpHours(t, in.Lake); got != want {
		t.Errorf("after another reading of the source\n%s\nis not\n%s", got, want)
	}
}
