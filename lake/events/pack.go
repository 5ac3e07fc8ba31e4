package events

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/apache/iceberg-go"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/packed"
	"github.com/versionlake/versionlake/telemetry"
)

// A file of gold.events has the rows of a file of silver.events in their order, and most of its columns are the same.
// So these are taken over as they lie there, packed, and only the others are made.

const (
	// packedRows is from how many rows on a row group of silver.events becomes one of gold.events, and is taken over
	// packed. The rows of smaller ones are put together.
	packedRows = 4096
	// groupRowsAtMost is how many rows are put together.
	groupRowsAtMost = 1 << 17
)

// taken are the columns that are taken over as they are: places in silver.events by those in gold.events, -1 for the
// others.
var taken = func() (places []int) {
	places = slices.Repeat([]int{-1}, len(goldSchema.Columns()))
	for _, pair := range same {
		places[pair[1]] = pair[0]
	}
	return places
}()

// told are the columns of silver.events that say whose an event is.
var told = []int{silverEventName, silverSession, silverService, silverTime, silverUser, silverDevice, silverVersion,
	silverDuration}

// freshSchemas are those of some columns of gold.events, by their places.
var freshSchemas sync.Map

func freshSchema(columns []int) *parquet.Schema {
	name := fmt.Sprint(columns)
	if known, ok := freshSchemas.Load(name); ok {
		return known.(*parquet.Schema)
	}
	all := reflect.TypeFor[lake.ResolvedRow]()
	var fields []reflect.StructField
	for _, column := range columns {
		fields = append(fields, all.Field(column))
	}
	schema := parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface())
	known, _ := freshSchemas.LoadOrStore(name, schema)
	return known.(*parquet.Schema)
}

var boundedColumns = func() map[string]bool {
	bounded := map[string]bool{}
	for _, column := range lake.GoldEvents.Bounded {
		bounded[column] = true
	}
	return bounded
}()

// freshColumns are columns of gold.events that are made, in batches.
type freshColumns struct {
	*packed.Fresh
	columns []int
	values  [][]parquet.Value // by place in gold.events; nil for those that are taken over
	rows    int64             // in the open row group
}

func newFreshColumns(columns []int) *freshColumns {
	f := &freshColumns{Fresh: packed.NewFresh(freshSchema(columns), boundedColumns), columns: columns,
		values: make([][]parquet.Value, len(goldSchema.Columns()))}
	for _, column := range columns {
		f.values[column] = make([]parquet.Value, packed.Batch)
	}
	return f
}

// write adds the first n values of the columns.
func (f *freshColumns) write(n int) error {
	for i, column := range f.columns {
		if err := f.Write(i, f.values[column][:n]); err != nil {
			return fmt.Errorf("write rows of %s: %w", lake.GoldEvents.Name, err)
		}
	}
	f.rows += int64(n)
	return nil
}

func (f *freshColumns) endGroup() error {
	f.rows = 0
	return f.EndGroup()
}

// groupSource says of a row group what is taken over from where.
type groupSource struct {
	rows   int64
	chunks []packed.Chunk // by place in gold.events; nil: none
}

