package telemetry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

const examplePrefix = "Telemetry\t2021-12-24T11:31:19.459+0000\tClientApp\tS1\t20\t"

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		``:                       ``,
		`plain`:                  `plain`,
		`\\ \' \" \/`:            `\ ' " /`,
		`\n\t\r\b\f`:             "\n\t\r\b\f",
		`\x41\xe9\xFF`:           "Aéÿ",
		`\u0041\u00e9\uFFFD`:     "Aé\uFFFD",
		`\ud83d\ude00`:           "😀",
		`\U0001F600`:             "😀",
		`\ud83d`:                 "\uFFFD",
		`\ude00\ud83d`:           "\uFFFD\uFFFD",
		`\ud83d\ud83d\ude00`:     "\uFFFD😀",
		`\ud83dx\u0041`:          "\uFFFDxA",
		`\ud83d\u0041`:           "\uFFFDA",
		`\ud83d\n`:               "\uFFFD\n",
		`\ud83d\ude0`:            "\uFFFD" + `\ude0`,
		`\U0000d83d`:             "\uFFFD",
		`\U00110000\Uffffffff`:   "\uFFFD\uFFFD",
		`\x00\u0000\U00000000`:   "\uFFFD\uFFFD\uFFFD",
		`\a\0\q\é`:               `\a\0\q\é`,
		`\x4\xg1\u12\u123g\U123`: `\x4\xg1\u12\u123g\U123`,
		`\x\\n`:                  `\x\n`,
		`\`:                      `\`,
	} {
		got := string(appendUnescaped([]byte("before"), []byte(in)))
		if got != "before"+want {
			t.Errorf("%s: %q, not %q", in, got, want)
		}
		if len(got) > len("before")+len(in) {
			t.Errorf("%s grows to %q", in, got)
		}
	}
}

func TestNesting(t *testing.T) {
	p := exampleParser(t)
	for _, pair := range []string{"[]", "{}"} {
		for depth, want := range map[int]Reason{1: "", 63: "", 64: ReasonNesting, 100_000: ReasonNesting} {
			opener := strings.TrimSuffix(strings.Repeat(map[string]string{"[]": "[", "{}": "{'k':"}[pair], depth),
				"'k':")
			body := "{'Name': 'x', 'Deep': " + opener + strings.Repeat(pair[1:], depth) + ", 'OS': 1}"
			var e Event
			if got := p.Parse([]byte(examplePrefix+body), &e); got != want {
				t.Errorf("%d levels of %s: %q", depth+1, pair, got)
			} else if os, _ := e.Attribute(AttributeOS); want == "" && string(os) != "1" {
				t.Errorf("%d levels of %s: the entry behind them is %q", depth+1, pair, os)
			}
		}
	}
}

// Dicts and lists end as they began, at every depth.
func TestMixedNesting(t *testing.T) {
	p := exampleParser(t)
	rapid.Check(t, func(t *rapid.T) {
		var open, shut string
		for _, list := range rapid.SliceOfN(rapid.Bool(), 0, 63).Draw(t, "levels") {
			if list {
				open, shut = open+"[1,", "]"+shut
			} else {
				open, shut = open+"{a:1,b:", "}"+shut
			}
		}
		line := examplePrefix + "{Name:x,d:" + open + "0" + shut + ",OS:1}"
		var e Event
		if reason := p.Parse([]byte(line), &e); reason != "" {
			t.Fatalf("%s: %s", reason, line)
		}
		if os, _ := e.Attribute(AttributeOS); string(os) != "1" {
			t.Fatalf("OS is %q: %s", os, line)
		}
		if shut != "" {
			i := rapid.IntRange(0, len(shut)-1).Draw(t, "changed")
			other := string('}' + ']' - shut[i])
			line = examplePrefix + "{Name:x,d:" + open + "0" + shut[:i] + other + shut[i+1:] + ",OS:1}"
			if reason := p.Parse([]byte(line), &e); reason != ReasonBody {
				t.Fatalf("%q: %s", reason, line)
			}
		}
	})
}

// value is a random value of a body: its scalar text, or nested ones.
type value struct {
	text   string
	absent bool // null, a dict or a list
	shown  string
}

// dialect draws the form of each piece: Python's repr, JSON, or anything that is allowed.
type dialect string

func (d dialect) blank(t *rapid.T) string {
	switch d {
	case "python", "json":
		return " "
	}
	return rapid.SampledFrom([]string{"", "", " ", "  ", "\t", "\r"}).Draw(t, "blank")
}

//nolint:cyclop // it holds the escapes of all dialects side by side
func (d dialect) quote(t *rapid.T, text string) string {
	quote := "'"
	if d == "json" || d == "mixed" && rapid.Bool().Draw(t, "double") || d == "python" && strings.Contains(text, "'") &&
		!strings.Contains(text, `"`) {
		quote = `"`
	}
	var out strings.Builder
	out.WriteString(quote)
	for _, c := range text {
		form := ""
		if d == "mixed" {
			form = rapid.SampledFrom([]string{"", "", "", "", `\x%02x`, `\u%04X`, `\U%08x`}).Draw(t, "form")
		}
		switch {
		case form == `\x%02x` && c < 0x100 || form == `\u%04X` && c < 0x10000 || form == `\U%08x`:
			fmt.Fprintf(&out, form, c)
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\\' || string(c) == quote:
			out.WriteString(`\` + string(c))
		case d == "json" && c >= 0x10000:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case d == "json" && (c < ' ' || c > '~'):
			fmt.Fprintf(&out, `\u%04x`, c)
		case d == "python" && (c < ' ' || c == 0x7f):
			fmt.Fprintf(&out, `\x%02x`, c)
		default:
			out.WriteRune(c)
		}
	}
	return out.String() + quote
}

func (d dialect) isToken(text string) bool {
	return text != "" && strings.Trim(text, " \t\r\n") == text && !strings.ContainsAny(text, ",:{}[]()<'\"\\\n") &&
		!isAbsent([]byte(text))
}

func (d dialect) text() *rapid.Generator[string] {
	char := rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune(`\'"{}[]:, /nux0`)),
		rapid.RuneFrom([]rune("aé😀\t\n\u2028")))
	return rapid.Map(rapid.SliceOfN(char, 0, 12), func(chars []rune) string {
		return strings.ToValidUTF8(strings.ReplaceAll(string(chars), "\x00", ""), "")
	})
}

func (d dialect) value(t *rapid.T, depth int) value {
	null := map[dialect]string{"json": "null", "python": "None", "mixed": "null"}[d]
	switch rapid.IntRange(0, 7+depth).Draw(t, "kind") {
	case 0:
		return value{absent: true, shown: null}
	case 1:
		text := rapid.SampledFrom([]string{"1", "-1e5", "0.25", "16384"}).Draw(t, "number")
		return value{text: text, shown: text}
	case 2:
		text := rapid.SampledFrom([]string{"True", "False"}).Draw(t, "bool")
		if d == "json" {
			text = strings.ToLower(text)
		}
		return value{text: text, shown: text}
	case 3:
		text := rapid.StringMatching(`v?[0-9]{1,3}(\.[0-9]{1,3}){1,3}([-+][a-z]+)?`).Draw(t, "version")
		if d == "json" {
			return value{text: text, shown: d.quote(t, text)}
		}
		return value{text: text, shown: text}
	case 8, 9: // the deeper, the rarer
		return value{absent: true, shown: d.list(t, "[", "]", depth)}
	case 10, 11:
		return value{absent: true, shown: d.list(t, "{", "}", depth)}
	}
	text := d.text().Draw(t, "text")
	if d == "mixed" && d.isToken(text) && rapid.Bool().Draw(t, "bare") {
		return value{text: text, shown: text}
	}
	return value{text: text, shown: d.quote(t, text)}
}

func (d dialect) list(t *rapid.T, opener, closer string, depth int) string {
	var items []string
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		item := ""
		if opener == "{" {
			item = d.quote(t, d.text().Draw(t, "key")) + d.blank(t) + ":" + d.blank(t)
		}
		items = append(items, item+d.value(t, depth-4).shown)
	}
	return d.join(t, opener, closer, items)
}

