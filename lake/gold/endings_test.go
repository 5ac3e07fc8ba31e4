package gold_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/compaction"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/laketest/forgetting"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// TestEndings: from a Login of nobody or a Logout on, a session is nobody's.
func TestEndings(t *testing.T) {
	late := func(at string) map[string][]string { return map[string][]string{"27T07/a.tsv": {at}} }
	checks.TellStories(t, telemetry.Options{}, []checks.Story{
		{Name: "a login of nobody", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Login("27T05:00", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"),
					laketest.LoginOfNobody("27T05:20", "s1"), laketest.Sighting("27T05:30", "s1", "2.0")}},
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{Name: "the next one",
				Files: map[string][]string{
					"27T06/a.tsv": {laketest.Login("27T06:00", "s1", "p2"),
						laketest.Sighting("27T06:10", "s1", "3.0")}},
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "p2 App 3.0 27T06:10.. ×1",
					"session:s1 App 2.0 27T05:30.. ×1"}},
			{Name: "an ending that comes late", Files: late(laketest.Logout("27T05:05", "s1")),
				Want: []string{"p2 App 3.0 27T06:10.. ×1", "session:s1 App 1.0 27T05:10..27T05:30 ×1",
					"session:s1 App 2.0 27T05:30.. ×1"}},
			{Name: "and is taken back", Files: map[string][]string{"27T07/a.tsv": nil},
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "p2 App 3.0 27T06:10.. ×1",
					"session:s1 App 2.0 27T05:30.. ×1"}},
		}},
		{Name: "a logout that names its user", Steps: []checks.StoryStep{
			{Name: "binds backwards",
				Files: map[string][]string{
					"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"),
						laketest.Logout("27T05:20", "s1", "UserId", "p1"), laketest.Sighting("27T05:20", "s1", "1.5"),
						laketest.Sighting("27T05:30", "s1", "2.0")}},
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 1.5 27T05:20..27T05:30 ×1",
					"session:s1 App 2.0 27T05:30.. ×1"}},
			{Name: "and wins over a later one", Files: late(laketest.Login("27T07:00", "s1", "p2")),
				Want: []string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 1.5 27T05:20..27T05:30 ×1",
					"session:s1 App 2.0 27T05:30.. ×1"}},
			{Name: "of nobody now",
				Files: map[string][]string{
					"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Logout("27T05:20", "s1"),
						laketest.Sighting("27T05:30", "s1", "2.0")}},
				Want: []string{"p2 App 1.0 27T05:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
		}},
		{Name: "endings ahead are passed over", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Logout("27T05:20", "s1"),
					laketest.LoginOfNobody("27T05:30", "s1"), laketest.Logout("27T05:40", "s1"),
					laketest.Login("27T06:00", "s1", "p1")}},
				Want: []string{"p1 App 1.0 27T05:10.. ×1"}},
			{Name: "but not the edge of the window",
				Files: map[string][]string{
					"26T05/a.tsv": {laketest.Sighting("26T05:59", "s1", "0.9"),
						laketest.Sighting("26T06:00", "s1", "0.95")}},
				Want: []string{"p1 App 0.95 26T06:00..27T05:10 ×1", "p1 App 1.0 27T05:10.. ×1",
					"session:s1 App 0.9 26T05:59.. ×1"}},
		}},
		{Name: "an ending counts a day", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{"26T05/a.tsv": {laketest.Logout("26T06:00", "s1")},
				"27T05/a.tsv": {laketest.Sighting("27T06:00", "s1", "1.0"), laketest.Sighting("27T06:01", "s1", "1.1"),
					laketest.Login("27T07:00", "s1", "p1")}},
				Want: []string{"p1 App 1.1 27T06:01.. ×1", "session:s1 App 1.0 27T06:00.. ×1"}},
		}},
		{Name: "the body's own user wins, and the device stays", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.DeviceInfo("27T05:00", "s1", "D1"), laketest.Login("27T05:01", "s1", "p1"),
					laketest.Logout("27T05:10", "s1"), laketest.Sighting("27T05:20", "s1", "1.0", "UserId", "p2"),
					laketest.Sighting("27T05:15", "s1", "1.0")}},
				Want: []string{"p2 App/D1 1.0 27T05:20.. ×1", "session:s1 App/D1 1.0 27T05:15.. ×1"}},
		}},
		{Name: "a login in the wrong words is one of nobody", Steps: []checks.StoryStep{
			{Name: "", Files: map[string][]string{
				"27T05/a.tsv": {laketest.Login("27T05:00", "s1", "p1"), laketest.Login("27T05:10", "s1", " NULL "),
					laketest.Sighting("27T05:20", "s1", "1.0")}},
				Want: []string{"session:s1 App 1.0 27T05:20.. ×1"}},
		}},
	})
}

