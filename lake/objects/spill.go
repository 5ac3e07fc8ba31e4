package objects

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Spill takes records to local disk, so that those of a section come together again. Memory is blocks that fill
// while it is written, and one section per processor while it is read.
type Spill struct {
	Scratch  *Store
	Folder   string
	Sections int
	Writers  Lanes[*ShuffleWriter] // nil until a record comes
}

func (s *Spill) Close() {
	for _, writer := range s.Writers.All() {
		if *writer != nil {
			(*writer).Object.Abort()
		}
	}
	os.RemoveAll(s.Folder)
}

// Add is safe for concurrent use.
func (s *Spill) Add(section int, encode func([]byte) []byte) error {
	return s.Writers.With(func(writer **ShuffleWriter) (err error) {
		if *writer == nil {
			if *writer, err = s.Scratch.NewShuffle(s.Scratch.Root, s.Sections); err != nil {
				return err
			}
		}
		return (*writer).Add(section, encode)
	})
}

// Open ends the writing of records and opens what was written.
func (s *Spill) Open() (Shuffles, error) {
	var written []Shuffled
	for i, writer := range s.Writers.All() {
		if *writer == nil {
			continue
		}
		index, err := (*writer).Close(fmt.Sprintf("%s/spill-%d", s.Scratch.Root, i))
		if err != nil {
			return nil, err
		}
		written = append(written, index)
	}
	return s.Scratch.OpenShuffles(written)
}

// Each ends the writing and hands out the records of every section. Several sections are worked on at once: worker
// is called once for each goroutine, so that what it returns may keep buffers.
func (s *Spill) Each(ctx context.Context, worker func() func(data []byte) error) error {
	spilled, err := s.Open()
	if err != nil {
		return err
	}
	defer spilled.Close()
	var next atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() (err error) {
			var data []byte
			do := worker()
			for {
				section := int(next.Add(1)) - 1
				if section >= s.Sections || ctx.Err() != nil {
					return ctx.Err()
				}
				if data, err = spilled.Read(section, data[:0]); err != nil {
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