// splice writes a file of row groups.
func (f *freshColumns) splice(l *lake.Lake, at lake.Partition, groups []groupSource,
	name string) (*lake.DataFile, error) {
	fresh, err := f.End()
	if err != nil {
		return nil, fmt.Errorf("write rows of %s: %w", lake.GoldEvents.Name, err)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	writer, err := packed.NewWriter(l, lake.GoldEvents, goldSchema, at)
	if err != nil {
		return nil, err
	}
	for i, group := range groups {
		chunks := group.chunks
		if chunks == nil {
			chunks = make([]packed.Chunk, len(goldSchema.Columns()))
		}
		for j, column := range f.columns {
			chunks[column] = fresh[i][j]
		}
		if err := writer.Group(group.rows, chunks); err != nil {
			writer.Abort()
			return nil, err
		}
	}
	return writer.Close(name)
}

// hourPack makes one file of gold.events of files of silver.events of one day.
type hourPack struct {
	turn    *turn
	sources []*packed.File
	hours   []telemetry.Hour
	joined  bool  // the rows of small files are put together, and no column is taken over
	copied  []int // places of columns whose values are copied, in gold.events
	places  []int // of the columns that are read, in silver.events
	at      []int // of the columns of silver.events, by place: among those that are read
	fresh   *freshColumns
	groups  []groupSource

	resolver *resolver
	session  string // the last one, and its key
	key      int64
	service  bounds
}

// bounds are the smallest and the largest text of a column.
type bounds struct {
	low, high, last string
	some            bool
}

func (b *bounds) include(text string) {
	switch {
	case !b.some:
		b.low, b.high, b.some = text, text, true
	case text == b.last:
		return
	case text < b.low:
		b.low = text
	case text > b.high:
		b.high = text
	}
	b.last = text
}

// resolveFiles writes the rows that files of silver.events of one day become, in their order.
func (t *turn) resolveFiles(ctx context.Context, files []iceberg.DataFile) (err error) {
	p := &hourPack{turn: t, joined: true}
	defer func() {
		for _, source := range p.sources {
			err = errors.Join(err, source.Close())
		}
	}()
	groups := 0
	for _, file := range files {
		hour, err := lake.HourOfFile(file)
		if err != nil {
			return err
		}
		source, err := packed.Open(t.lake, file, silverSchema)
		if err != nil {
			return err
		}
		p.sources, p.hours = append(p.sources, source), append(p.hours, hour)
		groups += len(source.RowGroups())
	}
	p.joined = lake.CountOf(files) < int64(packedRows*groups)
	p.plan()
	for i, file := range files {
		if err := p.file(ctx, i, file); err != nil {
			return fmt.Errorf("resolve the events of %s: %w", file.FilePath(), err)
		}
	}
	if p.fresh.rows > 0 {
		if err := p.endGroup(nil); err != nil {
			return err
		}
	}
	written, err := p.fresh.splice(t.lake, lake.GoldEvents.At(p.hours[0]), p.groups, t.name())
	if err == nil {
		t.add(written)
	}
	return err
}

// plan says which columns are read, copied and made.
func (p *hourPack) plan() {
	p.places = slices.Clone(told)
	var columns []int
	for column, from := range taken {
		name := goldSchema.Columns()[column][0]
		if from >= 0 && !p.joined && !slices.ContainsFunc(p.sources, func(source *packed.File) bool {
			return !source.Alike(from, goldSchema, name)
		}) {
			continue
		}
		columns = append(columns, column)
		if from >= 0 {
			p.copied = append(p.copied, column)
			if !slices.Contains(p.places, from) {
				p.places = append(p.places, from)
			}
		}
	}
	p.at = make([]int, len(silverSchema.Columns()))
	for i, place := range p.places {
		p.at[place] = i
	}
	p.fresh = newFreshColumns(columns)
}

// file resolves the events of a file.
func (p *hourPack) file(ctx context.Context, number int, file iceberg.DataFile) (err error) {
	p.resolver = newResolver(p.turn.facts)
	if p.resolver.local, err = p.turn.localFacts(file, p.hours[number]); err != nil {
		return err
	}
	if local := p.resolver.local; local != nil {
		defer func() {
			if err == nil {
				err = local.end()
			}
			err = errors.Join(err, local.close())
		}()
	}
	p.constants(p.hours[number])
	source := p.sources[number]
	for group := range source.RowGroups() {
		if err := p.group(ctx, source, group); err != nil {
			return err
		}
		if !p.joined && p.fresh.rows > 0 {
			if err := p.endGroup(p.chunks(source, group)); err != nil {
				return err
			}
		}
	}
	p.turn.came.Add(file.Count())
	p.turn.read(file.Count())
	return nil
}

// constants are the same for all rows of a file.
func (p *hourPack) constants(hour telemetry.Hour) {
	start := parquet.Int64Value(hour.Start().UnixMicro()).Level(0, 0, goldHour)
	date := parquet.Int32Value(hour.Date()).Level(0, 0, goldDate)
	for i := range p.fresh.values[goldHour] {
		p.fresh.values[goldHour][i], p.fresh.values[goldDate][i] = start, date
	}
}

func (p *hourPack) endGroup(chunks []packed.Chunk) error {
	p.groups = append(p.groups, groupSource{p.fresh.rows, chunks})
	p.service = bounds{}
	return p.fresh.endGroup()
}

// chunks are what is taken over of a row group.
func (p *hourPack) chunks(source *packed.File, group int) []packed.Chunk {
	from := source.Chunks(group)
	chunks := make([]packed.Chunk, len(taken))
	for column, place := range taken {
		if place >= 0 {
			chunks[column] = from[place]
		}
	}
	// silver.events has no bounds of it
	service := *chunks[goldService].Meta
	statistics := &service.MetaData.Statistics
	statistics.MinValue, statistics.MaxValue = []byte(p.service.low), []byte(p.service.high)
	chunks[goldService].Meta = &service
	return chunks
}

func (p *hourPack) group(ctx context.Context, source *packed.File, group int) error {
	return eachBatch(ctx, source.Cursor(group, p.places...), func(columns [][]parquet.Value) error {
		n := len(columns[0])
		for i := range n {
			if err := p.row(columns, i); err != nil {
				return err
			}
		}
		for _, column := range p.copied {
			copy(p.fresh.values[column][:n], columns[p.at[taken[column]]])
		}
		if err := p.fresh.write(n); err != nil {
			return err
		}
		if p.joined && p.fresh.rows+packed.Batch > groupRowsAtMost {
			return p.endGroup(nil)
		}
		return nil
	})
}

// row resolves an event.
func (p *hourPack) row(columns [][]parquet.Value, i int) error {
	of := func(place int) parquet.Value { return columns[p.at[place]][i] }
	e := event{
		session: text(of(silverSession)), service: text(of(silverService)), time: of(silverTime).Int64(),
		user: text(of(silverUser)), device: text(of(silverDevice)), version: text(of(silverVersion)),
	}
	if e.session != p.session || p.key == 0 {
		p.session, p.key = e.session, int64(xxhash.Sum64String(e.session))
	}
	e.key = p.key
	p.service.include(e.service)
	name := text(of(silverEventName))
	named := e.named()
	e.isSighting = isSighting(name, named)
	result, err := p.resolver.resolve(&e)
	if err != nil {
		return err
	}
	values := p.fresh.values
	putResolved(values, i, &result)
	values[goldNamed][i] = parquet.Int32Value(named)
	values[goldKey][i] = parquet.Int64Value(e.key)
	values[goldDuration][i] = parquet.Value{}
	if duration := of(silverDuration); !duration.IsNull() {
		if value, ok := seconds(name, text(duration)); ok {
			values[goldDuration][i] = parquet.DoubleValue(value).Level(0, 1, goldDuration)
		}
	}
	return nil
}

// putResolved writes what was found out into a row.
func putResolved(values [][]parquet.Value, i int, r *resolved) {
	values[goldUser][i], values[goldKind][i] = textValue(r.user), textValue(r.kind)
	values[goldDevice][i], values[goldVersion][i] = textOrNull(r.device), textOrNull(r.version)
}

func textValue(text string) parquet.Value {
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(text), len(text)))
}

