package telemetry

import (
	"bytes"
	"fmt"
	"io"
)

// Split finds where a large plain file can be cut into pieces that are parsed apart. It reads r, the whole file, to
// its end, and returns where the pieces begin: the first at 0, every other at the first logical line that begins at
// or after a multiple of size bytes. No piece begins within a continued line, and none is empty, save that of an
// empty file. So one Scanner per piece finds the lines, numbers and offsets that a single one over the whole file
// finds.
//
// progress, if not nil, is called now and then with the number of bytes read so far. Errors: those of r, and a size
// below 1.
func Split(r io.Reader, size int64, progress func(bytes int64)) ([]Position, error) {
	if size < 1 {
		return nil, fmt.Errorf("split into pieces of %d bytes: must be at least 1", size)
	}
	s := splitter{next: Position{Line: 1}, fresh: true}
	starts := []Position{s.next}
	target := size // the multiple from which on the next piece may begin
	buffer := make([]byte, bufferSize)
	for {
		n, err := readFull(r, buffer)
		for part := buffer[:n]; len(part) > 0; {
			take := len(part)
			switch {
			case s.next.Offset < target:
				take = int(min(int64(take), target-s.next.Offset))
			case s.fresh:
				starts = append(starts, s.next)
				target = (s.next.Offset/size + 1) * size
				continue
			default:
				if end := bytes.IndexByte(part, '\n'); end >= 0 {
					take = end + 1
				}
			}
			s.add(part[:take])
			part = part[take:]
		}
		if progress != nil && n > 0 {
			progress(s.next.Offset)
		}
		if err == io.EOF {
			return starts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("split at byte %d: %w", s.next.Offset, err)
		}
	}
}

// splitter follows the lines of a file from far above: it looks closely only at the line at the end of each part.
type splitter struct {
	next  Position     // of the first byte not yet seen; within a line, Line is the number of that line
	line  physicalLine // as far as it was seen
	fresh bool         // whether a logical line begins at next
}

func (s *splitter) add(part []byte) {
	s.next.Offset += int64(len(part))
	s.fresh = false
	if count := bytes.Count(part, []byte{'\n'}); count > 0 {
		s.next.Line += int64(count)
		last := bytes.LastIndexByte(part, '\n')
		if last < len(part)-1 {
			s.line, part = physicalLine{}, part[last+1:]
		} else {
			if before := bytes.LastIndexByte(part[:last], '\n'); before >= 0 {
				s.line, part = physicalLine{}, part[before+1:]
			}
			s.line.add(part[:len(part)-1])
			s.fresh = !s.line.continued()
			s.line, part = physicalLine{}, nil
		}
	}
	s.line.add(part)
}