func (d dialect) join(t *rapid.T, opener, closer string, items []string) string {
	out := opener
	for i, item := range items {
		out += d.blank(t) + item + d.blank(t)
		if i < len(items)-1 || d == "mixed" && rapid.Bool().Draw(t, "comma") {
			out += "," + d.blank(t)
		}
	}
	return out + closer
}

// Whatever dict is written out in whichever dialect, its top-level scalars are read as they were.
//
//nolint:cyclop // it draws a dict, and says of each entry what is to be read
func TestEveryDictIsRead(t *testing.T) {
	p := exampleParser(t)
	keys := []string{"Other", "version", ""}
	for _, names := range DefaultCatalogue().Attributes {
		keys = append(keys, names...)
	}
	slices.Sort(keys)
	rapid.Check(t, func(t *rapid.T) {
		d := dialect(rapid.SampledFrom([]string{"python", "json", "mixed"}).Draw(t, "dialect"))
		want := map[string]string{}
		var items []string
		for range rapid.IntRange(0, 8).Draw(t, "entries") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			v := d.value(t, 4)
			shown := d.quote(t, key)
			if d == "mixed" && d.isToken(key) && rapid.Bool().Draw(t, "bare") {
				shown = key
			}
			items = append(items, shown+strings.TrimLeft(d.blank(t), " ")+":"+d.blank(t)+v.shown)
			want[key] = v.text
			if v.absent || v.text == "" || key == "UserId" && strings.TrimSpace(v.text) == "" || key == "PlayerId" &&
				strings.TrimSpace(v.text) == "" {
				delete(want, key)
			}
		}
		if player, ok := want["PlayerId"]; ok && want["UserId"] == "" {
			want["UserId"] = player
		}
		line := examplePrefix + d.join(t, "{", "}", items)
		var e Event
		reason := p.Parse([]byte(line), &e)
		if name, ok := want["Name"]; !ok {
			if reason != ReasonName {
				t.Fatalf("%q: %s", reason, line)
			}
			return
		} else if reason != "" || string(e.Name) != name {
			t.Fatalf("%q, Name=%q, not %q: %s", reason, e.Name, name, line)
		}
		for a := range Attribute(NumAttributes) {
			got, ok := e.Attribute(a)
			if text, wantOK := want[a.String()]; ok != wantOK || string(got) != text {
				t.Fatalf("%v=%q %v, not %q %v: %s", a, got, ok, text, wantOK, line)
			}
		}
	})
}
