package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"
)

// Rule 6: no row of a table is a forgotten user's, or mentions one, as far as the keyed hashes tell. What is in older versions,
// and in objects that no table names, the proof of an erasure looked at.

func (v *verifier) verifyForgotten(ctx context.Context) error {
	known, err := v.lake.forgotten(ctx)
	if err != nil || len(known.users) == 0 {
		return err
	}
	for _, erasure := range slices.Sorted(maps.Values(known.users)) {
		if !known.done[erasure] {
			v.note("erasure %s is not done: whether the user is still there was not checked", erasure)
		}
	}
	if len(known.done) == 0 {
		return nil
	}
	parser, err := parserFor(v.options.Parsing)
	if err != nil {
		return err
	}
	e := &eraser{lake: v.lake, known: known.of(known.done), parser: parser}
	gold, err := liveFiles(ctx, v.gold)
	if err != nil {
		return err
	}
	for n, definition := range erasable {
		v.progress("looking for forgotten users", n, len(erasable), "tables")
		if definition.name == goldUsers.name {
			if err := v.verifyNobody(ctx, e, definition, Difference{}, gold); err != nil {
				return err
			}
			continue
		}
		for _, hour := range slices.Sorted(maps.Keys(v.files[definition.name])) {
			if !v.chosen(hour) {
				continue
			}
			if err := v.verifyNobody(ctx, e, definition, Difference{Hour: hour.String()}, v.files[definition.name][hour]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) verifyNobody(ctx context.Context, e *eraser, definition tableDefinition, where Difference, files []iceberg.DataFile) error {
	where.Rule, where.Table = 6, definition.name
	rows, mentioned := int64(0), false
	for _, file := range files {
		gone, held, err := e.count(ctx, definition, file)
		if ignoreMissing(err) != nil { // a file that is missing is found elsewhere
			return err
		}
		rows, mentioned = rows+gone.rows, mentioned || held
	}
	text := ""
	switch {
	case rows > 0:
		text = fmt.Sprintf("%d rows are of forgotten users", rows)
	case mentioned:
		text = "rows mention forgotten users"
	default:
		return nil
	}
	return v.differ(where, "%s: another program wrote them, or a backup was restored; run versionlake forget for these users again", text)
}
