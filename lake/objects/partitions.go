package objects

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Partitions are local files of facts, divided by a key: each is small enough to be read whole.
type Partitions struct {
	folder   string
	files    []*os.File
	buffers  []*bufio.Writer
	encoders []*gob.Encoder
}

const (
	factsPerPartition = 250_000
	maxPartitions     = 256
)

// NewPartitions makes partitions for about so many facts, below the folder scratch.
func NewPartitions(scratch string, facts int64) (*Partitions, error) {
	folder, err := os.MkdirTemp(scratch, "versionlake-verify-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	p := &Partitions{folder: folder}
	for part := range min(facts/factsPerPartition+1, maxPartitions) {
		file, err := os.Create(filepath.Join(folder, fmt.Sprintf("part-%03d", part)))
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("make a spill: %w", err)
		}
		buffer := bufio.NewWriterSize(file, 64<<10)
		p.files, p.buffers, p.encoders = append(p.files, file), append(p.buffers, buffer), append(p.encoders,
			gob.NewEncoder(buffer))
	}
	return p, nil
}

// Add writes a fact, in gob's form, to the partition of its key; keys that differ by case alone go together.
func (p *Partitions) Add(key string, fact any) error {
	// Another seed than the tables' own hashes have.
	part := xxhash.Sum64String(strings.ToUpper(key)+key) % uint64(len(p.files))
	if err := p.encoders[part].Encode(fact); err != nil {
		return fmt.Errorf("write a spill: %w", err)
	}
	return nil
}

// Close removes them.
func (p *Partitions) Close() {
	for _, file := range p.files {
		file.Close()
	}
	os.RemoveAll(p.folder)
}

// EachSpilled reads a partition back, in the order in which it was written.
func EachSpilled[T any](ctx context.Context, p *Partitions, part int, each func(T) error) error {
	if err := p.buffers[part].Flush(); err != nil {
		return fmt.Errorf("write a spill: %w", err)
	}
	if _, err := p.files[part].Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read a spill: %w", err)
	}
	decoder := gob.NewDecoder(bufio.NewReaderSize(p.files[part], 64<<10))
	for n := 0; ; n++ {
		if n%1000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		var fact T
		if err := decoder.Decode(&fact); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a spill: %w", err)
		}
		if err := each(fact); err != nil {
			return err
		}
	}
}

// Len is how many there are.
func (p *Partitions) Len() int { return len(p.files) }
