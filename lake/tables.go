package lake

import (
	"embed"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/publication"
	"github.com/versionlake/versionlake/lake/releasefile"
	"github.com/versionlake/versionlake/lake/schema"
	"github.com/versionlake/versionlake/lake/weighing"
)

// TableDefinition is all that is known of a table.
type TableDefinition struct {
	Name    string // schema.table
	Comment string
	// Row is the struct of a row. The fields' tags and comments are the table's columns (package schema). All times
	// are UTC microseconds since 1970, dates are days since 1970. A column has a dictionary where readers filter by
	// few values, or where it halves the file; else plain values under zstd are as small and faster to write. It is
	// uncompressed where zstd would find nothing: dictionaries' indexes, deltas of times.
	Row       any
	Partition []string // identity partition columns
	BucketBy  string   // or: the column whose hash is the partition
	MonthOf   string   // or: the date column whose month is the partition
	// OfHours: a run of an hour replaces the hour's rows.
	OfHours bool
	// OfUsers: rows are of users, and go with one who is forgotten.
	OfUsers bool
	// Ruled: the table carries the number of the rules by which its rows were made.
	Ruled      bool
	Compact    compactOrder // how maintenance puts its files together
	properties iceberg.Properties
	// Bounded are the columns whose smallest and largest value are noted, by row group; nil: those of all, by page
	// as well. Ids and long texts lie anywhere between two: to compare them a page cost 5 % of an hour's time.
	Bounded []string
}

// TableDefinitions are all tables.
var TableDefinitions = []TableDefinition{
	BronzeEvents, BronzeRejects, SilverEvents, SilverSightings, SilverBindings,
	GoldUsers, GoldVersions, GoldEvents, GoldVersionDaily, GoldEventDaily,
	OpsHours, OpsFiles, OpsFindings, OpsChecks, OpsErasures, OpsReleases, OpsPublished, OpsStorage,
}

// HourTables are those whose rows a run of an hour replaces, in the order of its commits.
var HourTables = tablesThat(func(d TableDefinition) bool { return d.OfHours })

// UserTables are those that hold rows of users.
var UserTables = tablesThat(func(d TableDefinition) bool { return d.OfUsers })

func tablesThat(do func(TableDefinition) bool) (tables []TableDefinition) {
	for _, definition := range TableDefinitions {
		if do(definition) {
			tables = append(tables, definition)
		}
	}
	return tables
}

// DefinitionOf finds a table by its name.
func DefinitionOf(name string) (TableDefinition, error) {
	for _, definition := range TableDefinitions {
		if definition.Name == name {
			return definition, nil
		}
	}
	return TableDefinition{}, fmt.Errorf("%w: there is no table %q", objects.ErrConfig, name)
}

// TableName is the name of a table that was loaded.
func TableName(loaded *table.Table) string { return strings.Join(loaded.Identifier(), ".") }

// Identifier is the table's place in the catalog.
func (d TableDefinition) Identifier() table.Identifier { return strings.Split(d.Name, ".") }

//go:embed tables_*.go
var sources embed.FS

// comments are those of the columns. They are read where the tables are defined, so that they stand in one place.
var comments = schema.CommentsIn(sources, releasefile.Sources, publication.Sources, weighing.Sources)

// Schema is the table's Iceberg schema.
func (d TableDefinition) Schema() *iceberg.Schema { return schema.Of(reflect.TypeOf(d.Row), comments) }

// FieldID finds a top-level column's Iceberg id.
func (d TableDefinition) FieldID(column string) int {
	field, ok := d.Schema().FindFieldByName(column)
	if !ok {
		panic(fmt.Sprintf("%s has no column %s", d.Name, column))
	}
	return field.ID
}

// unbounded are the columns whose bounds are not noted.
func (d TableDefinition) unbounded() (columns []string) {
	if d.Bounded == nil {
		return nil
	}
	for _, field := range parquet.SchemaOf(d.Row).Fields() {
		if !slices.Contains(d.Bounded, field.Name()) {
			columns = append(columns, field.Name())
		}
	}
	return columns
}

// metrics says in which form Iceberg notes the bounds of a column's values.
func metrics(column, mode string) iceberg.Properties {
	return iceberg.Properties{table.MetricsModeColumnConfPrefix + "." + column: mode}
}

// compactOrder says in which order the rows of a partition's files come one after the other.
type compactOrder int

const (
	CompactNever     compactOrder = iota
	compactByName                 // by the names of files, which number chunks or sections
	CompactByCluster              // likewise; the clusters of bronze stay apart
	CompactBySession              // by session_key, the first column, whose ranges the files of an hour do not share
	CompactByHour                 // by hour_utc, the first column
)
