package activities

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// DefaultChunkBytes is the work of one ParseChunk, in bytes of plain text: below a second of work, so that a lost
	// worker costs little and many can help.
	DefaultChunkBytes = 32 << 20
	// maxChunks bounds the history of an hour's workflow: larger hours get larger chunks.
	maxChunks = 512
	// splitsAtOnce bounds the large files that are read at the same time to find where they can be cut.
	splitsAtOnce = 4
)

// cutter cuts the files of an hour into chunks.
type cutter struct {
	source   source.Source
	size     int64
	progress func(bytes int64) // bytes more that were read; called concurrently
}

// chunks cuts large plain files into pieces, and groups pieces and small files, in order, into chunks of about one
// size.
func (c *cutter) chunks(ctx context.Context, files []source.File) ([]hours.Chunk, error) {
	total := int64(0)
	for _, file := range files {
		total += hours.TextOf(file)
	}
	c.size = max(c.size, total/maxChunks)

	pieces := make([][]hours.Piece, len(files))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(splitsAtOnce)
	for i, file := range files {
		// Even pieces of about the size, so that a file which is little larger is not read twice for a small rest.
		n := (file.Size + c.size/2) / c.size
		if telemetry.Compressed(file.Key) || n <= 1 {
			pieces[i] = []hours.Piece{{File: file, Offset: 0, Length: -1, Line: 1}}
			continue
		}
		group.Go(func() (err error) {
			pieces[i], err = c.split(groupCtx, file, (file.Size+n-1)/n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.group(pieces), nil
}

// split finds the pieces of a large plain file; that takes a read of the whole file, since lines are numbered. One
// whose contents are packed, or that can't be read, stays whole: ParseChunk sees what it is.
func (c *cutter) split(ctx context.Context, file source.File, size int64) (pieces []hours.Piece, err error) {
	whole := []hours.Piece{{File: file, Offset: 0, Length: -1, Line: 1}}
	reader, err := c.source.Open(ctx, file, 0, -1)
	if err != nil {
		return c.unreadable(whole, err)
	}
	// Close may be what finds that the file changed under the reader.
	defer func() { err = errors.Join(err, reader.Close()) }()
	buffered := bufio.NewReaderSize(reader, 64<<10)
	head, err := buffered.Peek(telemetry.SniffLength)
	if err != nil && err != io.EOF {
		return c.unreadable(whole, err)
	}
	if packed, err := telemetry.Packed(file.Key, head); packed || err != nil {
		return whole, nil
	}
	told := int64(0)
	starts, err := telemetry.Split(buffered, size, func(bytes int64) {
		c.progress(bytes - told)
		told = bytes
	})
	if err != nil {
		return c.unreadable(whole, fmt.Errorf("cut %s into pieces: %w", file.Key, err))
	}
	for i, start := range starts {
		end := file.Size
		if i+1 < len(starts) {
			end = starts[i+1].Offset
		}
		pieces = append(pieces, hours.Piece{File: file, Offset: start.Offset, Length: end - start.Offset,
			Line: start.Line})
	}
	return pieces, nil
}

func (c *cutter) unreadable(whole []hours.Piece, err error) ([]hours.Piece, error) {
	if errors.Is(err, source.ErrUnreadable) {
		return whole, nil
	}
	return nil, err
}

func (c *cutter) group(files [][]hours.Piece) []hours.Chunk {
	var chunks []hours.Chunk
	var chunk hours.Chunk
	filled := int64(0)
	for _, pieces := range files {
		for _, piece := range pieces {
			size := piece.Length
			if size < 0 {
				size = hours.TextOf(piece.File)
			}
			if len(chunk.Pieces) > 0 && filled+size > c.size {
				chunks = append(chunks, chunk)
				chunk, filled = hours.Chunk{}, 0
			}
			chunk.Pieces = append(chunk.Pieces, piece)
			filled += size
		}
	}
	if len(chunk.Pieces) > 0 {
		chunks = append(chunks, chunk)
	}
	return chunks
}
