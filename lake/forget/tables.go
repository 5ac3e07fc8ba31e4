package forget

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// ErasableTables are the tables that hold users, in the order in which EraseTable should take them.
func ErasableTables() []string {
	names := make([]string, len(lake.UserTables))
	for i, definition := range lake.UserTables {
		names[i] = definition.Name
	}
	return names
}

// ErasedTable is what an erasure did to a table.
type ErasedTable struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`     // taken out of the present version
	Files    int64  `json:"files"`    // written anew or removed, of all versions
	OfFiles  int64  `json:"of_files"` // that all versions have
	Versions int64  `json:"versions"` // snapshots, all of which stay
	Tags     int64  `json:"tags"`     // likewise
	Removed  int64  `json:"removed"`  // objects that went: data files, metadata, leftovers
}

// search looks into data files, each once, and writes those anew that hold the forgotten.
type search struct {
	eraser  *forgotten.Eraser
	table   lake.TableDefinition
	write   bool
	mutex   sync.Mutex
	become  map[string]forgotten.NewFile
	clean   map[string]bool
	scanned atomic.Int64
	tell    func(scanned int64)
}

func newSearch(e *forgotten.Eraser, definition lake.TableDefinition, tell func(scanned int64)) *search {
	return &search{eraser: e, table: definition, become: map[string]forgotten.NewFile{}, clean: map[string]bool{},
		tell: tell}
}

func (s *search) files(ctx context.Context, files map[string]iceberg.DataFile) error {
	pending := maps.Clone(files)
	maps.DeleteFunc(pending, func(path string, _ iceberg.DataFile) bool {
		_, known := s.become[path]
		return known || s.clean[path]
	})
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for path, file := range pending {
		work.Go(func() error {
			var became forgotten.NewFile
			held, err := false, error(nil)
			if s.write {
				held, err = s.eraser.Holds(ctx, s.table, file)
			} else {
				became, held, err = s.eraser.Count(ctx, s.table, file)
			}
			if err == nil && held && s.write {
				became, err = s.eraser.Rewrite(ctx, s.table, file)
			}
			if err != nil {
				return err
			}
			s.tell(s.scanned.Add(1))
			s.mutex.Lock()
			defer s.mutex.Unlock()
			if held {
				s.become[path] = became
			} else {
				s.clean[path] = true
			}
			return nil
		})
	}
	return work.Wait()
}

// EraseTable takes the forgotten out of every version of a table, and removes the files that held them, and all
// metadata that named those. Versions and tags stay. progress tells files that were read.
func EraseTable(ctx context.Context, l *lake.Lake, erasure, name string, parsing telemetry.Options,
	progress func(files int64)) (result ErasedTable, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("erase from %s: %w", name, err)
		}
	}()
	definition, err := lake.DefinitionOf(name)
	if err != nil {
		return result, err
	}
	parser, err := forgotten.ParserFor(parsing)
	if err != nil {
		return result, err
	}
	for attempt := 0; ; {
		// By what is known now: hours may have brought sessions of the user, by which other lines are the user's.
		known, err := forgotten.Load(ctx, l)
		if err != nil {
			return result, err
		}
		e := &forgotten.Eraser{Lake: l, Known: known.Of(chosen(erasure)), Parser: parser}
		if definition.Name == lake.BronzeEvents.Name {
			e.Late = map[string]*forgotten.LateSessions{}
		}
		s := newSearch(e, definition, progress)
		s.write = true
		for {
			if err := s.presentFiles(ctx, l); err != nil {
				return result, err
			}
			if len(e.Late) > 0 {
				break
			}
			if result, err = rewriteHistory(ctx, l, erasure, s); err == nil || !lake.IsConflict(err) {
				return result, err
			}
			if err := waitForOthers(ctx, attempt); err != nil {
				return result, err
			}
			attempt++
		}
		if _, err := forgotten.RememberLate(ctx, l, e.Late); err != nil {
			return result, err
		}
	}
}

// presentFiles looks into the files of a table as it is now. Most is done by this, without the lock that keeps hours
// from their commits; what comes meanwhile is little.
func (s *search) presentFiles(ctx context.Context, l *lake.Lake) error {
	loaded, err := l.Load(ctx, s.table)
	if err != nil || loaded.CurrentSnapshot() == nil {
		return err
	}
	history, err := ReadHistory(ctx, l, loaded)
	if err != nil {
		return err
	}
	return s.files(ctx, history.Live)
}

// waitForOthers waits a moment, longer with each attempt, so that those who commit to the same table come through.
func waitForOthers(ctx context.Context, attempt int) error {
	longest := int64(min(50<<min(attempt, 6), 2000))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(rand.Int64N(longest)+5) * time.Millisecond):
		return nil
	}
}

// rewriteHistory swaps a table's history for one without the files that were found, and removes what it named alone.
func rewriteHistory(ctx context.Context, l *lake.Lake, erasure string, s *search) (result ErasedTable, err error) {
	l.Commits[s.table.Name].Lock()
	defer l.Commits[s.table.Name].Unlock()
	// Listed before the table is loaded: what is there now and is not named after the swap belongs to nobody, or to
	// a commit that the swap makes fail. What is written later is left alone.
	var there []LooseFile
	if err := l.Objects.Walk(ctx, l.TableFolder(s.table), func(object string, size int64) error {
		there = append(there, LooseFile{Path: object, Size: size})
		return nil
	}); err != nil {
		return result, err
	}
	loaded, err := l.Load(ctx, s.table)
	if err != nil {
		return result, err
	}
	named := map[string]bool{loaded.MetadataLocation(): true}
	result = ErasedTable{Table: s.table.Name, Versions: int64(len(loaded.Metadata().Snapshots()))}
	if loaded.CurrentSnapshot() != nil {
		history, err := ReadHistory(ctx, l, loaded)
		if err != nil {
			return result, err
		}
		if err := s.files(ctx, history.Live); err != nil {
			return result, err
		}
		result.OfFiles = int64(len(history.Live))
		for _, ref := range loaded.Metadata().Refs() {
			if ref.SnapshotRefType == table.TagRef {
				result.Tags++
			}
		}
		hours, dates := map[telemetry.Hour]bool{}, map[int32]bool{}
		for path, became := range s.become {
			if _, live := history.Live[path]; !live {
				continue
			}
			result.Files++
			if history.head[path] {
				result.Rows += became.Rows
			}
			maps.Copy(dates, became.Dates)
			maps.Copy(hours, became.Touches(history.Live[path]))
		}
		if err := noteTouched(l, erasure, s.table.Name, hours, dates); err != nil {
			return result, err
		}
		rewriter := &historyRewriter{lake: l, table: s.table, history: history, become: s.become,
			named: map[string]bool{}}
		location, err := rewriter.run(apart(erasure)[0])
		if err != nil {
			return result, err
		}
		if err := swapMetadata(ctx, l, loaded, location); err != nil {
			return result, err
		}
		named = rewriter.named
	}
	gone, err := needless(ctx, l, s, there, named)
	if err != nil {
		return result, err
	}
	result.Removed = int64(len(gone))
	return result, l.Objects.Remove(ctx, gone)
}

// LooseFile is an object that perhaps nothing names.
type LooseFile struct {
	iceberg.DataFile // of which only path and size are known
	Path             string
	Size             int64
}

func (f LooseFile) FilePath() string { return f.Path }

func (f LooseFile) FileSizeBytes() int64 { return f.Size }

func (f LooseFile) Count() int64 { return math.MaxInt32 } // nobody knows

// needless are the objects that nothing names and that hold the forgotten, or may: all of the metadata, and what
// was not finished.
func needless(ctx context.Context, l *lake.Lake, s *search, there []LooseFile,
	named map[string]bool) (gone []string, err error) {
	folder := l.TableFolder(s.table)
	loose := map[string]iceberg.DataFile{}
	for _, object := range there {
		_, old := s.become[object.Path]
		switch base := object.Path[strings.LastIndexByte(object.Path, '/')+1:]; {
		case named[object.Path]:
		case old, strings.HasPrefix(object.Path, folder+"/metadata/"), strings.HasPrefix(base, objects.TemporaryPrefix),
			!strings.HasSuffix(base, ".parquet"):
			gone = append(gone, object.Path)
		default:
			loose[object.Path] = object
		}
	}
	if len(loose) == 0 {
		return gone, nil
	}
	// As it is known now: a run that staged a file since, and is not told that it is stale, knew as much.
	known, err := forgotten.Load(ctx, l)
	if err != nil {
		return nil, err
	}
	known = known.Of(s.eraser.Known.Chosen)
	known.Loose = true
	eraser := &forgotten.Eraser{Lake: l, Known: known, Parser: s.eraser.Parser, Versions: s.eraser.Versions}
	look := newSearch(eraser, s.table, s.tell)
	if err := look.files(ctx, loose); err != nil {
		return nil, err
	}
	return append(gone, slices.Collect(maps.Keys(look.become))...), nil
}
