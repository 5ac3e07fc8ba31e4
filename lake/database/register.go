package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Entry is what the catalog says of a table or a view.
type Entry struct {
	Namespace, Name string
	Metadata        string // where its metadata lies
	Before          string // where the catalog says that it lies, before a Change; "": the catalog has no such table
}

// Entries are all that the catalog names.
func (c *Catalog) Entries(ctx context.Context) (entries []Entry, err error) {
	rows, err := c.db.QueryContext(ctx, c.Rebind(`SELECT table_namespace, table_name, metadata_location
		FROM iceberg_tables WHERE catalog_name = ? ORDER BY table_namespace, table_name`), c.name)
	if err != nil {
		return nil, fmt.Errorf("list the tables of the catalog: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var e Entry
		var metadata sql.NullString
		if err := rows.Scan(&e.Namespace, &e.Name, &metadata); err != nil {
			return nil, fmt.Errorf("list the tables of the catalog: %w", err)
		}
		e.Metadata, e.Before = metadata.String, metadata.String
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// Change points the catalog at metadata, and sets properties of a namespace, all or nothing. It fails where the catalog
// is not what the entries say it was before.
func (c *Catalog) Change(ctx context.Context, entries []Entry, namespace string, properties map[string]string) (
	err error) {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("change the catalog: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("change the catalog: %w", err), tx.Rollback())
		}
	}()
	for _, e := range entries {
		if err := c.setProperty(ctx, tx, e.Namespace, "exists", "true", "DO NOTHING"); err != nil {
			return err
		}
		statement := `INSERT INTO iceberg_tables
			(metadata_location, catalog_name, table_namespace, table_name, iceberg_type) VALUES (?, ?, ?, ?, 'TABLE')`
		args := []any{e.Metadata, c.name, e.Namespace, e.Name}
		if e.Before != "" {
			statement = `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
				WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`
			args = append(args, e.Before)
		}
		result, err := tx.ExecContext(ctx, c.Rebind(statement), args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("%s.%s changed meanwhile: end what uses the lake, and try again",
				e.Namespace, e.Name))
		}
	}
	for key, value := range properties {
		if err := c.setProperty(ctx, tx, namespace, key, value, replaces); err != nil {
			return err
		}
	}
	return tx.Commit()
}
