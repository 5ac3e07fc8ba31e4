package output

import (
	"fmt"
	"strings"

	"github.com/versionlake/versionlake/lake/ledger"
)

// PrintHours prints rows of the ledger.
func (s *Streams) PrintHours(rows []ledger.Hour) error {
	p := s.NewPrinter("HOUR", "STATE", "FILES", "BAD", "GONE", "PASSED", "BYTES", "LINES", "EVENTS",
		"REJECTS", "BLANKS", "ERASED", "SIGHTINGS", "FINISHED")
	for _, row := range rows {
		if err := p.Add(row, row.Hour, row.State, row.Files, row.BadFiles, row.GoneFiles, row.PassedOver,
			Size(row.Bytes), row.Lines, row.Events, row.Rejects, row.Blanks, row.Erased, row.Sightings,
			Instant(row.FinishedAt)); err != nil {
			return err
		}
	}
	return p.Flush()
}

// Tags names the first tags of a snapshot behind it; nothing where it has none.
func Tags(tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	const named = 3
	if more := len(tags) - named; more > 0 {
		tags = append(tags[:named:named], fmt.Sprintf("%d more", more))
	}
	return " (" + strings.Join(tags, ", ") + ")"
}
