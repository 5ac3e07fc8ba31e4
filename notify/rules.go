package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/versionlake/versionlake/lake/checks"
	"github.com/versionlake/versionlake/lake/lists"
)

// Rules are the contents of the file of rules.
type Rules struct {
	// Name says which lake it is, in messages.
	Name string `yaml:"name"`
	// Checks are limits in place of those that checks have by themselves.
	Checks map[string]checks.Limits `yaml:"checks"`
	// Goals are versions to be switched off once few enough users are left.
	Goals []checks.Goal `yaml:"goals"`
	// SQLChecks is a folder of checks in SQL, relative to the file; none when empty.
	SQLChecks string `yaml:"sql_checks"`
	// Receivers are those that rules name.
	Receivers map[string]Receiver `yaml:"receivers"`
	Rules     []Rule              `yaml:"rules"`
	Digest    Weekly              `yaml:"digest"`
	// Lists are views that are written into files each day.
	Lists []lists.List `yaml:"lists"`
}

// Rule says which news go to whom.
type Rule struct {
	Name string `yaml:"name"`
	// Checks are names of checks, or patterns such as hours_*; all when empty.
	Checks []string `yaml:"checks"`
	// AtLeast is warn or fail; warn when empty.
	AtLeast string   `yaml:"at_least"`
	To      []string `yaml:"to"`
	// AtMostEvery is such as 1h: news within it wait, and come together. At once when empty.
	AtMostEvery string `yaml:"at_most_every"`
}

// Receiver is one of the three kinds.
type Receiver struct {
	Slack   *Slack   `yaml:"slack"`
	Email   *Email   `yaml:"email"`
	Webhook *Webhook `yaml:"webhook"`
}

// Route is one rule's way to one of its receivers. It holds no secret.
type Route struct {
	Rule     string        `json:"rule"`
	Receiver string        `json:"receiver"`
	Checks   []string      `json:"checks,omitempty"`
	AtLeast  string        `json:"at_least"`
	Every    time.Duration `json:"every"`
}

// ID names the route.
func (r *Route) ID() string { return r.Rule + "-" + r.Receiver }

// Wants tells whether news go this way.
func (r *Route) Wants(n checks.News) bool {
	if r.AtLeast == checks.Fail && n.Severity() != checks.Fail {
		return false
	}
	return len(r.Checks) == 0 || slices.ContainsFunc(r.Checks, func(pattern string) bool {
		matches, err := path.Match(pattern, n.Check)
		return err == nil && matches
	})
}

// quoted are values that an error repeats.
var quoted = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")

