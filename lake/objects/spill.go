package objects

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"sync"

	icebergio "github.com/apache/iceberg-go/io"
	"golang.org/x/sync/errgroup"
)

// Spill takes records to local disk, so that those of a section come together again. Memory is blocks that fill
// while it is written, and one section per processor while it is read.
type Spill struct {
	scratch  *Store
	folder   string
	Sections int
	writers  Lanes[*ShuffleWriter] // nil until a record comes
}

// NewSpill makes a spill in a folder of its own below another, the system's when empty. Its Close removes that.
func NewSpill(parent string, sections int) (*Spill, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	folder, err := os.MkdirTemp(parent, "versionlake-spill-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	root := url.URL{Scheme: "file", Path: folder}
	scratch := &Store{Root: root.String(), Scratch: folder, IO: icebergio.LocalFS{}, passing: true}
	return &Spill{scratch: scratch, folder: folder, Sections: sections,
		writers: NewLanes[*ShuffleWriter]()}, nil
}

// Close removes the records.
func (s *Spill) Close() {
	for _, writer := range s.writers.All() {
		if *writer != nil {
			(*writer).Object.Abort()
		}
	}
	os.RemoveAll(s.folder)
}

// Add is safe for concurrent use.
func (s *Spill) Add(section int, encode func([]byte) []byte) error {
	return s.writers.With(func(writer **ShuffleWriter) error {
		if *writer == nil {
			*writer = s.scratch.NewShuffle(s.scratch.Root, s.Sections)
		}
		return (*writer).Add(section, encode)
	})
}

// Open ends the writing of records and opens what was written.
func (s *Spill) Open() (Shuffles, error) {
	var written []Shuffled
	for i, writer := range s.writers.All() {
		if *writer == nil {
			continue
		}
		index, err := (*writer).Close(fmt.Sprintf("%s/spill-%d", s.scratch.Root, i))
		if err != nil {
			return nil, err
		}
		written = append(written, index)
	}
	return s.scratch.OpenShuffles(written)
}

// Each ends the writing and hands out the records of every section. Several sections are worked on at once: worker
// is called once for each goroutine, so that what it returns may keep buffers.
func (s *Spill) Each(ctx context.Context, worker func() func(data []byte) error) error {
	return s.EachSection(ctx, func() (func(int) error, func(Shuffles, int) error) {
		do := worker()
		var data []byte
		return nil, func(spilled Shuffles, section int) (err error) {
			if data, err = spilled.Read(section, data[:0]); err != nil {
				return err
			}
			return do(data)
		}
	})
}

// EachSection is Each for sections that may be too large to be read whole. What worker returns first, if anything, is
// called before, for one section after the other in their order.
func (s *Spill) EachSection(ctx context.Context,
	worker func() (begin func(section int) error, do func(spilled Shuffles, section int) error)) error {
	spilled, err := s.Open()
	if err != nil {
		return err
	}
	defer spilled.Close()
	var turn sync.Mutex
	next := 0
	claim := func(begin func(int) error) (section int, err error) {
		turn.Lock()
		defer turn.Unlock()
		section = next
		if next++; section < s.Sections && begin != nil {
			err = begin(section)
		}
		return section, err
	}
	work, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() error {
			begin, do := worker()
			for {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				section, err := claim(begin)
				if section >= s.Sections {
					return nil
				}
				if err == nil {
					err = do(spilled, section)
				}
				if err != nil {
					return fmt.Errorf("section %d of a spill: %w", section, err)
				}
			}
		})
	}
	return work.Wait()
}