func textOrNull(text string) parquet.Value {
	if text == "" {
		return parquet.Value{}
	}
	return textValue(text).Level(0, 1, 0)
}

// resolvedColumns are those that sessions tell.
var resolvedColumns = []int{goldUser, goldKind, goldDevice, goldVersion}

// repack writes a present file anew with some rows resolved again. All other columns are taken over as they are.
func (t *turn) repack(ctx context.Context, file iceberg.DataFile, changes map[int64]resolved) (*lake.DataFile, error) {
	source, err := packed.Open(t.lake, file, goldSchema)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }() // it was only read
	fresh, groups, place := newFreshColumns(resolvedColumns), []groupSource(nil), int64(0)
	for group := range source.RowGroups() {
		if err := eachBatch(ctx, source.Cursor(group, resolvedColumns...), func(columns [][]parquet.Value) error {
			for i, column := range resolvedColumns {
				copy(fresh.values[column], columns[i])
			}
			for i := range columns[0] {
				if changed, ok := changes[place]; ok {
					putResolved(fresh.values, i, &changed)
				}
				place++
			}
			return fresh.write(len(columns[0]))
		}); err != nil {
			return nil, err
		}
		groups = append(groups, groupSource{fresh.rows, source.Chunks(group)})
		if err := fresh.endGroup(); err != nil {
			return nil, err
		}
	}
	t.resolved.Add(int64(len(changes)))
	t.read(file.Count())
	return fresh.splice(t.lake, partitionOf(t.lake, file), groups, t.nameAgain(file))
}

// eachBatch hands out the batches of a row group.
func eachBatch(ctx context.Context, cursor *packed.Cursor, do func([][]parquet.Value) error) (err error) {
	defer func() { err = errors.Join(err, cursor.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		columns, err := cursor.Next()
		if err != nil || columns == nil {
			return err
		}
		if err := do(columns); err != nil {
			return err
		}
	}
}
