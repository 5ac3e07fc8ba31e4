package verify

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// fileCheck sums up an hour's rows of ops.files.
type fileCheck struct {
	v        *verifier
	h        *verifiedHour
	versions map[fileVersion]bool
	sum      ledger.Hour
	passed   int64 // files that were passed over
}

type fileVersion struct{ key, etag string }

// verifyFiles checks the sums of ops.files, by themselves and against the ledger.
func (v *verifier) verifyFiles(ctx context.Context, h *verifiedHour) error {
	c := &fileCheck{v: v, h: h, versions: map[fileVersion]bool{}}
	if err := eachRow(ctx, v, h.in(lake.OpsFiles, 2), v.files[lake.OpsFiles.Name][h.hour],
		func(row *lake.FileRow) error { c.add(row); return nil }); err != nil {
		return err
	}
	if h.ledger != nil {
		c.compare(h.ledger)
	}
	return nil
}

func (c *fileCheck) add(row *lake.FileRow) {
	c.v.checked.Files++
	where := c.h.at(lake.OpsFiles, 2, strings.Clone(row.FileName), 0)
	version := fileVersion{where.File, strings.Clone(row.ETag)}
	if c.versions[version] {
		c.v.differ(where, "version %s has two rows", row.ETag)
	}
	c.versions[version] = true
	if row.Lines != row.Events+row.Rejects+row.Blanks+row.Erased {
		c.v.differ(where, "%d lines are not %d events + %d rejects + %d blanks + %d erased", row.Lines, row.Events,
			row.Rejects, row.Blanks, row.Erased)
	}
	switch row.State {
	case ledger.FileRead, ledger.FileBad, ledger.FileGone:
		c.addPresent(where, row)
	case ledger.FilePassed:
		c.passed++
	case ledger.FileReplaced, ledger.FileRemoved:
	default:
		c.v.differ(where, "state %q is none of read, gone, bad, replaced, removed and passed", row.State)
	}
}

// addPresent adds the version of a file that has rows, or would have.
func (c *fileCheck) addPresent(where Difference, row *lake.FileRow) {
	if _, twice := c.h.files[row.FileName]; twice {
		c.v.differ(where, "two versions of the file count as the present one")
		return
	}
	if kept := row.Events + row.Rejects; row.State == ledger.FileBad && row.RowsKept != kept {
		c.v.differ(where, "rows_kept says %d of a bad file, of which %d rows are counted", row.RowsKept, kept)
	}
	copied := *row
	copied.FileName = where.File
	c.h.files[copied.FileName] = copied
	c.sum.Files++
	c.sum.Bytes += row.Size
	switch row.State {
	case ledger.FileBad:
		c.sum.BadFiles++
	case ledger.FileGone:
		c.sum.GoneFiles++
	}
	c.sum.Lines += row.Lines
	c.sum.Events += row.Events
	c.sum.Rejects += row.Rejects
	c.sum.Blanks += row.Blanks
	c.sum.Erased += row.Erased
}

func (c *fileCheck) compare(row *ledger.Hour) {
	for _, figure := range []struct {
		name        string
		ledger, sum int64
	}{
		{"files", row.Files, c.sum.Files}, {"bad files", row.BadFiles, c.sum.BadFiles},
		{"bytes", row.Bytes, c.sum.Bytes}, {"lines", row.Lines, c.sum.Lines}, {"events", row.Events, c.sum.Events},
		{"rejects", row.Rejects, c.sum.Rejects}, {"blanks", row.Blanks, c.sum.Blanks},
		{"erased lines", row.Erased, c.sum.Erased}, {"files that are gone", row.GoneFiles, c.sum.GoneFiles},
		{"files passed over, of which the first thousand are named,", min(row.PassedOver, 1000), c.passed},
	} {
		if figure.ledger != figure.sum {
			c.v.differ(c.h.in(lake.OpsHours, 2), "the ledger says %d %s, and the rows of ops.files make %d",
				figure.ledger, figure.name, figure.sum)
		}
	}
}

// verifyFileCounts compares each file's counts with its rows.
func (v *verifier) verifyFileCounts(ctx context.Context, h *verifiedHour) error {
	names := map[string]bool{}
	for name := range h.files {
		names[name] = true
	}
	for name := range h.lines {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		row, read := h.files[name]
		lines := h.lines[name]
		if lines == nil {
			lines = &fileLines{}
		}
		if !read {
			if h.ledger != nil {
				v.differ(h.at(lake.BronzeEvents, 2, name, 0),
					"%d events and %d rejects of a file that ops.files does not have as read", lines.events,
					lines.rejects)
			}
			continue
		}
		if row.Events != lines.events && !v.dropped(h, lake.BronzeEvents) {
			v.differ(h.at(lake.BronzeEvents, 2, name, 0), "ops.files says %d events, bronze has %d", row.Events,
				lines.events)
		}
		if row.Rejects != lines.rejects && !v.dropped(h, lake.BronzeRejects) {
			v.differ(h.at(lake.BronzeRejects, 2, name, 0), "ops.files says %d rejects, bronze has %d", row.Rejects,
				lines.rejects)
		}
	}
	return ctx.Err()
}
