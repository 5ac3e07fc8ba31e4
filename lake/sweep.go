package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// sweep removes the files in a table's folder that nothing names: what expired snapshots leave behind, metadata that was
// superseded, and what lost races and attempts that were given up wrote. A file goes when it was found so for as long as
// grace: who reads an old snapshot, or writes what is not committed yet, has that time. When each file was first found is
// kept in the warehouse, since a file's own age says nothing about when its snapshot was expired.
func (l *Lake) sweep(ctx context.Context, definition tableDefinition, grace time.Duration, dryRun bool, progress func(string)) (removed, waiting Saving, err error) {
	removed = Saving{Table: definition.name, Step: StepSweep, What: "files"}
	waiting = Saving{Table: definition.name, Step: StepSweep, What: "files waiting"}
	unnamed, files, owner, err := l.unnamedFiles(ctx, definition, progress)
	if err != nil {
		return removed, waiting, err
	}
	due, since, err := l.awaitGrace(definition.name, owner, unnamed, grace)
	if err != nil {
		return removed, waiting, err
	}
	removed.Before, removed.After = int64(files), int64(files-len(due))
	waiting.Before, waiting.After = int64(len(unnamed)), int64(len(unnamed)-len(due))
	for _, name := range due {
		removed.Bytes += unnamed[name]
	}
	if dryRun {
		return removed, waiting, nil
	}
	// What is found now is written down before anything goes, and what went after: a crash in between only finds less.
	if err := l.objects.writeJSON(l.sweepNotes(definition.name), since); err != nil {
		return removed, waiting, err
	}
	folder := l.tableFolder(definition)
	const batch = 500
	done := 0
	for some := range slices.Chunk(due, batch) {
		names := make([]string, len(some))
		for i, name := range some {
			names[i] = folder + name
		}
		if err := l.objects.remove(ctx, names); err != nil {
			return removed, waiting, err
		}
		done += len(some)
		progress(fmt.Sprintf("removed %d of %d files", done, len(due)))
	}
	for _, name := range due {
		delete(since.Found, name)
	}
	return removed, waiting, l.objects.writeJSON(l.sweepNotes(definition.name), since)
}

// sweepNotes is where a sweep remembers what it found.
func (l *Lake) sweepNotes(what string) string {
	return l.objects.root + "/_maintenance/unnamed/" + what + ".json"
}

// notes say when a file or folder was first found to be needed by nobody.
type notes struct {
	Table string           `json:"table,omitempty"` // the UUID of the table whose folder it is
	Found map[string]int64 `json:"found"`           // seconds since 1970, by name in the table's folder
}

// awaitGrace tells which names were found long enough ago, and when each of all was first found. Where another table was
// swept before, that of another catalog may be the living one: to it, all files of this one's are alive.
func (l *Lake) awaitGrace(what, owner string, names map[string]int64, grace time.Duration) (due []string, since notes, err error) {
	var before notes
	if err := l.objects.readJSON(l.sweepNotes(what), &before); err != nil && !isMissing(err) {
		return nil, since, err
	}
	if before.Table != "" && before.Table != owner {
		return nil, since, fmt.Errorf("%w: the folder of %s is that of table %s, and the catalog knows it as %s: another catalog uses this warehouse, "+
			"or the table was made anew; if so, delete %s", ErrConfig, what, before.Table, owner, l.sweepNotes(what))
	}
	now := time.Now()
	since = notes{Table: owner, Found: map[string]int64{}}
	for name := range names {
		first, ok := before.Found[name]
		if !ok {
			first = now.Unix()
		}
		since.Found[name] = first
		if now.Sub(time.Unix(first, 0)) >= grace {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	return due, since, nil
}

// unnamedFiles lists a table's folder, and leaves out what any snapshot, the metadata, or the staged work of a run or round
// names. The order matters: a file that is committed meanwhile is staged in the second step, or named in the third.
func (l *Lake) unnamedFiles(ctx context.Context, definition tableDefinition, progress func(string)) (unnamed map[string]int64, files int, owner string, err error) {
	folder := l.tableFolder(definition)
	unnamed = map[string]int64{}
	if err := l.objects.walk(ctx, folder, func(object string, size int64) error {
		unnamed[strings.TrimPrefix(object, folder)] = size
		return nil
	}); err != nil {
		return nil, 0, "", err
	}
	files = len(unnamed)
	progress(fmt.Sprintf("listed %d files", files))
	if err := l.stagedFiles(ctx, func(object string) {
		delete(unnamed, strings.TrimPrefix(object, folder))
	}); err != nil {
		return nil, 0, "", err
	}
	loaded, err := l.load(ctx, definition)
	if err != nil {
		return nil, 0, "", err
	}
	var elsewhere string
	err = l.namedFiles(ctx, loaded, func(object string) {
		name, inside := strings.CutPrefix(object, folder)
		if !inside {
			elsewhere = object
		}
		delete(unnamed, name)
	})
	if err == nil && elsewhere != "" {
		// The same place under another name would look as if nothing named its files.
		err = fmt.Errorf("%s names the file %s outside of %s: nothing is removed", definition.name, elsewhere, folder)
	}
	return unnamed, files, loaded.Metadata().TableUUID().String(), err
}

// namedFiles calls each for every file that a table's metadata needs: its own, lists of manifests, manifests, data files.
// A file may come more than once.
func (l *Lake) namedFiles(ctx context.Context, loaded *table.Table, each func(object string)) error {
	metadata := loaded.Metadata()
	each(loaded.MetadataLocation())
	for previous := range metadata.PreviousFiles() {
		each(previous.MetadataFile)
	}
	for file := range metadata.Statistics() {
		each(file.StatisticsPath)
	}
	for file := range metadata.PartitionStatistics() {
		each(file.StatisticsPath)
	}
	var mutex sync.Mutex
	named := func(object string) {
		mutex.Lock()
		defer mutex.Unlock()
		each(object)
	}
	seen := map[string]bool{}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, snapshot := range metadata.Snapshots() {
		named(snapshot.ManifestList)
		manifests, err := snapshot.Manifests(l.objects.io)
		if err != nil {
			return errors.Join(fmt.Errorf("read the manifests of %s, snapshot %d: %w", tableName(loaded), snapshot.SnapshotID, err), work.Wait())
		}
		for _, manifest := range manifests {
			if seen[manifest.FilePath()] {
				continue
			}
			seen[manifest.FilePath()] = true
			named(manifest.FilePath())
			work.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				for entry, err := range manifest.Entries(l.objects.io, true) {
					if err != nil {
						return fmt.Errorf("read the manifest %s: %w", manifest.FilePath(), err)
					}
					named(entry.DataFile().FilePath())
				}
				return nil
			})
		}
	}
	return work.Wait()
}

