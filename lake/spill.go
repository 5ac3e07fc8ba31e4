package lake

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// spill takes records to local disk, so that those of a section come together again. Memory is blocks that fill while it is
// written, and one section per processor while it is read.
type spill struct {
	scratch  *objects
	folder   string
	sections int
	writers  lanes[*shuffleWriter] // nil until a record comes
}

func (l *Lake) newSpill(sections int) (*spill, error) {
	parent := l.config.Scratch
	if parent == "" {
		parent = os.TempDir()
	}
	folder, err := os.MkdirTemp(parent, "versionlake-spill-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	root := url.URL{Scheme: "file", Path: folder}
	scratch := &objects{root: root.String(), scratch: folder, io: icebergLocal}
	return &spill{scratch: scratch, folder: folder, sections: sections, writers: newLanes[*shuffleWriter]()}, nil
}

func (s *spill) close() {
	for _, writer := range s.writers.all() {
		if *writer != nil {
			(*writer).object.abort()
		}
	}
	os.RemoveAll(s.folder)
}

// add is safe for concurrent use.
func (s *spill) add(section int, encode func([]byte) []byte) error {
	return s.writers.with(func(writer **shuffleWriter) (err error) {
		if *writer == nil {
			if *writer, err = s.scratch.newShuffle(s.scratch.root, s.sections); err != nil {
				return err
			}
		}
		return (*writer).add(section, encode)
	})
}

// open ends the writing of records and opens what was written.
func (s *spill) open() (openShuffles, error) {
	var written []shuffled
	for i, writer := range s.writers.all() {
		if *writer == nil {
			continue
		}
		index, err := (*writer).close(fmt.Sprintf("%s/spill-%d", s.scratch.root, i))
		if err != nil {
			return nil, err
		}
		written = append(written, index)
	}
	return s.scratch.openShuffles(written)
}

// each ends the writing and hands out the records of every section. Several sections are worked on at once: worker is called
// once for each goroutine, so that what it returns may keep buffers.
func (s *spill) each(ctx context.Context, worker func() func(data []byte) error) error {
	spilled, err := s.open()
	if err != nil {
		return err
	}
	defer spilled.close()
	var next atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() (err error) {
			var data []byte
			do := worker()
			for {
				section := int(next.Add(1)) - 1
				if section >= s.sections || ctx.Err() != nil {
					return ctx.Err()
				}
				if data, err = spilled.read(section, data[:0]); err != nil {
					return err
				}
				if err := do(data); err != nil {
					return fmt.Errorf("section %d of a spill: %w", section, err)
				}
			}
		})
	}
	return work.Wait()
}
