package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/telemetry"
)

// compactOrder says in which order the rows of a partition's files come one after the other.
type compactOrder int

const (
	compactNever     compactOrder = iota
	compactByName                 // by the names of files, which number chunks or sections
	compactByCluster              // likewise; the clusters of bronze stay apart
	compactBySession              // by session_key, the first column, whose ranges the files of an hour do not share
	compactByHour                 // by hour_utc, the first column
)

const (
	// compactBytes is how large a file may become by compaction.
	compactBytes = 128 << 20
	// compactFiles is the smallest number of files that are worth being put together, where there may soon be more.
	compactFiles = 4
	// compactBatch bounds the files that one commit replaces, and with it the work that a lost race repeats.
	compactBatch = 512
	// compactedMark is in the name of a file that was put together. What it was made of is in its footer.
	compactedMark = "compacted"
	// footerDigests is the key, in a compacted file's footer, of the digests of the files that it was made of, each behind the
	// hour of the day that it held: 5:7d1a… 5:09bc… 6:….
	footerDigests = "versionlake.digests"
)

// compact puts the small files of a partition together, the same rows in the same order. A file that went meanwhile,
// with a rerun of its hour, is left alone.
func (l *Lake) compact(ctx context.Context, definition tableDefinition, u Upkeep, progress func(done string)) (saving Saving, err error) {
	saving = Saving{Table: definition.name, Step: StepCompact, What: "files"}
	loaded, err := l.load(ctx, definition)
	if err != nil {
		return saving, err
	}
	live, err := liveFiles(ctx, loaded)
	if err != nil {
		return saving, err
	}
	groups := compactGroups(definition, live, u.OpenDays)
	saving.Before, saving.After = int64(len(live)), int64(len(live))
	var batch []compacted
	waiting := 0
	for i, group := range groups {
		if u.DryRun {
			saving.After -= int64(len(group) - 1)
			continue
		}
		file, err := l.compactGroup(ctx, definition, group)
		if err != nil {
			return saving, fmt.Errorf("compact %d files of %s: %w", len(group), definition.name, err)
		}
		batch = append(batch, compacted{from: group, to: file})
		progress(fmt.Sprintf("compacted %d of %d groups of files", i+1, len(groups)))
		if waiting += len(group); waiting < compactBatch && i+1 < len(groups) {
			continue
		}
		if err := l.commitCompacted(ctx, definition, batch, &saving); err != nil {
			return saving, err
		}
		batch, waiting = nil, 0
	}
	return saving, nil
}

// compacted is a file that takes the place of others.
type compacted struct {
	from []iceberg.DataFile
	to   *dataFile
}

func (l *Lake) commitCompacted(ctx context.Context, definition tableDefinition, batch []compacted, saving *Saving) error {
	before := *saving
	return l.commit(ctx, definition, func(loaded *table.Table) (*change, error) {
		live, err := liveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		present := map[string]bool{}
		for _, file := range live {
			present[file.FilePath()] = true
		}
		*saving = before
		wanted := &change{rewrite: true}
		for _, each := range batch {
			if slices.ContainsFunc(each.from, func(file iceberg.DataFile) bool { return !present[file.FilePath()] }) {
				continue // an hour was ingested again, or this is a second try of what succeeded
			}
			entry, err := l.entry(*each.to, definition)
			if err != nil {
				return nil, err
			}
			wanted.remove, wanted.add = append(wanted.remove, each.from...), append(wanted.add, entry)
			saving.After -= int64(len(each.from) - 1)
			saving.Bytes += bytesOf(each.from) - each.to.Size
		}
		return wanted, nil
	})
}

