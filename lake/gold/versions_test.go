package gold_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
)

// Data files that were written before there were these columns are read as what they said then.
//
//nolint:funlen // a story that is told step by step reads best in one piece
func TestRowsOfOlderRules(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.10"), laketest.Sighting("27T05:20", "s1", "1.9"),
		laketest.Sighting("27T05:30", "s1", "1.10"))
	in.Ingest(hour)
	upkeep.Daily(in)
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
	version, err := gold.FindVersion(t.Context(), in.Lake, "")
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
		if counts := row.Counts(); *counts[lake.CountOtherMovesIn] != 0 || *counts[lake.CountOtherMovesOut] != 0 {
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
	now, err := gold.FindVersion(t.Context(), in.Lake, "")
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
	upkeep.Daily(in)
	checks.Verify(t, in.Lake)
}
