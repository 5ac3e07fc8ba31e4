package commit

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/compaction"
	"github.com/versionlake/versionlake/telemetry"
)

// replacement gathers what one commit does to some hours of a table.
type replacement struct {
	lake        *lake.Lake
	definition  lake.TableDefinition
	id          string
	hours       []telemetry.Hour
	remove, add []iceberg.DataFile
	days        map[string][]*lake.PartOfFile // what goes of files that hold more, by their paths
	rests       map[string]*lake.DataFile
	broken      map[string]brokenFile // files that can't be read, by their paths: they go whole
}

func (c *Commit) Replacement(definition lake.TableDefinition) *replacement {
	return &replacement{lake: c.lake, definition: definition, id: c.id, days: map[string][]*lake.PartOfFile{},
		rests: c.rests, broken: map[string]brokenFile{}}
}

func (r *replacement) Hour(hour telemetry.Hour, live []iceberg.DataFile, files []lake.DataFile) error {
	r.hours = append(r.hours, hour)
	stay := map[string]bool{}
	for _, file := range files {
		if slices.ContainsFunc(live, func(old iceberg.DataFile) bool { return old.FilePath() == file.Path }) {
			stay[file.Path] = true
			continue
		}
		entry, err := r.lake.Entry(file, r.definition)
		if err != nil {
			return err
		}
		r.add = append(r.add, entry)
	}
	for _, old := range live {
		if part, ok := old.(*lake.PartOfFile); ok {
			r.days[part.FilePath()] = append(r.days[part.FilePath()], part)
		} else if !stay[old.FilePath()] {
			r.remove = append(r.remove, old)
		}
	}
	return nil
}

// Change is fresh: the names of files are never given twice, and those that stay were left out.
func (r *replacement) Change(ctx context.Context) (*lake.Change, error) {
	hours := r.hours
	for _, broken := range r.broken {
		others, err := r.losers(ctx, broken)
		if err != nil {
			return nil, err
		}
		r.remove, hours = append(r.remove, broken.file), append(hours, others...)
	}
	for path, parts := range r.days {
		if _, whole := r.broken[path]; whole {
			continue
		}
		gone := lake.Joined(parts)
		r.remove = append(r.remove, gone.DataFile)
		rest, err := r.rest(ctx, gone)
		if err != nil {
			return nil, err
		}
		if rest != nil {
			r.add = append(r.add, rest)
		}
	}
	return &lake.Change{Remove: r.remove, Add: r.add, Fresh: true, Summary: lake.RunSummary(r.id, hours...)}, nil
}

// rest is what stays of a day's file without some of its hours; nil: nothing.
func (r *replacement) rest(ctx context.Context, gone *lake.PartOfFile) (iceberg.DataFile, error) {
	others := gone.Others()
	if others == nil {
		return nil, nil
	}
	key := fmt.Sprint(gone.FilePath(), others.Hours)
	if r.rests[key] == nil {
		written, err := compaction.Together(ctx, r.lake, r.definition, others.Parts())
		if err != nil {
			return nil, fmt.Errorf("write the other hours of %s: %w", gone.FilePath(), err)
		}
		r.rests[key] = written
	}
	return r.lake.Entry(*r.rests[key], r.definition)
}
