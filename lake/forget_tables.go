package lake

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

	"github.com/versionlake/versionlake/telemetry"
)

// ErasableTables are the tables that hold users, in the order in which EraseTable should take them.
func ErasableTables() []string {
	names := make([]string, len(erasable))
	for i, definition := range erasable {
		names[i] = definition.name
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

// parserFor reads bodies in bronze, whatever their hour.
func parserFor(parsing telemetry.Options) (*telemetry.Parser, error) {
	parser, err := telemetry.NewParser(parsing)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return parser, nil
}

// search looks into data files, each once, and writes those anew that hold the forgotten.
type search struct {
	eraser  *eraser
	table   tableDefinition
	write   bool
	mutex   sync.Mutex
	become  map[string]newFile
	clean   map[string]bool
	scanned atomic.Int64
	tell    func(scanned int64)
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
			var became newFile
			held, err := false, error(nil)
			if s.write {
				held, err = s.eraser.holds(ctx, s.table, file)
			} else {
				became, held, err = s.eraser.count(ctx, s.table, file)
			}
			if err == nil && held && s.write {
				became, err = s.eraser.rewrite(ctx, s.table, file)
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

// EraseTable takes the forgotten out of every version of a table, and removes the files that held them, and all metadata
// that named those. Versions and tags stay. progress tells files that were read.
func (l *Lake) EraseTable(ctx context.Context, erasure, name string, parsing telemetry.Options, progress func(files int64)) (result ErasedTable, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("erase from %s: %w", name, err)
		}
	}()
	definition, err := definitionOf(name)
	if err != nil {
		return result, err
	}
	parser, err := parserFor(parsing)
	if err != nil {
		return result, err
	}
	begin := func() (*search, error) {
		known, err := l.forgotten(ctx)
		if err != nil {
			return nil, err
		}
		e := &eraser{lake: l, known: known.of(map[string]bool{erasure: true}), parser: parser}
		if definition.name == bronzeEvents.name {
			e.late = map[string]*lateSessions{}
		}
		return &search{eraser: e, table: definition, write: true, become: map[string]newFile{}, clean: map[string]bool{}, tell: progress}, nil
	}
	s, err := begin()
	if err != nil {
		return result, err
	}
	for attempt := 0; ; attempt++ {
		// Most is done without the lock, which keeps hours from their commits; what came meanwhile is little.
		loaded, err := l.load(ctx, definition)
		if err != nil {
			return result, err
		}
		if loaded.CurrentSnapshot() != nil {
			history, err := l.readHistory(ctx, loaded)
			if err != nil {
				return result, err
			}
			if err := s.files(ctx, history.live); err != nil {
				return result, err
			}
		}
		if len(s.eraser.late) > 0 {
			if _, err := l.rememberLate(ctx, s.eraser.late); err != nil {
				return result, err
			}
			if s, err = begin(); err != nil { // by what is known now, other lines are the user's
				return result, err
			}
			continue
		}
		result, err = l.rewriteHistory(ctx, erasure, s)
		if err == nil {
			return result, nil
		}
		if !isConflict(err) {
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(time.Duration(rand.Int64N(int64(min(50<<min(attempt, 6), 2000)))+5) * time.Millisecond):
		}
	}
}

// rewriteHistory swaps a table's history for one without the files that were found, and removes what it named alone.
func (l *Lake) rewriteHistory(ctx context.Context, erasure string, s *search) (result ErasedTable, err error) {
	l.commits[s.table.name].Lock()
	defer l.commits[s.table.name].Unlock()
	// Listed before the table is loaded: what is there now and is not named after the swap belongs to nobody, or to a commit
	// that the swap makes fail. What is written later is left alone.
	var there []looseFile
	if err := l.objects.walk(ctx, l.tableFolder(s.table), func(object string, size int64) error {
		there = append(there, looseFile{path: object, size: size})
		return nil
	}); err != nil {
		return result, err
	}
	loaded, err := l.load(ctx, s.table)
	if err != nil {
		return result, err
	}
	named := map[string]bool{loaded.MetadataLocation(): true}
	result = ErasedTable{Table: s.table.name, Versions: int64(len(loaded.Metadata().Snapshots()))}
	if loaded.CurrentSnapshot() != nil {
		history, err := l.readHistory(ctx, loaded)
		if err != nil {
			return result, err
		}
		if err := s.files(ctx, history.live); err != nil {
			return result, err
		}
		result.OfFiles = int64(len(history.live))
		for _, ref := range loaded.Metadata().Refs() {
			if ref.SnapshotRefType == table.TagRef {
				result.Tags++
			}
		}
		hours, dates := map[telemetry.Hour]bool{}, map[int32]bool{}
		for path, became := range s.become {
			if _, live := history.live[path]; !live {
				continue
			}
			result.Files++
			if history.head[path] {
				result.Rows += became.rows
			}
			maps.Copy(dates, became.dates)
			maps.Copy(hours, became.touches(history.live[path]))
		}
		if err := l.noteTouched(erasure, s.table.name, hours, dates); err != nil {
			return result, err
		}
		rewriter := &historyRewriter{lake: l, table: s.table, history: history, become: s.become, named: map[string]bool{}}
		location, err := rewriter.run(erasure)
		if err != nil {
			return result, err
		}
		if err := l.swapMetadata(ctx, loaded, location); err != nil {
			return result, err
		}
		named = rewriter.named
	}
	gone, err := l.needless(ctx, s, there, named)
	if err != nil {
		return result, err
	}
	result.Removed = int64(len(gone))
	return result, l.objects.remove(ctx, gone)
}

// looseFile is an object that perhaps nothing names.
type looseFile struct {
	iceberg.DataFile // of which only path and size are known
	path             string
	size             int64
}

func (f looseFile) FilePath() string     { return f.path }
func (f looseFile) FileSizeBytes() int64 { return f.size }
func (f looseFile) Count() int64         { return math.MaxInt32 } // nobody knows

// needless are the objects that nothing names and that hold the forgotten, or may: all of the metadata, and what was not
// finished.
func (l *Lake) needless(ctx context.Context, s *search, there []looseFile, named map[string]bool) (gone []string, err error) {
	folder := l.tableFolder(s.table)
	loose := map[string]iceberg.DataFile{}
	for _, object := range there {
		_, old := s.become[object.path]
		switch base := object.path[strings.LastIndexByte(object.path, '/')+1:]; {
		case named[object.path]:
		case old, strings.HasPrefix(object.path, folder+"/metadata/"), strings.HasPrefix(base, temporaryPrefix), !strings.HasSuffix(base, ".parquet"):
			gone = append(gone, object.path)
		default:
			loose[object.path] = object
		}
	}
	if len(loose) == 0 {
		return gone, nil
	}
	// As it is known now: a run that staged a file since, and is not told that it is stale, knew as much.
	known, err := l.forgotten(ctx)
	if err != nil {
		return nil, err
	}
	known = known.of(s.eraser.known.chosen)
	known.loose = true
	look := &search{eraser: &eraser{lake: l, known: known, parser: s.eraser.parser, versions: s.eraser.versions}, table: s.table, become: map[string]newFile{}, clean: map[string]bool{}, tell: s.tell}
	if err := look.files(ctx, loose); err != nil {
		return nil, err
	}
	return append(gone, slices.Collect(maps.Keys(look.become))...), nil
}
