package verify

import (
	"context"
	"strings"

	"github.com/versionlake/versionlake/lake"
)

// fileLines are the rows that a file has in bronze.
type fileLines struct {
	events, rejects int64
	seen            map[int64]uint64 // line numbers, 64 to an entry
}

// see notes a line, and tells whether it was there before.
func (f *fileLines) see(line int64) (before bool) {
	bit := uint64(1) << (line & 63)
	before = f.seen[line>>6]&bit != 0
	f.seen[line>>6] |= bit
	return before
}

// verifyBronze finds rows that lie in the wrong hour, and lines that have more than one row.
func (v *verifier) verifyBronze(ctx context.Context, h *verifiedHour) error {
	err := eachRow(ctx, v, h.in(lake.BronzeEvents, 2), v.files[lake.BronzeEvents.Name][h.hour],
		func(row *lake.EventPlace) error {
			v.checked.Events++
			v.bronzeRow(h, lake.BronzeEvents, row)
			return nil
		})
	if err != nil {
		return err
	}
	return eachRow(ctx, v, h.in(lake.BronzeRejects, 2), v.files[lake.BronzeRejects.Name][h.hour],
		func(row *lake.RejectPlace) error {
			v.checked.Rejects++
			v.bronzeRow(h, lake.BronzeRejects, (*lake.EventPlace)(row))
			return nil
		})
}

func (v *verifier) bronzeRow(h *verifiedHour, definition lake.TableDefinition, row *lake.EventPlace) {
	lines := h.lines[row.FileName]
	if lines == nil {
		lines = &fileLines{seen: map[int64]uint64{}}
		h.lines[strings.Clone(row.FileName)] = lines
	}
	if definition.Name == lake.BronzeEvents.Name {
		lines.events++
	} else {
		lines.rejects++
	}
	if row.IngestDate != h.hour.Date() || row.IngestHourOfDay != h.hour.OfDay() {
		v.differ(h.at(definition, 3, row.FileName, row.LineNumber),
			"the row's columns say another hour than its partition: day %d, hour %d",
			row.IngestDate, row.IngestHourOfDay)
	}
	if lines.see(row.LineNumber) {
		v.differ(h.at(definition, 2, row.FileName, row.LineNumber), "the line has more than one row in bronze")
	}
}
