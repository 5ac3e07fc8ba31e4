package lake

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

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// TestEndings: from a Login of nobody or a Logout on, a session is nobody's.
func TestEndings(t *testing.T) {
	late := func(at string) map[string][]string { return map[string][]string{"27T07/a.tsv": {at}} }
	tellStories(t, telemetry.Options{}, []story{
		{"a login of nobody", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {login("27T05:00", "s1", "p1"), sighting("27T05:10", "s1", "1.0"), loginOfNobody("27T05:20", "s1"), sighting("27T05:30", "s1", "2.0")}},
				[]string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{"the next one", map[string][]string{"27T06/a.tsv": {login("27T06:00", "s1", "p2"), sighting("27T06:10", "s1", "3.0")}},
				[]string{"p1 App 1.0 27T05:10.. ×1", "p2 App 3.0 27T06:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{"an ending that comes late", late(logout("27T05:05", "s1")),
				[]string{"p2 App 3.0 27T06:10.. ×1", "session:s1 App 1.0 27T05:10..27T05:30 ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{"and is taken back", map[string][]string{"27T07/a.tsv": nil},
				[]string{"p1 App 1.0 27T05:10.. ×1", "p2 App 3.0 27T06:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
		}},
		{"a logout that names its user", []storyStep{
			{"binds backwards", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), logout("27T05:20", "s1", "UserId", "p1"), sighting("27T05:20", "s1", "1.5"), sighting("27T05:30", "s1", "2.0")}},
				[]string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 1.5 27T05:20..27T05:30 ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{"and wins over a later one", late(login("27T07:00", "s1", "p2")),
				[]string{"p1 App 1.0 27T05:10.. ×1", "session:s1 App 1.5 27T05:20..27T05:30 ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
			{"of nobody now", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), logout("27T05:20", "s1"), sighting("27T05:30", "s1", "2.0")}},
				[]string{"p2 App 1.0 27T05:10.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}},
		}},
		{"endings ahead are passed over", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {sighting("27T05:10", "s1", "1.0"), logout("27T05:20", "s1"), loginOfNobody("27T05:30", "s1"), logout("27T05:40", "s1"), login("27T06:00", "s1", "p1")}},
				[]string{"p1 App 1.0 27T05:10.. ×1"}},
			{"but not the edge of the window", map[string][]string{"26T05/a.tsv": {sighting("26T05:59", "s1", "0.9"), sighting("26T06:00", "s1", "0.95")}},
				[]string{"p1 App 0.95 26T06:00..27T05:10 ×1", "p1 App 1.0 27T05:10.. ×1", "session:s1 App 0.9 26T05:59.. ×1"}},
		}},
		{"an ending counts a day", []storyStep{
			{"", map[string][]string{"26T05/a.tsv": {logout("26T06:00", "s1")}, "27T05/a.tsv": {sighting("27T06:00", "s1", "1.0"), sighting("27T06:01", "s1", "1.1"), login("27T07:00", "s1", "p1")}},
				[]string{"p1 App 1.1 27T06:01.. ×1", "session:s1 App 1.0 27T06:00.. ×1"}},
		}},
		{"the body's own user wins, and the device stays", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {deviceInfo("27T05:00", "s1", "D1"), login("27T05:01", "s1", "p1"), logout("27T05:10", "s1"), sighting("27T05:20", "s1", "1.0", "UserId", "p2"), sighting("27T05:15", "s1", "1.0")}},
				[]string{"p2 App/D1 1.0 27T05:20.. ×1", "session:s1 App/D1 1.0 27T05:15.. ×1"}},
		}},
		{"a login in the wrong words is one of nobody", []storyStep{
			{"", map[string][]string{"27T05/a.tsv": {login("27T05:00", "s1", "p1"), login("27T05:10", "s1", " NULL "), sighting("27T05:20", "s1", "1.0")}},
				[]string{"session:s1 App 1.0 27T05:20.. ×1"}},
		}},
	})
}

