package maintain

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/compaction"
	"github.com/versionlake/versionlake/lake/events"
)

const (
	// compactBytes is how large a file may become by compaction.
	compactBytes = 128 << 20
	// compactFiles is the smallest number of files that are worth being put together, where there may soon be more.
	compactFiles = 4
	// compactBatch bounds the files that one commit replaces, and with it the work that a lost race repeats.
	compactBatch = 512
)

// compact puts the small files of a partition together, the same rows in the same order. A file that went meanwhile,
// with a rerun of its hour, is left alone.
func compact(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, u Upkeep,
	progress func(done string)) (saving Saving, err error) {
	saving = Saving{Table: definition.Name, Step: StepCompact, What: "files"}
	if definition.Name == lake.GoldEvents.Name {
		done, err := events.Compact(ctx, l, u.OpenDays, u.DryRun, progress)
		saving.Before, saving.After, saving.Bytes = done.Before, done.After, done.Bytes
		return saving, err
	}
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return saving, err
	}
	live, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return saving, err
	}
	groups := CompactGroups(definition, live, u.OpenDays)
	saving.Before, saving.After = int64(len(live)), int64(len(live))
	var batch []Compacted
	waiting := 0
	for i, group := range groups {
		if u.DryRun {
			saving.After -= int64(len(group) - 1)
			continue
		}
		file, err := CompactGroup(ctx, l, definition, group)
		if err != nil {
			return saving, fmt.Errorf("compact %d files of %s: %w", len(group), definition.Name, err)
		}
		batch = append(batch, Compacted{From: group, To: file})
		progress(fmt.Sprintf("compacted %d of %d groups of files", i+1, len(groups)))
		if waiting += len(group); waiting < compactBatch && i+1 < len(groups) {
			continue
		}
		if err := CommitCompacted(ctx, l, definition, batch, &saving); err != nil {
			return saving, err
		}
		batch, waiting = nil, 0
	}
	return saving, nil
}

// Compacted is a file that takes the place of others.
type Compacted struct {
	From []iceberg.DataFile
	To   *lake.DataFile
}

func CommitCompacted(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, batch []Compacted,
	saving *Saving) error {
	before := *saving
	return l.Commit(ctx, definition, func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		present := map[string]bool{}
		for _, file := range live {
			present[file.FilePath()] = true
		}
		*saving = before
		wanted := &lake.Change{Rewrite: true}
		for _, each := range batch {
			if slices.ContainsFunc(each.From, func(file iceberg.DataFile) bool { return !present[file.FilePath()] }) {
				continue // an hour was ingested again, or this is a second try of what succeeded
			}
			entry, err := l.Entry(*each.To, definition)
			if err != nil {
				return nil, err
			}
			wanted.Remove, wanted.Add = append(wanted.Remove, each.From...), append(wanted.Add, entry)
			saving.After -= int64(len(each.From) - 1)
			saving.Bytes += bytesOf(each.From) - each.To.Size
		}
		return wanted, nil
	})
}

// CompactGroups finds what is worth being put together: files of one partition, in order. Of a table that is
// partitioned by day these are the files of an hour while its day is among the newest ones, which are still written
// to, and later all of the day.
func CompactGroups(definition lake.TableDefinition, live []iceberg.DataFile,
	openDays int) (groups [][]iceberg.DataFile) {
	if definition.Compact == lake.CompactNever {
		return nil
	}
	newest := iceberg.Date(math.MinInt32)
	for _, file := range live {
		day, _ := file.Partition()[lake.PartitionFieldID].(iceberg.Date)
		newest = max(newest, day)
	}
	places := map[string][]iceberg.DataFile{}
	least := map[string]int{}
	for _, file := range live {
		place, fewest := fmt.Sprint(file.Partition()), compactFiles
		if day, ok := file.Partition()[lake.PartitionFieldID].(iceberg.Date); ok &&
			slices.Equal(definition.Partition, lake.DayPartition) {
			if first, last, err := definition.HoursOf(file); err == nil && int(newest-day) < openDays {
				place += fmt.Sprint(first, last)
			} else {
				fewest = 2
			}
		}
		if definition.Compact == lake.CompactByCluster {
			place += " " + cluster(file.FilePath())
		}
		places[place], least[place] = append(places[place], file), fewest
	}
	for place, files := range places {
		slices.SortFunc(files, func(a, b iceberg.DataFile) int { return compaction.CompareFiles(definition, a, b) })
		var group []iceberg.DataFile
		bytes := int64(0)
		end := func() {
			if len(group) >= least[place] {
				groups = append(groups, group)
			}
			group, bytes = nil, 0
		}
		for _, file := range files {
			if bytes+file.FileSizeBytes() > compactBytes {
				end()
			}
			group, bytes = append(group, file), bytes+file.FileSizeBytes()
		}
		end()
	}
	slices.SortFunc(groups,
		func(a, b []iceberg.DataFile) int { return strings.Compare(a[0].FilePath(), b[0].FilePath()) })
	return groups
}

// cluster is the part of a bronze file's name that tells the events of the catalogue from all others.
func cluster(file string) string {
	parts := strings.Split(path.Base(file), "-")
	return parts[max(len(parts)-2, 0)]
}

// CompactGroup writes the rows of files into one, hour by hour.
func CompactGroup(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	group []iceberg.DataFile) (*lake.DataFile, error) {
	var all []lake.HourRows
	for _, file := range group {
		parts, err := l.ByHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
	}
	slices.SortStableFunc(all, func(a, b lake.HourRows) int { return cmp.Compare(a.Hour, b.Hour) })
	return compaction.Together(ctx, l, definition, all)
}
