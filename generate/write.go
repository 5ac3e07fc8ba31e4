package generate

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// Summary counts what was written.
type Summary struct {
	Hours    int // with files
	Files    int
	Bytes    int64            // of text, before compression
	Lines    int64            // all of them
	Bad      int64            // of the lines, those that must be rejected
	Repeated int64            // of the lines, those written before
	Events   map[string]int64 // the lines that count, by the name of the event
}

// Add counts in what else was written, in hours that are counted already.
func (s *Summary) Add(o Summary) {
	s.Files, s.Bytes = s.Files+o.Files, s.Bytes+o.Bytes
	s.Lines, s.Bad, s.Repeated = s.Lines+o.Lines, s.Bad+o.Bad, s.Repeated+o.Repeated
	if s.Events == nil {
		s.Events = map[string]int64{}
	}
	for name, n := range o.Events {
		s.Events[name] += n
	}
}

// Write writes the world below a folder, as YYYY/MM/DD/HH/part-NNN.tsv[.gz|.zst]. The same options give the same bytes.
// A file appears whole or not at all; one of the same name is replaced, others are left alone.
func Write(ctx context.Context, dir string, o Options) (Summary, error) {
	return write(ctx, dir, o, o.From, o.From+telemetry.Hour(o.Hours))
}

// WriteHour writes one hour of the world, as Write does.
func WriteHour(ctx context.Context, dir string, o Options, hour telemetry.Hour) (Summary, error) {
	return write(ctx, dir, o, hour, hour+1)
}

func write(ctx context.Context, dir string, o Options, from, to telemetry.Hour) (Summary, error) {
	w, err := newWorld(o)
	if err != nil {
		return Summary{}, err
	}
	var total Summary
	var lock sync.Mutex
	hours := 0
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for h := from; h < to && running.Err() == nil; h++ {
		files := w.files(h)
		if len(files) > 0 {
			hours++
		}
		for _, f := range files {
			group.Go(func() error {
				s, err := writeFile(running, dir, f.path, f.events())
				if err != nil {
					return err
				}
				lock.Lock()
				defer lock.Unlock()
				total.Add(s)
				return nil
			})
		}
	}
	err = group.Wait()
	total.Hours = hours
	if err == nil {
		err = context.Cause(ctx) // between two files
	}
	return total, err
}

// writeFile writes events to the file of that path below the folder, compressed as its name says.
func writeFile(ctx context.Context, dir, path string, events iter.Seq[*Event]) (s Summary, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("generate %s: %w", path, err)
		}
	}()
	name := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return s, err
	}
	// Its name does not end as telemetry files do, so nobody ingests it half written.
	part, err := os.Create(name + ".part")
	if err != nil {
		return s, err
	}
	defer os.Remove(part.Name()) // gone after the rename
	defer part.Close()
	out, err := compressor(path, part)
	if err != nil {
		return s, err
	}
	if s, err = writeLines(ctx, out, events); err != nil {
		return s, err
	}
	if err := out.Close(); err != nil {
		return s, err
	}
	if err := part.Close(); err != nil {
		return s, err
	}
	s.Files = 1
	return s, os.Rename(part.Name(), name)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func compressor(path string, to io.Writer) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		return gzip.NewWriterLevel(to, gzip.BestSpeed)
	case strings.HasSuffix(path, ".zst"):
		return zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	}
	return nopCloser{to}, nil
}

func writeLines(ctx context.Context, to io.Writer, events iter.Seq[*Event]) (s Summary, err error) {
	const full = 256 << 10
	buffer := make([]byte, 0, full+64<<10)
	var lines writer
	s.Events = map[string]int64{}
	for e := range events {
		buffer = lines.append(buffer, e)
		s.Lines++
		switch {
		case e.Reason != "":
			s.Bad++
		case e.Repeated:
			s.Repeated++
		default:
			s.Events[e.Name]++
		}
		if len(buffer) >= full {
			if err := context.Cause(ctx); err != nil {
				return s, err
			}
			s.Bytes += int64(len(buffer))
			if _, err := to.Write(buffer); err != nil {
				return s, err
			}
			buffer = buffer[:0]
		}
	}
	s.Bytes += int64(len(buffer))
	_, err = to.Write(buffer)
	return s, err
}
