package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compress packs data as the file's name says.
func compress(t testing.TB, name string, data []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if strings.HasSuffix(name, ".zst") {
		z, err := zstd.NewWriter(&out, options...)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func decompress(name string, r io.Reader) ([]byte, error) {
	z, err := Decompress(name, r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

var packedNames = []string{"access.tsv.gz", "access.tsv.zst"}

func TestDecompress(t *testing.T) {
	one, two := generatedLines()[:300_000], []byte("the second member\n")
	for _, name := range packedNames {
		packed := append(compress(t, name, one), compress(t, name, two)...)
		got, err := decompress(name, iotest.HalfReader(bytes.NewReader(packed)))
		if err != nil || !bytes.Equal(got, append(one[:len(one):len(one)], two...)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if !Compressed(name) {
			t.Errorf("%s is compressed", name)
		}
		got, err = decompress(name, bytes.NewReader(compress(t, name, nil)))
		if err != nil || len(got) > 0 {
			t.Errorf("%s of nothing: %q, %v", name, got, err)
		}
	}
	got, err := decompress("access.tsv", strings.NewReader("\x1f\x8b as it is"))
	if err != nil || string(got) != "\x1f\x8b as it is" || Compressed("access.tsv") {
		t.Errorf("plain: %q, %v", got, err)
	}
}

// Wherever a compressed file is cut, and whichever of its bytes is changed, its lines are not trusted.
func TestDecompressDamaged(t *testing.T) {
	data := generatedLines()[:20_000]
	for _, name := range packedNames {
		packed := compress(t, name, data)
		for cut := range len(packed) {
			if got, err := decompress(name, bytes.NewReader(packed[:cut])); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s cut at %d of %d: %d bytes, %v", name, cut, len(packed), len(got), err)
			}
		}
		for i := range packed {
			changed := bytes.Clone(packed)
			changed[i] ^= 0x10
			got, err := decompress(name, bytes.NewReader(changed))
			// Some bits of the headers say nothing about the data (gzip: the time, the system).
			if !errors.Is(err, ErrCorrupt) && !(err == nil && bytes.Equal(got, data)) {
				t.Fatalf("%s changed at %d: %d bytes, %v", name, i, len(got), err)
			}
		}
		if _, err := decompress(name, bytes.NewReader(append(packed, "garbage"...))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with garbage behind: %v", name, err)
		}
		z, err := Decompress(name, bytes.NewReader(packed[:len(packed)-3]))
		if err != nil {
			t.Fatal(err)
		}
		s := NewScanner(z, Position{})
		for s.Scan() {
		}
		if !errors.Is(s.Err(), ErrCorrupt) {
			t.Errorf("%s through a Scanner: %v", name, s.Err())
		}
		z.Close()
	}
}

// A file that wants 64 MiB of memory to be read is refused, not obeyed.
func TestDecompressWindow(t *testing.T) {
	data := bytes.Repeat(generatedLines(), 3)
	packed := compress(t, "a.zst", data, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	if _, err := decompress("a.zst", bytes.NewReader(packed)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("window of 64 MiB: %v", err)
	}
	packed = compress(t, "a.zst", data, zstd.WithWindowSize(maxWindow))
	if got, err := decompress("a.zst", bytes.NewReader(packed)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("window of 32 MiB: %d bytes, %v", len(got), err)
	}
}

// A connection that fails is no reason to distrust the file.
func TestDecompressReadError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, name := range append(packedNames, "access.tsv") {
		packed := compress(t, name, generatedLines())
		for _, cut := range []int{0, 1, 5, 1000, len(packed) - 1} {
			_, err := decompress(name, io.MultiReader(bytes.NewReader(packed[:cut]), iotest.ErrReader(fmt.Errorf("read: %w", broken))))
			if !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
				t.Errorf("%s broken at %d: %v", name, cut, err)
			}
		}
	}
}