// TestWithoutSession: lines whose session is a placeholder have nothing to do with each other.
func TestWithoutSession(t *testing.T) {
	tellStories(t, telemetry.Options{}, []story{{"placeholders", []storyStep{
		{"nobody's lines are rejected", map[string][]string{"27T05/a.tsv": {login("27T05:00", "null", "p1"), deviceInfo("27T05:01", "null", "D1"), sighting("27T05:10", "null", "9.9"),
			sighting("27T05:11", "None", "1.0", "UserId", "p2"), sighting("27T05:12", "N/A", "1.1", "UserId", "p3", "Device", "D3")}},
			[]string{"p2 App 1.0 27T05:11.. ×1", "p3 App/D3 1.1 27T05:12.. ×1"}},
		{"others bind nothing", map[string][]string{"27T06/a.tsv": {event("27T06:00", "null", "DeviceInfo", "UserId", "p2", "Device", "D2"), event("27T06:00", "nan", "Notification", "UserId", "p2", "Status", "Sent"),
			logout("27T05:00", "null", "UserId", "p3"), sighting("27T06:10", "null", "1.2", "UserId", "p2"), event("27T06:11", "null", "SessionEnd", "UserId", "p4", "Duration", "5")}},
			[]string{"p2 App 1.0 27T05:11..27T06:10 ×1", "p2 App 1.2 27T06:10.. ×1", "p3 App/D3 1.1 27T05:12.. ×1"}},
		{"a retry is one", map[string][]string{"27T07/a.tsv": {sighting("27T07:10", "null", "1.3", "UserId", "p2"), sighting("27T07:10", "nil", "1.3", "UserId", "p2")}},
			[]string{"p2 App 1.0 27T05:11..27T06:10 ×1", "p2 App 1.2 27T06:10..27T07:10 ×1", "p2 App 1.3 27T07:10.. ×1", "p3 App/D3 1.1 27T05:12.. ×1"}},
		{"and goes with its file", map[string][]string{"27T05/a.tsv": nil, "27T07/a.tsv": nil}, []string{"p2 App 1.2 27T06:10.. ×1"}},
	}}})
}

// TestDailyWithoutSession: an event without a session tells no other's version or device, and counts for no session.
func TestDailyWithoutSession(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv", sighting("27T05:10", "null", "1.0", "UserId", "p1", "Device", "D1"), event("27T05:11", "null", "FeatureUsed", "UserId", "p2", "Feature", "f"),
		sighting("27T05:12", "s1", "1.0", "UserId", "p3", "Device", "D1"))
	in.ingest(hourAt(t, "2022-05-27T05"))
	in.daily()
	got := []string{}
	for _, row := range rowsOf[versionDailyRow](t, in.lake, goldVersionDaily) {
		got = append(got, fmt.Sprintf("%q %q users %d sessions %d", row.Version, row.Device, row.ActiveUsers, row.Sessions))
	}
	slices.Sort(got)
	if want := []string{`"" "" users 1 sessions 0`, `"1.0" "D1" users 2 sessions 1`}; !slices.Equal(got, want) {
		t.Errorf("got %q, not %q", got, want)
	}
	checkVerify(t, in.lake)
}

func ofService(service, line string) string {
	return strings.Replace(line, "\tApp\t", "\t"+service+"\t", 1)
}

