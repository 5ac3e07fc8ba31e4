package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/terminal"
)

// settings are what every command takes.
type settings struct {
	dir       string
	source    string
	layouts   []string
	endings   []string
	warehouse string
	catalog   string
	events    string
	maxFuture time.Duration
	maxPast   time.Duration
	byService bool
	output    string
	trino     string
	// given are those of keptSettings that a flag or a variable says; the lake may know the others.
	given map[string]bool
	// keptEvents is what the lake keeps of --events.
	keptEvents string
	// readsNoSource: the command's work may do without one.
	readsNoSource bool

	stdout, stderr *terminal.Output
}

// Kinds of output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

func (s *settings) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&s.dir, "dir", ".versionlake",
		"folder of the local catalog, warehouse and Temporal state [VERSIONLAKE_DIR]")
	flags.StringVar(&s.source, "source",
		"", "where the telemetry files lie: a folder, or s3://bucket/prefix [VERSIONLAKE_SOURCE]")
	flags.StringArrayVar(&s.layouts, "layout", nil,
		"the folders of hours in the source; may be repeated (default "+source.DefaultLayout+
			") [VERSIONLAKE_LAYOUT, separated by commas]")
	flags.StringSliceVar(&s.endings, "endings", nil, "the endings of files that are read, before .gz, .zst or "+
		".bz2, see docs/EVENTS.md (default "+
		strings.Join(source.DefaultEndings, ",")+") [VERSIONLAKE_ENDINGS]")
	flags.StringVar(&s.warehouse, "warehouse", "", "where the tables lie: file:///folder or s3://bucket/prefix; "+
		"by default in --dir [VERSIONLAKE_WAREHOUSE]")
	flags.StringVar(&s.catalog, "catalog", "", "the Iceberg catalog: sqlite:///file or "+
		"postgres://user@host/database; by default in --dir [VERSIONLAKE_CATALOG]")
	flags.StringVar(&s.events, "events", "", "JSON file with the names that the telemetry has for events and "+
		"attributes, see docs/EVENTS.md [VERSIONLAKE_EVENTS]")
	flags.DurationVar(&s.maxFuture, "max-future", telemetry.DefaultMaxFuture,
		"how far beyond the end of its hour an event may lie; one that lies further is rejected [VERSIONLAKE_MAX_FUTURE]")
	flags.DurationVar(&s.maxPast, "max-past", telemetry.DefaultMaxPast,
		"how far before its hour an event may lie; one that lies further is rejected [VERSIONLAKE_MAX_PAST]")
	flags.BoolVar(&s.byService, "sessions-by-service", false, "one session id in two services is two sessions, "+
		"see docs/EVENTS.md [VERSIONLAKE_SESSIONS_BY_SERVICE]")
	flags.StringVarP(&s.output, "output", "o", outputTable, "table or json (one object a line)")
	complete(root, "output", outputTable, outputJSON)
	complete(root, "dir")
}

// variables name what a flag's value is where the command line has none. They are read when a command runs, and are
// no defaults: help prints defaults, and a value may hold a password.
var variables = map[string]string{
	"dir":                 "VERSIONLAKE_DIR",
	"source":              "VERSIONLAKE_SOURCE",
	"warehouse":           "VERSIONLAKE_WAREHOUSE",
	"catalog":             "VERSIONLAKE_CATALOG",
	"events":              "VERSIONLAKE_EVENTS",
	"max-past":            "VERSIONLAKE_MAX_PAST",
	"max-future":          "VERSIONLAKE_MAX_FUTURE",
	"sessions-by-service": "VERSIONLAKE_SESSIONS_BY_SERVICE",
	"keep-bronze":         "VERSIONLAKE_KEEP_BRONZE",
	"keep-events":         "VERSIONLAKE_KEEP_EVENTS",
	"trino":               "VERSIONLAKE_TRINO_URL",
}

// listVariables are those whose values are lists, separated by commas.
var listVariables = map[string]string{"layout": "VERSIONLAKE_LAYOUT", "endings": "VERSIONLAKE_ENDINGS"}

// readVariables gives a command's flags the values of their variables. A flag of the command line counts first,
// even if it is empty; an empty variable is none.
func (s *settings) readVariables(cmd *cobra.Command) error {
	s.given = map[string]bool{}
	for _, setting := range keptSettings {
		s.given[setting.flag] = cmd.Flags().Changed(setting.flag) || os.Getenv(listVariables[setting.flag]) != ""
	}
	for name, variable := range variables {
		flag, value := cmd.Flags().Lookup(name), os.Getenv(variable)
		if flag == nil || flag.Changed || value == "" {
			continue
		}
		if err := flag.Value.Set(value); err != nil {
			return usagef("%s is not a value that --%s takes", variable, name) // the value itself is not repeated
		}
		s.given[name] = true
	}
	return nil
}

