package verify

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/forgotten"
	"github.com/versionlake/versionlake/lake/objects"
)

// Rule 6: no row of a table is a forgotten user's, or mentions one, as far as the keyed hashes tell. What is in
// older versions, and in objects that no table names, the proof of an erasure looked at.

func (v *verifier) verifyForgotten(ctx context.Context) error {
	if v.lacks("whether forgotten users are still there was", lake.OpsErasures) {
		return nil
	}
	known, err := forgotten.Load(ctx, v.lake)
	if err != nil || len(known.Users) == 0 {
		return err
	}
	for _, erasure := range slices.Sorted(maps.Values(known.Users)) {
		if !known.Done[erasure] {
			v.note("erasure %s is not done: whether the user is still there was not checked", erasure)
		}
	}
	if len(known.Done) == 0 {
		return nil
	}
	parser, err := forgotten.ParserFor(v.options.Parsing)
	if err != nil {
		return err
	}
	e := &forgotten.Eraser{Lake: v.lake, Known: known.Of(known.Done), Parser: parser}
	gold := map[string][]iceberg.DataFile{} // of tables that are not read by hour
	for _, definition := range []lake.TableDefinition{lake.GoldUsers, lake.GoldEvents} {
		loaded, err := v.lake.Load(ctx, definition)
		if errors.Is(err, lake.ErrNoLake) {
			continue // nothing has opened the lake to write since there is this table
		}
		if err != nil {
			return err
		}
		if gold[definition.Name], err = lake.LiveFiles(ctx, loaded); err != nil {
			return err
		}
	}
	for n, definition := range lake.UserTables {
		v.progress("looking for forgotten users", n, len(lake.UserTables), "tables")
		if files, whole := gold[definition.Name]; whole {
			if err := v.verifyNobody(ctx, e, definition, Difference{}, files); err != nil {
				return err
			}
			continue
		}
		for _, hour := range slices.Sorted(maps.Keys(v.files[definition.Name])) {
			if !v.chosen(hour) {
				continue
			}
			if err := v.verifyNobody(ctx, e, definition, Difference{Hour: hour.String()},
				v.files[definition.Name][hour]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *verifier) verifyNobody(ctx context.Context, e *forgotten.Eraser, definition lake.TableDefinition,
	where Difference, files []iceberg.DataFile) error {
	where.Rule, where.Table = 6, definition.Name
	rows, mentioned := int64(0), false
	for _, file := range v.readable(files) {
		gone, held, err := e.Count(ctx, definition, file)
		if objects.IgnoreMissing(err) != nil { // a file that is missing is found elsewhere
			return err
		}
		rows, mentioned = rows+gone.Rows, mentioned || held
	}
	const cure = "another program wrote them, or a backup was restored; run versionlake forget for these users again"
	switch {
	case rows > 0:
		v.differ(where, "%d rows are of forgotten users: %s", rows, cure)
	case mentioned:
		v.differ(where, "rows mention forgotten users: %s", cure)
	}
	return nil
}
