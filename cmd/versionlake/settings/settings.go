// Package settings are what every command takes, from flags, from variables and from what the lake keeps of them: which
// lake, which source, and how its lines are read.
package settings

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
)

// Settings are what every command takes.
type Settings struct {
	output.Streams

	// Name tells this lake from others in one namespace of Temporal; "" is the one without a name.
	Name   string
	Dir    string // of the local catalog, warehouse and Temporal state
	Source string // where the telemetry files lie, as it was given
	Trino  string // a URL; "" is the Trino of Dir
	Rules  string // the file of notify.Rules; "" has none
	// Without is what a worker of this process leaves behind, see worker.Options.
	Without []string
	// ReadsNoSource is set by commands whose work may do without one.
	ReadsNoSource bool

	layouts   []string
	endings   []string
	warehouse string
	catalog   string
	events    string
	maxFuture time.Duration
	maxPast   time.Duration
	byService bool
	// maxIntervals is how many intervals a row of gold.users holds at most.
	maxIntervals int
	// given are those of keptSettings that a flag or a variable says; the lake may know the others.
	given map[string]bool
	// keptEvents is what the lake keeps of --events.
	keptEvents string
	// origins say where those come from that are not the default, by flag; flags are those of the command.
	origins map[string]Origin
	flags   *pflag.FlagSet
	hasFile bool
}

// largestMaxIntervals keeps a row of gold.users, which is held in memory, below some 100 MB.
const largestMaxIntervals = 1_000_000

var lakeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// New are settings that AddFlags and Read are to fill.
func New(stdout, stderr *terminal.Output) *Settings {
	return &Settings{Streams: output.Streams{Stdout: stdout, Stderr: stderr}}
}

// Times reads times as the command line has them, and says on stderr how those are read that were not written in full.
func (s *Settings) Times() usage.Times { return usage.Times{Now: time.Now(), Say: s.Stderr.Printf} }

// AddFlags adds the flags that every command has.
func (s *Settings) AddFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&s.Dir, "dir", ".versionlake",
		"folder of the local catalog, warehouse and Temporal state [VERSIONLAKE_DIR]")
	flags.StringVar(&s.Source, "source", "",
		"where the telemetry files lie: a folder, or s3://bucket/prefix [VERSIONLAKE_SOURCE]")
	flags.StringArrayVar(&s.layouts, "layout", nil,
		"the folders of hours in the source; may be repeated (default "+source.DefaultLayout+
			") [VERSIONLAKE_LAYOUT, separated by commas]")
	flags.StringSliceVar(&s.endings, "endings", nil, "the endings of files that are read, before .gz, .zst or "+
		".bz2, see docs/EVENTS.md (default "+strings.Join(source.DefaultEndings, ",")+") [VERSIONLAKE_ENDINGS]")
	flags.StringVar(&s.warehouse, "warehouse", "", "where the tables lie: file:///folder or s3://bucket/prefix; "+
		"by default in --dir [VERSIONLAKE_WAREHOUSE]")
	flags.StringVar(&s.catalog, "catalog", "", "the Iceberg catalog: sqlite:///file or "+
		"postgres://user@host/database; by default in --dir [VERSIONLAKE_CATALOG]")
	flags.StringVar(&s.events, "events", "", "JSON file with the names that the telemetry has for events and "+
		"attributes, see docs/EVENTS.md [VERSIONLAKE_EVENTS]")
	flags.DurationVar(&s.maxFuture, "max-future", telemetry.DefaultMaxFuture,
		"how far beyond the end of its hour an event may lie; one that lies further is rejected "+
			"[VERSIONLAKE_MAX_FUTURE]")
	flags.DurationVar(&s.maxPast, "max-past", telemetry.DefaultMaxPast,
		"how far before its hour an event may lie; one that lies further is rejected [VERSIONLAKE_MAX_PAST]")
	flags.StringSliceVar(&s.Without, "without", nil, "what is not kept up to date where this process works: events "+
		"(gold.events), daily (the daily aggregates), months (tags of gold.users at the end of each month) "+
		"[VERSIONLAKE_WITHOUT]")
	flags.BoolVar(&s.byService, "sessions-by-service", false, "one session id in two services is two sessions, "+
		"see docs/EVENTS.md [VERSIONLAKE_SESSIONS_BY_SERVICE]")
	flags.IntVar(&s.maxIntervals, ledger.SettingMaxIntervals, ledger.DefaultMaxIntervals, "how many intervals of one "+
		"user are kept, the newest; changing it makes gold.users anew [VERSIONLAKE_MAX_INTERVALS]")
	flags.StringVar(&s.Name, "name", "", "which of several lakes in one namespace of Temporal this is: in workflow "+
		"ids, task queue and schedules; the one without a name when empty [VERSIONLAKE_NAME]")
	flags.StringVarP(&s.Format, "output", "o", output.Table, "table, json (one object a line) or csv")
	usage.Complete(root, "output", output.Table, output.JSON, output.CSV)
	usage.Complete(root, "dir")
}