// complete registers what the shell completes a flag with; folders when there are no values.
func complete(cmd *cobra.Command, flag string, values ...string) {
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(values) == 0 {
		directive = cobra.ShellCompDirectiveFilterDirs
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, directive)); err != nil {
		panic(err) // the flag's name is misspelt
	}
}

func (s *settings) validate() error {
	if s.output != outputTable && s.output != outputJSON {
		return usagef("--output %q is neither table nor json", s.output)
	}
	if s.maxFuture < 0 || s.maxFuture > telemetry.LargestMaxFuture {
		return usagef("--max-future %s: give a time up to %s", s.maxFuture, telemetry.LargestMaxFuture)
	}
	if s.maxPast <= 0 {
		return usagef("--max-past %s: give a time above 0", s.maxPast)
	}
	if _, err := s.sourceOptions(); err != nil {
		return usagef("%w", err)
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return usagef("--dir %q: %w", s.dir, err)
	}
	s.dir = dir
	return nil
}

func (s *settings) catalogFile() string { return filepath.Join(s.dir, "catalog.db") }

func (s *settings) lakeConfig() lake.Config {
	config := lake.Config{Catalog: s.catalog, Warehouse: s.warehouse}
	if config.Catalog == "" {
		config.Catalog = (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(s.catalogFile())}).String()
	}
	if config.Warehouse == "" {
		config.Warehouse = (&url.URL{Scheme: "file",
			Path: filepath.ToSlash(filepath.Join(s.dir, "warehouse"))}).String()
	}
	return config
}

// openLake opens the lake to write into it.
func (s *settings) openLake(ctx context.Context) (*lake.Lake, error) {
	if err := os.MkdirAll(s.dir, dirRights); err != nil {
		return nil, fmt.Errorf("make the folder --dir: %w", err)
	}
	return lake.Open(ctx, s.lakeConfig())
}

// readLake opens the lake to read from it, and leaves nothing behind where there is none.
func (s *settings) readLake(ctx context.Context) (*lake.Lake, error) {
	if s.catalog == "" {
		if _, err := os.Stat(s.catalogFile()); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no %s", lake.ErrNoLake, s.catalogFile())
		}
	}
	return lake.OpenExisting(ctx, s.lakeConfig())
}

// listed are a flag's values, or else its variable's, separated by commas.
func listed(values []string, variable string) []string {
	if len(values) > 0 {
		return values
	}
	return split(os.Getenv(variable))
}

// sourceOptions say what of the source is read.
func (s *settings) sourceOptions() ([]source.Option, error) {
	var layouts []source.Layout
	for _, text := range listed(s.layouts, "VERSIONLAKE_LAYOUT") {
		layout, err := source.ParseLayout(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("--layout: %w", err)
		}
		layouts = append(layouts, layout)
	}
	endings, err := source.ParseEndings(listed(s.endings, "VERSIONLAKE_ENDINGS"))
	if err != nil {
		return nil, fmt.Errorf("--endings: %w", err)
	}
	return []source.Option{source.WithLayouts(layouts...), source.WithEndings(endings)}, nil
}

func (s *settings) openSource(ctx context.Context) (source.Source, error) {
	options, err := s.sourceOptions()
	if err != nil {
		return nil, usagef("%w", err)
	}
	switch {
	case s.source != "":
		return source.Open(ctx, s.source, options...)
	case s.readsNoSource:
		return source.None(), nil
	}
	return nil, usagef("the source is missing: name the folder or the s3://bucket/prefix of the telemetry files " +
		"with --source or VERSIONLAKE_SOURCE")
}

// parsing is how lines are read, whatever their hour.
func (s *settings) parsing() (telemetry.Options, error) {
	catalogue, err := s.catalogue()
	return telemetry.Options{Catalogue: catalogue, MaxFuture: s.maxFuture, MaxPast: s.maxPast,
		SessionsByService: s.byService}, err
}

// sourceWarnings tell of a source that has no hours, or folders of hours that are not read.
func (s *settings) sourceWarnings(ctx context.Context, src source.Source) []string {
	if s.readsNoSource {
		return nil
	}
	// Whatever else is wrong with the source, the first step that reads it tells.
	if err := src.CheckHours(ctx); errors.Is(err, source.ErrNoHours) {
		return []string{err.Error()}
	} else if err != nil {
		return nil
	}
	return src.Strays(ctx)
}

// catalogue reads the names of events and attributes; the default ones without a file.
func (s *settings) catalogue() (telemetry.Catalogue, error) {
	catalogue := telemetry.DefaultCatalogue()
	text, err := s.eventsText()
	if err != nil || text == "" {
		return catalogue, err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&catalogue); err != nil {
		return catalogue, usagef("--events %s: %w", s.events, err)
	}
	if err := catalogue.Validate(); err != nil {
		return catalogue, usagef("--events %s: %w", s.events, err)
	}
	return catalogue, nil
}
