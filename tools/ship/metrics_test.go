package ship

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// metrics are those of docs/TELEMETRY.md, by their names in Prometheus, each with the names of its labels.
type metrics map[string][]string

var (
	metricRow = regexp.MustCompile(
		"(?m)^\\| `[a-z_.]+` \\| `([a-z_]+)` \\| ([a-z]+) \\|[^|]*\\|([^|]*)\\|")
	attribute = regexp.MustCompile("`([a-z_]+)`")
)

func metricsOfDocs(t *testing.T) metrics {
	t.Helper()
	known := metrics{}
	for _, row := range metricRow.FindAllStringSubmatch(read(t, "../../docs/TELEMETRY.md"), -1) {
		var names []string
		for _, name := range attribute.FindAllStringSubmatch(row[3], -1) {
			names = append(names, name[1])
		}
		if row[2] != "histogram" {
			known[row[1]] = names
			continue
		}
		for _, part := range []string{"_bucket", "_count", "_sum"} {
			known[row[1]+part] = append(names, "le")
		}
	}
	if len(known) < 10 {
		t.Fatalf("docs/TELEMETRY.md has %d metrics of ours: is its table as it was?", len(known))
	}
	return known
}

// hold reports a selector of a metric, or by a label of one of ours, that is not known.
func (known metrics) hold(t *testing.T, where string, selector []*labels.Matcher) {
	name := ""
	for _, matcher := range selector {
		if matcher.Name == model.MetricNameLabel {
			name = matcher.Value
		}
	}
	names, ours := known[name]
	switch {
	case !ours && !strings.HasPrefix(name, "versionlake_"):
		if name != "up" && !strings.HasPrefix(name, "temporal_") && !strings.HasPrefix(name, "go_") {
			t.Errorf("%s asks for %s, which is no metric of ours", where, name)
		}
		return
	case !ours:
		t.Errorf("%s asks for %s, which docs/TELEMETRY.md does not have", where, name)
		return
	}
	for _, matcher := range selector {
		switch matcher.Name {
		case model.MetricNameLabel, "job", "instance":
			continue
		}
		if !slices.Contains(names, matcher.Name) {
			t.Errorf("%s asks for %s by %s, which it has not", where, name, matcher.Name)
		}
	}
}

// A panel is one of Grafana's, as far as it is checked.
type panel struct {
	Title       string
	Type        string
	Description string
	Datasource  struct{ Type, UID string }
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// TestFaultsAreSeen holds the table of faults in docs/CHECKS.md against the checks there, the alerts and the panels.
func TestFaultsAreSeen(t *testing.T) {
	text := read(t, "../../docs/CHECKS.md")
	rules, queries := read(t, deploy, rulesFile), dashboardQueries(t)
	faults := regexp.MustCompile("(?m)^\\| [^|`]+ \\| `([a-z_]+)`[^|]*\\| (`Versionlake[^|]+) \\| ([^|]+) \\|$").
		FindAllStringSubmatch(text, -1)
	if len(faults) != 10 {
		t.Fatalf("docs/CHECKS.md tells of %d faults", len(faults))
	}
	for _, fault := range faults {
		if !strings.Contains(text, "\n| `"+fault[1]+"` | ") {
			t.Errorf("there is no check %s", fault[1])
		}
		for alert := range strings.SplitSeq(strings.ReplaceAll(fault[2], "`", ""), ", ") {
			if !strings.Contains(rules, "alert: "+alert+"\n") {
				t.Errorf("there is no alert %s", alert)
			}
		}
		if queries["panel "+fault[3]+" A"] == "" {
			t.Errorf("there is no panel %s", fault[3])
		}
	}
}

// dashboardQueries are the queries of the dashboard's panels, with Grafana's variables filled in.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	var dashboard struct {
		Title, UID    string
		SchemaVersion int
		Panels        []panel
		Templating    struct{ List []struct{ Name, Type string } }
	}
	if err := json.Unmarshal([]byte(read(t, deploy, "grafana/versionlake.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion < 36 || len(dashboard.Panels) == 0 {
		t.Error("the dashboard lacks its uid, title, version or panels")
	}
	filled := strings.NewReplacer("$__rate_interval", "5m", "$__range", "1d", "$job", "versionlake")
	queries := map[string]string{}
	for _, panel := range dashboard.Panels {
		if panel.Type == "row" {
			continue
		}
		if panel.Datasource.UID != "${datasource}" || panel.FieldConfig.Defaults.Unit == "" || len(panel.Targets) == 0 {
			t.Errorf("panel %q lacks its data source, unit or query", panel.Title)
		}
		if panel.GridPos.X+panel.GridPos.W > 24 || panel.GridPos.W == 0 || panel.GridPos.H == 0 {
			t.Errorf("panel %q is not on the grid of 24 columns", panel.Title)
		}
		for i, target := range panel.Targets {
			queries["panel "+panel.Title+" "+string(rune('A'+i))] = filled.Replace(target.Expr)
		}
	}
	return queries
}