// TestSessionsByService: ids that count up are told apart where the setting says so.
func TestSessionsByService(t *testing.T) {
	files := map[string][]string{"27T05/a.tsv": {
		login("27T05:00", "1", "p1"), sighting("27T05:10", "1", "1.0"), ofService("a/b", login("27T05:00", "1", "p2")), ofService("a/b", deviceInfo("27T05:01", "1", "D")),
		ofService("a/b", sighting("27T05:12", "1", "1.0")), ofService("a", sighting("27T05:11", "b/1", "2.0")), ofService("a/b", logout("27T05:20", "1")), ofService("a/b", sighting("27T05:30", "1", "3.0")),
		sighting("27T05:31", "1", "3.0"),
	}}
	tellStories(t, telemetry.Options{}, []story{{"together", []storyStep{{"", files, []string{
		"p2 App/D 1.0 27T05:10.. ×1", "p2 a/b/D 1.0 27T05:12.. ×1", "session:1 a/b/D 3.0 27T05:30.. ×1", "session:1 App/D 3.0 27T05:31.. ×1", "session:b/1 a 2.0 27T05:11.. ×1",
	}}}}})
	tellStories(t, telemetry.Options{SessionsByService: true}, []story{{"apart", []storyStep{{"", files, []string{
		"p1 App 1.0 27T05:10..27T05:31 ×1", "p1 App 3.0 27T05:31.. ×1", "p2 a/b/D 1.0 27T05:12.. ×1", "session:a%2Fb/1 a/b/D 3.0 27T05:30.. ×1", "session:a/b/1 a 2.0 27T05:11.. ×1",
	}}}}})
}

// TestForgetBySessionsOfServices: a forgotten user's session of one service says nothing of another service's.
func TestForgetBySessionsOfServices(t *testing.T) {
	in := newWorld(t)
	in.parsing = telemetry.Options{SessionsByService: true}
	in.put("27T05/a.tsv", login("27T05:00", "12345678", gone), sighting("27T05:10", "12345678", "1.0"), event("27T05:11", "12345678", "Chat"),
		ofService("Other", sighting("27T05:10", "12345678", "1.0")), ofService("Other", event("27T05:11", "12345678", "Chat")))
	hour := hourAt(t, "2022-05-27T05")
	in.ingest(hour)
	in.forgetAs(gone)
	if got := show(t, in.lake); !slices.Equal(got, []string{"session:Other/12345678 Other 1.0 27T05:10.. ×1"}) {
		t.Errorf("gold is %q", got)
	}
	rows, err := in.lake.Hours(t.Context(), hour, hour+1)
	in.must(err)
	if rows[0].Events != 2 || rows[0].Erased != 3 {
		t.Errorf("the ledger says %+v", rows[0])
	}
	if lines, _ := verifiedAs(t, in.lake, in.parsing); len(lines) > 0 {
		t.Errorf("verify says %q", lines)
	}
	if found := in.remains(gone); len(found) > 0 {
		t.Errorf("left behind: %q", found)
	}
}

// forgetAs forgets a user of a lake whose lines are read as in.parsing says.
func (in *ingester) forgetAs(user string) {
	in.tb.Helper()
	ctx := in.tb.Context()
	erasure, err := in.lake.BeginForget(ctx, user)
	in.must(err)
	_, err = in.lake.FindSessions(ctx, erasure, in.parsing)
	in.must(err)
	for _, name := range ErasableTables() {
		_, err := in.lake.EraseTable(ctx, erasure, name, in.parsing, func(int64) {})
		in.must(err)
	}
	in.must(in.lake.RecountErased(ctx, erasure))
	proof, err := in.lake.ProveForgotten(ctx, erasure, func(int64) {})
	in.must(err)
	_, err = in.lake.FinishForget(ctx, erasure, nil, proof)
	in.must(err)
}