// TestWithoutSession: lines whose session is a placeholder have nothing to do with each other.
func TestWithoutSession(t *testing.T) {
	checks.TellStories(t, telemetry.Options{}, []checks.Story{{Name: "placeholders", Steps: []checks.StoryStep{
		{Name: "nobody's lines are rejected",
			Files: map[string][]string{
				"27T05/a.tsv": {laketest.Login("27T05:00", "null", "p1"), laketest.DeviceInfo("27T05:01", "null", "D1"),
					laketest.Sighting("27T05:10", "null", "9.9"),
					laketest.Sighting("27T05:11", "None", "1.0", "UserId", "p2"),
					laketest.Sighting("27T05:12", "N/A", "1.1", "UserId", "p3", "Device", "D3")}},
			Want: []string{"p2 App 1.0 27T05:11.. ×1", "p3 App/D3 1.1 27T05:12.. ×1"}},
		{Name: "others bind nothing",
			Files: map[string][]string{
				"27T06/a.tsv": {laketest.Event("27T06:00", "null", "DeviceInfo", "UserId", "p2", "Device", "D2"),
					laketest.Event("27T06:00", "nan", "Notification", "UserId", "p2", "Status", "Sent"),
					laketest.Logout("27T05:00", "null", "UserId", "p3"),
					laketest.Sighting("27T06:10", "null", "1.2", "UserId", "p2"),
					laketest.Event("27T06:11", "null", "SessionEnd", "UserId", "p4", "Duration", "5")}},
			Want: []string{"p2 App 1.0 27T05:11..27T06:10 ×1", "p2 App 1.2 27T06:10.. ×1",
				"p3 App/D3 1.1 27T05:12.. ×1"}},
		{Name: "a retry is one",
			Files: map[string][]string{"27T07/a.tsv": {laketest.Sighting("27T07:10", "null", "1.3", "UserId", "p2"),
				laketest.Sighting("27T07:10", "nil", "1.3", "UserId", "p2")}},
			Want: []string{"p2 App 1.0 27T05:11..27T06:10 ×1", "p2 App 1.2 27T06:10..27T07:10 ×1",
				"p2 App 1.3 27T07:10.. ×1", "p3 App/D3 1.1 27T05:12.. ×1"}},
		{Name: "and goes with its file", Files: map[string][]string{"27T05/a.tsv": nil, "27T07/a.tsv": nil},
			Want: []string{"p2 App 1.2 27T06:10.. ×1"}},
	}}})
}

// TestDailyWithoutSession: an event without a session tells no other's version or device, and counts for no session.
func TestDailyWithoutSession(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "null", "1.0", "UserId", "p1", "Device", "D1"),
		laketest.Event("27T05:11", "null", "FeatureUsed", "UserId", "p2", "Feature", "f"),
		laketest.Sighting("27T05:12", "s1", "1.0", "UserId", "p3", "Device", "D1"))
	in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
	upkeep.Daily(in)
	got := []string{}
	for _, row := range laketest.RowsOf[lake.VersionDailyRow](t, in.Lake, lake.GoldVersionDaily) {
		got = append(got, fmt.Sprintf("%q %q users %d sessions %d", row.Version, row.Device, row.ActiveUsers,
			row.Sessions))
	}
	slices.Sort(got)
	if want := []string{`"" "" users 1 sessions 0`, `"1.0" "D1" users 2 sessions 1`}; !slices.Equal(got, want) {
		t.Errorf("got %q, not %q", got, want)
	}
	checks.Verify(t, in.Lake)
}

func ofService(service, line string) string {
	return strings.Replace(line, "\tApp\t", "\t"+service+"\t", 1)
}

