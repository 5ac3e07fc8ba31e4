package verify

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

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/plain"
)

// partitions are local files of facts, divided by a key: each is small enough to be read whole.
type partitions struct {
	folder   string
	files    []*os.File
	buffers  []*bufio.Writer
	encoders []*gob.Encoder
}

const (
	factsPerPartition = 250_000
	maxPartitions     = 256
)

func (v *verifier) newPartitions(facts int64) (*partitions, error) {
	folder, err := os.MkdirTemp(v.lake.Objects.Scratch, "versionlake-verify-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for spills: %w", err)
	}
	p := &partitions{folder: folder}
	for part := range min(facts/factsPerPartition+1, maxPartitions) {
		file, err := os.Create(filepath.Join(folder, fmt.Sprintf("part-%03d", part)))
		if err != nil {
			p.close()
			return nil, fmt.Errorf("make a spill: %w", err)
		}
		buffer := bufio.NewWriterSize(file, 64<<10)
		p.files, p.buffers, p.encoders = append(p.files, file), append(p.buffers, buffer), append(p.encoders,
			gob.NewEncoder(buffer))
	}
	return p, nil
}

func (p *partitions) add(key string, fact any) error {
	// Another seed than the tables' own hashes have.
	part := xxhash.Sum64String(strings.ToUpper(key)+key) % uint64(len(p.files))
	if err := p.encoders[part].Encode(fact); err != nil {
		return fmt.Errorf("write a spill: %w", err)
	}
	return nil
}

func (p *partitions) close() {
	for _, file := range p.files {
		file.Close()
	}
	os.RemoveAll(p.folder)
}

// eachSpilled reads a partition back, in the order in which it was written.
func eachSpilled[T any](ctx context.Context, p *partitions, part int, each func(T) error) error {
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

// sessionFact is a row of a session: one of the three.
type sessionFact struct {
	Event    *lake.SilverRow
	Sighting *lake.SightingRow
	Binding  *lake.BindingRow
}

// eachSession brings together the rows of silver that belong to a session. doing is what progress says.
func (v *verifier) eachSession(ctx context.Context, doing string, events, sightings, bindings []iceberg.DataFile,
	each func(*plain.Session) error) error {
	facts, err := v.newPartitions(lake.CountOf(events) + lake.CountOf(sightings) + lake.CountOf(bindings))
	if err != nil {
		return err
	}
	defer facts.close()
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverEvents.Name}, events,
		func(row *lake.SilverRow) error { return facts.add(row.SessionID, sessionFact{Event: row}) }); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverBindings.Name}, bindings,
		func(row *lake.BindingRow) error { return facts.add(row.SessionID, sessionFact{Binding: row}) }); err != nil {
		return err
	}
	if err := eachRow(ctx, v, Difference{Rule: 1, Table: lake.SilverSightings.Name}, sightings,
		func(row *lake.SightingRow) error { return facts.add(row.SessionID, sessionFact{Sighting: row}) }); err != nil {
		return err
	}
	for part := range facts.files {
		v.progress(doing, part, len(facts.files), "parts")
		bySession := map[string]*plain.Session{}
		of := func(id string) *plain.Session {
			if bySession[id] == nil {
				bySession[id] = &plain.Session{ID: id}
			}
			return bySession[id]
		}
		if err := eachSpilled(ctx, facts, part, func(fact sessionFact) error {
			switch {
			case fact.Event != nil:
				s := of(fact.Event.SessionID)
				s.Events = append(s.Events, *fact.Event)
			case fact.Sighting != nil:
				s := of(fact.Sighting.SessionID)
				s.Sightings = append(s.Sightings, *fact.Sighting)
			default:
				s := of(fact.Binding.SessionID)
				s.Bindings = append(s.Bindings, *fact.Binding)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, s := range bySession {
			if err := each(s); err != nil {
				return err
			}
		}
	}
	return nil
}
