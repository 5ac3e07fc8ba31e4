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

// A small file that comes to gigabytes of blank lines is bad, and is told so before it has cost much.
func TestExpandsWithoutEnd(t *testing.T) {
	for name, pack := range map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z },
	} {
		t.Run(name, func(t *testing.T) {
			var packed bytes.Buffer
			w := pack(&packed)
			if _, err := io.CopyN(w, blankLines{}, 256<<20); err != nil {
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
			n, err := io.Copy(io.Discard, d)
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "500 times its size") || n > 80<<20 {
				t.Errorf("%d bytes were read, %v", n, err)
			}
		})
	}
}

// What packs well, and is not endless, is read whole.
func TestExpandsFar(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.CopyN(w, blankLines{}, freeExpansion); err != nil {
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
	if n, err := io.Copy(io.Discard, d); err != nil || n != freeExpansion {
		t.Errorf("%d bytes, %v", n, err)
	}
}