// TestSessionsByService: ids that count up are told apart where the setting says so.
func TestSessionsByService(t *testing.T) {
	files := map[string][]string{"27T05/a.tsv": {
		laketest.Login("27T05:00", "1", "p1"), laketest.Sighting("27T05:10", "1", "1.0"),
		ofService("a/b", laketest.Login("27T05:00", "1", "p2")),
		ofService("a/b", laketest.DeviceInfo("27T05:01", "1", "D")),
		ofService("a/b", laketest.Sighting("27T05:12", "1", "1.0")),
		ofService("a", laketest.Sighting("27T05:11", "b/1", "2.0")), ofService("a/b", laketest.Logout("27T05:20", "1")),
		ofService("a/b", laketest.Sighting("27T05:30", "1", "3.0")),
		laketest.Sighting("27T05:31", "1", "3.0"),
	}}
	checks.TellStories(t, telemetry.Options{},
		[]checks.Story{{Name: "together", Steps: []checks.StoryStep{{Name: "", Files: files, Want: []string{
			"p2 App/D 1.0 27T05:10.. ×1", "p2 a/b/D 1.0 27T05:12.. ×1", "session:1 a/b/D 3.0 27T05:30.. ×1",
			"session:1 App/D 3.0 27T05:31.. ×1", "session:b/1 a 2.0 27T05:11.. ×1",
		}}}}})
	checks.TellStories(t, telemetry.Options{SessionsByService: true},
		[]checks.Story{{Name: "apart", Steps: []checks.StoryStep{{Name: "", Files: files, Want: []string{
			"p1 App 1.0 27T05:10..27T05:31 ×1", "p1 App 3.0 27T05:31.. ×1", "p2 a/b/D 1.0 27T05:12.. ×1",
			"session:a%2Fb/1 a/b/D 3.0 27T05:30.. ×1", "session:a/b/1 a 2.0 27T05:11.. ×1",
		}}}}})
}

// TestForgetBySessionsOfServices: a forgotten user's session of one service says nothing of another service's.
func TestForgetBySessionsOfServices(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Parsing = telemetry.Options{SessionsByService: true}
	in.Put("27T05/a.tsv", laketest.Login("27T05:00", "12345678", laketest.Gone),
		laketest.Sighting("27T05:10", "12345678", "1.0"), laketest.Event("27T05:11", "12345678", "Chat"),
		ofService("Other", laketest.Sighting("27T05:10", "12345678", "1.0")),
		ofService("Other", laketest.Event("27T05:11", "12345678", "Chat")))
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Ingest(hour)
	forgetting.As(in, laketest.Gone)
	if got := laketest.Show(t, in.Lake); !slices.Equal(got,
		[]string{"session:Other/12345678 Other 1.0 27T05:10.. ×1"}) {
		t.Errorf("gold is %q", got)
	}
	rows, err := ledger.Hours(t.Context(), in.Lake, hour, hour+1)
	in.Must(err)
	if rows[0].Events != 2 || rows[0].Erased != 3 {
		t.Errorf("the ledger says %+v", rows[0])
	}
	if lines, _ := checks.VerifiedAs(t, in.Lake, in.Parsing); len(lines) > 0 {
		t.Errorf("verify says %q", lines)
	}
	if found := forgetting.Remains(in, laketest.Gone); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
}

// TestForgetWithEndings: what came after somebody else's end is nobody's, and stays; a session that named nobody
// else goes whole.
func TestForgetWithEndings(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv",
		laketest.Login("27T05:00", laketest.GoneSession, laketest.Gone),
		laketest.DeviceInfo("27T05:01", laketest.GoneSession, "D"),
		laketest.Sighting("27T05:10", laketest.GoneSession, "1.0"), laketest.Logout("27T05:20", laketest.GoneSession),
		laketest.Sighting("27T05:30", laketest.GoneSession, "2.0"),
		laketest.Login("27T05:00", "s1", laketest.Gone), laketest.Sighting("27T05:10", "s1", "1.0"),
		laketest.Logout("27T05:20", "s1"), laketest.Sighting("27T05:30", "s1", "2.0"),
		laketest.Login("27T05:40", "s1", "p1"), laketest.Sighting("27T05:50", "s1", "3.0"),
		laketest.Login("27T05:00", "s2", "p2"), laketest.Login("27T05:10", "s2", laketest.Gone),
		laketest.Sighting("27T05:11", "s2", "1.0"), laketest.Logout("27T05:20", "s2", "UserId", laketest.Gone),
		laketest.Event("27T05:21", "s2", "Chat"),
		laketest.Sighting("27T05:40", "null", "4.0", "UserId", laketest.Gone),
		laketest.Sighting("27T05:41", "null", "4.0", "UserId", "p3"))
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Ingest(hour)
	if got, want := laketest.Show(t, in.Lake), []string{
		laketest.Gone + " App 1.0 27T05:10..27T05:40 ×2", laketest.Gone + " App/D 1.0 27T05:10.. ×1", laketest.Gone +
			" App 4.0 27T05:40.. ×1", "p1 App 3.0 27T05:50.. ×1", "p3 App 4.0 27T05:41.. ×1",
		"session:" + laketest.GoneSession + " App/D 2.0 27T05:30.. ×1", "session:s1 App 2.0 27T05:30.. ×1",
	}; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("gold is\n%q, not\n%q", got, want)
	}
	forgetting.Forget(in, laketest.Gone)
	want := []string{"p1 App 3.0 27T05:50.. ×1", "p3 App 4.0 27T05:41.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}
	for _, after := range []string{"forgotten", "read again"} {
		if got := laketest.Show(t, in.Lake); !slices.Equal(got, want) {
			t.Errorf("%s: gold is\n%q, not\n%q", after, got, want)
		}
		if found := forgetting.Remains(in, laketest.Gone, laketest.GoneSession); len(found) > 0 {
			t.Errorf("%s: left behind: %q", after, found)
		}
		checks.Verify(t, in.Lake)
		in.Ingest(hour)
	}
}

