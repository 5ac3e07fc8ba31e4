package observe_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"

	"github.com/versionlake/versionlake/observe"
)

var updateDocs = flag.Bool("update", false, "write the tables of docs/TELEMETRY.md anew")

const (
	telemetryDoc = "../docs/TELEMETRY.md"
	markDone     = "<!-- from observe, by: go test ./observe -run TestMetricsDoc -update -->\n"
	markHeld     = "<!-- held -->\n"
	markEnd      = "<!-- end -->\n"
)

// TestMetricsDoc holds the tables of docs/TELEMETRY.md against the instruments that are made.
func TestMetricsDoc(t *testing.T) {
	read, err := os.ReadFile(telemetryDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	for mark, metrics := range map[string][]observe.Metric{markDone: observe.Done, markHeld: observe.Held} {
		before, rest, begun := strings.Cut(text, mark)
		_, after, ended := strings.Cut(rest, markEnd)
		if !begun || !ended {
			t.Fatalf("%s lacks the marks %q and %q", telemetryDoc, mark, markEnd)
		}
		text = before + mark + tableOf(t, metrics) + markEnd + after
	}
	if text == string(read) {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s does not list the metrics: run go test ./observe -run TestMetricsDoc -update", telemetryDoc)
	}
	if err := os.WriteFile(telemetryDoc, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tableOf(t *testing.T, metrics []observe.Metric) string {
	t.Helper()
	var out strings.Builder
	out.WriteString("| metric | in Prometheus | kind | unit | attributes | says |\n|---|---|---|---|---|---|\n")
	for _, m := range metrics {
		fmt.Fprintf(&out, "| `%s` | `%s` | %s | `%s` | %s | %s |\n", m.Name, inPrometheus(t, m), m.Kind, m.Unit,
			m.Attributes, m.Says)
	}
	return out.String()
}

// inPrometheus is the name that a metric has there; TestScraped holds it against what is scraped.
func inPrometheus(t *testing.T, m observe.Metric) string {
	t.Helper()
	kinds := map[string]otlptranslator.MetricType{observe.Counter: otlptranslator.MetricTypeMonotonicCounter,
		observe.Histogram: otlptranslator.MetricTypeHistogram, observe.Gauge: otlptranslator.MetricTypeGauge}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kinds[m.Kind]})
	if err != nil {
		t.Fatal(err)
	}
	return name
}
