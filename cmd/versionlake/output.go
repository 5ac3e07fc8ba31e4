package main

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/versionlake/versionlake/terminal"
)

// printer writes what a command found out: lists as tables or as one JSON object a line.
type printer struct {
	s      *settings
	json   bool
	table  table.Writer
	header table.Row
	rows   int
}

// pageRows bounds the memory of a table: a longer one goes out in pages, each with a header.
const pageRows = 10_000

// newPrinter makes a printer for a list with these columns. Numbers are what the names in right hold.
func (s *settings) newPrinter(columns ...any) *printer {
	return &printer{s: s, json: s.output == outputJSON, header: shownCells(columns)}
}

// add takes an item: as an object for JSON, as cells for the table.
func (p *printer) add(object any, cells ...any) error {
	if p.json {
		return p.s.stdout.JSON(object)
	}
	if p.table == nil {
		p.table = newTable(p.header)
	}
	p.table.AppendRow(shownCells(cells))
	if p.rows++; p.rows%pageRows == 0 {
		return p.flush()
	}
	return nil
}

// flush writes what is left of the table.
func (p *printer) flush() error {
	if p.table == nil {
		return nil
	}
	_, err := fmt.Fprintln(p.s.stdout.Lines(), p.table.Render())
	p.table = nil
	return err
}

// composed is a cell that was put together by rules of its own, such as JSON, and has escapes already.
type composed string

// shownCells are the cells of a row as they can be shown: one line each. Numbers stay numbers, which stand on the
// right.
func shownCells(cells []any) table.Row {
	shown := make(table.Row, len(cells))
	for i, cell := range cells {
		switch cell := cell.(type) {
		case int, int32, int64, float64, bool:
			shown[i] = cell
		case composed:
			shown[i] = bounded(terminal.Clean(string(cell)))
		default:
			shown[i] = bounded(terminal.Escape(fmt.Sprint(cell)))
		}
	}
	return shown
}

// longestCell is in characters. All rows of a page are as wide as the widest, and a client may send an id of a MiB.
const longestCell = 1000

// bounded cuts a cell that is too long, and says so.
func bounded(cell string) string {
	if len(cell) <= longestCell || utf8.RuneCountInString(cell) <= longestCell {
		return cell
	}
	return fmt.Sprintf("%s… (cut here: %d bytes, see --output json)", string([]rune(cell)[:longestCell]), len(cell))
}

func newTable(header table.Row) table.Writer {
	text.OverrideRuneWidthEastAsianWidth(false) // terminals draw – and its like narrow, whatever LANG says
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Options.SeparateHeader = true
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	return t
}

// instant writes a time as RFC 3339 in UTC, with as many digits as it needs.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z07:00") }

// micros writes microseconds since 1970 as instant does.
func micros(t int64) string { return instant(time.UnixMicro(t)) }

// orDash shows what is not there.
func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	const step = 1000
	if bytes < step {
		return fmt.Sprintf("%d B", bytes)
	}
	value, units := float64(bytes)/step, "kMGTPE"
	for value >= step {
		value /= step
		units = units[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, units[0])
}

// count is a number with its noun, 1 hour or 2 hours.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
