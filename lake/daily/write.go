package daily

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
)

// CountedDates points to what a CountDates wrote.
type CountedDates struct {
	Ref  string `json:"ref"`
	Rows int64  `json:"rows"` // of gold.version_daily, of the months that were written
}

// stagedCounts is what lies at a CountedDates' Ref.
type stagedCounts struct {
	Files []lake.DataFile `json:"files"`
}

// dayCounting gathers the counts of some months, by date.
type dayCounting struct {
	lake   *lake.Lake
	staged *stagedDaily
	dates  map[int32]stagedDate // those to be counted anew
	months []int32
	place  map[int32]int  // the section of a month's first date
	parts  *objects.Spill // sections are dates

	keys              *daycounts.Table
	bySession, byUser *objects.Spill // which keys each has
}

// CountDates counts the dates of some months of a plan anew, and writes these months, uncommitted: what has not
// changed is taken from the present rows. progress tells rows read so far.
func CountDates(ctx context.Context, l *lake.Lake, plan Plan, months []int32,
	progress func(rows int64)) (result CountedDates, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count dates: %w", err)
		}
	}()
	c := &dayCounting{lake: l, staged: &stagedDaily{}, dates: map[int32]stagedDate{}, months: months,
		place: map[int32]int{}}
	if err := l.ReadStaged(plan.Ref, c.staged); err != nil {
		return CountedDates{}, err
	}
	for _, date := range c.staged.Dates {
		if slices.Contains(months, ledger.MonthOf(date.Date)) {
			c.dates[date.Date] = date
		}
	}
	sections := 0
	for _, month := range months {
		c.place[month] = sections
		first, end := ledger.DatesOf(month)
		sections += int(end - first)
	}
	if c.parts, err = l.NewSpill(sections); err != nil {
		return CountedDates{}, err
	}
	defer c.parts.Close()
	if err := c.keep(ctx); err != nil {
		return CountedDates{}, err
	}
	if err := c.moves(ctx); err != nil {
		return CountedDates{}, err
	}
	if err := c.events(ctx, progress); err != nil {
		return CountedDates{}, err
	}
	return c.write(ctx)
}

func (c *dayCounting) section(date int32) int {
	first, _ := ledger.DatesOf(ledger.MonthOf(date))
	return c.place[ledger.MonthOf(date)] + int(date-first)
}

func (c *dayCounting) add(key *daycounts.Key, counts *daycounts.Counts) error {
	return c.parts.Add(c.section(key.Date), func(buffer []byte) []byte { return counts.Append(key.Append(buffer)) })
}

// counted tells whether the events of a date are counted anew.
func (c *dayCounting) counted(date int32) bool { return c.dates[date].Events }

// keep takes over what has not changed.
func (c *dayCounting) keep(ctx context.Context) error {
	if err := keepRows(ctx, c, lake.GoldVersionDaily, func(row *lake.VersionDailyRow) error {
		key, counts := daycounts.OfVersionRow(row)
		if date := c.dates[key.Date]; date.Events {
			clear(counts[:lake.FirstMove])
			if date.Moves {
				return nil
			}
		} else if date.Moves {
			clear(counts[lake.FirstMove:])
		}
		return c.add(&key, &counts)
	}); err != nil {
		return err
	}
	written := c.staged.months(true)
	return keepRows(ctx, c, lake.GoldEventDaily, func(row *lake.EventDailyRow) error {
		key, counts := daycounts.OfEventRow(row)
		if c.dates[key.Date].Events || !written[ledger.MonthOf(key.Date)] {
			return nil
		}
		return c.add(&key, &counts)
	})
}

// keepRows reads the present rows of the months.
func keepRows[T any](ctx context.Context, c *dayCounting, definition lake.TableDefinition, each func(*T) error) error {
	head := c.staged.Heads[definition.Name]
	loaded, err := c.lake.Load(ctx, definition)
	if err != nil {
		return err
	}
	if head != 0 && loaded.SnapshotByID(head) == nil {
		return fmt.Errorf("%w: snapshot %d of %s was expired", lake.ErrConflict, head, definition.Name)
	}
	files, err := monthFiles(ctx, loaded, head)
	if err != nil {
		return err
	}
	for _, month := range c.months {
		if err := lake.EachRow(ctx, c.lake, files[month], each); err != nil {
			return err
		}
	}
	return nil
}

// moves counts the installations that came or changed their version on the dates.
func (c *dayCounting) moves(ctx context.Context) error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(c.dates)), func(date stagedDate) bool { return date.Moves }) {
		return nil
	}
	if c.staged.Told {
		return c.toldMoves()
	}
	users, err := c.lake.Load(ctx, lake.GoldUsers)
	if err != nil {
		return err
	}
	if c.staged.State.Users != 0 && users.SnapshotByID(c.staged.State.Users) == nil {
		return fmt.Errorf("%w: snapshot %d of gold.users was expired", lake.ErrConflict, c.staged.State.Users)
	}
	return moves(ctx, c.lake, users, c.staged.State.Users, func() (func(*daycounts.Key, int) error, func() error) {
		tally := daycounts.NewTally(c.add)
		return func(key *daycounts.Key, kind int) error {
			if !c.dates[key.Date].Moves {
				return nil
			}
			return tally.Add(key, kind, 1)
		}, tally.Flush
	})
}

// toldMoves are those that the plan tells.
func (c *dayCounting) toldMoves() error {
	d := objects.Decoder{Data: c.staged.Moves}
	for len(d.Data) > 0 {
		key, counts := daycounts.DecodeKey(&d), daycounts.DecodeCounts(&d)
		if d.Failed {
			return fmt.Errorf("read the moves of a plan: %w", objects.ErrDamaged)
		}
		if !c.dates[key.Date].Moves {
			continue
		}
		if err := c.add(&key, &counts); err != nil {
			return err
		}
	}
	return nil
}

