package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// record is a Line that outlives the next Scan.
type record struct {
	text                   string
	number, offset, length int64
	reason                 Reason
}

func scan(r io.Reader, at Position) ([]record, error) {
	var lines []record
	s := NewScanner(r, at)
	for s.Scan() {
		l := s.Line()
		lines = append(lines, record{string(l.Text), l.Number, l.Offset, l.Length, l.Reason})
	}
	return lines, s.Err()
}

func scanAll(t testing.TB, text string) []record {
	t.Helper()
	lines, err := scan(strings.NewReader(text), Position{})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestScanner(t *testing.T) {
	tabs := strings.Repeat("\t", 5)
	for _, c := range []struct {
		name, in string
		want     []string // line number, offset, text
	}{
		{"nothing", "", nil},
		{"one", "a\n", []string{"1 0 a"}},
		{"no last newline", "a\nb", []string{"1 0 a", "2 2 b"}},
		{"blank lines", "\n \t\r\n\na\n", []string{"1 0 ", "2 1  \t", "3 5 ", "4 6 a"}},
		{"CRLF", "a\r\nb\r\n", []string{"1 0 a", "2 3 b"}},
		{"CR alone", "a\rb\r\r\nc\r", []string{"1 0 a\rb\r", "2 6 c"}},
		{"byte order mark", "\uFEFFa\n\uFEFFb\n", []string{"1 0 a", "2 5 \uFEFFb"}},
		{"only a byte order mark", "\uFEFF", []string{"1 0 "}},
		{"continued", "a \\\nb\nc\n", []string{"1 0 a  b", "3 6 c"}},
		{"continued with CRLF", "a\\\r\nb\r\nc", []string{"1 0 a b", "3 7 c"}},
		{"blanks behind the backslash", "a\\ \t \r\nb\nc", []string{"1 0 a b", "3 9 c"}},
		{"continued twice", "a\\\n\\\nb\nc", []string{"1 0 a  b", "4 7 c"}},
		{"continued by a blank line", "a\\\n\nc", []string{"1 0 a ", "3 4 c"}},
		{"continued by nothing", "a\\\n", []string{"1 0 a "}},
		{"not continued at the end", "a\\", []string{"1 0 a\\"}},
		{"two backslashes", "a\\\\\nb", []string{"1 0 a\\ b"}},
		{"four tabs", "\t\t\t\ta\\\nb\nc", []string{"1 0 \t\t\t\ta b", "3 9 c"}},
		{"five tabs", tabs + "a\\\nb\n", []string{"1 0 " + tabs + "a\\", "2 8 b"}},
		{"five tabs, one behind the backslash", "\t\t\t\ta\\\t\nb\n", []string{"1 0 \t\t\t\ta\\\t", "2 8 b"}},
		{"five tabs in two lines", "\t\ta\\\n\t\t\tb\\\nc\nd", []string{"1 0 \t\ta \t\t\tb c", "4 13 d"}},
		{"five tabs in the second line", "a\\\n" + tabs + "\\\nc", []string{"1 0 a " + tabs + "\\", "3 10 c"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, l := range scanAll(t, c.in) {
				got = append(got, fmt.Sprintf("%d %d %s", l.number, l.offset, l.text))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestBlank(t *testing.T) {
	for text, want := range map[string]bool{"": true, " \t\r": true, "a": false, " a": false, "\u00a0": false,
		"\x00": false} {
		if l := (Line{Text: []byte(text)}); l.Blank() != want {
			t.Errorf("Blank(%q) = %v", text, !want)
		}
	}
	if lines := scanAll(t, strings.Repeat(" ", MaxLine+1)); lines[0].reason != ReasonLength {
		t.Errorf("a blank line over the limit: %q", lines[0].reason)
	}
}

func TestLongLines(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, in string
		want     []string // line number, bytes of text, bytes of the line, reason
	}{
		{"as long as the buffer", x(bufferSize) + "\nb", []string{"1 262144 262145 ", "2 1 1 "}},
		{"the longest", x(MaxLine) + "\nb", []string{"1 1048576 1048577 ", "2 1 1 "}},
		{"the longest with CRLF", x(MaxLine) + "\r\nb", []string{"1 1048576 1048578 ", "2 1 1 "}},
		{"the longest at the end", x(MaxLine), []string{"1 1048576 1048576 "}},
		{"too long", x(MaxLine+1) + "\nb", []string{"1 1048576 1048578 length", "2 1 1 "}},
		{"too long with CRLF", x(MaxLine+1) + "\r\nb", []string{"1 1048576 1048579 length", "2 1 1 "}},
		{"too long by a CR", x(MaxLine) + "\r\r\nb", []string{"1 1048576 1048579 length", "2 1 1 "}},
		{"far too long", x(5*MaxLine) + "\nb", []string{"1 1048576 5242881 length", "2 1 1 "}},
		{"too long to be continued", x(MaxLine) + "\\\nb", []string{"1 1048576 1048578 length", "2 1 1 "}},
		{"short enough to be continued", x(MaxLine-1) + "\\\nb\nc", []string{"1 1048576 1048579 length", "3 1 1 "}},
		{"the longest with a continuation", x(MaxLine-2) + "\\\nb\nc", []string{"1 1048576 1048578 ", "3 1 1 "}},
		{"too long together", x(MaxLine/2) + "\\\n" + x(MaxLine/2) + "\nc",
			[]string{"1 1048576 1048579 length", "3 1 1 "}},
		{"too long together, more than once", strings.Repeat(x(MaxLine/2)+"\\\n", 5) + "b\nc",
			[]string{"1 1048576 2621452 length", "7 1 1 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, l := range scanAll(t, c.in) {
				got = append(got, fmt.Sprintf("%d %d %d %s", l.number, len(l.text), l.length, l.reason))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// endless is one line that never ends, or ends in a backslash again and again.
type endless struct {
	part string
	left int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = e.part[i%len(e.part)]
	}
	return len(p), nil
}

func TestScannerMemory(t *testing.T) {
	for _, part := range []string{"x", "x\\\n ", "\\\n"} {
		s := NewScanner(&endless{part: part, left: 100 << 20}, Position{})
		if !s.Scan() || s.Line().Reason != ReasonLength || len(s.Line().Text) != MaxLine || s.Line().Length < 99<<20 {
			t.Errorf("%q: %d bytes of text in a line of %d: %q, %v", part, len(s.Line().Text), s.Line().Length,
				s.Line().Reason, s.Err())
		}
		if memory := cap(s.buffer) + cap(s.long); memory > 2*MaxLine {
			t.Errorf("%q: the Scanner holds %d bytes", part, memory)
		}
	}
}

// A failing stream does not turn the part of a line before the failure into a line.
func TestScannerError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, text := range []string{"", "a\n", "a\nb", "a\nb\\\n", "a\nb\\\nc", "a\n" + strings.Repeat("x", 2*MaxLine)} {
		lines, err := scan(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), Position{})
		if !errors.Is(err, broken) || len(lines) != min(len(text), 1) {
			t.Errorf("%.20q: %d lines, %v", text, len(lines), err)
		}
	}
	if _, err := scan(stuck{}, Position{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that is stuck: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestSplitErrors(t *testing.T) {
	broken := errors.New("connection reset")
	if _, err := Split(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), 1, nil); !errors.Is(err,
		broken) {
		t.Errorf("a broken reader: %v", err)
	}
	// The error of a source that is cut short must not be taken for the end of the file.
	if _, err := Split(iotest.DataErrReader(io.MultiReader(strings.NewReader("a\n"),
		iotest.ErrReader(io.ErrUnexpectedEOF))), 1, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reader cut short: %v", err)
	}
	if _, err := Split(strings.NewReader("a"), 0, nil); err == nil {
		t.Error("pieces of no bytes")
	}
}

func TestSplit(t *testing.T) {
	text := strings.Repeat("0123456789abcde\n", 64)
	var seen []int64
	starts, err := Split(strings.NewReader(text), 300, func(bytes int64) { seen = append(seen, bytes) })
	want := []Position{{0, 1}, {304, 20}, {608, 39}, {912, 58}}
	if err != nil || !slices.Equal(starts, want) {
		t.Errorf("%v, %v", starts, err)
	}
	if !slices.Equal(seen, []int64{1024}) {
		t.Errorf("progress: %v", seen)
	}
	starts, err = Split(strings.NewReader(""), 300, nil)
	if err != nil || !slices.Equal(starts, []Position{{0, 1}}) {
		t.Errorf("an empty file: %v, %v", starts, err)
	}
	if starts, err = Split(strings.NewReader(text), 1024, nil); err != nil || len(starts) != 1 {
		t.Errorf("a file that ends where a piece would begin: %v, %v", starts, err)
	}
}

// checkFile holds what the Scanner and Split promise of any file against it.
func checkFile(t interface {
	Helper()
	Fatalf(string, ...any)
}, text []byte, size int64) {
	t.Helper()
	whole, err := scan(bytes.NewReader(text), Position{})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	var next Position
	for _, l := range whole {
		if l.offset != next.Offset || l.number != next.Line+1 || l.length < 1 || len(l.text) > MaxLine {
			t.Fatalf("line %+v after %+v", l, next)
		}
		next.Offset += l.length
		next.Line += int64(bytes.Count(text[l.offset:next.Offset], []byte("\n")))
	}
	if next.Offset != int64(len(text)) {
		t.Fatalf("lines end at %d of %d", next.Offset, len(text))
	}
	slow, err := scan(iotest.OneByteReader(bytes.NewReader(text)), Position{})
	if err != nil || !slices.Equal(slow, whole) {
		t.Fatalf("byte by byte: %v, %d lines instead of %d", err, len(slow), len(whole))
	}

	starts, err := Split(iotest.HalfReader(bytes.NewReader(text)), size, nil)
	if err != nil {
		t.Fatalf("split: %v", err)
	}
	var pieces []record
	var want []Position
	for i, start := range starts {
		end := int64(len(text))
		if i+1 < len(starts) {
			end = starts[i+1].Offset
		}
		lines, err := scan(bytes.NewReader(text[start.Offset:end]), start)
		if err != nil {
			t.Fatalf("scan piece %+v: %v", start, err)
		}
		pieces = append(pieces, lines...)
	}
	if !slices.Equal(pieces, whole) {
		t.Fatalf("pieces of %d bytes from %v give %d lines instead of %d, or others", size, starts, len(pieces),
			len(whole))
	}
	want = append(want, Position{0, 1})
	for _, l := range whole {
		if last := want[len(want)-1].Offset; l.offset/size > last/size {
			want = append(want, Position{l.offset, l.number})
		}
	}
	if !slices.Equal(starts, want) {
		t.Fatalf("pieces of %d bytes start at %v, not at %v", size, starts, want)
	}
}

// hostileFile draws files of what lines can trip over.
func hostileFile() *rapid.Generator[[]byte] {
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"\n", "\n", "\r\n", "\\\n", "\\\n", "\\\r\n", "\\ \t\n", "\\", "\t", "\t\t\t\t\t",
			"\r", " ", "", "\uFEFF", "\x00",
			"Telemetry\t2021-12-24T11:31:19Z\tClientApp\tS1\t20\t{'Name': 'Login'}\n"}),
		rapid.StringN(0, 20, -1),
	)
	long := rapid.Custom(func(t *rapid.T) string { // rarely: they make the test slow
		if rapid.IntRange(0, 39).Draw(t, "long") > 0 {
			return ""
		}
		near := rapid.SampledFrom([]int{bufferSize, 2 * bufferSize, MaxLine, MaxLine + bufferSize}).Draw(t, "near")
		return strings.Repeat(rapid.SampledFrom([]string{"x", "\\", " ", "\r"}).Draw(t, "of"),
			near+rapid.IntRange(-3, 3).Draw(t, "off"))
	})
	return rapid.Custom(func(t *rapid.T) []byte {
		var out []byte
		for range rapid.IntRange(0, 40).Draw(t, "parts") {
			out = append(out, part.Draw(t, "part")...)
			out = append(out, long.Draw(t, "run")...)
		}
		return out
	})
}

func TestPiecesGiveTheLinesOfTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := hostileFile().Draw(t, "file")
		size := rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(1, max(1, int64(len(text))))).Draw(t, "size")
		if len(text) > bufferSize {
			size = max(size, int64(len(text)/50))
		}
		checkFile(t, text, size)
	})
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("\uFEFFa \\\r\n\tb\\ \n\t\t\t\t\t\\\n\n\\\n\\"), int64(3))
	f.Fuzz(func(t *testing.T, text []byte, size int64) {
		checkFile(t, text, max(size, int64(len(text)/8), 1)) // few pieces: each has a buffer
	})
}
