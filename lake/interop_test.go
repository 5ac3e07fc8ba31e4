package lake

import (
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/history"
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
		CurrentDevice: optional(u.CurrentDevice, u.CurrentHasDevice), CurrentVersion: u.CurrentVersion, CurrentSince: u.CurrentSince,
		PreviousVersion: optional(u.PreviousVersion, u.HasPreviousVersion), VersionCount: u.VersionCount,
	}
	for _, i := range u.History {
		f.History = append(f.History, foreignInterval{
			Service: i.Service, Device: optional(i.Device, i.HasDevice), Version: i.Version, ValidFrom: i.ValidFrom,
			ValidTo: optional(i.ValidTo, !i.Open), LastSeenAt: i.LastSeenAt, Sightings: i.Sightings, IsDowngrade: optional(i.IsDowngrade, !i.NotComparable),
		})
	}
	return f
}

// TestPyIceberg lets another implementation of Iceberg read every table.
func TestPyIceberg(t *testing.T) {
	const python = "../.tools/bin/python"
	if testing.Short() {
		t.Skip("PyIceberg takes seconds to start")
	}
	if _, err := os.Stat(python); err != nil {
		t.Skipf("Python's packages are not installed (make tools): %v", err)
	}
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.2"), sighting("27T05:20", "s2", "1.0"), event("27T05:21", "s2", "Other"), "broken")
	in.putBytes("27T05/b.tsv.gz", gzipped(t, sighting("27T05:30", "s3", "1.2"))[:30])
	in.put("27T06/a.tsv", login("27T06:10", "s1", "p1"), deviceInfo("27T06:11", "s2", "Gerät"), event("27T06:12", "s2", "Crash", "Code", "7"))
	in.put("27T07/a.tsv", sighting("27T07:10", "s1", "1.1"), sighting("27T07:20", "s4", "1.0"), sighting("27T07:30", goneSession, "1.0", "UserId", gone))
	for i := range 4 { // the last one is empty
		run, _ := in.silver(hour + telemetry.Hour(i))
		in.gold(run)
	}
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.2"), sighting("27T05:20", "s2", "1.1"), sighting("27T05:40", "s5", "1.0"), "broken")
	in.ingest(hour)
	in.daily()
	in.must(in.lake.RecordFindings(t.Context(), "reconcile", []Finding{{Hour: hour, State: HourComplete, Changed: 1}, {Hour: hour + 48, State: HourUnknown, Added: 2}}))
	in.forget(gone)
	for _, definition := range dayTables {
		_, err := in.lake.MaintainTable(t.Context(), definition.name, Upkeep{SnapshotAge: DefaultSnapshotAge, Grace: DefaultGrace}, func(string) {})
		in.must(err)
	}

	command := exec.CommandContext(t.Context(), python, "testdata/interop.py",
		strings.TrimPrefix(in.lake.config.Catalog, "sqlite://"), in.lake.config.Warehouse)
	command.Stderr = os.Stderr
	output, err := command.Output()
	in.must(err)
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
	in.must(json.Unmarshal(output, &found))

	l := in.lake
	counts := map[string]int{
		bronzeEvents.name: len(rowsOf[eventRow](t, l, bronzeEvents)), bronzeRejects.name: len(rowsOf[rejectRow](t, l, bronzeRejects)),
		silverEvents.name: len(rowsOf[silverRow](t, l, silverEvents)), silverSightings.name: len(rowsOf[sightingRow](t, l, silverSightings)),
		silverBindings.name: len(rowsOf[bindingRow](t, l, silverBindings)), goldUsers.name: len(show(t, l)) - 1, // one user has two intervals
		goldVersions.name:     len(rowsOf[versionRow](t, l, goldVersions)),
		goldVersionDaily.name: len(rowsOf[versionDailyRow](t, l, goldVersionDaily)), goldEventDaily.name: len(rowsOf[eventDailyRow](t, l, goldEventDaily)),
		opsHours.name: len(rowsOf[hourRow](t, l, opsHours)), opsFiles.name: len(rowsOf[fileRow](t, l, opsFiles)),
		opsFindings.name: len(rowsOf[findingRow](t, l, opsFindings)),
		opsErasures.name: len(rowsOf[erasureRow](t, l, opsErasures)),
	}
	if len(found.Tables) != len(tableDefinitions) {
		t.Errorf("%d tables", len(found.Tables))
	}
	for _, definition := range tableDefinitions {
		table := found.Tables[definition.name]
		if table.Rows != counts[definition.name] || table.Rows == 0 || table.Format != 2 || len(table.Undocumented) > 0 || table.Comment != definition.comment ||
			len(table.Columns) != reflect.TypeOf(definition.row).NumField() {
			t.Errorf("%s, which has %d rows, is %+v", definition.name, counts[definition.name], table)
		}
	}
	same := func(what, version string, got []foreignUser) {
		at, err := l.Version(t.Context(), version)
		in.must(err)
		var want []foreignUser
		for user, err := range l.Users(t.Context(), at) {
			in.must(err)
			want = append(want, foreign(user))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n%s\nnot\n%s", what, marshal(t, got), marshal(t, want))
		}
	}
	same("gold", "", found.Users)
	_, tags := snapshots(t, l, goldUsers)
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
	if found.HourRows != 3 || found.HourFiles == 0 || found.HourFiles >= found.AllFiles || found.OneFiles != 1 || found.GoldFiles < 2 {
		t.Errorf("an hour has %d rows in %d of %d files; a user lies in %d of %d", found.HourRows, found.HourFiles, found.AllFiles, found.OneFiles, found.GoldFiles)
	}
	if found.DayFiles != 1 || found.DayRows != 3 {
		t.Errorf("an hour has %d rows in %d files of a day", found.DayRows, found.DayFiles)
	}
	if found.HistoryDoc == "" {
		t.Error("history's columns have no comments")
	}
}
