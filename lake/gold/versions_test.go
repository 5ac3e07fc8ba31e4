package gold_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/telemetry"
)

// keys are the rows of gold.versions, sorted, and how many files and snapshots it has.
func keys(t testing.TB, l *lake.Lake) (rows []string, files, snapshots int) {
	t.Helper()
	loaded, err := l.Load(t.Context(), lake.GoldVersions)
	if err != nil {
		t.Fatal(err)
	}
	live, err := lake.LiveFiles(t.Context(), loaded)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range live {
		if err := lake.ScanRows(t.Context(), l, file, func(batch []lake.VersionRow) error {
			for _, row := range batch {
				if row != gold.VersionRowOf(lake.VersionName{Service: row.Service, Version: row.Version}) {
					t.Errorf("wrong keys: %+v", row)
				}
				rows = append(rows, strings.Clone(row.Service+" "+row.Version))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(rows)
	return rows, len(live), len(loaded.Metadata().Snapshots())
}

func TestVersionsOfGold(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s1", "3f2a1bc"),
		laketest.Sighting("27T05:30", "s2", "1.9"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"), laketest.Login("27T06:11", "s2", "p2"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.10"))
	want := []string{"App 1.9", "App 3f2a1bc"}
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
		if i == 2 {
			want = []string{"App 1.10", "App 1.9", "App 3f2a1bc"}
		}
		if rows, files, snapshots := keys(t, in.Lake); !slices.Equal(rows, want) || files != 1 || snapshots != 1+i/2 {
			t.Fatalf("hour %d: %q in %d files, %d snapshots; want %q", i, rows, files, snapshots, want)
		}
	}
	// Rows stay when the sightings go, until gold is made anew.
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.9"))
	in.Ingest(hour + 2)
	if rows, _, snapshots := keys(t, in.Lake); !slices.Equal(rows, want) || snapshots != 2 {
		t.Fatalf("%q in %d snapshots", rows, snapshots)
	}
	in.Anew()
	if rows, files, _ := keys(t, in.Lake); !slices.Equal(rows, want[1:]) || files != 1 {
		t.Fatalf("made anew: %q in %d files", rows, files)
	}
	in.Anew()
	if _, _, snapshots := keys(t, in.Lake); snapshots != 3 {
		t.Fatalf("made anew without a change: %d snapshots", snapshots)
	}
}

// However many rounds add to them, there are few files.
func TestVersionsStayInFewFiles(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	for i := range 12 {
		var lines []string
		for n := range []int{40, 1, 1, 1, 9, 1, 2, 1, 1, 1, 1, 1}[i] {
			lines = append(lines, laketest.Sighting(fmt.Sprintf("27T%02d:10", 5+i), "s1", fmt.Sprintf("%d.%d", i, n)))
		}
		in.Put(fmt.Sprintf("27T%02d/a.tsv", 5+i), lines...)
		in.Ingest(hour + telemetry.Hour(i))
	}
	if rows, files, snapshots := keys(t, in.Lake); len(rows) != 60 || files > 4 || snapshots != 12 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
}

// A lake that was made before there was this table gets all rows once gold is made anew, and a table that another
// program damaged is mended.
func TestVersionsAreMended(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s2", "2.0"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"))
	in.Ingest(hour)
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions, func(rows []lake.VersionRow) []lake.VersionRow {
		for i := range rows {
			rows[i].RankKey = "old rules"
		}
		return append(rows[:1], rows[0])
	})
	in.Anew()
	if rows, _, _ := keys(t, in.Lake); !slices.Equal(rows, []string{"App 1.9", "App 2.0"}) {
		t.Fatalf("%q", rows)
	}
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions,
		func(rows []lake.VersionRow) []lake.VersionRow { rows[0].SortKey = ""; return rows })
	in.Ingest(hour + 1)
	if rows, _, _ := keys(t, in.Lake); len(rows) != 2 {
		t.Fatalf("%q", rows)
	}
}

// A collector stages what does not fit into its memory.
func TestManyVersions(t *testing.T) {
	in := laketest.NewWorld(t)
	c := gold.NewVersionCollector(in.Lake.Objects, gold.RoundFolder(in.Lake, "many"))
	long := strings.Repeat("x", 40_000)
	for i := range 1000 {
		for range 2 {
			in.Must(c.Add("svc", fmt.Sprint(i, long)))
		}
	}
	paths, err := c.Staged()
	in.Must(err)
	if len(paths) < 2 {
		t.Fatalf("%d objects", len(paths))
	}
	for range 2 {
		_, err := gold.EnsureVersions(t.Context(), in.Lake, paths, false)
		in.Must(err)
	}
	if rows, files, snapshots := keys(t, in.Lake); len(rows) != 1000 || files != 1 || snapshots != 1 {
		t.Fatalf("%d rows in %d files, %d snapshots", len(rows), files, snapshots)
	}
	if key := history.KeyOf("svc",
		"1.9"); gold.VersionRowOf(lake.VersionName{Service: "svc", Version: "1.9"}).SortKey != key.Sort {
		t.Fatal(key)
	}
}