// TestForgetWithEndings: what came after somebody else's end is nobody's, and stays; a session that named nobody else goes whole.
func TestForgetWithEndings(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv",
		login("27T05:00", goneSession, gone), deviceInfo("27T05:01", goneSession, "D"), sighting("27T05:10", goneSession, "1.0"), logout("27T05:20", goneSession), sighting("27T05:30", goneSession, "2.0"),
		login("27T05:00", "s1", gone), sighting("27T05:10", "s1", "1.0"), logout("27T05:20", "s1"), sighting("27T05:30", "s1", "2.0"), login("27T05:40", "s1", "p1"), sighting("27T05:50", "s1", "3.0"),
		login("27T05:00", "s2", "p2"), login("27T05:10", "s2", gone), sighting("27T05:11", "s2", "1.0"), logout("27T05:20", "s2", "UserId", gone), event("27T05:21", "s2", "Chat"),
		sighting("27T05:40", "null", "4.0", "UserId", gone), sighting("27T05:41", "null", "4.0", "UserId", "p3"))
	hour := hourAt(t, "2022-05-27T05")
	in.ingest(hour)
	if got, want := show(t, in.lake), []string{
		gone + " App 1.0 27T05:10..27T05:40 ×2", gone + " App/D 1.0 27T05:10.. ×1", gone + " App 4.0 27T05:40.. ×1", "p1 App 3.0 27T05:50.. ×1", "p3 App 4.0 27T05:41.. ×1",
		"session:" + goneSession + " App/D 2.0 27T05:30.. ×1", "session:s1 App 2.0 27T05:30.. ×1",
	}; !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("gold is\n%q, not\n%q", got, want)
	}
	in.forget(gone)
	want := []string{"p1 App 3.0 27T05:50.. ×1", "p3 App 4.0 27T05:41.. ×1", "session:s1 App 2.0 27T05:30.. ×1"}
	for _, after := range []string{"forgotten", "read again"} {
		if got := show(t, in.lake); !slices.Equal(got, want) {
			t.Errorf("%s: gold is\n%q, not\n%q", after, got, want)
		}
		if found := in.remains(gone, goneSession); len(found) > 0 {
			t.Errorf("%s: left behind: %q", after, found)
		}
		checkVerify(t, in.lake)
		in.ingest(hour)
	}
}

// TestBronzeOfOlderRules: lines that newer rules reject stay in bronze, and give no silver.
func TestBronzeOfOlderRules(t *testing.T) {
	in := newWorld(t)
	in.parsing = telemetry.Options{Catalogue: telemetry.Catalogue{Absent: []string{}}, MaxPast: 200 * 365 * 24 * time.Hour}
	in.put("27T05/a.tsv", login("27T05:00", "null", "p1"), sighting("27T05:10", "null", "9.9"), sighting("27T05:11", "s1", "1.0"),
		strings.Replace(sighting("27T05:12", "s2", "2.0", "UserId", "p2"), "2022", "1970", 1), sighting("27T05:13", "s3", "1.0", "UserId", "null"))
	in.put("27T06/a.tsv", sighting("27T06:00", "null", "9.9"))
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06"} {
		in.ingest(hourAt(t, hour))
	}
	if got := show(t, in.lake); len(got) != 4 {
		t.Fatalf("by older rules, gold is %q", got)
	}
	if lines, _ := verified(t, in.lake); len(lines) == 0 {
		t.Error("silver of older rules is no difference")
	}
	var runs []Run
	for _, hour := range []string{"2022-05-27T05", "2022-05-27T06"} {
		run, row, err := in.silverAgain(hourAt(t, hour), telemetry.Options{})
		in.must(err)
		if !row.Changed {
			t.Errorf("hour %s: %+v", hour, row)
		}
		runs = append(runs, run)
	}
	in.gold(runs...)
	if got, want := show(t, in.lake), []string{"session:s1 App 1.0 27T05:11.. ×1", "session:s3 App 1.0 27T05:13.. ×1"}; !slices.Equal(got, want) {
		t.Errorf("gold is %q, not %q", got, want)
	}
	if rows := rowsOf[eventRow](t, in.lake, bronzeEvents); len(rows) != 6 {
		t.Errorf("bronze has %d rows", len(rows))
	}
	checked := checkVerify(t, in.lake)
	for _, note := range []string{"2022-05-27T05: 1 lines of bronze would be rejected today (past)", "2022-05-27T05: 1 lines of bronze would be rejected today (session)"} {
		if !slices.ContainsFunc(checked.Notes, func(text string) bool { return strings.Contains(text, note) }) {
			t.Errorf("verify notes %q, and not %s", checked.Notes, note)
		}
	}

	// That no line has a name is no newer rule, but the wrong names of events.
	catalogue := telemetry.Catalogue{Attributes: map[string][]string{"Name": {"Event"}}}
	if _, _, err := in.silverAgain(hourAt(t, "2022-05-27T05"), telemetry.Options{Catalogue: catalogue}); !errors.Is(err, ErrNoBronze) {
		t.Errorf("with the wrong names of events: %v", err)
	}
}

