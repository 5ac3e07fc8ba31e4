package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEscape(t *testing.T) {
	for _, test := range []struct{ value, shown string }{
		{"p1", "p1"},
		{"", ""},
		{"Ünïcödé 生命 🎮 e\u0301", "Ünïcödé 生命 🎮 e\u0301"},
		{"evil\x1b[2J\x1b]0;owned\x07", `evil\x1b[2J\x1b]0;owned\x07`},
		{"split\nrow\r\n\ttab", `split\nrow\r\n\ttab`},
		{"nul\x00 bs\b del\x7f", `nul\x00 bs\x08 del\x7f`},
		{"c1 \u009b31m \u0085", `c1 \u009b31m \u0085`},
		{"\u202egnp.exe\u2066\u200f\u061c", `\u202egnp.exe\u2066\u200f\u061c`},
		{"a\u200bb\u200dc\u2060d\ufeff\u00ad", `a\u200bb\u200dc\u2060d\ufeff\u00ad`},
		{"two\u2028lines\u2029", `two\u2028lines\u2029`},
		{"caf\xe9.tsv", `caf\xe9.tsv`},
		{"half \xf0\x9f\x8e", `half \xf0\x9f\x8e`},
		{"\xed\xa0\x80 surrogate", `\xed\xa0\x80 surrogate`},
		{"real \ufffd", "real \ufffd"},
		{"tag\U000e0041\U000e007f", `tag\U000e0041\U000e007f`},
		{"blank \u3164\uffa0\u115f", `blank \u3164\uffa0\u115f`},
		{"sel❤\ufe0f\U000e0100", `sel❤\ufe0f\U000e0100`},
		{"private \ue000 none \uffff \U0010ffff", `private \ue000 none \uffff \U0010ffff`},
		{`DOMAIN\user`, `DOMAIN\user`},
		{`split\nrow`, `split\\nrow`},
		{`esc\x1b[2J \u202e \U000e0041`, `esc\\x1b[2J \\u202e \\U000e0041`},
		{`\xZZ \u12 \q C:\`, `\xZZ \u12 \q C:\`},
		{"\\\n", `\\\n`},
	} {
		require.Equal(t, test.shown, Escape(test.value))
		require.Equal(t, test.value, unescape(test.shown), "nothing else looks like it")
	}
	require.Equal(t, `no user "evil\x1b[2J"`, Clean(fmt.Sprintf("no user %q", "evil\x1b[2J")),
		"what has escapes keeps them")
}

// hostile are texts of what terminals act upon, among others.
func hostile() *rapid.Generator[string] {
	pieces := rapid.OneOf(rapid.SampledFrom([]string{
		"\x1b[2J", "\x1b]0;x\a", "\n", "\r", "\t", "\x7f", "\u009b", "\u202e", "\u2067", "\u200b", "\u2028", "\ufeff",
		"\xff", "\xe2\x80", "\U000e0041", "\u3164",
		"\ufe0f", `\`, `\n`, `\x1b`, `\u202e`, "%", "%s%n", "{}", "|", "生命", "🎮", "e\u0301", "p", "1",
	}), rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4),
		func(bytes []byte) string { return string(bytes) }))
	return rapid.Map(rapid.SliceOfN(pieces, 0, 8), func(pieces []string) string { return strings.Join(pieces, "") })
}

// requireSeen: every character of an output leaves a mark, but for the line ends that are ours.
func requireSeen(t require.TestingT, output string, lines int) {
	require.True(t, utf8.ValidString(output), "%q", output)
	require.Equal(t, lines, strings.Count(output, "\n"), "%q", output)
	for _, r := range output {
		ours := r == '\n' || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs)
		invisible := unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
		require.True(t, ours && !invisible, "%q in %q", r, output)
	}
}

// TestAnyText: whatever a text holds, no sink lets it move the cursor or begin a line, and no two values look the
// same.
func TestAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := hostile().Draw(t, "text")
		shown := Escape(text)
		requireSeen(t, shown, 0)
		require.Equal(t, text, unescape(shown))
		requireSeen(t, Clean(text), 0)
		require.Equal(t, Clean(text), Clean(Clean(text)))

		var out bytes.Buffer
		o := NewOutput(&out)
		require.NoError(t, o.Printf("%s %v %q %d\n", text, []string{text}, text, 5))
		require.NoError(t, o.Printf("%s\n", errors.Join(errors.New(text), errors.New(text))))
		require.NoError(t, o.Printf("%s\n",
			Error(fmt.Errorf("read: %w", errors.Join(errors.New(text), errors.New("b"))))))
		p := o.NewProgress(text)
		p.Update(text, 1, 2, text)
		p.Note(text)
		p.End()
		requireSeen(t, out.String(), 5)

		out.Reset()
		written, err := o.Lines().Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), written)
		requireSeen(t, strings.ReplaceAll(out.String(), "\t", ""), strings.Count(text, "\n"))
	})
}

// TestAnyJSON: the value stays what it is; only the bytes that stand for it change.
func TestAnyJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := hostile().Draw(t, "text")
		var out bytes.Buffer
		require.NoError(t, NewOutput(&out).JSON(map[string]any{text: []string{text}}))
		requireSeen(t, out.String(), 1)
		plain, err := json.Marshal(map[string]any{text: []string{text}})
		require.NoError(t, err)
		require.JSONEq(t, string(plain), out.String())
		if utf8.ValidString(text) {
			var back map[string][]string
			require.NoError(t, json.Unmarshal(out.Bytes(), &back))
			require.Equal(t, map[string][]string{text: {text}}, back)
		}
	})
	var out bytes.Buffer
	require.NoError(t, NewOutput(&out).JSON("\x1b\x7f\u009b\u202e\u2028\U000e0041<&>生"))
	require.Equal(t, `"\u001b\u007f\u009b\u202e\u2028\udb40\udc41<&>生"`+"\n", out.String())
}

// TestErrorIsOneLine: joined errors follow one another, and what a text itself has of line ends is escaped.
func TestErrorIsOneLine(t *testing.T) {
	inner := errors.Join(errors.New("a"), fmt.Errorf("b: %w", errors.Join(errors.New("c"), errors.New("d\x1b"))))
	require.Equal(t, `open x: a; b: c; d\x1b (again a; b: c; d\x1b)`,
		Error(fmt.Errorf("open x: %w (again %[1]w)", inner)))
	require.Equal(t, `two\nlines`, Error(errors.New("two\nlines")))
	var postgres error = &pgconn{inner}
	require.Equal(t, `open: failed to connect: a; b: c; d\x1b`, Error(fmt.Errorf("open: %w", postgres)))
	require.Equal(t, `two\nlines: `, Error(fmt.Errorf("two\nlines: %w", errors.New(""))))
}

// pgconn is an error as Postgres' driver makes them.
type pgconn struct{ err error }

func (e *pgconn) Error() string {
	return "failed to connect:\n\t" + strings.ReplaceAll(e.err.Error(), "\n", "\n\t")
}
func (e *pgconn) Unwrap() error { return e.err }

var escaped = regexp.MustCompile(`\\(?:\\|[ntr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})`)

// unescape reads what Escape shows.
func unescape(shown string) string {
	return escaped.ReplaceAllStringFunc(shown, func(escape string) string {
		switch escape[1] {
		case 'x':
			value, _ := strconv.ParseUint(escape[2:], 16, 8) // the pattern has digits only
			return string([]byte{byte(value)})
		case 'u', 'U':
			value, _ := strconv.ParseUint(escape[2:], 16, 32)
			return string(rune(value))
		}
		return map[string]string{`\\`: `\`, `\n`: "\n", `\t`: "\t", `\r`: "\r"}[escape]
	})
}