// compactGroups finds what is worth being put together: files of one partition, in order. Of a table that is partitioned by day
// these are the files of an hour while its day is among the newest ones, which are still written to, and later all of the day.
func compactGroups(definition tableDefinition, live []iceberg.DataFile, openDays int) (groups [][]iceberg.DataFile) {
	if definition.compact == compactNever {
		return nil
	}
	newest := iceberg.Date(math.MinInt32)
	for _, file := range live {
		day, _ := file.Partition()[partitionFieldID].(iceberg.Date)
		newest = max(newest, day)
	}
	places := map[string][]iceberg.DataFile{}
	least := map[string]int{}
	for _, file := range live {
		place, fewest := fmt.Sprint(file.Partition()), compactFiles
		if day, ok := file.Partition()[partitionFieldID].(iceberg.Date); ok && slices.Equal(definition.partition, dayPartition) {
			if first, last, err := definition.hoursOf(file); err == nil && int(newest-day) < openDays {
				place += fmt.Sprint(first, last)
			} else {
				fewest = 2
			}
		}
		if definition.compact == compactByCluster {
			place += " " + cluster(file.FilePath())
		}
		places[place], least[place] = append(places[place], file), fewest
	}
	for place, files := range places {
		slices.SortFunc(files, definition.compareFiles)
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
	slices.SortFunc(groups, func(a, b []iceberg.DataFile) int { return strings.Compare(a[0].FilePath(), b[0].FilePath()) })
	return groups
}

// compareFiles orders the files of a partition as their rows follow each other.
func (d tableDefinition) compareFiles(a, b iceberg.DataFile) int {
	var hourA, hourB telemetry.Hour
	if d.byDay() {
		hourA, _, _ = d.hoursOf(a)
		hourB, _, _ = d.hoursOf(b)
	}
	var lowA, lowB int64
	if d.compact == compactBySession || d.compact == compactByHour {
		lowA, _ = bounds(a, 1)
		lowB, _ = bounds(b, 1)
	}
	return cmp.Or(cmp.Compare(hourA, hourB), cmp.Compare(lowA, lowB), strings.Compare(path.Base(a.FilePath()), path.Base(b.FilePath())))
}

// cluster is the part of a bronze file's name that tells the events of the catalogue from all others.
func cluster(file string) string {
	parts := strings.Split(path.Base(file), "-")
	return parts[max(len(parts)-2, 0)]
}

// compactedName keeps what the name of the first file says of the order and of the cluster.
func compactedName(first string) string {
	parts := strings.Split(strings.TrimSuffix(path.Base(first), ".parquet"), "-")
	parts = parts[:len(parts)-1] // the digest
	mark := fmt.Sprintf("%s%d", compactedMark, time.Now().UnixNano())
	if len(parts) > 2 {
		parts[2] = mark // in the place of the time
	} else {
		parts = append(parts, mark)
	}
	return strings.Join(parts, "-")
}

// compactGroup writes the rows of files into one, hour by hour.
func (l *Lake) compactGroup(ctx context.Context, definition tableDefinition, group []iceberg.DataFile) (*dataFile, error) {
	var all []hourRows
	for _, file := range group {
		parts, err := l.byHour(ctx, definition, file)
		if err != nil {
			return nil, err
		}
		all = append(all, parts...)
	}
	slices.SortStableFunc(all, func(a, b hourRows) int { return cmp.Compare(a.hour, b.hour) })
	return l.putTogether(ctx, definition, all)
}

// putTogether writes rows into one file of the partition that they belong to, each hour of a day in row groups of its own.
func (l *Lake) putTogether(ctx context.Context, definition tableDefinition, parts []hourRows) (*dataFile, error) {
	made, err := l.listDigests(parts)
	if err != nil {
		return nil, err
	}
	schema := parquet.SchemaOf(definition.row)
	writer, err := newDataWriter[any](l, definition, definition.at(parts[0].hour), schema, parquet.KeyValueMetadata(footerDigests, made))
	if err != nil {
		return nil, err
	}
	for i, part := range parts {
		if i > 0 && part.hour != parts[i-1].hour {
			err = writer.endGroup()
		}
		if err == nil {
			err = copyRows(ctx, l, part.file, schema, writer)
		}
		if err != nil {
			writer.abort()
			return nil, err
		}
	}
	return writer.close(compactedName(parts[0].file.FilePath()))
}

func copyRows(ctx context.Context, l *Lake, file iceberg.DataFile, schema *parquet.Schema, writer *dataWriter[any]) error {
	const batch = 256
	rows := make([]parquet.Row, 0, batch)
	flush := func() error {
		err := writer.writeRaw(rows)
		rows = rows[:0]
		return err
	}
	count := int64(0)
	err := l.scanRaw(ctx, file, schema, func(row parquet.Row) error {
		count++
		if rows = append(rows, row.Clone()); len(rows) < batch { // its texts are the scan's
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil && count != file.Count() {
		err = fmt.Errorf("%s has %d rows, and the table says %d", file.FilePath(), count, file.Count())
	}
	return err
}

// digests tell the contents of a file: its own, or those of the files that it was put together from.
func (l *Lake) digests(file iceberg.DataFile) (made []string, err error) {
	if part, ok := file.(*partOfFile); ok {
		return part.digests, nil
	}
	if !isCompacted(file.FilePath()) {
		return []string{digest(file.FilePath())}, nil
	}
	parsed, closeFile, err := l.openParquet(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	for _, digests := range digestsByHour(parsed) {
		made = append(made, digests...)
	}
	if len(made) == 0 {
		made = []string{digest(file.FilePath())} // another engine's
	}
	return made, nil
}

func isCompacted(file string) bool { return strings.Contains(path.Base(file), compactedMark) }
