package ask

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// rejected are the lines that were rejected for one reason, with one of the newest hour as an example.
type rejected struct {
	Reason string         `json:"reason"`
	Lines  int64          `json:"lines"`
	Hour   telemetry.Hour `json:"hour"`
	File   string         `json:"file"`
	Line   int64          `json:"line"`
	Text   string         `json:"text"`
}

// shownOfLine is how much of a line stands in a table: the reason shows in it mostly.
const shownOfLine = 100

// printRejects sums up, by reason, the lines that could not be read.
func (o *Status) printRejects(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) error {
	byReason, err := rejectsOf(ctx, l, from, to)
	if err != nil {
		return err
	}
	most := slices.SortedFunc(maps.Values(byReason), func(a, b *rejected) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.Reason, b.Reason))
	})
	p := o.NewPrinter("REASON", "LINES", "SUCH AS, IN HOUR", "FILE", "LINE", "TEXT")
	for _, r := range most {
		text := r.Text
		if utf8.RuneCountInString(text) > shownOfLine {
			text = string([]rune(text)[:shownOfLine]) + "…"
		}
		if err := p.Add(r, r.Reason, r.Lines, r.Hour, r.File, r.Line, text); err != nil {
			return err
		}
	}
	if len(most) == 0 {
		return o.tellNone("no line was rejected")
	}
	if err := p.Flush(); err != nil || o.Objects() {
		return err
	}
	return o.Stdout.Printf("\ndocs/EVENTS.md, \"Why lines are rejected\", says what each reason means\n")
}

func rejectsOf(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) (map[string]*rejected, error) {
	loaded, err := l.Load(ctx, lake.BronzeRejects)
	if err != nil {
		return nil, err
	}
	var only []table.ScanOption
	if from != math.MinInt32 && to != math.MaxInt32 {
		only = append(only, lake.HoursBetween(from, to))
	}
	files, err := lake.LiveFiles(ctx, loaded, only...)
	if err != nil {
		return nil, err
	}
	byReason := map[string]*rejected{}
	return byReason, lake.EachRow(ctx, l, files, func(row *lake.RejectRow) error {
		hour := lake.FirstHour(row.IngestDate) + telemetry.Hour(row.IngestHourOfDay)
		if hour < from || hour >= to {
			return nil
		}
		r := byReason[row.Reason]
		if r == nil || hour > r.Hour {
			example := &rejected{Reason: row.Reason, Hour: hour, File: row.FileName, Line: row.LineNumber,
				Text: string(row.RawLine)}
			if r != nil {
				example.Lines = r.Lines
			}
			r = example
			byReason[row.Reason] = r
		}
		r.Lines++
		return nil
	})
}
