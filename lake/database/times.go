package database

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	icebergio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
)

// The clock of a machine may be behind that of the machine which committed last. Iceberg refuses a version that is more
// than a minute older than the one before it. So where a clock is behind, a table is changed as if its past were of
// now at the latest; then the past gets its times back, and the new version the moment after it.

// clocksDiffer is by how much clocks may differ without that: less than what Iceberg grants.
const clocksDiffer = 30 * time.Second

// isBehind tells whether our clock is behind what a table says of itself.
func isBehind(metadata table.Metadata) bool {
	return time.Until(time.UnixMilli(metadata.LastUpdatedMillis())) > clocksDiffer
}

// NewTransaction begins a change of a table.
func (c *Catalog) NewTransaction(loaded *table.Table) (*table.Transaction, error) {
	if !isBehind(loaded.Metadata()) {
		return loaded.NewTransaction(), nil
	}
	metadata, err := notAfter(loaded.Metadata(), time.Now())
	if err != nil {
		return nil, err
	}
	return table.New(loaded.Identifier(), metadata, loaded.MetadataLocation(),
		icebergio.LoadFSFunc(c.properties, loaded.MetadataLocation()), c).NewTransaction(), nil
}

// commitAfter is a commit of a version that counts as made at a time, which is after all that the table has.
func (c *Catalog) commitAfter(ctx context.Context, current *table.Table, requirements []table.Requirement,
	updates []table.Update, at time.Time) (table.Metadata, string, error) {
	for _, requirement := range requirements {
		if err := requirement.Validate(current.Metadata()); err != nil {
			return nil, "", err
		}
	}
	base, err := notAfter(current.Metadata(), time.Now())
	if err != nil {
		return nil, "", err
	}
	changed, err := table.UpdateTableMetadata(base, updates, current.MetadataLocation())
	if err != nil {
		return nil, "", err
	}
	text, err := withPast(changed, current, at.UnixMilli())
	if err != nil {
		return nil, "", err
	}
	location, err := c.writeMetadata(ctx, current, changed, text)
	if err != nil {
		return nil, "", err
	}
	identifier := current.Identifier()
	result, err := c.db.ExecContext(ctx,
		c.Rebind(`UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`), location,
		current.MetadataLocation(), c.name, identifier[0], identifier[1], current.MetadataLocation())
	if err != nil {
		return nil, "", fmt.Errorf("point the catalog at %s: %w", location, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return nil, "", errors.Join(err, table.ErrCommitFailed)
	}
	metadata, err := table.ParseMetadataBytes(text)
	return metadata, location, err
}

func (c *Catalog) writeMetadata(ctx context.Context, current *table.Table, changed table.Metadata,
	text []byte) (string, error) {
	places, err := table.LoadLocationProvider(changed.Location(), changed.Properties())
	if err != nil {
		return "", err
	}
	version := 0
	if _, err := fmt.Sscanf(path.Base(current.MetadataLocation()), "%d-", &version); err != nil {
		return "", fmt.Errorf("the metadata %s has no number: %w", current.MetadataLocation(), err)
	}
	location, err := places.NewTableMetadataFileLocation(version + 1)
	if err != nil {
		return "", err
	}
	files, err := icebergio.LoadFSFunc(c.properties, location)(ctx)
	if err != nil {
		return "", err
	}
	return location, files.(icebergio.WriteFileIO).WriteFile(location, text)
}

// notAfter is metadata in which every time that is later than one is that one.
func notAfter(metadata table.Metadata, latest time.Time) (table.Metadata, error) {
	document, err := documentOf(metadata)
	if err != nil {
		return nil, err
	}
	for _, at := range timesIn(document) {
		at.set(min(at.millis, latest.UnixMilli()))
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return table.ParseMetadataBytes(text)
}

// withPast is the text of changed metadata in which all that the table had before has its times again. What is new is
// of a time, in milliseconds since 1970.
func withPast(changed table.Metadata, before *table.Table, at int64) ([]byte, error) {
	document, err := documentOf(changed)
	if err != nil {
		return nil, err
	}
	past, err := documentOf(before.Metadata())
	if err != nil {
		return nil, err
	}
	known := timesIn(past)
	for _, each := range timesIn(document) {
		// Entries of a log stay in order, and only the oldest go.
		found := slices.IndexFunc(known, func(k timeIn) bool { return k.list == each.list && k.of == each.of })
		switch {
		case each.list == "metadata-log" && each.of == before.MetadataLocation():
			each.set(before.Metadata().LastUpdatedMillis())
		case each.list != "" && found >= 0:
			each.set(known[found].millis)
			if each.list == "snapshot-log" { // which may name a version again that the table was turned back to
				known = slices.Delete(known, found, found+1)
			}
		default:
			each.set(at)
		}
	}
	return json.Marshal(document)
}

// timeIn is a time in the document of a table's metadata.
type timeIn struct {
	list, of string // the list that it stands in, and what it is the time of; "": of the table
	millis   int64  // since 1970
	set      func(millis int64)
}

func timesIn(document map[string]any) (times []timeIn) {
	add := func(in map[string]any, key, list, of string) {
		if number, ok := in[key].(json.Number); ok {
			millis, _ := number.Int64()
			times = append(times, timeIn{list, of, millis, func(millis int64) { in[key] = millis }})
		}
	}
	add(document, "last-updated-ms", "", "")
	for _, list := range []struct{ name, of string }{{"snapshots", "snapshot-id"}, {"snapshot-log", "snapshot-id"},
		{"metadata-log", "metadata-file"}} {
		entries, _ := document[list.name].([]any)
		for _, entry := range entries {
			if entry, ok := entry.(map[string]any); ok {
				add(entry, "timestamp-ms", list.name, fmt.Sprint(entry[list.of]))
			}
		}
	}
	return times
}

func documentOf(metadata table.Metadata) (document map[string]any, err error) {
	text, err := json.Marshal(metadata)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // ids are larger than a float can tell apart
	return document, decoder.Decode(&document)
}