// Variables name what a flag's value is where the command line has none. They are read when a command runs, and are
// no defaults: help prints defaults, and a value may hold a password.
var Variables = map[string]string{
	"dir":                 "VERSIONLAKE_DIR",
	"name":                "VERSIONLAKE_NAME",
	"source":              "VERSIONLAKE_SOURCE",
	"warehouse":           "VERSIONLAKE_WAREHOUSE",
	"catalog":             "VERSIONLAKE_CATALOG",
	"events":              "VERSIONLAKE_EVENTS",
	"max-past":            "VERSIONLAKE_MAX_PAST",
	"max-future":          "VERSIONLAKE_MAX_FUTURE",
	"sessions-by-service": "VERSIONLAKE_SESSIONS_BY_SERVICE",
	"max-intervals":       "VERSIONLAKE_MAX_INTERVALS",
	"keep-bronze":         "VERSIONLAKE_KEEP_BRONZE",
	"keep-events":         "VERSIONLAKE_KEEP_EVENTS",
	"without":             "VERSIONLAKE_WITHOUT",
	"rules":               "VERSIONLAKE_RULES",
	"trino":               "VERSIONLAKE_TRINO_URL",
	"metrics-addr":        "VERSIONLAKE_METRICS_ADDR",
	"log-format":          "VERSIONLAKE_LOG_FORMAT",
	"log-level":           "VERSIONLAKE_LOG_LEVEL",
}

// AddRulesFlag adds the flag that names the file of rules.
func (s *Settings) AddRulesFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.Rules, "rules", "", "YAML file that says who is told what checks find, and sets their "+
		"limits, see docs/CHECKS.md [VERSIONLAKE_RULES]")
}

// listVariables are those whose values are lists, separated by commas.
var listVariables = map[string]string{"layout": "VERSIONLAKE_LAYOUT", "endings": "VERSIONLAKE_ENDINGS"}

// Read takes over the variables once cmd's flags are parsed, then the file, and checks what can be checked without the
// lake.
func (s *Settings) Read(cmd *cobra.Command) error {
	if err := s.readVariables(cmd); err != nil {
		return err
	}
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return usage.Errorf("--dir %q: %w", s.Dir, err)
	}
	s.Dir = dir
	if err := s.readFile(cmd); err != nil {
		return err
	}
	return s.validate()
}

// readVariables gives a command's flags the values of their variables. A flag of the command line counts first,
// even if it is empty; an empty variable is none.
func (s *Settings) readVariables(cmd *cobra.Command) error {
	s.given, s.origins, s.flags = map[string]bool{}, map[string]Origin{}, cmd.Flags()
	for _, name := range append(fileKeys(), "dir") {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			s.origins[name] = Origin{From: "the command line"}
		} else if variable := variableOf(name); variable != "" && os.Getenv(variable) != "" {
			s.origins[name] = Origin{From: variable}
		}
	}
	for _, setting := range keptSettings {
		s.given[setting.flag] = cmd.Flags().Changed(setting.flag) || os.Getenv(listVariables[setting.flag]) != ""
	}
	for name, variable := range Variables {
		flag, value := cmd.Flags().Lookup(name), os.Getenv(variable)
		if flag == nil || flag.Changed || value == "" {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return usage.Errorf("%s is not a value that --%s takes", variable, name) // the value itself is not repeated
		}
		s.given[name] = true
	}
	return nil
}

func (s *Settings) validate() error {
	s.Format = strings.ToLower(s.Format)
	if s.Format != output.Table && s.Format != output.JSON && s.Format != output.CSV {
		return usage.Errorf("--output %q is none of table, json and csv", s.Format)
	}
	if s.Name != "" && !lakeName.MatchString(s.Name) {
		return usage.Errorf("--name %q: give up to 40 small letters, digits and dashes", s.Name)
	}
	if s.maxFuture < 0 || s.maxFuture > telemetry.LargestMaxFuture {
		return usage.Errorf("--max-future %s: give a time up to %s", s.maxFuture, telemetry.LargestMaxFuture)
	}
	if s.maxPast <= 0 {
		return usage.Errorf("--max-past %s: give a time above 0", s.maxPast)
	}
	if s.maxIntervals < 1 || s.maxIntervals > largestMaxIntervals {
		return usage.Errorf("--max-intervals %d: give a number from 1 to %d", s.maxIntervals, largestMaxIntervals)
	}
	if _, err := s.sourceOptions(); err != nil {
		return usage.Errorf("%w", err)
	}
	if hasPassword(s.catalog) {
		return usage.Errorf(
			"--catalog holds a password, which everybody on this machine can see: leave it out, and give it by " +
				"PGPASSFILE, a file of lines host:port:database:user:password with the rights 0600, or by PGPASSWORD")
	}
	return nil
}

// Local are these settings for a lake and a source of one's own, whatever flags, variables and file say.
func (s Settings) Local(dir, sourceDir string) *Settings {
	s.Dir, s.Source, s.warehouse, s.catalog = dir, sourceDir, "", ""
	s.layouts, s.endings, s.events, s.byService = []string{source.DefaultLayout}, source.DefaultEndings, "", false
	return &s
}

// To are these settings for a command whose output goes elsewhere.
func (s Settings) To(stdout *terminal.Output, format string) *Settings {
	s.Stdout, s.Format = stdout, format
	return &s
}
