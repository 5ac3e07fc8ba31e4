package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// listed are a flag's values, or else its variable's, separated by commas.
func listed(values []string, variable string) []string {
	if len(values) > 0 {
		return values
	}
	return split(os.Getenv(variable))
}

// sourceOptions say what of the source is read.
func (s *Settings) sourceOptions() ([]source.Option, error) {
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

// OpenSource opens the source that was named; an error of usage where none was, and the work needs one.
func (s *Settings) OpenSource(ctx context.Context) (source.Source, error) {
	options, err := s.sourceOptions()
	if err != nil {
		return nil, usage.Errorf("%w", err)
	}
	switch {
	case s.Source != "":
		return source.Open(ctx, s.Source, options...)
	case s.ReadsNoSource:
		return source.None(), nil
	}
	return nil, usage.Errorf("the source is missing: name the folder or the s3://bucket/prefix of the telemetry " +
		"files with --source or VERSIONLAKE_SOURCE")
}

// Parsing is how lines are read, whatever their hour.
func (s *Settings) Parsing() (telemetry.Options, error) {
	catalogue, err := s.catalogue()
	return telemetry.Options{Catalogue: catalogue, MaxFuture: s.maxFuture, MaxPast: s.maxPast,
		SessionsByService: s.byService}, err
}

// Check finds what is wrong with the source and with --events, before anything is made.
func (s *Settings) Check(ctx context.Context) error {
	if _, err := s.OpenSource(ctx); err != nil {
		return err
	}
	_, err := s.catalogue()
	return err
}

// ReachSource finds out at once whether the source can be listed: whoever is at a prompt can correct a bucket or a key,
// and need not wait as a worker does. So it is with a source that has no hours, unless the command waits for the first.
func (s *Settings) ReachSource(ctx context.Context, src source.Source, waits bool) error {
	if s.ReadsNoSource {
		return nil
	}
	err := src.CheckHours(ctx)
	switch {
	case errors.Is(err, source.ErrNoHours):
		if waits {
			return nil
		}
		return fmt.Errorf("%w. Nothing was changed", err)
	case err != nil:
		return fmt.Errorf("look into the source %s: %w", src, err)
	}
	return nil
}

// SourceWarnings tell of a source that has no hours, or folders of hours that are not read.
func (s *Settings) SourceWarnings(ctx context.Context, src source.Source) []string {
	if s.ReadsNoSource {
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
func (s *Settings) catalogue() (telemetry.Catalogue, error) {
	catalogue := telemetry.DefaultCatalogue()
	text, err := s.eventsText()
	if err != nil || text == "" {
		return catalogue, err
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&catalogue); err != nil {
		return catalogue, usage.Errorf("--events %s: %w", s.events, err)
	}
	if err := catalogue.Validate(); err != nil {
		return catalogue, usage.Errorf("--events %s: %w", s.events, err)
	}
	return catalogue, nil
}
