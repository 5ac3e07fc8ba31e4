package ship

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

const rulesFile = "prometheus/versionlake.rules.yml"

// A ruleTests is a file of promtool's tests of rules, as far as ours use that format.
type ruleTests struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []ruleTest     `yaml:"tests"`
}

type ruleTest struct {
	Name        string         `yaml:"name"`
	Interval    model.Duration `yaml:"interval"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []wantedAlerts `yaml:"alert_rule_test"`
}

type wantedAlerts struct {
	At    model.Duration `yaml:"eval_time"`
	Name  string         `yaml:"alertname"`
	Wants []struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

// TestRules runs what `promtool test rules` would, by the same engine: promtool itself brings every cloud's library.
func TestRules(t *testing.T) {
	var file ruleTests
	decoder := yaml.NewDecoder(strings.NewReader(read(t, deploy, "prometheus/versionlake.rules.test.yml")))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, test := range file.Tests {
		t.Run(test.Name, func(t *testing.T) { test.run(t, time.Duration(file.EvaluationInterval)) })
		for _, alert := range test.Alerts {
			tested[alert.Name] = tested[alert.Name] || len(alert.Wants) > 0
		}
	}
	groups, errs := rules.NewManager(managerOptions()).LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false,
		filepath.Join(deploy, rulesFile))
	if errs != nil {
		t.Fatal(errs)
	}
	for _, group := range groups {
		for _, rule := range group.Rules() {
			if !tested[rule.Name()] {
				t.Errorf("no test in which %s fires", rule.Name())
			}
		}
	}
}

func managerOptions() *rules.ManagerOptions {
	return &rules.ManagerOptions{
		Context: context.Background(), Logger: promslog.NewNopLogger(), Parser: parser.NewParser(parser.Options{}),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	}
}

// run evaluates the rules at each interval up to the last time that is asked for, and compares there.
func (test *ruleTest) run(t *testing.T, every time.Duration) {
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", test.Interval)
	for _, s := range test.InputSeries {
		fmt.Fprintf(&load, "  %s %s\n", s.Series, s.Values)
	}
	options := managerOptions()
	suite, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{Parser: options.Parser})
	if err != nil {
		t.Fatal(err)
	}
	defer suite.Close()
	options.QueryFunc = rules.EngineQueryFunc(suite.QueryEngine(), suite.Storage())
	options.AppendableV2 = suite.Storage()
	groups, errs := rules.NewManager(options).LoadGroups(every, labels.EmptyLabels(), "", nil, false,
		filepath.Join(deploy, rulesFile))
	if errs != nil {
		t.Fatal(errs)
	}
	last := slices.MaxFunc(test.Alerts, func(a, b wantedAlerts) int { return int(a.At - b.At) }).At
	for at := time.Duration(0); at <= time.Duration(last); at += every {
		now := time.Unix(0, 0).UTC().Add(at)
		suite.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group.Eval(suite.Context(), now)
			}
		})
		for _, alert := range test.Alerts {
			if time.Duration(alert.At) == at {
				alert.compare(t, groups)
			}
		}
	}
}

func (alert *wantedAlerts) compare(t *testing.T, groups map[string]*rules.Group) {
	var want, got []string
	for _, each := range alert.Wants {
		each.Labels[labels.AlertName] = alert.Name
		want = append(want, labels.FromMap(each.Labels).String()+labels.FromMap(each.Annotations).String())
	}
	found := false
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			if rule.Name() != alert.Name {
				continue
			}
			found = true
			if err := rule.LastError(); err != nil {
				t.Errorf("%s at %s: %v", alert.Name, alert.At, err)
			}
			for _, active := range rule.ActiveAlerts() {
				if active.State == rules.StateFiring {
					got = append(got, active.Labels.String()+active.Annotations.String())
				}
			}
		}
	}
	if !found {
		t.Errorf("there is no alert %s", alert.Name)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("%s at %s fires\n  %s\nand should\n  %s", alert.Name, alert.At, strings.Join(got, "\n  "),
			strings.Join(want, "\n  "))
	}
}

// TestRulesOfChart holds the rules in the Helm chart, which can read no file outside of it, against the others.
func TestRulesOfChart(t *testing.T) {
	if read(t, deploy, rulesFile) != read(t, deploy, "helm/versionlake/files/versionlake.rules.yml") {
		t.Error("cp deploy/prometheus/versionlake.rules.yml deploy/helm/versionlake/files/")
	}
}

// TestKnownMetrics holds the metrics that rules and dashboard ask for against the list of those that there are.
func TestKnownMetrics(t *testing.T) {
	known := metricsOfDocs(t)
	expressions := map[string]string{}
	var file rulefmt.RuleGroups
	if err := yaml.Unmarshal([]byte(read(t, deploy, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			expressions["rule "+rule.Alert] = rule.Expr
		}
	}
	if len(expressions) == 0 {
		t.Fatal("no rules")
	}
	maps.Copy(expressions, dashboardQueries(t))
	p := parser.NewParser(parser.Options{})
	for where, expression := range expressions {
		parsed, err := p.ParseExpr(expression)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		for _, selectors := range parser.ExtractSelectors(parsed) {
			known.hold(t, where, selectors)
		}
	}
}
