package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake/objects"
)

// CheckFile looks whether a data file is there and as long as the table says; with contents, also whether its bytes
// have the digest that is in its name. Errors: a missing file is IsMissing, any other fault IsDamage.
func (l *Lake) CheckFile(file iceberg.DataFile, contents bool) (err error) {
	path := file.FilePath()
	opened, err := l.Objects.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	info, err := opened.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	if info.Size() != file.FileSizeBytes() {
		return &objects.Damage{Object: path, What: fmt.Sprintf("has %d bytes instead of %d", info.Size(),
			file.FileSizeBytes())}
	}
	digest := Digest(path)
	if !contents || !isDigest(digest) {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, opened); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if is := hex.EncodeToString(sum.Sum(nil)[:16]); is != digest {
		return &objects.Damage{Object: path, What: "is not what was written: its bytes have the digest " + is}
	}
	return nil
}

// isDigest tells our digests from the names that other engines give.
func isDigest(text string) bool {
	decoded, err := hex.DecodeString(text)
	return err == nil && len(decoded) == 16
}

// damageOf says what is wrong with a file that could not be read: its damage, if it has any, and else err.
func (l *Lake) damageOf(ctx context.Context, file iceberg.DataFile, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrStop) || objects.Unreadable(err) {
		return err
	}
	if damage := l.CheckFile(file, true); objects.IsDamage(damage) {
		return damage
	}
	return err
}

// Lost is the damage of an object that is missing though the table still is what it was when it was loaded: nobody
// replaced it. It is err for anything else.
func (l *Lake) Lost(ctx context.Context, loaded *table.Table, object string, err error) error {
	if !objects.IsMissing(err) || objects.IsDamage(err) {
		return err
	}
	now, loading := l.Catalog.LoadTable(ctx, loaded.Identifier())
	if loading != nil || now.MetadataLocation() != loaded.MetadataLocation() {
		return err
	}
	return &objects.Damage{Object: object, What: "is missing"}
}

// MetadataLocations are where the catalog says that the metadata of a table lies, and lay before its last commit.
func (l *Lake) MetadataLocations(ctx context.Context, definition TableDefinition) (now, before string, err error) {
	var previous *string
	identifier := definition.Identifier()
	err = l.Db.QueryRowContext(ctx,
		l.Catalog.Rebind(`SELECT metadata_location, previous_metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`),
		l.Config.CatalogName, identifier[0], identifier[1]).Scan(&now, &previous)
	if err != nil {
		return "", "", fmt.Errorf("find the metadata of %s in the catalog: %w", definition.Name, err)
	}
	if previous != nil {
		before = *previous
	}
	return now, before, nil
}

// CheckMetadata reads the metadata of a table as it lies in the warehouse. Errors: IsDamage.
func (l *Lake) CheckMetadata(ctx context.Context, definition TableDefinition) error {
	location, _, err := l.MetadataLocations(ctx, definition)
	if err != nil {
		return err
	}
	text, err := l.Objects.ReadAll(location)
	if objects.IsMissing(err) {
		if now, _, naming := l.MetadataLocations(ctx, definition); naming == nil && now != location {
			return nil // another one counts by now
		}
		return &objects.Damage{Object: location, What: "is missing"}
	}
	if err != nil {
		return err
	}
	if _, err := table.ParseMetadataBytes(text); err != nil {
		return &objects.Damage{Object: location, What: "is no metadata of a table: " + err.Error()}
	}
	return nil
}

// loadTable reads a table's metadata. That it is missing is damage only if the catalog goes on naming it: an erasure
// takes old metadata away.
func (l *Lake) loadTable(ctx context.Context, definition TableDefinition) (*table.Table, error) {
	loaded, err := l.Catalog.LoadTable(ctx, definition.Identifier())
	if !objects.IsMissing(err) || errors.Is(err, catalog.ErrNoSuchTable) {
		return loaded, err
	}
	named, _, naming := l.MetadataLocations(ctx, definition)
	if naming != nil {
		return nil, err
	}
	if loaded, err = l.Catalog.LoadTable(ctx, definition.Identifier()); !objects.IsMissing(err) {
		return loaded, err
	}
	if still, _, naming := l.MetadataLocations(ctx, definition); naming == nil && still == named {
		err = &objects.Damage{Object: named, What: "is missing"}
	}
	return nil, err
}
