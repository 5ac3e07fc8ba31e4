// Package weighing has the row of ops.storage. It knows nothing of tables but the row.
package weighing

import "embed"

// Sources has the comments of the columns.
//
//go:embed row.go
var Sources embed.FS

// Beside is the layer, and the table, of what lies in the warehouse beside the tables.
const Beside = "other"

// StorageRow is a row of ops.storage.
type StorageRow struct {
	// UTC date on which maintenance weighed the lake.
	Date int32 `parquet:"date_utc,date,id(1)"`
	// bronze, silver, gold or ops; other: what lies beside the tables, staged work and notes of maintenance.
	Layer string `parquet:"layer,dict,id(2)"`
	// Name of the table, with its layer; other, as above.
	Table string `parquet:"table_name,dict,id(3)"`
	// Data files of the newest snapshot.
	Files int64 `parquet:"files,id(4)"`
	// Bytes of these.
	Bytes int64 `parquet:"bytes,id(5)"`
	// Data files that any snapshot names, the newest among them.
	SnapshotFiles int64 `parquet:"snapshot_files,id(6)"`
	// Bytes of these.
	SnapshotBytes int64 `parquet:"snapshot_bytes,id(7)"`
	// Objects in the table's folder: metadata, too, and what maintenance has not swept yet.
	HeldObjects int64 `parquet:"held_objects,id(8)"`
	// Bytes of these, which are what is paid for.
	HeldBytes int64 `parquet:"held_bytes,id(9)"`
	// Bytes that a day of hours adds to the newest snapshot, by the newest week.
	DayBytes int64 `parquet:"day_bytes,id(10)"`
	// When the lake was weighed, UTC.
	WeighedAt int64 `parquet:"weighed_at,timestamp(microsecond),id(11)"`
}