// TestBronzeOfOlderRules: lines that newer rules reject stay in bronze, and give no silver.
func TestBronzeOfOlderRules(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Parsing = telemetry.Options{Catalogue: telemetry.Catalogue{Absent: []string{}},
		MaxPast: 200 * 365 * 24 * time.Hour}
	in.Put("27T05/a.tsv", laketest.Login("27T05:00", "null", "p1"), laketest.Sighting("27T05:10", "null", "9.9"),
		laketest.Sighting("27T05:11", "s1", "1.0"),
		strings.Replace(laketest.Sighting("27T05:12", "s2", "2.0", "UserId", "p2"), "2022", "1970", 1),
		laketest.Sighting("27T05:13", "s3", "1.0", "UserId", "null"))
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:00", "null", "9.9"))
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06"} {
		in.Ingest(laketest.HourAt(t, hour))
	}
	if got := laketest.Show(t, in.Lake); len(got) != 4 {
		t.Fatalf("by older rules, gold is %q", got)
	}
	if lines, _ := checks.Verified(t, in.Lake); len(lines) == 0 {
		t.Error("silver of older rules is no difference")
	}
	var runs []lake.Run
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06"} {
		run, row, err := in.SilverAgain(laketest.HourAt(t, hour), telemetry.Options{})
		in.Must(err)
		if !row.Changed {
			t.Errorf("hour %s: %+v", hour, row)
		}
		runs = append(runs, run)
	}
	in.Gold(runs...)
	if got, want := laketest.Show(t, in.Lake), []string{"session:s1 App 1.0 27T05:11.. ×1",
		"session:s3 App 1.0 27T05:13.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q, not %q", got, want)
	}
	if rows := laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents); len(rows) != 6 {
		t.Errorf("bronze has %d rows", len(rows))
	}
	checked := checks.Verify(t, in.Lake)
	for _, note := range []string{"2022-05-27T05: 1 lines of bronze would be rejected today (past)",
		"2022-05-27T05: 1 lines of bronze would be rejected today (session)"} {
		if !slices.ContainsFunc(checked.Notes, func(text string) bool { return strings.Contains(text, note) }) {
			t.Errorf("verify notes %q, and not %s", checked.Notes, note)
		}
	}

	// That no line has a name is no newer rule, but the wrong names of events.
	catalogue := telemetry.Catalogue{Attributes: map[string][]string{"Name": {"Event"}}}
	if _, _, err := in.SilverAgain(laketest.HourAt(t, "2022-05-27T05"),
		telemetry.Options{Catalogue: catalogue}); !errors.Is(err, hours.ErrNoBronze) {
		t.Errorf("with the wrong names of events: %v", err)
	}
}

