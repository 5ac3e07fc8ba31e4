package maintain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// sweep removes the files in a table's folder that nothing names: what expired snapshots leave behind, metadata
// that was superseded, and what lost races and attempts that were given up wrote. A file goes when it was found so
// for as long as grace: who reads an old snapshot, or writes what is not committed yet, has that time. When each
// file was first found is kept in the warehouse, since a file's own age says nothing about when its snapshot was
// expired.
func sweep(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, grace time.Duration, dryRun bool,
	progress func(string)) (removed, waiting Saving, err error) {
	removed = Saving{Table: definition.Name, Step: StepSweep, What: "files"}
	waiting = Saving{Table: definition.Name, Step: StepSweep, What: "files waiting"}
	unnamed, files, owner, err := unnamedFiles(ctx, l, definition, progress)
	if err != nil {
		return removed, waiting, err
	}
	due, since, err := awaitGrace(l, definition.Name, owner, unnamed, grace)
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
	if err := l.Objects.WriteJSON(sweepNotes(l, definition.Name), since); err != nil {
		return removed, waiting, err
	}
	folder := l.TableFolder(definition)
	const batch = 500
	done := 0
	for some := range slices.Chunk(due, batch) {
		names := make([]string, len(some))
		for i, name := range some {
			names[i] = folder + name
		}
		if err := l.Objects.Remove(ctx, names); err != nil {
			return removed, waiting, err
		}
		done += len(some)
		progress(fmt.Sprintf("removed %d of %d files", done, len(due)))
	}
	for _, name := range due {
		delete(since.Found, name)
	}
	return removed, waiting, l.Objects.WriteJSON(sweepNotes(l, definition.Name), since)
}

// sweepNotes is where a sweep remembers what it found.
func sweepNotes(l *lake.Lake, what string) string {
	return l.Objects.Root + "/_maintenance/unnamed/" + what + ".json"
}

// notes say when a file or folder was first found to be needed by nobody.
type notes struct {
	Table string           `json:"table,omitempty"` // the UUID of the table whose folder it is
	Found map[string]int64 `json:"found"`           // seconds since 1970, by name in the table's folder
}

// awaitGrace tells which names were found long enough ago, and when each of all was first found. Where another
// table was swept before, that of another catalog may be the living one: to it, all files of this one's are alive.
func awaitGrace(l *lake.Lake, what, owner string, names map[string]int64,
	grace time.Duration) (due []string, since notes, err error) {
	var before notes
	if err := l.Objects.ReadJSON(sweepNotes(l, what), &before); err != nil && !objects.IsMissing(err) {
		return nil, since, err
	}
	if before.Table != "" && before.Table != owner {
		return nil, since, fmt.Errorf("%w: the folder of %s is that of table %s, and the catalog knows it as %s: "+
			"another catalog uses this warehouse, or the table was created again; if so, delete %s",
			objects.ErrConfig, what, before.Table, owner, sweepNotes(l, what))
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

// unnamedFiles lists a table's folder, and leaves out what any snapshot, the metadata, or the staged work of a run
// or round names. The order matters: a file that is committed meanwhile is staged in the second step, or named in
// the third.
func unnamedFiles(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	progress func(string)) (unnamed map[string]int64, files int, owner string, err error) {
	folder := l.TableFolder(definition)
	unnamed = map[string]int64{}
	if err := l.Objects.Walk(ctx, folder, func(object string, size int64) error {
		unnamed[strings.TrimPrefix(object, folder)] = size
		return nil
	}); err != nil {
		return nil, 0, "", err
	}
	files = len(unnamed)
	progress(fmt.Sprintf("listed %d files", files))
	if err := stagedFiles(ctx, l, func(object string) {
		delete(unnamed, strings.TrimPrefix(object, folder))
	}); err != nil {
		return nil, 0, "", err
	}
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return nil, 0, "", err
	}
	var elsewhere string
	err = namedFiles(ctx, l, loaded, func(object string) {
		name, inside := strings.CutPrefix(object, folder)
		if !inside {
			elsewhere = object
		}
		delete(unnamed, name)
	})
	if err == nil && elsewhere != "" {
		// The same place under another name would look as if nothing named its files.
		err = fmt.Errorf("%s names the file %s outside of %s: nothing is removed", definition.Name, elsewhere, folder)
	}
	return unnamed, files, loaded.Metadata().TableUUID().String(), err
}

// namedFiles calls each for every file that a table's metadata needs: its own, lists of manifests, manifests, data
// files. A file may come more than once.
func namedFiles(ctx context.Context, l *lake.Lake, loaded *table.Table, each func(object string)) error {
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
		manifests, err := snapshot.Manifests(l.Objects.IO)
		if err != nil {
			return errors.Join(fmt.Errorf("read the manifests of %s, snapshot %d: %w", lake.TableName(loaded),
				snapshot.SnapshotID, err), work.Wait())
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
				for entry, err := range manifest.Entries(l.Objects.IO, true) {
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
func stagedFiles(ctx context.Context, l *lake.Lake, each func(object string)) error {
	var documents []string
	if err := l.Objects.Walk(ctx, l.StagingFolder(), func(object string, _ int64) error {
		if strings.HasSuffix(object, ".json") {
			documents = append(documents, object)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, document := range documents {
		// A document that is missing by now was that of a run that ended: what it named is committed, or given up.
		if err := objectsIn(l, document, each); err != nil && !objects.IsMissing(err) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// objectsIn finds every text in a JSON document that is the name of an object of the warehouse.
func objectsIn(l *lake.Lake, document string, each func(object string)) error {
	file, err := l.Objects.Open(document)
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
		if text, ok := token.(string); ok && strings.HasPrefix(text, l.Objects.Root+"/") {
			each(text)
		}
	}
}

// SweepStaging removes what runs and rounds staged that no longer run, once they were found so for as long as grace.
// running tells whether the work in a folder of _staging still runs: hour-2022-05-27T05/RUN, or users/ROUND of gold.
func SweepStaging(ctx context.Context, l *lake.Lake, grace time.Duration, running func(folder string) (bool, error),
	dryRun bool) (saving Saving, err error) {
	saving = Saving{Table: lake.StagingName, Step: StepSweep, What: "folders"}
	root := l.StagingFolder()
	folders := map[string]int64{}
	if err := l.Objects.Walk(ctx, root, func(object string, size int64) error {
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
	due, since, err := awaitGrace(l, lake.StagingName, "", folders, grace)
	if err != nil {
		return saving, err
	}
	saving.After = saving.Before - int64(len(due))
	for _, folder := range due {
		saving.Bytes += folders[folder]
		if dryRun {
			continue
		}
		if err := l.Objects.RemoveAll(ctx, root+"/"+folder); err != nil {
			return saving, err
		}
		delete(since.Found, folder)
	}
	if dryRun {
		return saving, nil
	}
	return saving, l.Objects.WriteJSON(sweepNotes(l, lake.StagingName), since)
}
