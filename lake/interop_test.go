package lake_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/cost"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/lake/publication"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/lake/weighing"
	"github.com/versionlake/versionlake/telemetry"
)

// foreignUser is a row of gold.users as another engine sees it.
type foreignUser struct {
	ID              string            `json:"user_id"`
	Kind            string            `json:"user_kind"`
	FirstSeenAt     int64             `json:"first_seen_at"`
	LastSeenAt      int64             `json:"last_seen_at"`
	CurrentService  string            `json:"current_service"`
	CurrentDevice   *string           `json:"current_device"`
	CurrentVersion  string            `json:"current_version"`
	CurrentSince    int64             `json:"current_since"`
	PreviousVersion *string           `json:"previous_version"`
	VersionCount    int64             `json:"version_count"`
	History         []foreignInterval `json:"history"`
}

type foreignInterval struct {
	Service     string  `json:"service"`
	Device      *string `json:"device"`
	Version     string  `json:"version"`
	ValidFrom   int64   `json:"valid_from"`
	ValidTo     *int64  `json:"valid_to"`
	LastSeenAt  int64   `json:"last_seen_at"`
	Sightings   int64   `json:"sightings"`
	IsDowngrade *bool   `json:"is_downgrade"`
}

func optional[T any](value T, there bool) *T {
	if !there {
		return nil
	}
	return &value
}

func foreign(u history.User) foreignUser {
	f := foreignUser{
		ID: u.ID, Kind: u.Kind, FirstSeenAt: u.FirstSeenAt, LastSeenAt: u.LastSeenAt, CurrentService: u.CurrentService,
		CurrentDevice: optional(u.CurrentDevice, u.CurrentHasDevice), CurrentVersion: u.CurrentVersion,
		CurrentSince:    u.CurrentSince,
		PreviousVersion: optional(u.PreviousVersion, u.HasPreviousVersion), VersionCount: u.VersionCount,
	}
	for _, i := range u.History {
		f.History = append(f.History, foreignInterval{
			Service: i.Service, Device: optional(i.Device, i.HasDevice), Version: i.Version, ValidFrom: i.ValidFrom,
			ValidTo: optional(i.ValidTo, !i.Open), LastSeenAt: i.LastSeenAt, Sightings: i.Sightings,
			IsDowngrade: optional(i.IsDowngrade, !i.NotComparable),
		})
	}
	return f
}

