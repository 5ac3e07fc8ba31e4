package activities

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// write makes an hour of files of so many lines of ten bytes.
func write(t *testing.T, lines map[string]int) (source.Source, []source.File) {
	t.Helper()
	dir := t.TempDir()
	hour, err := telemetry.ParseHour("2022-05-27T05")
	require.NoError(t, err)
	folder := filepath.Join(dir, filepath.FromSlash(hour.Folder()))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	for name, n := range lines {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(strings.Repeat("123456789\n", n)), 0o644))
	}
	src, err := source.Open(t.Context(), dir)
	require.NoError(t, err)
	listing, err := src.List(t.Context(), hour)
	require.NoError(t, err)
	return src, listing.Files
}

func cut(t *testing.T, ctx context.Context, src source.Source, files []source.File, size int64) []hours.Chunk {
	t.Helper()
	var read atomic.Int64
	c := cutter{source: src, size: size, progress: func(bytes int64) { read.Add(bytes) }}
	chunks, err := c.chunks(ctx, files)
	require.NoError(t, err)
	return chunks
}

func TestChunksCoverEveryByteOnceAndInOrder(t *testing.T) {
	src, files := write(t, map[string]int{"a.tsv": 7, "b.tsv": 1000, "c.tsv": 0, "d.tsv": 149, "e.tsv.gz": 30,
		"f.tsv": 3})
	for _, size := range []int64{1, 10, 99, 500, 1000, 1 << 20} {
		chunks := cut(t, t.Context(), src, files, size)
		ends := map[string]int64{}
		last := ""
		for _, chunk := range chunks {
			require.NotEmpty(t, chunk.Pieces)
			for _, piece := range chunk.Pieces {
				require.LessOrEqual(t, last, piece.File.Key)
				last = piece.File.Key
				require.Equal(t, ends[piece.File.Key], piece.Offset)
				require.Equal(t, piece.Offset/10+1, piece.Line)
				length := piece.Length
				if length < 0 {
					length = piece.File.Size
				}
				ends[piece.File.Key] = piece.Offset + length
			}
		}
		for _, file := range files {
			require.Equal(t, file.Size, ends[file.Key], file.Key)
		}
		require.LessOrEqual(t, len(chunks), maxChunks+len(files))
	}
}

func TestSmallFilesShareAChunkAndALittleOverIsNotCut(t *testing.T) {
	src, files := write(t, map[string]int{"a.tsv": 10, "b.tsv": 10, "c.tsv": 145, "d.tsv": 160})
	chunks := cut(t, t.Context(), src, files, 1000)
	var shape [][]int64
	for _, chunk := range chunks {
		var lengths []int64
		for _, piece := range chunk.Pieces {
			lengths = append(lengths, piece.Length)
		}
		shape = append(shape, lengths)
	}
	require.Equal(t, [][]int64{{-1, -1}, {-1}, {800}, {800}}, shape)
}

// What a large file is, its contents say: one that is packed, or that can't be read, stays whole whatever its name.
func TestPackedAndUnreadableFilesAreNotCut(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for i := range 2000 {
		_, err := fmt.Fprintf(z, "line %d %x\n", i, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	src, _ := write(t, map[string]int{"text.tsv": 1000})
	hour, err := telemetry.ParseHour("2022-05-27T05")
	require.NoError(t, err)
	folder := filepath.Join(strings.TrimPrefix(src.String(), "file://"), filepath.FromSlash(hour.Folder()))
	for _, name := range []string{"packed.tsv", "part-00000"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), packed.Bytes(), 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "xz.tsv"), append([]byte("\xfd7zXZ\x00"), packed.Bytes()...),
		0o644))
	listing, err := src.List(t.Context(), hour)
	require.NoError(t, err)
	pieces := map[string]int{}
	for _, chunk := range cut(t, t.Context(), closed{src, "text.tsv"}, listing.Files, 300) {
		for _, piece := range chunk.Pieces {
			require.EqualValues(t, -1, piece.Length)
			pieces[filepath.Base(piece.File.Key)]++
		}
	}
	require.Equal(t, map[string]int{"packed.tsv": 1, "part-00000": 1, "xz.tsv": 1, "text.tsv": 1}, pieces)
	require.Greater(t, len(cut(t, t.Context(), src, listing.Files, 300)), 10, "the text is cut where it can be read")
}

// closed is a source of which one file can't be read.
type closed struct {
	source.Source
	name string
}

func (s closed) Open(ctx context.Context, file source.File, offset, length int64) (io.ReadCloser, error) {
	if filepath.Base(file.Key) == s.name {
		return nil, source.ErrUnreadable
	}
	return s.Source.Open(ctx, file, offset, length)
}