// stagedFiles calls each for every object that the staged work of runs and rounds names.
func (l *Lake) stagedFiles(ctx context.Context, each func(object string)) error {
	var documents []string
	if err := l.objects.walk(ctx, l.objects.root+"/"+stagingName, func(object string, _ int64) error {
		if strings.HasSuffix(object, ".json") {
			documents = append(documents, object)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, document := range documents {
		if err := l.objectsIn(document, each); err != nil && !isMissing(err) { // its run ended: what it named is committed, or given up
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// objectsIn finds every text in a JSON document that is the name of an object of the warehouse.
func (l *Lake) objectsIn(document string, each func(object string)) error {
	file, err := l.objects.open(document)
	if err != nil {
		return err
	}
	defer file.Close()
	for decoder := json.NewDecoder(file); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", document, err)
		}
		if text, ok := token.(string); ok && strings.HasPrefix(text, l.objects.root+"/") {
			each(text)
		}
	}
}

// SweepStaging removes what runs and rounds staged that no longer run, once they were found so for as long as grace.
// running tells whether the work in a folder of _staging still runs: hour-2022-05-27T05/RUN, or users/ROUND of gold.
func (l *Lake) SweepStaging(ctx context.Context, grace time.Duration, running func(folder string) (bool, error), dryRun bool) (saving Saving, err error) {
	saving = Saving{Table: stagingName, Step: StepSweep, What: "folders"}
	root := l.objects.root + "/" + stagingName
	folders := map[string]int64{}
	if err := l.objects.walk(ctx, root, func(object string, size int64) error {
		parts := strings.SplitN(strings.TrimPrefix(object, root+"/"), "/", 3)
		folders[strings.Join(parts[:min(2, len(parts))], "/")] += size
		return nil
	}); err != nil {
		return saving, err
	}
	saving.Before = int64(len(folders))
	for folder := range folders {
		runs, err := running(folder)
		if err != nil {
			return saving, err
		}
		if runs {
			delete(folders, folder)
		}
	}
	due, since, err := l.awaitGrace(stagingName, "", folders, grace)
	if err != nil {
		return saving, err
	}
	saving.After = saving.Before - int64(len(due))
	for _, folder := range due {
		saving.Bytes += folders[folder]
		if dryRun {
			continue
		}
		if err := l.objects.removeAll(ctx, root+"/"+folder); err != nil {
			return saving, err
		}
		delete(since.Found, folder)
	}
	if dryRun {
		return saving, nil
	}
	return saving, l.objects.writeJSON(l.sweepNotes(stagingName), since)
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func tableName(loaded *table.Table) string { return strings.Join(loaded.Identifier(), ".") }
