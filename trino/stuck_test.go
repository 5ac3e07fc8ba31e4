package trino_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/releases"
	"github.com/versionlake/versionlake/telemetry"
)

// script is telemetry that is written line by line.
type script map[telemetry.Hour][]string

func (s script) event(at, user, name string, attributes ...string) {
	moment, err := time.Parse("2006-01-02T15:04", "2022-05-"+at)
	if err != nil {
		panic(err)
	}
	body := "{'Name': '" + name + "', 'UserId': '" + user + "'"
	for i := 0; i < len(attributes); i += 2 {
		body += ", '" + attributes[i] + "': '" + attributes[i+1] + "'"
	}
	hour := telemetry.HourOf(moment)
	s[hour] = append(s[hour], fmt.Sprintf("c\t%s\tApp\ts-%s\t%d\t%s}", moment.Format(time.RFC3339), user,
		len(s[hour]), body))
}

func (s script) sight(at, user, device, version string) {
	s.event(at, user, "SoftwareVersion", "Version", version, "Device", device)
}

func (w *world) play(t *testing.T, s script) {
	t.Helper()
	w.take(t, s)
	w.createViews(t)
}

// take ingests a script, without any view.
func (w *world) take(t *testing.T, s script) {
	t.Helper()
	var hours []telemetry.Hour
	for hour, lines := range s {
		file := filepath.Join(w.folder, filepath.FromSlash(hour.Folder()), "a.tsv")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
		hours = append(hours, hour)
	}
	require.NoError(t, w.ingest(t.Context(), hours...))
	require.NoError(t, w.daily(t.Context()))
}

// TestStuck: each reason, the grace of a week, releases that enough users or too few saw, and an experiment whose users
// fall unevenly: what the generator's world hardly has.
//
//nolint:funlen // one world, written line by line, and what its views say
func TestStuck(t *testing.T) {
	skipShort(t)
	w, s := newWorld(t), script{}
	told := func(user string, target string, statuses ...string) {
		for _, status := range statuses {
			s.event("09T05:10", user, "Notification", "Target", target, "Status", status)
		}
	}
	stuck := []string{"never", "sent", "shown", "dismissed", "accepted", "failed", "other"}
	for _, user := range append(stuck, "gone", "old") {
		device := "D"
		if user == "old" {
			device = "Old"
		}
		s.sight("01T05:00", user, device, "1.0")
		if user != "gone" {
			s.sight("20T05:00", user, device, "1.0")
		}
	}
	s.sight("09T05:00", "gone", "D", "1.0") // and no more, within the week
	s.sight("05T05:00", "one", "D", "1.1")
	s.sight("20T05:00", "one", "D", "1.1")
	for n := range 5 {
		if n < 4 {
			s.sight(fmt.Sprintf("20T05:1%d", n), fmt.Sprint("few", n), "D", "1.3")
		}
		s.sight(fmt.Sprintf("20T05:2%d", n), fmt.Sprint("enough", n), "D", "1.4")
	}
	told("never", "0.9", "Sent", "Dismissed") // of an older version
	told("sent", "1.2", "Sent")
	told("shown", "1.2", "Sent", "Shown")
	told("dismissed", "1.2", "Sent", "Shown", "Dismissed")
	told("accepted", "1.2", "Shown", "Accepted", "Dismissed")
	told("failed", "1.2", "Accepted", "Failed")
	told("other", "1.2", "Snoozed")
	told("old", "1.2", "Dismissed")
	s.sight("02T05:00", "tester", "D", "1.2")
	s.sight("02T06:00", "tester", "D", "0.9") // known to the order, and nobody's release
	for n := range 80 {
		s.event("20T05:30", fmt.Sprint("x", n), "Experiment", "Experiment", "e",
			"Variant", []string{"A", "A", "A", "B"}[n%4])
	}
	s.event("20T05:31", "both", "Experiment", "Experiment", "e", "Variant", "A")
	s.event("20T05:32", "both", "Experiment", "Experiment", "e", "Variant", "B")
	at := func(text string) int64 {
		moment, err := time.Parse(time.DateOnly, text)
		require.NoError(t, err)
		return moment.UnixMicro()
	}
	_, err := releases.Import(t.Context(), w.Lake, []releases.Row{
		{Service: "App", Version: "1.1", ReleasedAt: at("2022-05-02"), Channel: "stable"},
		{Service: "App", Version: "1.2", ReleasedAt: at("2022-05-03"), Channel: "stable"}}, false)
	require.NoError(t, err)
	w.play(t, s)

	require.Equal(t, [][]string{
		{"1.0", "2022-05-01T05:00:00Z", "false", "3"}, {"1.1", "2022-05-02T00:00:00Z", "true", "2"},
		{"1.2", "2022-05-03T00:00:00Z", "true", "1"}, {"1.4", "2022-05-20T05:24:00Z", "false", "0"},
	}, w.rows(t, "SELECT version, released_at, is_told, releases_behind FROM releases ORDER BY version_rank"))
	require.Equal(t, [][]string{
		{"accepted", "accepted, not upgraded"}, {"dismissed", "dismissed"}, {"failed", "failed"},
		{"never", "never told"},
		{"old", "no newer version on the device"}, {"other", "unknown"}, {"sent", "told, not shown"},
		{"shown", "unknown"},
	}, w.rows(t, "SELECT user_id, reason FROM stuck_users WHERE version = '1.0' AND releases_behind = 3 AND "+
		"latest_version = '1.4' "+
		"AND behind_since = TIMESTAMP '2022-05-03 00:00:00 UTC' ORDER BY 1"))
	require.Empty(t, w.rows(t, "SELECT user_id FROM stuck_users WHERE version <> '1.0'"))
	require.Equal(t, [][]string{{"A", "60", "0.75", "1", "20", "true", "false"},
		{"B", "20", "0.25", "1", "20", "true", "false"}},
		w.rows(t, "SELECT variant, users, share, users_in_several, chi_square, is_mismatch, is_small FROM "+
			"sample_ratio ORDER BY 1"))
	// The p of chi-square 20 with one degree of freedom is 7.7e-6.
	require.Equal(t, [][]string{{"8e-06"}}, w.rows(t, "SELECT DISTINCT p_value FROM sample_ratio"))
}