// What only a forgotten user ran is in no version of the table, and in no object of the lake; nor is an id in a
// version's text.
func TestVersionsOfTheForgotten(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", laketest.GoneSession, "7.7.7-private", "UserId", laketest.Gone),
		laketest.Sighting("27T05:20", "s1", "1.9"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", laketest.GoneSession, "1.9", "UserId", laketest.Gone),
		laketest.Sighting("27T06:20", "s1", "1.10 for "+laketest.Gone))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.11"))
	for i := range 3 {
		in.Ingest(hour + telemetry.Hour(i))
	}
	if rows, _, _ := keys(t, in.Lake); len(rows) != 4 {
		t.Fatalf("%q", rows)
	}
	forgetting.Forget(in, laketest.Gone)
	rows, _, snapshots := keys(t, in.Lake)
	if want := []string{"App 1.10 for erased", "App 1.11", "App 1.9"}; !slices.Equal(rows, want) || snapshots < 4 {
		t.Fatalf("%q in %d snapshots; want %q", rows, snapshots, want)
	}
	// No file of the table has the version, whatever names it.
	in.Must(in.Lake.Objects.Walk(t.Context(), in.Lake.TableFolder(lake.GoldVersions),
		func(object string, size int64) error {
			file, err := in.Lake.Objects.Open(object)
			in.Must(err)
			defer file.Close()
			data, err := io.ReadAll(file)
			in.Must(err)
			if strings.HasSuffix(object, ".parquet") {
				old, err := parquet.Read[lake.VersionRow](bytes.NewReader(data), size)
				in.Must(err)
				data = fmt.Append(data, old)
			}
			if bytes.Contains(data, []byte("7.7.7-private")) || bytes.Contains(data, []byte(laketest.Gone)) {
				t.Errorf("%s still has the version", object)
			}
			return nil
		}))
	checks.Verify(t, in.Lake)
	// An hour that brings the version back is shown with its key.
	in.Put("27T08/a.tsv", laketest.Sighting("27T08:10", "s1", "7.7.7-private"))
	in.Ingest(hour + 3)
	checks.Verify(t, in.Lake)
	if rows, _, _ := keys(t, in.Lake); len(rows) != 4 {
		t.Fatalf("%q", rows)
	}
}

func TestVerifyOfVersions(t *testing.T) {
	for _, fault := range []struct {
		name  string
		plant func([]lake.VersionRow) []lake.VersionRow
		want  string
	}{
		{"a lost row", func(rows []lake.VersionRow) []lake.VersionRow { return rows[1:] },
			"is in a history, and has no row"},
		{"two rows", func(rows []lake.VersionRow) []lake.VersionRow { return append(rows, rows[0]) }, "has two rows"},
		{"a wrong key", func(rows []lake.VersionRow) []lake.VersionRow { rows[0].RankKey = "1"; return rows },
			`and should have "#"`},
		{"a wrong class", func(rows []lake.VersionRow) []lake.VersionRow { rows[0].Class = ""; return rows },
			`and should have "#"`},
	} {
		t.Run(fault.name, func(t *testing.T) {
			in := laketest.PlantedWorld(t)
			checks.Verify(t, in.Lake)
			laketest.PlantDaily(t, in.Lake, lake.GoldVersions, fault.plant)
			var found []string
			_, err := verify.Run(t.Context(), in.Lake, verify.Options{}, func(d verify.Difference) error {
				found = append(found, fmt.Sprintf("%d %s: %s", d.Rule, d.Table, d.Text))
				return nil
			})
			in.Must(err)
			if len(found) != 1 || !strings.HasPrefix(found[0], "1 gold.versions: ") ||
				!strings.Contains(found[0], fault.want) {
				t.Errorf("%q", found)
			}
		})
	}
}