// write sums up what was gathered, date by date.
func (c *dayCounting) write(ctx context.Context) (result CountedDates, err error) {
	parts, err := c.parts.Open()
	if err != nil {
		return CountedDates{}, err
	}
	defer parts.Close()
	var staged stagedCounts
	name := fmt.Sprintf("%s-%d", lake.ShortID(c.staged.Round), time.Now().UnixNano())
	for _, month := range c.months {
		rows, files, err := c.writeMonth(ctx, parts, month, name)
		if err != nil {
			return CountedDates{}, err
		}
		result.Rows += rows
		staged.Files = append(staged.Files, files...)
	}
	result.Ref = fmt.Sprintf("%s/%s.json", dailyFolder(c.lake, c.staged.Round), name)
	return result, c.lake.Objects.WriteJSON(result.Ref, staged)
}

func (c *dayCounting) writeMonth(ctx context.Context, parts objects.Shuffles, month int32,
	name string) (rows int64, files []lake.DataFile, err error) {
	at := ledger.MonthPartition(month)
	versions, err := lake.NewDataWriter[lake.VersionDailyRow](c.lake, lake.GoldVersionDaily, at)
	if err != nil {
		return 0, nil, err
	}
	events, err := lake.NewDataWriter[lake.EventDailyRow](c.lake, lake.GoldEventDaily, at)
	if err != nil {
		versions.Abort()
		return 0, nil, err
	}
	defer func() {
		if err != nil {
			versions.Abort()
			events.Abort()
		}
	}()
	first, end := ledger.DatesOf(month)
	for date := first; date < end; date++ {
		if err := c.writeDate(ctx, parts, c.section(date), versions, events); err != nil {
			return 0, nil, fmt.Errorf("sum up %s: %w", lake.FormatDate(date), err)
		}
	}
	rows = versions.Written
	for _, closeFile := range []func(string) (*lake.DataFile, error){versions.Close, events.Close} {
		file, err := closeFile(name)
		if err != nil {
			return 0, nil, err
		}
		if file != nil {
			files = append(files, *file)
		}
	}
	return rows, files, nil
}

// A date's keys come from clients: there may be more than fit into memory. They are summed in pieces of about this
// many bytes, packed, each with keys that the others do not have.
const sumBytes = 1 << 20

// writeDate sums up and writes what was gathered of a date.
func (c *dayCounting) writeDate(ctx context.Context, parts objects.Shuffles, section int,
	versions *lake.DataWriter[lake.VersionDailyRow], events *lake.DataWriter[lake.EventDailyRow]) error {
	pieces := 1
	for packed := parts.Bytes(section); packed > sumBytes*int64(pieces) && pieces < maxSumPieces; {
		pieces *= 2
	}
	write := func(data []byte) error {
		sums, err := sumParts(data)
		if err != nil {
			return err
		}
		return writeSums(sums, versions, events)
	}
	if pieces == 1 {
		data, err := parts.Read(section, nil)
		if err != nil {
			return err
		}
		return write(data)
	}
	divided, err := c.lake.NewSpill(pieces)
	if err != nil {
		return err
	}
	defer divided.Close()
	if err := parts.Each(section, func(block []byte) error {
		d := objects.Decoder{Data: block}
		for len(d.Data) > 0 {
			record := d.Data
			key := daycounts.DecodeKey(&d)
			daycounts.DecodeCounts(&d)
			if d.Failed {
				return objects.ErrDamaged
			}
			record = record[:len(record)-len(d.Data)]
			if err := divided.Add(int(key.Hash()%uint64(pieces)),
				func(buffer []byte) []byte { return append(buffer, record...) }); err != nil {
				return err
			}
		}
		return ctx.Err()
	}); err != nil {
		return err
	}
	open, err := divided.Open()
	if err != nil {
		return err
	}
	defer open.Close()
	var data []byte
	for piece := range pieces {
		if data, err = open.Read(piece, data[:0]); err != nil {
			return err
		}
		if err := write(data); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// maxSumPieces bounds the memory of blocks that fill.
const maxSumPieces = 4096

// sumParts sums the counts of a date by key. Keys alias data.
func sumParts(data []byte) (map[daycounts.Key]*daycounts.Counts, error) {
	sums := map[daycounts.Key]*daycounts.Counts{}
	d := objects.Decoder{Data: data}
	for len(d.Data) > 0 {
		key, counts := daycounts.DecodeKey(&d), daycounts.DecodeCounts(&d)
		if sum := sums[key]; sum != nil {
			sum.Add(&counts)
		} else {
			sums[key] = &counts
		}
	}
	if d.Failed {
		return nil, objects.ErrDamaged
	}
	return sums, nil
}

// writeSums writes rows in the order of their keys. A row of noughts alone says nothing, and is none.
func writeSums(sums map[daycounts.Key]*daycounts.Counts, versions *lake.DataWriter[lake.VersionDailyRow],
	events *lake.DataWriter[lake.EventDailyRow]) error {
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b daycounts.Key) int { return a.Compare(&b) })
	var versionRows []lake.VersionDailyRow
	var eventRows []lake.EventDailyRow
	for i := range keys {
		key, counts := &keys[i], sums[keys[i]]
		switch {
		case *counts == daycounts.Counts{}:
		case key.Event == "":
			versionRows = append(versionRows, daycounts.VersionRow(key, counts))
		default:
			eventRows = append(eventRows, daycounts.EventRow(key, counts))
		}
	}
	if err := versions.Append(versionRows, 256*len(versionRows)); err != nil {
		return err
	}
	return events.Append(eventRows, 256*len(eventRows))
}
