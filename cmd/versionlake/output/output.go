// Package output is what commands write to and in which form: lists as tables or as JSON, and how times, sizes and
// numbers read.
package output

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/versionlake/versionlake/terminal"
)

// Streams are where a command writes, and the form of what it found out.
type Streams struct {
	Stdout, Stderr *terminal.Output
	Format         string // Table, JSON or CSV
}

// Forms of output.
const (
	Table = "table"
	JSON  = "json"
	CSV   = "csv"
)

// Objects tells whether the output is one of objects with named fields, and not a text for people.
func (s *Streams) Objects() bool { return s.Format != Table }

// Printer writes what a command found out: lists as tables, or objects as JSON or CSV, a line each.
type Printer struct {
	streams *Streams
	table   table.Writer
	header  table.Row
	rows    int
	begun   bool // CSV has its first line
}

// pageRows bounds the memory of a table: a longer one goes out in pages, each with a header.
const pageRows = 10_000

// NewPrinter makes a printer for a list with these columns.
func (s *Streams) NewPrinter(columns ...any) *Printer {
	return &Printer{streams: s, header: shownCells(columns)}
}

// Format is the form in which the items are printed.
func (p *Printer) Format() string { return p.streams.Format }

// Add takes an item: as an object for JSON and CSV, as cells for the table.
func (p *Printer) Add(object any, cells ...any) error {
	switch p.streams.Format {
	case JSON:
		return p.streams.Stdout.JSON(object)
	case CSV:
		return p.csvRow(object)
	}
	if p.table == nil {
		p.table = newTable(p.header)
	}
	p.table.AppendRow(shownCells(cells))
	if p.rows++; p.rows%pageRows == 0 {
		return p.Flush()
	}
	return nil
}

// Flush writes what is left of the table.
func (p *Printer) Flush() error {
	if p.table == nil {
		return nil
	}
	_, err := fmt.Fprintln(p.streams.Stdout.Lines(), p.table.Render())
	p.table = nil
	return err
}

// Composed is a cell that was put together by rules of its own, such as JSON, and has escapes already.
type Composed string

// shownCells are the cells of a row as they can be shown: one line each. Numbers stay numbers, which stand on the
// right.
func shownCells(cells []any) table.Row {
	shown := make(table.Row, len(cells))
	for i, cell := range cells {
		switch cell := cell.(type) {
		case int, int32, int64, float64, bool:
			shown[i] = cell
		case Composed:
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

// Instant writes a time as RFC 3339 in UTC, with as many digits as it needs.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z07:00") }

// Micros writes microseconds since 1970 as Instant does.
func Micros(t int64) string { return Instant(time.UnixMicro(t)) }

// OrDash shows what is not there.
func OrDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// Size writes a number of bytes for people.
func Size(bytes int64) string {
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

// Count is a number with its noun, 1 hour or 2 hours.
func Count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
