package why

import (
	"context"
	"strings"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// place is where a line lies.
type place struct {
	file string
	line int64
}

// fill gives lines of an hour their text, and the run that read them.
func fill(ctx context.Context, l *lake.Lake, hour telemetry.Hour, lines []*Line) error {
	files, err := ledger.Files(ctx, l, hour)
	if err != nil {
		return err
	}
	runs := map[string]string{}
	for _, file := range files {
		if file.Present() {
			runs[file.Key] = file.RunID
		}
	}
	wanted := map[place][]*Line{}
	for _, line := range lines {
		line.Run = runs[line.File]
		at := place{line.File, line.Line}
		wanted[at] = append(wanted[at], line)
	}
	loaded, err := l.Load(ctx, lake.BronzeEvents)
	if err != nil {
		return err
	}
	if ledger.IsDropped(loaded, hour) {
		for _, line := range lines {
			line.Dropped = true
		}
		return nil
	}
	stored, err := l.HourFiles(ctx, loaded, hour)
	if err != nil {
		return err
	}
	return lake.EachRow(ctx, l, stored, func(row *lake.EventRow) error {
		for _, line := range wanted[place{row.FileName, row.LineNumber}] {
			line.Text = textOf(row)
		}
		return nil
	})
}

// textOf puts a line together from its columns; its time reads as UTC.
func textOf(row *lake.EventRow) string {
	return strings.Join([]string{row.Category, time.UnixMicro(row.Time).UTC().Format(time.RFC3339Nano), row.ServiceName,
		row.SessionID, row.TransactionID, row.BodyMessage}, "\t")
}
