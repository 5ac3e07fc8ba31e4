package telemetry

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// blankLines are blank lines.
type blankLines struct{}

func (blankLines) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// readPacked packs blank lines, and says how many bytes of them are read again.
func readPacked(t *testing.T, pack func(io.Writer) io.WriteCloser, size int64) (int64, error) {
	t.Helper()
	var packed bytes.Buffer
	w := pack(&packed)
	if _, err := io.CopyN(w, blankLines{}, size); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Decompress("a.gz", &packed)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return io.Copy(io.Discard, d)
}

// A small file that comes to gigabytes of blank lines is bad, and is told so before it has cost much.
func TestExpandsWithoutEnd(t *testing.T) {
	for name, pack := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		t.Run(name, func(t *testing.T) {
			n, err := readPacked(t, pack, 256<<20)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "500 times its size") || n > 80<<20 {
				t.Errorf("%d bytes were read, %v", n, err)
			}
		})
	}
}

// What packs well, and is not endless, is read whole.
func TestExpandsFar(t *testing.T) {
	n, err := readPacked(t, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, freeExpansion)
	if err != nil || n != freeExpansion {
		t.Errorf("%d bytes, %v", n, err)
	}
}
