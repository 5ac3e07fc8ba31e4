package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// compress packs data as the file's name says.
func compress(t testing.TB, name string, data []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if strings.HasSuffix(name, ".bz2") {
		return bzip(t, data)
	}
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

// bzip packs with the system's bzip2, for Go has no writer of it.
func bzip(t testing.TB, data []byte) []byte {
	t.Helper()
	tool, err := exec.LookPath("bzip2")
	if err != nil {
		t.Skip("there is no bzip2 here")
	}
	cmd := exec.Command(tool, "-1")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
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
		for cut := 1; cut < len(packed); cut++ {
			if got, err := decompress(name, bytes.NewReader(packed[:cut])); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s cut at %d of %d: %d bytes, %v", name, cut, len(packed), len(got), err)
			}
		}
		for i := range packed {
			changed := bytes.Clone(packed)
			changed[i] ^= 0x10
			got, err := decompress(name, bytes.NewReader(changed))
			// Some bits of the headers say nothing about the data (gzip: the time, the system).
			if !errors.Is(err, ErrCorrupt) && (err != nil || !bytes.Equal(got, data)) {
				t.Fatalf("%s changed at %d: %d bytes, %v", name, i, len(got), err)
			}
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

// What a file is, its contents say. What stands behind the last member is padding, a further member or a remark.
func TestDecompressContents(t *testing.T) {
	text, more := string(generatedLines()[:20_000]), "one more line\n"
	gz, zst := string(compress(t, "a.gz", []byte(text))), string(compress(t, "a.zst", []byte(text)))
	gz2, zst2 := string(compress(t, "a.gz", []byte(more))), string(compress(t, "a.zst", []byte(more)))
	skippable := "\x5a\x2a\x4d\x18\x05\x00\x00\x00index"
	zeros := strings.Repeat("\x00", 1000)
	for what, test := range map[string]struct{ name, content, text, note string }{
		"gzip without an ending":        {"part-00000", gz, text, ""},
		"zstd called gzip":              {"a.tsv.gz", zst, text, ""},
		"gzip called zstd":              {"a.tsv.zst", gz, text, ""},
		"text called gzip":              {"a.tsv.gz", text, text, ""},
		"text called bzip2":             {"A.TSV.BZ2", "\ufeff" + text, "\ufeff" + text, ""},
		"Latin-1 called gzip":           {"a.gz", "caf\xe9\n", "caf\xe9\n", ""},
		"one letter called zstd":        {"a.zst", "x", "x", ""},
		"nothing called gzip":           {"a.gz", "", "", ""},
		"nothing called zstd":           {"a.zst", "", "", ""},
		"nothing called bzip2":          {"a.bz2", "", "", ""},
		"padding of one zero":           {"a.gz", gz + "\x00", text, ""},
		"padding of gzip":               {"a.gz", gz + gz2 + zeros, text + more, ""},
		"padding of zstd":               {"a", zst + zst2 + zeros, text + more, ""},
		"padding of three zeros":        {"a.zst", zst + "\x00\x00\x00", text, ""},
		"members between zeros":         {"a.gz", gz + zeros + gz2 + zeros, text + more, ""},
		"frames between zeros":          {"a.zst", zst + zeros + zst2, text + more, ""},
		"members of two kinds":          {"a.gz", gz + zst2 + gz2, text + more + more, ""},
		"members of two kinds, swapped": {"a.zst", zst + gz2 + zst2, text + more + more, ""},
		"a line behind gzip": {"a.gz", gz + more,
			text, "left out, for it begins no member: what stands behind the last of gzip, bytes: 14"},
		"zeros and a line behind zstd": {"a.zst", zst + zeros + more,
			text, "left out, for it begins no member: what stands behind the last of zstd, bytes: 14"},
		"one byte behind zstd": {"a.zst", zst + "x",
			text, "left out, for it begins no member: what stands behind the last of zstd, bytes: 1"},
		"a signature behind gzip": {"a.gz", gz + gz2 + strings.Repeat("-", 3000), text + more,
			"left out, for it begins no member: what stands behind the last of gzip, bytes: 3000"},
		"skippable frames":       {"a.zst", skippable + zst + skippable + zst2 + skippable, text + more, ""},
		"a skippable frame only": {"a.zst", skippable, "", ""},
		"a member of nothing":    {"a.gz", string(compress(t, "a.gz", nil)) + gz2, more, ""},
	} {
		z, err := Decompress(test.name, iotest.OneByteReader(strings.NewReader(test.content)))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got, err := io.ReadAll(z)
		if err != nil || string(got) != test.text || z.Note() != test.note {
			t.Errorf("%s: %d bytes of %d, %v, note %q", what, len(got), len(test.text), err, z.Note())
		}
		z.Close()
	}
	for what, test := range map[string]struct{ name, content string }{
		"a torn member behind a whole one": {"a.gz", gz + gz2[:len(gz2)-1]},
		"a torn frame behind a whole one":  {"a.zst", zst + zst2[:len(zst2)-1]},
		"one byte of a member":             {"a.gz", gz + gz2[:1]},
		"two bytes of a member":            {"a.gz", gz + gz2[:2]},
		"three bytes of a frame":           {"a.zst", zst + zst2[:3]},
		"a header behind zeros":            {"a.gz", gz + zeros + gz2[:5]},
		"a torn skippable frame":           {"a.zst", zst + skippable[:len(skippable)-2]},
		"a damaged member behind":          {"a.gz", gz + gz2[:len(gz2)-6] + "??????"},
		"zeros called gzip":                {"a.gz", zeros},
		"xz":                               {"a.tsv", "\xfd7zXZ\x00\x00\x04"},
		"zip called gzip":                  {"a.tsv.gz", "PK\x03\x04\x14\x00"},
		"lz4":                              {"a.log", "\x04\x22\x4d\x18\x64"},
		"Parquet":                          {"part-00000", "PAR1\x15\x04"},
	} {
		if got, err := decompress(test.name, strings.NewReader(test.content)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %d bytes, %v", what, len(got), err)
		}
	}
}

// Members of any kind, with any padding, read as what was packed, whatever the name.
func TestDecompressAnyMembers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var file, text []byte
		for range rapid.IntRange(1, 5).Draw(rt, "members") {
			part := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "text")
			name := rapid.SampledFrom([]string{"a.gz", "a.zst"}).Draw(rt, "kind")
			file = append(file, compress(t, name, part)...)
			file = append(file, make([]byte, rapid.SampledFrom([]int{0, 0, 1, 3, 511, 70_000}).Draw(rt, "zeros"))...)
			text = append(text, part...)
		}
		name := rapid.SampledFrom([]string{"a.tsv", "a.gz", "a.ZST", "a.bz2", "part-00000"}).Draw(rt, "name")
		got, err := decompress(name, bytes.NewReader(file))
		if err != nil || !bytes.Equal(got, text) {
			rt.Fatalf("%d bytes of %d, %v", len(got), len(text), err)
		}
	})
}