// Data files that were written before there were these columns are read as what they said then.
func TestRowsOfOlderRules(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.10"), laketest.Sighting("27T05:20", "s1", "1.9"),
		laketest.Sighting("27T05:30", "s1", "1.10"))
	in.Ingest(hour)
	in.Daily()
	want := laketest.Users(t, in.Lake, "")

	// As package lake of older rules wrote them.
	type oldInterval struct {
		Service     string `parquet:"service,dict,id(13)"`
		Device      string `parquet:"device,optional,dict,id(14)"`
		Version     string `parquet:"version,dict,id(15)"`
		ValidFrom   int64  `parquet:"valid_from,timestamp(microsecond),id(16)"`
		ValidTo     *int64 `parquet:"valid_to,optional,timestamp(microsecond),id(17)"`
		LastSeenAt  int64  `parquet:"last_seen_at,timestamp(microsecond),id(18)"`
		Sightings   int64  `parquet:"sightings,id(19)"`
		IsDowngrade bool   `parquet:"is_downgrade,id(20)"`
	}
	type oldUser struct {
		UserID          string        `parquet:"user_id,id(1)"`
		UserKind        string        `parquet:"user_kind,dict,id(2)"`
		FirstSeenAt     int64         `parquet:"first_seen_at,timestamp(microsecond),id(3)"`
		LastSeenAt      int64         `parquet:"last_seen_at,timestamp(microsecond),id(4)"`
		CurrentService  string        `parquet:"current_service,dict,id(5)"`
		CurrentDevice   string        `parquet:"current_device,optional,dict,id(6)"`
		CurrentVersion  string        `parquet:"current_version,dict,id(7)"`
		CurrentSince    int64         `parquet:"current_since,timestamp(microsecond),id(8)"`
		PreviousVersion string        `parquet:"previous_version,optional,dict,id(9)"`
		VersionCount    int64         `parquet:"version_count,id(10)"`
		History         []oldInterval `parquet:"history,list,id(11)" parquet-element:",id(12)"`
	}
	plantOld(t, in.Lake, lake.GoldUsers, func(row lake.UserRow) oldUser {
		old := oldUser{row.UserID, row.UserKind, row.FirstSeenAt, row.LastSeenAt, row.CurrentService, row.CurrentDevice,
			row.CurrentVersion,
			row.CurrentSince, row.PreviousVersion, row.VersionCount, nil}
		for _, i := range row.History {
			old.History = append(old.History,
				oldInterval{i.Service, i.Device, i.Version, i.ValidFrom, i.ValidTo, i.LastSeenAt, i.Sightings,
					*i.IsDowngrade})
		}
		return old
	})
	if got := laketest.Users(t, in.Lake, ""); got != want {
		t.Fatalf("gold reads\n%s\nand was\n%s", got, want)
	}
	version, err := in.Lake.Version(t.Context(), "")
	in.Must(err)
	user, found, err := gold.User(t.Context(), in.Lake, version, "session:s1")
	if err != nil || !found || len(user.History) != 3 || !user.History[1].IsDowngrade ||
		user.History[1].NotComparable || user.History[2].IsDowngrade {
		t.Fatalf("%+v, %t, %v", user, found, err)
	}
	// Rows that nothing changes are copied into new files, in their new form.
	neighbour, bucket := 2, lake.BucketFunc(in.Lake.Config.Buckets)
	for bucket(fmt.Sprint("session:s", neighbour)) != bucket("session:s1") {
		neighbour++
	}
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", fmt.Sprint("s", neighbour), "1.10"))
	in.Ingest(hour + 1)
	checks.Gold(t, in)
	checks.Verify(t, in.Lake)

	type oldDaily struct {
		Date              int32  `parquet:"date_utc,date,id(1)"`
		Service           string `parquet:"service,dict,id(2)"`
		Version           string `parquet:"version,optional,dict,id(3)"`
		Device            string `parquet:"device,optional,dict,id(4)"`
		NewInstallations  int64  `parquet:"new_installations,id(19)"`
		UpgradesIn        int64  `parquet:"upgrades_in,id(21)"`
		DowngradesOutside int64  `parquet:"downgrades_out,id(24)"`
	}
	plantOld(t, in.Lake, lake.GoldVersionDaily, func(row lake.VersionDailyRow) oldDaily {
		return oldDaily{row.Date, row.Service, row.Version, row.Device, row.NewInstallations, row.UpgradesIn,
			row.DowngradesOut}
	})
	loaded, err := in.Lake.Load(t.Context(), lake.GoldVersionDaily)
	in.Must(err)
	live, err := lake.LiveFiles(t.Context(), loaded)
	in.Must(err)
	rows, err := lake.ReadRows[lake.VersionDailyRow](t.Context(), in.Lake, live)
	in.Must(err)
	for _, row := range rows {
		if _, counts := daily.VersionPart(&row); counts[lake.CountOtherMovesIn] != 0 ||
			counts[lake.CountOtherMovesOut] != 0 {
			t.Errorf("%+v", row)
		}
	}
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
}

