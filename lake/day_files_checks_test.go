package lake_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forget"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// TestGoldFollowsForeignFilesOfADay: another engine puts a day's rows into one file, whatever their hours, and
// notes nothing.
func TestGoldFollowsForeignFilesOfADay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hours := oneDay(t)
	for range 2 {
		laketest.Compact[lake.SightingRow](t, in.Lake, lake.SilverSightings)
		laketest.Compact[lake.BindingRow](t, in.Lake, lake.SilverBindings)
		checks.Verify(t, in.Lake)
		in.Put(dayName(hours[3]), dayLines(hours[3], "2.0")...)
		in.Silver(hours[3])
		if changes, _ := in.ReadForGold(); changes > 40 {
			t.Errorf("gold finds %d changes", changes)
		}
		in.Gold()
		checks.Gold(t, in)
		checks.Verify(t, in.Lake)
		in.Put(dayName(hours[3]), dayLines(hours[3], "1.0")...)
	}
}

// TestVerifyCatchesInADaysFile plants faults into a file of several hours.
func TestVerifyCatchesInADaysFile(t *testing.T) {
	const seven = "2022-05-27T07"
	at := laketest.HourAt(t, seven)
	of := func(hour telemetry.Hour) func(lake.SightingRow) bool {
		return func(row lake.SightingRow) bool { return row.Hour() == hour }
	}
	for _, fault := range []struct {
		name  string
		alter func([]lake.SightingRow) []lake.SightingRow
		says  []string
	}{
		{"a missing hour", func(rows []lake.SightingRow) []lake.SightingRow { return slices.DeleteFunc(rows, of(at)) },
			[]string{"1 silver.sightings  2022-05-27T07 .* silver lacks its row",
				"2 silver.sightings  2022-05-27T07 .* says 20 rows, there are 0"}},
		{"a doubled row", func(rows []lake.SightingRow) []lake.SightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows = slices.Insert(rows, n, rows[n])
			}
			return rows
		}, []string{"1 silver.sightings  2022-05-27T07 .* a row too many",
			"2 silver.sightings  2022-05-27T07 .* says 20 rows, there are 21"}},
		{"a row of another hour", func(rows []lake.SightingRow) []lake.SightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestHourOfDay = 9
			}
			return rows
		}, []string{"2022-05-27T07 .* silver lacks its row", "2022-05-27T07 .* says 20 rows, there are 19",
			"2022-05-27T09 .* a row too many", "2022-05-27T09 .* says 20 rows, there are 21"}},
		{"a row of an hour that nobody knows", func(rows []lake.SightingRow) []lake.SightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestHourOfDay = 23
			}
			return rows
		}, []string{"2022-05-27T07 .* silver lacks its row", "2022-05-27T07 .* says 20 rows, there are 19",
			"3 silver.sightings  2022-05-27T23 .* 1 rows of an hour that the ledger does not know",
			"2022-05-27T23 .* a row too many"}},
		{"a row of another day", func(rows []lake.SightingRow) []lake.SightingRow {
			if n := slices.IndexFunc(rows, of(at)); n >= 0 {
				rows[n].IngestDate--
			}
			return rows
		}, []string{"1 silver.sightings  2022-05-27T07 .* the row's columns say another hour than its partition"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			in, _ := oneDay(t)
			laketest.Plant(t, in.Lake, lake.SilverSightings, seven, fault.alter)
			lines, _ := checks.Verified(t, in.Lake)
			// which follows
			lines = slices.DeleteFunc(lines, func(line string) bool { return line[:len("1 gold")] == "1 gold" })
			checks.Says(t, lines, fault.says)
		})
	}
	t.Run("a missing file", func(t *testing.T) {
		in, _ := oneDay(t)
		loaded, err := in.Lake.Load(t.Context(), lake.SilverSightings)
		in.Must(err)
		files, err := in.Lake.HourFiles(t.Context(), loaded, at)
		in.Must(err)
		in.Must(in.Lake.Objects.IO.Remove(files[0].FilePath()))
		lines, _ := checks.Verified(t, in.Lake)
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "is missing") }) {
			t.Errorf("verify says %q", lines)
		}
	})
}

// TestForgetInADaysFile: of the hours of a day that nobody was forgotten in, nothing changes.
func TestForgetInADaysFile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in, hours := oneDay(t)
	plan, err := forget.PlanForget(t.Context(), in.Lake, []string{"p7-3"}, telemetry.Options{}, func(string, int64) {})
	in.Must(err)
	if plan.Hours != 1 {
		t.Errorf("the plan is %+v", plan)
	}
	forgetting.Forget(in, "p7-3")
	checkSpans(t, in.Lake, "05-05", "05-10")
	for _, hour := range hours {
		if hour == hours[2] {
			continue
		}
		if _, row := in.Silver(hour); row.Changed || row.Erased > 0 {
			t.Errorf("a rerun of %s: %+v", hour, row)
		}
	}
	checkSpans(t, in.Lake, "05-05", "05-10")
	rows, err := ledger.Hours(t.Context(), in.Lake, hours[2], hours[2]+1)
	in.Must(err)
	if rows[0].Erased != 1 || rows[0].Sightings != 19 || rows[0].Bindings != 19 {
		t.Errorf("the hour is %+v", rows)
	}
	checks.Verify(t, in.Lake)
	in.IngestAgain(hours[2])
	in.Gold()
	checks.Verify(t, in.Lake)
	if found := forgetting.Remains(in, "p7-3"); len(found) > 0 {
		t.Errorf("it is left in %v", found)
	}
}