// TestPyIceberg lets another implementation of Iceberg read every table.
//
//nolint:cyclop,funlen // each table is compared with what another reader says of it
func TestPyIceberg(t *testing.T) {
	const python = "../.tools/bin/python"
	if testing.Short() {
		t.Skip("PyIceberg takes seconds to start")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skipf("Python's packages are not installed (make tools): %v", err)
	}
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.2"), laketest.Sighting("27T05:20", "s2", "1.0"),
		laketest.Event("27T05:21", "s2", "Other"), "broken")
	in.PutBytes("27T05/b.tsv.gz", laketest.Gzipped(t, laketest.Sighting("27T05:30", "s3", "1.2"))[:30])
	in.Put("27T06/a.tsv", laketest.Login("27T06:10", "s1", "p1"), laketest.DeviceInfo("27T06:11", "s2", "Gerät"),
		laketest.Event("27T06:12", "s2", "Crash", "Code", "7"))
	in.Put("27T07/a.tsv", laketest.Sighting("27T07:10", "s1", "1.1"), laketest.Sighting("27T07:20", "s4", "1.0"),
		laketest.Sighting("27T07:30", laketest.GoneSession, "1.0", "UserId", laketest.Gone))
	for i := range 4 { // the last one is empty
		run, _ := in.Silver(hour + telemetry.Hour(i))
		in.Gold(run)
	}
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.2"), laketest.Sighting("27T05:20", "s2", "1.1"),
		laketest.Sighting("27T05:40", "s5", "1.0"), "broken")
	in.Ingest(hour)
	in.Put("29T09/a.tsv", laketest.Sighting("29T09:10", "s1", "1.1")) // ends the 27th
	in.Ingest(hour + 52)
	upkeep.Daily(in)
	weight, err := cost.Weigh(t.Context(), in.Lake)
	in.Must(err)
	in.Must(cost.Record(t.Context(), in.Lake, weight, time.Now()))
	in.Must(ledger.RecordFindings(t.Context(), in.Lake, "reconcile",
		[]ledger.Finding{{Hour: hour, State: ledger.HourComplete, Changed: 1},
			{Hour: hour + 48, State: ledger.HourUnknown, Added: 2}}))
	_, _, records := checks.Compare(checks.Memory{}, checks.Run(t.Context(), in.Lake, checks.Options{Now: time.Now()}),
		time.Now())
	in.Must(checks.Save(t.Context(), in.Lake, "checks", records))
	_, err = releases.Import(t.Context(), in.Lake, []releases.Row{{Service: "App", Version: "1.2", Channel: "stable",
		Rollout: []releasefile.StepRow{{At: 1, Share: 1}}}}, false)
	in.Must(err)
	forgetting.Forget(in, laketest.Gone)
	for _, definition := range dayTables {
		_, err := maintain.MaintainTable(t.Context(), in.Lake, definition.Name,
			maintain.Upkeep{SnapshotAge: maintain.DefaultSnapshotAge, Grace: maintain.DefaultGrace}, func(string) {})
		in.Must(err)
	}

	command := exec.CommandContext(t.Context(), python, "testdata/interop.py",
		strings.TrimPrefix(in.Lake.Config.Catalog, "sqlite://"), in.Lake.Config.Warehouse)
	command.Stderr = os.Stderr
	output, err := command.Output()
	in.Must(err)
	var found struct {
		Tables map[string]struct {
			Rows                  int
			Format                int
			Columns, Undocumented []string
			Comment               string
		} `json:"tables"`
		Users      []foreignUser            `json:"users"`
		Tags       map[string][]foreignUser `json:"tags"`
		AllFiles   int                      `json:"all_files"`
		HourFiles  int                      `json:"hour_files"`
		HourRows   int                      `json:"hour_rows"`
		DayFiles   int                      `json:"day_files"`
		DayRows    int                      `json:"day_rows"`
		GoldFiles  int                      `json:"gold_files"`
		OneFiles   int                      `json:"one_files"`
		One        []foreignUser            `json:"one"`
		HistoryDoc string                   `json:"history_doc"`
	}
	in.Must(json.Unmarshal(output, &found))

	l := in.Lake
	counts := map[string]int{
		lake.BronzeEvents.Name:    len(laketest.RowsOf[lake.EventRow](t, l, lake.BronzeEvents)),
		lake.BronzeRejects.Name:   len(laketest.RowsOf[lake.RejectRow](t, l, lake.BronzeRejects)),
		lake.SilverEvents.Name:    len(laketest.RowsOf[lake.SilverRow](t, l, lake.SilverEvents)),
		lake.SilverSightings.Name: len(laketest.RowsOf[lake.SightingRow](t, l, lake.SilverSightings)),
		// one user has two intervals
		lake.SilverBindings.Name:   len(laketest.RowsOf[lake.BindingRow](t, l, lake.SilverBindings)),
		lake.GoldUsers.Name:        len(laketest.Show(t, l)) - 1,
		lake.GoldVersions.Name:     len(laketest.RowsOf[lake.VersionRow](t, l, lake.GoldVersions)),
		lake.GoldEvents.Name:       len(laketest.RowsOf[lake.ResolvedRow](t, l, lake.GoldEvents)),
		lake.GoldVersionDaily.Name: len(laketest.RowsOf[lake.VersionDailyRow](t, l, lake.GoldVersionDaily)),
		lake.GoldEventDaily.Name:   len(laketest.RowsOf[lake.EventDailyRow](t, l, lake.GoldEventDaily)),
		lake.OpsHours.Name:         len(laketest.RowsOf[lake.HourRow](t, l, lake.OpsHours)),
		lake.OpsFiles.Name:         len(laketest.RowsOf[lake.FileRow](t, l, lake.OpsFiles)),
		lake.OpsFindings.Name:      len(laketest.RowsOf[lake.FindingRow](t, l, lake.OpsFindings)),
		lake.OpsChecks.Name:        len(laketest.RowsOf[lake.CheckRow](t, l, lake.OpsChecks)),
		lake.OpsErasures.Name:      len(laketest.RowsOf[lake.ErasureRow](t, l, lake.OpsErasures)),
		lake.OpsPublished.Name:     len(laketest.RowsOf[publication.PublishedRow](t, l, lake.OpsPublished)),
		lake.OpsStorage.Name:       len(laketest.RowsOf[weighing.StorageRow](t, l, lake.OpsStorage)),
		lake.OpsReleases.Name:      len(laketest.RowsOf[releases.Row](t, l, lake.OpsReleases)),
	}
	if len(found.Tables) != len(lake.TableDefinitions) {
		t.Errorf("%d tables", len(found.Tables))
	}
	for _, definition := range lake.TableDefinitions {
		table := found.Tables[definition.Name]
		if table.Rows != counts[definition.Name] || table.Rows == 0 || table.Format != 2 ||
			len(table.Undocumented) > 0 || table.Comment != definition.Comment ||
			len(table.Columns) != reflect.TypeOf(definition.Row).NumField() {
			t.Errorf("%s, which has %d rows, is %+v", definition.Name, counts[definition.Name], table)
		}
	}
	same := func(what, version string, got []foreignUser) {
		at, err := gold.FindVersion(t.Context(), l, version)
		in.Must(err)
		var want []foreignUser
		for user, err := range gold.Users(t.Context(), l, at) {
			in.Must(err)
			want = append(want, foreign(user))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%s\nnot\n%s", what, laketest.Marshal(t, got), laketest.Marshal(t, want))
		}
	}
	same("gold", "", found.Users)
	_, tags := laketest.Snapshots(t, l, lake.GoldUsers)
	if len(tags) < 5 || len(found.Tags) != len(tags) {
		t.Errorf("tags %v, PyIceberg finds %d", tags, len(found.Tags))
	}
	for _, tag := range tags {
		same(tag, tag, found.Tags[tag])
	}
	p1 := slices.IndexFunc(found.Users, func(u foreignUser) bool { return u.ID == "p1" })
	if p1 < 0 || !reflect.DeepEqual(found.One, found.Users[p1:p1+1]) {
		t.Errorf("p1 alone is %+v", found.One)
	}
	if found.HourRows != 3 || found.HourFiles == 0 || found.HourFiles >= found.AllFiles || found.OneFiles != 1 ||
		found.GoldFiles < 2 {
		t.Errorf("an hour has %d rows in %d of %d files; a user lies in %d of %d", found.HourRows, found.HourFiles,
			found.AllFiles, found.OneFiles, found.GoldFiles)
	}
	if found.DayFiles != 1 || found.DayRows != 3 {
		t.Errorf("an hour has %d rows in %d files of a day", found.DayRows, found.DayFiles)
	}
	if found.HistoryDoc == "" {
		t.Error("history's columns have no comments")
	}
}