// TestColumnsThatWereRequired: files in which session_id and value could not be NULL are read as before, by both ways of reading.
func TestColumnsThatWereRequired(t *testing.T) {
	in := newWorld(t)
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
	hour := hourAt(t, "2022-05-27T05")
	writer, err := newDataWriter[olderBinding](in.lake, silverBindings, dayOf(hour))
	in.must(err)
	in.must(writer.write([]olderBinding{{SessionKey: 7, SessionID: "s", Kind: "user", Value: "p1", Time: 5, FileName: "f", LineNumber: 3}, {SessionKey: 8, SessionID: "t", Kind: "device", Value: "D"}}, 0))
	file, err := writer.close("older")
	in.must(err)
	entry, err := in.lake.entry(*file, silverBindings)
	in.must(err)
	got := []string{}
	in.must(eachRowOf(t.Context(), in.lake, entry, func(row *bindingRow) { got = append(got, row.SessionID+row.Kind+row.Value) }))
	in.must(in.lake.bindingRows(t.Context(), []iceberg.DataFile{entry}, rowKept, nil, func(row sessionRow) error {
		got = append(got, row.session+string(row.kind)+row.value)
		return nil
	}))
	schema := parquet.SchemaOf(bindingRow{})
	copied, err := newDataWriter[any](in.lake, silverBindings, dayOf(hour), schema)
	in.must(err)
	in.must(copyRows(t.Context(), in.lake, entry, schema, copied)) // as compaction does
	file, err = copied.close("copied")
	in.must(err)
	entry, err = in.lake.entry(*file, silverBindings)
	in.must(err)
	in.must(eachRowOf(t.Context(), in.lake, entry, func(row *bindingRow) { got = append(got, "copied "+row.SessionID+row.Kind+row.Value) }))
	if want := []string{"suserp1", "tdeviceD", "sup1", "tdD", "copied suserp1", "copied tdeviceD"}; !slices.Equal(got, want) {
		t.Errorf("read as %q, not %q", got, want)
	}
}

// TestEndingsComeLast: in whatever order the rows of a line come, it names its user first and then ends the session.
func TestEndingsComeLast(t *testing.T) {
	row := func(value string, state byte, line int64) *sessionRow {
		return &sessionRow{key: 1, session: "s", kind: 'u', value: value, state: state, time: 5, file: "f", line: line}
	}
	all := []*sessionRow{row("p1", rowKept, 1), row("", rowKept, 1), row("p2", rowAdded, 2), row("", rowAdded, 2), row("", rowRemoved, 3), row("p3", rowAdded, 3)}
	for range 100 {
		rows := slices.Clone(all)
		rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		slices.SortFunc(rows, (*sessionRow).compare)
		s := newSession(rows)
		for name, bindings := range map[string]history.Bindings{"p1 – –": s.before.users, "p1 – p2 – p3": s.after.users} {
			var got []string
			for _, binding := range bindings {
				if binding.Ends != (binding.Value == "") {
					t.Fatalf("%+v", binding)
				}
				got = append(got, cmp.Or(binding.Value, "–"))
			}
			if strings.Join(got, " ") != name {
				t.Fatalf("got %q, not %s", got, name)
			}
		}
	}
}
