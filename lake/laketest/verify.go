package laketest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// CheckInstalledBase holds the sum of all moves up to the end of each date against the intervals in effect then.
func CheckInstalledBase(t testing.TB, l *lake.Lake) {
	t.Helper()
	type key struct{ service, version, device string }
	at := map[int32]map[key]int64{}
	for _, row := range RowsOf[lake.VersionDailyRow](t, l, lake.GoldVersionDaily) {
		if at[row.Date] == nil {
			at[row.Date] = map[key]int64{}
		}
		at[row.Date][key{row.Service, row.Version, row.Device}] = row.NewInstallations + row.UpgradesIn +
			row.DowngradesIn - row.UpgradesOut - row.DowngradesOut
	}
	users := RowsOf[lake.UserRow](t, l, lake.GoldUsers)
	base := map[key]int64{}
	for _, date := range slices.Sorted(maps.Keys(at)) {
		for key, n := range at[date] {
			base[key] += n
		}
		end := int64(date+1) * lake.MicrosPerDay
		want := map[key]int64{}
		for _, user := range users {
			for _, i := range user.History {
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

// PlantDaily rewrites the one file of a daily table, as no refresh of ours does.
func PlantDaily[T any](t *testing.T, l *lake.Lake, definition lake.TableDefinition, alter func([]T) []T) {
	t.Helper()
	err := l.Commit(t.Context(), definition, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(t.Context(), loaded)
		if err != nil {
			return nil, err
		}
		rows, err := lake.ReadRows[T](t.Context(), l, live)
		if err != nil {
			return nil, err
		}
		writer, err := lake.NewDataWriter[T](l, definition,
			lake.Partition{Folder: "planted", Values: live[0].Partition()})
		if err != nil {
			return nil, err
		}
		if err := writer.Append(alter(rows), 0); err != nil {
			return nil, err
		}
		written, err := writer.Close("planted")
		if err != nil {
			return nil, err
		}
		entry, err := l.Entry(*written, definition)
		return &lake.Change{Remove: live, Add: []iceberg.DataFile{entry}, Summary: iceberg.Properties{}}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// smallWorldLines spoils a file: a line goes, and another session's comes.
func smallWorldLines(r *rand.Rand, lines []string) []string {
	spoilt := slices.Delete(slices.Clone(lines), 0, r.IntN(2))
	return append(spoilt, Sighting("27T05:55", "s1", "6.6"), Login("27T03:00", "s2", "px"))
}

// DumpAll is every row of bronze, silver and gold.
func DumpAll(t testing.TB, l *lake.Lake) string {
	return UsersNow(t, l) + DumpHours(t, l) + Dump[lake.VersionDailyRow](t, l, lake.GoldVersionDaily) +
		Dump[lake.EventDailyRow](t, l, lake.GoldEventDaily)
}

// UsersNow is gold; empty where nobody has come into it yet.
func UsersNow(t testing.TB, l *lake.Lake) string {
	t.Helper()
	if ids, _ := Snapshots(t, l, lake.GoldUsers); len(ids) == 0 {
		return ""
	}
	return Users(t, l, "")
}

// CheckVersions looks at every version of gold that a reader can name: one row a user, in order, each row consistent.
func CheckVersions(t testing.TB, l *lake.Lake) {
	t.Helper()
	versions, err := l.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		for _, name := range append(version.Tags, strconv.FormatInt(version.SnapshotID, 10)) {
			if at, err := l.Version(t.Context(), name); err != nil || at.SnapshotID != version.SnapshotID {
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
				Marshal(t, one) != Marshal(t, user) {
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

// CheckVerify wants no difference.
func CheckVerify(t testing.TB, l *lake.Lake) verify.Verified {
	t.Helper()
	lines, checked := Verified(t, l)
	if len(lines) > 0 {
		t.Fatalf("verify says\n%s", strings.Join(lines, "\n"))
	}
	return checked
}

// PlantedWorld is a small lake in which all is well: three hours, bad lines, a torn file, a session that becomes known.
func PlantedWorld(t testing.TB) *Ingester {
	in := NewWorld(t)
	in.Put("27T05/a.tsv", Sighting("27T05:10", "s1", "1.0"), Sighting("27T05:20", "s1", "1.1"),
		Sighting("27T05:20", "s1", "1.1"), "broken", "",
		Sighting("27T05:15", "s2", "1.0", "UserId", "p2", "Device", "D"), Event("27T05:30", "s2", "Other"))
	in.Put("27T06/a.tsv", Login("27T06:10", "s1", "p1"), DeviceInfo("27T06:10", "s1", "E"),
		Sighting("27T06:40", "s1", "1.0"))
	in.PutBytes("27T06/b.tsv.gz", []byte("\x1f\x8b\x08torn"))
	in.Put("27T08/a.tsv", Event("27T08:00", "s3", "Notification", "Target", "1.2"))
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06", "2022-05-27T07", "2022-05-27T08"} {
		in.Ingest(HourAt(t, hour))
	}
	return in
}

// Plant rewrites the files of a table that lie in one hour (or all of gold's, for hour ""), as no run of ours does.
func Plant[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition, hour string, alter func([]T) []T) {
	t.Helper()
	ctx := t.Context()
	err := l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		return planted(t, l, definition, loaded, hour, alter)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func planted[T any](t testing.TB, l *lake.Lake, definition lake.TableDefinition, loaded *table.Table, hour string,
	alter func([]T) []T) (*lake.Change, error) {
	live, err := lake.LiveFiles(t.Context(), loaded)
	if err != nil {
		return nil, err
	}
	wanted := &lake.Change{Summary: iceberg.Properties{}}
	if head := loaded.CurrentSnapshot(); definition.Name == lake.GoldUsers.Name {
		for _, key := range []string{lake.SummarySightings, lake.SummaryBindings} {
			wanted.Summary[key] = head.Summary.Properties[key]
		}
	}
	done := false
	for _, file := range live {
		place := lake.Partition{Folder: "planted", Values: file.Partition()}
		if definition.Name != lake.GoldUsers.Name {
			if definition.Name == lake.OpsHours.Name {
				if int32(place.Values[lake.PartitionFieldID].(iceberg.Date)) != HourAt(t, hour).Date() {
					continue
				}
			} else if first, last, err := definition.HoursOf(file); err != nil || HourAt(t, hour) < first ||
				HourAt(t, hour) > last {
				continue
			}
		}
		rows, err := lake.ReadRows[T](t.Context(), l, []iceberg.DataFile{file})
		if err != nil {
			return nil, err
		}
		before := Marshal(t, rows)
		rows = alter(rows)
		if Marshal(t, rows) == before {
			continue
		}
		done = true
		wanted.Remove = append(wanted.Remove, file)
		writer, err := lake.NewDataWriter[T](l, definition, place)
		if err != nil {
			return nil, err
		}
		if err := writer.Append(rows, 0); err != nil {
			return nil, err
		}
		written, err := writer.Close(fmt.Sprintf("planted-%d", time.Now().UnixNano()))
		if err != nil {
			return nil, err
		}
		if written != nil {
			entry, err := l.Entry(*written, definition)
			if err != nil {
				return nil, err
			}
			wanted.Add = append(wanted.Add, entry)
		}
	}
	if !done {
		t.Fatal("nothing was planted")
	}
	return wanted, nil
}

// MoveTag points a tag at the nth snapshot of gold.
func (in *Ingester) MoveTag(tag string, n int) {
	in.TB.Helper()
	loaded, err := in.Lake.Load(in.TB.Context(), lake.GoldUsers)
	in.Must(err)
	to := loaded.Metadata().Snapshots()[n].SnapshotID
	_, _, err = in.Lake.Catalog.CommitTable(in.TB.Context(), loaded.Identifier(), nil,
		[]table.Update{table.NewSetSnapshotRefUpdate(tag, to, table.TagRef, in.Lake.TagAge(tag).Milliseconds(), 0, 0)})
	in.Must(err)
}

// CheckSays wants every pattern in a line, and every line meant by a pattern.
func CheckSays(t *testing.T, lines, patterns []string) {
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