// TestColumnsThatWereRequired: files in which session_id and value could not be NULL are read as before, by both
// ways of reading.
func TestColumnsThatWereRequired(t *testing.T) {
	in := laketest.NewWorld(t)
	type olderBinding struct {
		SessionKey      int64  `parquet:"session_key,uncompressed,delta,id(1)"`
		SessionID       string `parquet:"session_id,id(2)"`
		Kind            string `parquet:"kind,uncompressed,dict,id(3)"`
		Value           string `parquet:"value,id(4)"`
		Time            int64  `parquet:"event_timestamp_utc,timestamp(microsecond),id(5)"`
		Transaction     int64  `parquet:"transaction_number,id(6)"`
		FileName        string `parquet:"file_name,id(7)"`
		LineNumber      int64  `parquet:"line_number,id(8)"`
		IngestDate      int32  `parquet:"p_ingest_date_utc,date,delta,id(9)"`
		IngestHourOfDay int32  `parquet:"p_ingest_hour_utc,delta,id(10)"`
	}
	hour := laketest.HourAt(t, "2022-05-27T05")
	writer, err := lake.NewDataWriter[olderBinding](in.Lake, lake.SilverBindings, lake.DayOf(hour))
	in.Must(err)
	in.Must(writer.Append([]olderBinding{
		{SessionKey: 7, SessionID: "s", Kind: "user", Value: "p1", Time: 5, FileName: "f", LineNumber: 3},
		{SessionKey: 8, SessionID: "t", Kind: "device", Value: "D"}}, 0))
	file, err := writer.Close("older")
	in.Must(err)
	entry, err := in.Lake.Entry(*file, lake.SilverBindings)
	in.Must(err)
	got := []string{}
	in.Must(eachRowOf(t, in.Lake, entry,
		func(row *lake.BindingRow) { got = append(got, row.SessionID+row.Kind+row.Value) }))
	in.Must(sessions.Reader{Lake: in.Lake}.Bindings(t.Context(), []iceberg.DataFile{entry}, sessions.RowKept,
		func(row sessions.SessionRow) error {
			got = append(got, row.Session+string(row.Kind)+row.Value)
			return nil
		}))
	schema := parquet.SchemaOf(lake.BindingRow{})
	copied, err := lake.NewDataWriter[any](in.Lake, lake.SilverBindings, lake.DayOf(hour), schema)
	in.Must(err)
	in.Must(compaction.CopyRows(t.Context(), in.Lake, entry, schema, copied)) // as compaction does
	file, err = copied.Close("copied")
	in.Must(err)
	entry, err = in.Lake.Entry(*file, lake.SilverBindings)
	in.Must(err)
	in.Must(eachRowOf(t, in.Lake, entry,
		func(row *lake.BindingRow) { got = append(got, "copied "+row.SessionID+row.Kind+row.Value) }))
	if want := []string{"suserp1", "tdeviceD", "sup1", "tdD", "copied suserp1", "copied tdeviceD"}; !slices.Equal(got,
		want) {
		t.Errorf("read as %q, not %q", got, want)
	}
}

// TestEndingsComeLast: in whatever order the rows of a line come, it names its user first and then ends the session.
func TestEndingsComeLast(t *testing.T) {
	row := func(value string, state byte, line int64) *sessions.SessionRow {
		return &sessions.SessionRow{Key: 1, Session: "s", Kind: 'u', Value: value, State: state, Time: 5, File: "f",
			Line: line}
	}
	all := []*sessions.SessionRow{row("p1", sessions.RowKept, 1), row("", sessions.RowKept, 1),
		row("p2", sessions.RowAdded, 2), row("", sessions.RowAdded, 2), row("", sessions.RowRemoved, 3),
		row("p3", sessions.RowAdded, 3), {Key: 1, Session: "s", Kind: 's', Time: 6}}
	for range 100 {
		rows := slices.Clone(all)
		rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		slices.SortFunc(rows, (*sessions.SessionRow).Compare)
		var order []string
		for _, row := range rows {
			if row.Kind == 'u' {
				order = append(order, cmp.Or(row.Value, "–"))
			}
		}
		require.Equal(t, "p1 – p2 – p3 –", strings.Join(order, " "))
		rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		var keyed []objects.Keyed[sessions.SessionRow]
		for _, row := range rows {
			keyed = append(keyed, objects.Keyed[sessions.SessionRow]{Key: row.Key, Value: row})
		}
		require.NoError(t, sessions.EachSighting(keyed, func(of *sessions.Session, _ *sessions.SessionRow) error {
			said := func(bound *sessions.Bound) string {
				first, _ := bound.Users.Resolve(4)
				last, _ := bound.Users.Resolve(5)
				return cmp.Or(first, "–") + " " + cmp.Or(last, "–")
			}
			require.Equal(t, "p1 –", said(&of.Before))
			require.Equal(t, "p1 p3", said(&of.After))
			return nil
		}))
	}
}

func eachRowOf[T any](t *testing.T, l *lake.Lake, file iceberg.DataFile, each func(*T)) error {
	return lake.ScanRows(t.Context(), l, file, func(rows []T) error {
		for i := range rows {
			each(&rows[i])
		}
		return nil
	})
}
