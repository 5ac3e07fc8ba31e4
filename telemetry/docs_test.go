package telemetry

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// docs/EVENTS.md is the specification, and these tests hold its tables against the parser.

// docRows are the rows of the table with this header, cell by cell.
func docRows(t *testing.T, header string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/EVENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	inTable := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, header):
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case inTable && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), " |")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("docs/EVENTS.md has no table %q", header)
	}
	return rows
}

var quoted = regexp.MustCompile(`^("(?:[^"\\]|\\.)*")(?: × (\d+))?$`)

// docExample reads a cell such as `"{" + "x" × 3`, and completes a body or a timestamp to a line.
func docExample(t *testing.T, cell string) string {
	t.Helper()
	var out strings.Builder
	for part := range strings.SplitSeq(strings.Trim(cell, "`"), " + ") {
		m := quoted.FindStringSubmatch(part)
		if m == nil {
			t.Fatalf("can't read the example %s", cell)
		}
		text, err := strconv.Unquote(m[1])
		if err != nil {
			t.Fatalf("can't read the example %s: %v", cell, err)
		}
		times := 1
		if m[2] != "" {
			times, _ = strconv.Atoi(m[2])
		}
		out.WriteString(strings.Repeat(text, times))
	}
	text := out.String()
	switch {
	case text[0] == '{' || text[0] == '\'' || text[0] == '"':
		return "Telemetry\t2021-12-24T11:31:19.459+0000\tClientApp\tS1\t20\t" + text
	case text[0] >= '0' && text[0] <= '9':
		return "Telemetry\t" + text + "\tClientApp\tS1\t20\t{'Name': 'Login'}"
	}
	return text
}

func exampleParser(t *testing.T) *Parser {
	return newParser(t, Options{Hour: HourOf(date(2021, 12, 24, 11))})
}

func TestDocumentedRejects(t *testing.T) {
	p := exampleParser(t)
	rows := docRows(t, "| rejected ")
	seen := map[Reason]int{}
	for _, row := range rows {
		line := docExample(t, row[0])
		want := Reason(strings.Trim(row[1], "`"))
		seen[want]++
		var e Event
		if got := p.Parse([]byte(line), &e); got != want {
			t.Errorf("%s: %q, not %q (%s)", row[0], got, want, row[2])
		}
		// A Scanner must deliver the line as it is, save where it is too long.
		s := NewScanner(strings.NewReader(line), Position{})
		if !s.Scan() || s.Line().Reason == "" && string(s.Line().Text) != line || s.Line().Reason != "" &&
			want != ReasonLength {
			t.Errorf("%s: scanned as %q, %s", row[0], s.Line().Text, s.Line().Reason)
		}
	}
	for _, reason := range Reasons() {
		if seen[reason] == 0 {
			t.Errorf("no example is rejected for %q", reason)
		}
	}
}

func TestDocumentedForms(t *testing.T) {
	p := exampleParser(t)
	for _, row := range docRows(t, "| accepted ") {
		var e Event
		if reason := p.Parse([]byte(docExample(t, row[0])), &e); reason != "" {
			t.Errorf("%s: %s", row[0], reason)
			continue
		}
		words := append([]string{fmt.Sprintf("Name=%s", e.Name)}, attributes(&e)...)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], " ", "␣")
		}
		if got, want := strings.Join(words, " "), strings.Trim(row[1], "`"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", row[0], got, want)
		}
	}
}

func TestDocumentedReasons(t *testing.T) {
	var got, want []string
	for _, row := range docRows(t, "| reason ") {
		got = append(got, row[0]+" "+row[1])
	}
	for _, reason := range Reasons() {
		want = append(want, fmt.Sprintf("`%s` %s", reason, reason.Description()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if Reason("other").Description() != "" {
		t.Error("an unknown reason has a description")
	}
}

func TestDocumentedCatalogue(t *testing.T) {
	check := func(header string, want map[string][]string) {
		got := map[string]bool{}
		for _, row := range docRows(t, header) {
			got[row[0]] = true
			if names := strings.Join(want[row[0]], ", "); row[1] != names {
				t.Errorf("%s is documented as %q, and is %q", row[0], row[1], names)
			}
		}
		for name := range want {
			if !got[name] {
				t.Errorf("%s is not documented", name)
			}
		}
	}
	check("| event ", DefaultCatalogue().Events)
	check("| attribute ", DefaultCatalogue().Attributes)
}