// A frame without a checksum that lacks its last bytes must not be filled with zeros and pass.
func TestDecompressTornRawBlocks(t *testing.T) {
	random := make([]byte, 3000)
	for i := range random {
		random[i] = byte(i*i>>3 ^ i*31)
	}
	for _, tail := range []string{"", "\x00", "\x00\x00\x00\x00\x00\x00"} {
		data := append(slices.Clone(random), tail...)
		packed := compress(t, "a.zst", data, zstd.WithEncoderCRC(false), zstd.WithSingleSegment(false))
		for cut := 1; cut < 12; cut++ {
			if got, err := decompress("a.zst", bytes.NewReader(packed[:len(packed)-cut])); !errors.Is(err, ErrCorrupt) {
				t.Errorf("cut by %d: %d bytes, %v", cut, len(got), err)
			}
		}
	}
}

func TestDecompressBzip2(t *testing.T) {
	text, more := string(generatedLines()[:30_000]), "one more line\n"
	bz, bz2, empty := string(bzip(t, []byte(text))), string(bzip(t, []byte(more))), string(bzip(t, nil))
	gz := string(compress(t, "a.gz", []byte(more)))
	zeros := strings.Repeat("\x00", 700)
	for what, test := range map[string]struct{ content, text, note string }{
		"alone":         {bz, text, ""},
		"two":           {bz + bz2, text + more, ""},
		"empty":         {empty + bz2 + empty, more, ""},
		"one zero":      {bz + "\x00", text, ""},
		"padding":       {bz + bz2 + zeros, text + more, ""},
		"between zeros": {bz + zeros + bz2, text + more, ""},
		"and gzip":      {bz + gz + bz2, text + more + more, ""},
		"one byte": {bz + "x", text,
			"left out, for it begins no member: what stands behind the last of bzip2, bytes: 1"},
		"a line": {bz + "\x00" + more,
			text, "left out, for it begins no member: what stands behind the last of bzip2, bytes: 14"},
	} {
		z, err := Decompress("a.tsv", strings.NewReader(test.content))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := io.ReadAll(z)
		if err != nil || string(got) != test.text || z.Note() != test.note {
			t.Errorf("%s: %d bytes of %d, %v, note %q", what, len(got), len(test.text), err, z.Note())
		}
	}
	for cut := 1; cut < len(bz2); cut++ {
		if got, err := decompress("a.bz2", strings.NewReader(bz2[:cut])); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d of %d: %q, %v", cut, len(bz2), got, err)
		}
		if got, err := decompress("a.bz2", strings.NewReader(bz+bz2[:cut])); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the second cut at %d of %d: %d bytes, %v", cut, len(bz2), len(got), err)
		}
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
			_, err := decompress(name,
				io.MultiReader(bytes.NewReader(packed[:cut]), iotest.ErrReader(fmt.Errorf("read: %w", broken))))
			if !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
				t.Errorf("%s broken at %d: %v", name, cut, err)
			}
		}
	}
}
