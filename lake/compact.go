package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
)

// compactOrder says in which order the rows of a partition's files come one after the other.
type compactOrder int

const (
	compactNever     compactOrder = iota
	compactByName                 // by the names of files, which number chunks or sections
	compactByCluster              // likewise; the clusters of bronze stay apart
	compactBySession              // by session_key, the first column, whose ranges files do not share
	compactByHour                 // by hour_utc, the first column
)

const (
	// compactBytes is how large a file may become by compaction.
	compactBytes = 128 << 20
	// compactFiles is the smallest number of files that are worth being put together.
	compactFiles = 4
	// compactBatch bounds the files that one commit replaces, and with it the work that a lost race repeats.
	compactBatch = 512
	// compactedMark is in the name of a file that was put together. What it was made of is in its footer.
	compactedMark = "compacted"
	// footerDigests is the key, in a compacted file's footer, of the digests of the files that it was made of.
	footerDigests = "versionlake.digests"
)

// compact puts the small files of a partition together, the same rows in the same order. A file that went meanwhile,
// with a rerun of its hour, is left alone.
func (l *Lake) compact(ctx context.Context, definition tableDefinition, dryRun bool, progress func(done string)) (saving Saving, err error) {
	saving = Saving{Table: definition.name, Step: StepCompact, What: "files"}
	loaded, err := l.load(ctx, definition)
	if err != nil {
		return saving, err
	}
	live, err := liveFiles(ctx, loaded)
	if err != nil {
		return saving, err
	}
	groups := compactGroups(definition, live)
	saving.Before, saving.After = int64(len(live)), int64(len(live))
	var batch []compacted
	waiting := 0
	for i, group := range groups {
		if dryRun {
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

// compactGroups finds what is worth being put together: files of one partition, in order.
func compactGroups(definition tableDefinition, live []iceberg.DataFile) (groups [][]iceberg.DataFile) {
	if definition.compact == compactNever {
		return nil
	}
	places := map[string][]iceberg.DataFile{}
	for _, file := range live {
		place := fmt.Sprint(file.Partition())
		if definition.compact == compactByCluster {
			place += " " + cluster(file.FilePath())
		}
		places[place] = append(places[place], file)
	}
	for _, place := range places {
		if !inOrder(definition.compact, place) {
			continue
		}
		var group []iceberg.DataFile
		bytes := int64(0)
		end := func() {
			if len(group) >= compactFiles {
				groups = append(groups, group)
			}
			group, bytes = nil, 0
		}
		for _, file := range place {
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

// inOrder sorts a partition's files; false when their rows can't simply follow each other.
func inOrder(order compactOrder, files []iceberg.DataFile) bool {
	slices.SortFunc(files, func(a, b iceberg.DataFile) int {
		byName := strings.Compare(path.Base(a.FilePath()), path.Base(b.FilePath()))
		if order == compactByName || order == compactByCluster {
			return byName
		}
		lowA, _ := bounds(a, 1)
		lowB, _ := bounds(b, 1)
		return cmp.Or(cmp.Compare(lowA, lowB), byName)
	})
	if order != compactBySession {
		return true
	}
	for i := range len(files) - 1 {
		_, high := bounds(files[i], 1)
		if low, _ := bounds(files[i+1], 1); low <= high {
			return false
		}
	}
	return true
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

// compactGroup writes the rows of files into one.
func (l *Lake) compactGroup(ctx context.Context, definition tableDefinition, group []iceberg.DataFile) (*dataFile, error) {
	where, err := partitionOf(definition, group[0])
	if err != nil {
		return nil, err
	}
	var made []string
	for _, file := range group {
		digests, err := l.digests(file)
		if err != nil {
			return nil, err
		}
		made = append(made, digests...)
	}
	schema := parquet.SchemaOf(definition.row)
	writer, err := newDataWriter[any](l, definition, where, schema, parquet.KeyValueMetadata(footerDigests, strings.Join(made, " ")))
	if err != nil {
		return nil, err
	}
	for _, file := range group {
		if err := copyRows(ctx, l, file, schema, writer); err != nil {
			writer.abort()
			return nil, err
		}
	}
	return writer.close(compactedName(group[0].FilePath()))
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

// partitionOf is where a file of an hourly or daily table belongs.
func partitionOf(definition tableDefinition, file iceberg.DataFile) (partition, error) {
	if hour, err := hourOfFile(file); err == nil {
		return hourOf(hour), nil
	}
	if day, ok := file.Partition()[partitionFieldID].(iceberg.Date); ok && len(definition.partition) == 1 {
		return dayOf(firstHour(day)), nil
	}
	return partition{}, fmt.Errorf("%s lies in no partition of %s", file.FilePath(), definition.name)
}

// digests tell the contents of a file: its own, or those of the files that it was put together from.
func (l *Lake) digests(file iceberg.DataFile) (made []string, err error) {
	if !strings.Contains(path.Base(file.FilePath()), compactedMark) {
		return []string{digest(file.FilePath())}, nil
	}
	parsed, closeFile, err := l.openParquet(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	text, ok := parsed.Lookup(footerDigests)
	if !ok {
		return []string{digest(file.FilePath())}, nil // another engine's
	}
	return strings.Fields(text), nil
}

// cancelCompacted takes out of two sets of files those that hold the same rows, before and after compaction.
func (l *Lake) cancelCompacted(added, removed map[string]iceberg.DataFile) error {
	byDigest := map[string]string{}
	for name := range removed {
		byDigest[digest(name)] = name
	}
	for name, file := range added {
		if !strings.Contains(path.Base(name), compactedMark) {
			continue
		}
		made, err := l.digests(file)
		if err != nil {
			return err
		}
		from := map[string]bool{}
		rows := int64(0)
		for _, each := range made {
			if old, ok := byDigest[each]; ok && !from[old] {
				from[old] = true
				rows += removed[old].Count()
			}
		}
		if rows != file.Count() {
			continue // made of more, or of less: both sides are read, and equal rows cancel out
		}
		delete(added, name)
		for old := range from {
			delete(removed, old)
		}
	}
	return nil
}