// plantOld writes a table's files anew, with rows of another form.
func plantOld[T, Old any](t *testing.T, l *lake.Lake, definition lake.TableDefinition, older func(T) Old) {
	t.Helper()
	if err := l.Commit(t.Context(), definition, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(t.Context(), loaded)
		if err != nil {
			return nil, err
		}
		wanted := &lake.Change{Remove: live, Summary: iceberg.Properties{}}
		if head := loaded.CurrentSnapshot(); definition.Name == lake.GoldUsers.Name {
			for _, key := range []string{lake.SummarySightings, lake.SummaryBindings} {
				wanted.Summary[key] = head.Summary.Properties[key]
			}
		}
		for _, file := range live {
			rows, err := lake.ReadRows[T](t.Context(), l, []iceberg.DataFile{file})
			if err != nil {
				return nil, err
			}
			var old []Old
			for _, row := range rows {
				old = append(old, older(row))
			}
			// Another name, since writers are kept for a table's rows.
			before := definition
			before.Name = definition.Name + "_before"
			writer, err := lake.NewDataWriter[Old](l, before,
				lake.Partition{Folder: "planted", Values: file.Partition()})
			if err != nil {
				return nil, err
			}
			if err := writer.Append(old, 0); err != nil {
				return nil, err
			}
			written, err := writer.Close("planted")
			if err != nil {
				return nil, err
			}
			entry, err := l.Entry(*written, definition)
			if err != nil {
				return nil, err
			}
			wanted.Add = append(wanted.Add, entry)
		}
		return wanted, nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A version that an erasure takes away while a round shows it comes back.
func TestVersionsBesideAnErasure(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.9"), laketest.Sighting("27T05:20", "s1", "1.10"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.9"))
	in.Ingest(hour)
	in.Silver(hour + 1)
	plan, _ := in.MergeGold()
	var staged gold.StagedUsers
	in.Must(gold.ReadRound(in.Lake, plan.Ref, &staged))
	found, err := gold.EnsureVersions(t.Context(), in.Lake, staged.Versions, staged.Rebuild)
	in.Must(err)
	if found == "" || staged.Rebuild {
		t.Fatalf("found at %s: %+v", found, staged)
	}
	laketest.PlantDaily(t, in.Lake, lake.GoldVersions, func(rows []lake.VersionRow) []lake.VersionRow {
		return slices.DeleteFunc(rows, func(row lake.VersionRow) bool { return row.Version == "1.9" })
	})
	in.Must(gold.KeepVersions(t.Context(), in.Lake, &staged, found))
	if rows, _, _ := keys(t, in.Lake); !slices.Equal(rows, []string{"App 1.10", "App 1.9"}) {
		t.Fatalf("%q", rows)
	}
}

// TestPairsInGold takes the pairs of history/testdata through telemetry to gold, in both directions.
func TestPairsInGold(t *testing.T) {
	in := laketest.NewWorld(t)
	var lines []string
	wanted := map[string]string{}
	for _, file := range []string{"versions.tsv", "versions_more.tsv"} {
		text, err := os.ReadFile(laketest.InCheckout(t, "history/testdata/"+file))
		in.Must(err)
		for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
			cells := strings.Split(line, "\t")
			older, newer, relation := cells[len(cells)-3], cells[len(cells)-2], cells[len(cells)-1]
			if older == newer || strings.Contains(older+newer, `\`) || strings.TrimSpace(older) == "" ||
				strings.TrimSpace(newer) == "" {
				continue
			}
			for _, way := range []struct{ name, first, second, want string }{
				{"forth", older, newer, map[string]string{"<": "", "=": "", "?": "?"}[relation]},
				{"back", newer, older, map[string]string{"<": "!", "=": "", "?": "?"}[relation]},
			} {
				user := fmt.Sprintf("%s-%d-%s", file, n, way.name)
				lines = append(lines, laketest.Sighting("27T05:10", user, way.first, "UserId", user),
					laketest.Sighting("27T05:20", user, way.second, "UserId", user))
				wanted[user] = way.want
			}
		}
	}
	in.Put("27T05/a.tsv", lines...)
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	now, err := in.Lake.Version(t.Context(), "")
	in.Must(err)
	for user, err := range gold.Users(t.Context(), in.Lake, now) {
		in.Must(err)
		if len(user.History) == 1 { // the parser reads both as one text, or one of them as none
			delete(wanted, user.ID)
			continue
		}
		first, second := user.History[0], user.History[1]
		is := ""
		switch {
		case second.IsDowngrade:
			is = "!"
		case second.NotComparable:
			is = "?"
		}
		if is != wanted[user.ID] || first.IsDowngrade || first.NotComparable {
			t.Errorf("%s: %q, then %q: %q, want %q", user.ID, first.Version, second.Version, is, wanted[user.ID])
		}
		delete(wanted, user.ID)
	}
	if len(wanted) > 10 || len(lines) < 1500 {
		t.Fatalf("%d lines, %d users lost: %q", len(lines), len(wanted), wanted)
	}
	in.Daily()
	checks.Verify(t, in.Lake)
}
