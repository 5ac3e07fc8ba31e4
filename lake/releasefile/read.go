// Package releasefile reads what people know of releases: a file of YAML or CSV that a build server can write. It knows
// nothing of tables but the row.
package releasefile

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/versionlake/versionlake/lake/ops"
)

// DefaultChannel is that of a release of which nobody said another.
const DefaultChannel = "stable"

// Columns are the fields of a release, as both kinds of files name them.
var Columns = []string{"service", "version", "released_at", "channel", "kind", "minimum_supported", "end_of_support",
	"notes_url", "rollout"}

// entry is a release as a file has it.
type entry struct {
	Service          string `yaml:"service"`
	Version          string `yaml:"version"`
	ReleasedAt       string `yaml:"released_at"`
	Channel          string `yaml:"channel"`
	Kind             string `yaml:"kind"`
	MinimumSupported string `yaml:"minimum_supported"`
	EndOfSupport     string `yaml:"end_of_support"`
	NotesURL         string `yaml:"notes_url"`
	Rollout          []step `yaml:"rollout"`

	line int
}

type step struct {
	At    string `yaml:"at"`
	Share string `yaml:"share"`
}

// Read reads a file; isCSV says of which kind. Rows are in the order of service and version. Errors name lines.
func Read(content []byte, isCSV bool) ([]ops.ReleaseRow, error) {
	if !utf8.Valid(content) {
		return nil, errors.New("it is not UTF-8")
	}
	read := readYAML
	if isCSV {
		read = readCSV
	}
	entries, err := read(bytes.TrimPrefix(content, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	rows, lines := make([]ops.ReleaseRow, 0, len(entries)), map[[2]string]int{}
	for i := range entries {
		row, err := entries[i].row()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", entries[i].line, err)
		}
		name := [2]string{row.Service, row.Version}
		if before, again := lines[name]; again {
			return nil, fmt.Errorf("line %d: %s %s stands in line %d, too", entries[i].line, row.Service, row.Version,
				before)
		}
		lines[name] = entries[i].line
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b ops.ReleaseRow) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Version, b.Version))
	})
	return rows, nil
}

func readYAML(content []byte) ([]entry, error) {
	var file struct {
		Releases []yaml.Node `yaml:"releases"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	entries := make([]entry, len(file.Releases))
	for i := range file.Releases {
		node := &file.Releases[i]
		for n := 0; n+1 < len(node.Content); n += 2 { // a node's own Decode does not look for unknown names
			if name := node.Content[n].Value; !slices.Contains(Columns, name) {
				return nil, fmt.Errorf("line %d: a release has no %q, but %s", node.Content[n].Line, name,
					strings.Join(Columns, ", "))
			}
		}
		if err := node.Decode(&entries[i]); err != nil {
			return nil, err
		}
		entries[i].line = node.Line
	}
	return entries, nil
}

func readCSV(content []byte) ([]entry, error) {
	reader := csv.NewReader(bytes.NewReader(content))
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("read its first line, which names the columns: %w", err)
	}
	for _, name := range header {
		if !slices.Contains(Columns, name) {
			return nil, fmt.Errorf("line 1: a release has no column %q, but %s", name, strings.Join(Columns, ", "))
		}
	}
	var entries []entry
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		var e entry
		e.line, _ = reader.FieldPos(0)
		fields := map[string]*string{"service": &e.Service, "version": &e.Version, "released_at": &e.ReleasedAt,
			"channel": &e.Channel, "kind": &e.Kind, "minimum_supported": &e.MinimumSupported,
			"end_of_support": &e.EndOfSupport, "notes_url": &e.NotesURL}
		for i, name := range header {
			if name != "rollout" {
				*fields[name] = cells[i]
				continue
			}
			for text := range strings.FieldsSeq(strings.ReplaceAll(cells[i], ";", " ")) {
				at, share, _ := strings.Cut(text, "=")
				e.Rollout = append(e.Rollout, step{at, share})
			}
		}
		entries = append(entries, e)
	}
}

// row checks an entry.
func (e *entry) row() (row ops.ReleaseRow, err error) {
	row = ops.ReleaseRow{Service: e.Service, Version: e.Version, Channel: cmp.Or(e.Channel, DefaultChannel),
		Kind:             e.Kind,
		MinimumSupported: e.MinimumSupported, NotesURL: e.NotesURL}
	switch {
	case e.Service == "":
		return row, errors.New("a release needs its service")
	case e.Version == "":
		return row, errors.New("a release needs its version")
	}
	if row.ReleasedAt, err = moment("released_at", e.ReleasedAt); err != nil {
		return row, err
	}
	if e.EndOfSupport != "" {
		end, err := moment("end_of_support", e.EndOfSupport)
		if err != nil {
			return row, err
		}
		row.EndOfSupport = &end
	}
	if e.NotesURL != "" {
		if u, err := url.Parse(e.NotesURL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return row, fmt.Errorf("notes_url %q is no address that begins with https://", e.NotesURL)
		}
	}
	for i, s := range e.Rollout {
		at, err := moment("rollout", s.At)
		if err != nil {
			return row, err
		}
		share, err := part(s.Share)
		if err != nil {
			return row, err
		}
		if i > 0 && at <= row.Rollout[i-1].At {
			return row, fmt.Errorf("the rollout's step at %s is not after the one before it", s.At)
		}
		row.Rollout = append(row.Rollout, ops.StepRow{At: at, Share: share})
	}
	return row, nil
}

// moment reads a time: RFC 3339, or a date, which means its 00:00 UTC.
func moment(field, text string) (int64, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 1970 && at.Year() <= 9998 {
			return at.UnixMicro(), nil
		}
	}
	return 0, fmt.Errorf("%s %q is no time such as 2022-05-27T12:00:00Z, and no date", field, text)
}

// part reads a share: 0.05, or 5%.
func part(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("the rollout's share %q is no part such as 0.05 or 5%%", text)
	}
	return share, nil
}