// Read reads a file of rules, and says all that is wrong with it, without repeating what may be a secret. No file
// has no rules.
func Read(file string) (*Rules, error) {
	if file == "" {
		return &Rules{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	rules := &Rules{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(rules); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the rules %s: %s", file, quoted.ReplaceAllString(err.Error(), "…"))
	}
	if err := rules.check(); err != nil {
		return nil, fmt.Errorf("the rules %s: %w", file, err)
	}
	if rules.SQLChecks != "" && !filepath.IsAbs(rules.SQLChecks) {
		rules.SQLChecks = filepath.Join(filepath.Dir(file), rules.SQLChecks)
	}
	return rules, nil
}

// plainName is what may stand in the id of a workflow.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,60}$`)

func (r *Rules) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, limits := range r.Checks {
		if checks.IsBuiltIn(name) {
			continue
		}
		if limits.Warn != nil || limits.Fail != nil || limits.Least != nil {
			fault("there is no check %q to set limits of", name)
		}
	}
	r.checkBusiness(fault)
	for name, receiver := range r.Receivers {
		if !plainName.MatchString(name) {
			fault("the name of a receiver may have letters, digits, dots, dashes and underscores alone: %q", name)
		}
		if err := receiver.check(); err != nil {
			fault("receiver %s: %w", name, err)
		}
	}
	seen := map[string]bool{}
	for i, rule := range r.Rules {
		if !plainName.MatchString(rule.Name) || seen[rule.Name] {
			fault("rule %d needs a name of its own, of letters, digits, dots, dashes and underscores", i+1)
			continue
		}
		seen[rule.Name] = true
		r.checkRule(&rule, fault)
	}
	return errors.Join(faults...)
}

// checkBusiness looks at goals, the digest and lists.
func (r *Rules) checkBusiness(fault func(format string, args ...any)) {
	for i, goal := range r.Goals {
		if goal.Service == "" || goal.Version == "" || goal.Users < 0 {
			fault("goal %d needs service, version and users, which is how many may still run it or an older one", i+1)
		}
	}
	for _, to := range r.Digest.To {
		if _, known := r.Receivers[to]; !known {
			fault("digest: there is no receiver %q", to)
		}
	}
	for i, list := range r.Lists {
		if err := list.Check(); err != nil {
			fault("list %d: %w", i+1, err)
		}
	}
}

func (r *Rules) checkRule(rule *Rule, fault func(format string, args ...any)) {
	if rule.AtLeast != "" && rule.AtLeast != checks.Warn && rule.AtLeast != checks.Fail {
		fault("rule %s: at_least is warn or fail", rule.Name)
	}
	if every, err := rule.every(); err != nil || every < 0 {
		fault("rule %s: at_most_every is a duration such as 1h", rule.Name)
	}
	if len(rule.To) == 0 {
		fault("rule %s: to whom?", rule.Name)
	}
	for _, to := range rule.To {
		if _, known := r.Receivers[to]; !known {
			fault("rule %s: there is no receiver %q", rule.Name, to)
		}
	}
	for _, pattern := range rule.Checks {
		if _, err := path.Match(pattern, ""); err != nil {
			fault("rule %s: %q is no pattern", rule.Name, pattern)
		}
	}
}

func (r *Rule) every() (time.Duration, error) {
	if r.AtMostEvery == "" {
		return 0, nil
	}
	return time.ParseDuration(r.AtMostEvery)
}

// Routes are the ways of all rules.
func (r *Rules) Routes() (routes []Route) {
	for _, rule := range r.Rules {
		every, _ := rule.every() // it was checked
		atLeast := rule.AtLeast
		if atLeast == "" {
			atLeast = checks.Warn
		}
		for _, to := range rule.To {
			routes = append(routes, Route{Rule: rule.Name, Receiver: to, Checks: rule.Checks, AtLeast: atLeast,
				Every: every})
		}
	}
	return routes
}

func (r *Receiver) check() error {
	kinds := 0
	for _, there := range []bool{r.Slack != nil, r.Email != nil, r.Webhook != nil} {
		if there {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("give one of slack, email and webhook")
	case r.Slack != nil:
		return r.Slack.URL.check("url")
	case r.Webhook != nil:
		return errors.Join(r.Webhook.URL.check("url"), r.Webhook.Secret.check("secret"))
	}
	return r.Email.check()
}

// Secret names where a secret is: a variable of the process that sends, or a file.
type Secret struct {
	Env, File string
}

// UnmarshalYAML refuses the secret itself, and does not repeat it.
func (s *Secret) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a secret does not stand here; name the variable or the file that holds it: "+
			"{env: NAME} or {file: PATH}", node.Line)
	}
	var plain struct {
		Env  string `yaml:"env"`
		File string `yaml:"file"`
	}
	if err := node.Decode(&plain); err != nil {
		return fmt.Errorf("line %d: give {env: NAME} or {file: PATH}", node.Line)
	}
	s.Env, s.File = plain.Env, plain.File
	return nil
}

func (s *Secret) given() bool { return s.Env != "" || s.File != "" }

func (s *Secret) check(what string) error {
	if (s.Env == "") == (s.File == "") {
		return fmt.Errorf("%s: give {env: NAME} or {file: PATH}", what)
	}
	return nil
}

// read gets the secret itself; nothing where none is named.
func (s *Secret) read() (string, error) {
	switch {
	case s.Env != "":
		if value := os.Getenv(s.Env); value != "" {
			return value, nil
		}
		return "", fmt.Errorf("the variable %s is empty here", s.Env)
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err == nil && strings.TrimSpace(string(text)) == "" {
			err = fmt.Errorf("%s is empty", s.File)
		}
		return strings.TrimSpace(string(text)), err
	}
	return "", nil
}
