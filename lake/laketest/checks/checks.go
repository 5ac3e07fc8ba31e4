package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// InstalledBase holds the sum of all moves up to the end of each date against the intervals in effect then.
func InstalledBase(t testing.TB, l *lake.Lake) {
	t.Helper()
	type key struct{ service, version, device string }
	at := map[int32]map[key]int64{}
	for _, row := range laketest.RowsOf[lake.VersionDailyRow](t, l, lake.GoldVersionDaily) {
		if at[row.Date] == nil {
			at[row.Date] = map[key]int64{}
		}
		at[row.Date][key{row.Service, row.Version, row.Device}] = row.NewInstallations + row.UpgradesIn +
			row.DowngradesIn - row.UpgradesOut - row.DowngradesOut
	}
	users := laketest.RowsOf[lake.UserRow](t, l, lake.GoldUsers)
	base := map[key]int64{}
	for _, date := range slices.Sorted(maps.Keys(at)) {
		for key, n := range at[date] {
			base[key] += n
		}
		end := int64(date+1) * lake.MicrosPerDay
		want := map[key]int64{}
		for _, user := range users {
			for _, i := range user.History {
				if user.IntervalsCut > 0 {
					break // none of their moves are known
				}
				if i.ValidFrom < end && (i.ValidTo == nil || *i.ValidTo >= end) {
					want[key{i.Service, i.Version, i.Device}]++
				}
			}
		}
		for key, n := range base {
			if n != want[key] {
				t.Errorf("at the end of %s, %v is installed %d times, and by gold.version_daily %d",
					lake.FormatDate(date), key, want[key], n)
			}
			delete(want, key)
		}
		for key, n := range want {
			t.Errorf("at the end of %s, %v is installed %d times, and not by gold.version_daily", lake.FormatDate(date),
				key, n)
		}
	}
}

// Versions looks at every version of gold that a reader can name: one row a user, in order, each row consistent.
func Versions(t testing.TB, l *lake.Lake) {
	t.Helper()
	versions, err := gold.Versions(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		for _, name := range append(version.Tags, strconv.FormatInt(version.SnapshotID, 10)) {
			if at, err := gold.FindVersion(t.Context(), l, name); err != nil || at.SnapshotID != version.SnapshotID {
				t.Errorf("version %s is %+v, %v", name, at, err)
			}
		}
		last := ""
		for user, err := range gold.Users(t.Context(), l, version) {
			if err != nil {
				t.Fatal(err)
			}
			if user.ID <= last {
				t.Errorf("version %+v: %q comes after %q", version, user.ID, last)
			}
			last = user.ID
			checkIntervals(t, user)
			if one, found, err := gold.User(t.Context(), l, version, user.ID); err != nil || !found ||
				laketest.Marshal(t, one) != laketest.Marshal(t, user) {
				t.Errorf("version %+v: user %q alone is %+v, %v, %v", version, user.ID, one, found, err)
			}
		}
	}
}

// checkIntervals: those of an installation do not overlap, are in order, and last at least a tick; the last is open.
func checkIntervals(t testing.TB, user history.User) {
	t.Helper()
	if len(user.History) == 0 {
		t.Errorf("user %q has no history", user.ID)
	}
	before := map[[2]string]history.Interval{}
	for _, i := range user.History {
		at := [2]string{i.Service, i.Device}
		// The last sighting may share the microsecond at which the next version begins: of two at one moment, the
		// last counts.
		if b, ok := before[at]; ok &&
			(b.Open || b.ValidTo != i.ValidFrom || b.Version == i.Version || b.LastSeenAt > i.ValidFrom) {
			t.Errorf("user %q: %+v is followed by %+v", user.ID, b, i)
		}
		if !i.Open && i.ValidTo <= i.ValidFrom || i.Sightings < 1 || i.LastSeenAt < i.ValidFrom {
			t.Errorf("user %q: interval %+v", user.ID, i)
		}
		before[at] = i
	}
	for _, i := range before {
		if !i.Open {
			t.Errorf("user %q: the last interval is closed: %+v", user.ID, i)
		}
	}
}

// Verified runs Verify and returns the differences, a line each.
func Verified(t testing.TB, l *lake.Lake) ([]string, verify.Verified) {
	t.Helper()
	return VerifiedAs(t, l, telemetry.Options{})
}

// Verify wants no difference.
func Verify(t testing.TB, l *lake.Lake) verify.Verified {
	t.Helper()
	lines, checked := Verified(t, l)
	if len(lines) > 0 {
		t.Fatalf("verify says\n%s", strings.Join(lines, "\n"))
	}
	return checked
}

// Says wants every pattern in a line, and every line meant by a pattern.
func Says(t *testing.T, lines, patterns []string) {
	t.Helper()
	for _, pattern := range patterns {
		if !slices.ContainsFunc(lines, regexp.MustCompile(pattern).MatchString) {
			t.Errorf("nothing says %q", pattern)
		}
	}
	for _, line := range lines {
		if !slices.ContainsFunc(patterns,
			func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(line) }) {
			t.Errorf("not meant: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("verify says\n%s", strings.Join(lines, "\n"))
	}
}

// VerifiedAs is verified of a lake whose lines are read in another way.
func VerifiedAs(t testing.TB, l *lake.Lake, parsing telemetry.Options) ([]string, verify.Verified) {
	t.Helper()
	lines := []string{}
	checked, err := verify.Run(t.Context(), l, verify.Options{Parsing: parsing}, func(d verify.Difference) error {
		lines = append(lines, fmt.Sprintf("%d %s %s %s %s %s: %s", d.Rule, d.Table, d.Version, d.Hour, d.File, d.User,
			d.Text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked.Differences != int64(len(lines)) {
		t.Errorf("%d differences are counted, and these are told: %q", checked.Differences, lines)
	}
	return lines, checked
}
