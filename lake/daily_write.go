package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CountedDates points to what a CountDates wrote.
type CountedDates struct {
	Ref  string `json:"ref"`
	Rows int64  `json:"rows"` // of gold.version_daily, of the months that were written
}

// stagedCounts is what lies at a CountedDates' Ref.
type stagedCounts struct {
	Files []dataFile `json:"files"`
}

// dayCounting gathers the counts of some months, by date.
type dayCounting struct {
	lake   *Lake
	staged *stagedDaily
	dates  map[int32]stagedDate // those to be counted anew
	months []int32
	place  map[int32]int // the section of a month's first date
	parts  *spill        // sections are dates
}

// CountDates counts the dates of some months of a plan anew, and writes these months, uncommitted: what has not changed is
// taken from the present rows. progress tells rows read so far.
func (l *Lake) CountDates(ctx context.Context, plan DailyPlan, months []int32, progress func(rows int64)) (result CountedDates, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count dates: %w", err)
		}
	}()
	c := &dayCounting{lake: l, staged: &stagedDaily{}, dates: map[int32]stagedDate{}, months: months, place: map[int32]int{}}
	if err := l.readRound(plan.Ref, c.staged); err != nil {
		return CountedDates{}, err
	}
	for _, date := range c.staged.Dates {
		if slices.Contains(months, monthOf(date.Date)) {
			c.dates[date.Date] = date
		}
	}
	sections := 0
	for _, month := range months {
		c.place[month] = sections
		first, end := datesOf(month)
		sections += int(end - first)
	}
	if c.parts, err = l.newSpill(sections); err != nil {
		return CountedDates{}, err
	}
	defer c.parts.close()
	if err := c.keep(ctx); err != nil {
		return CountedDates{}, err
	}
	if err := c.moves(ctx); err != nil {
		return CountedDates{}, err
	}
	if err := c.events(ctx, c.staged.State, progress); err != nil {
		return CountedDates{}, err
	}
	return c.write(ctx)
}

func (c *dayCounting) section(date int32) int {
	first, _ := datesOf(monthOf(date))
	return c.place[monthOf(date)] + int(date-first)
}

func (c *dayCounting) add(key *dayKey, counts *dayCounts) error {
	return c.parts.add(c.section(key.date), func(buffer []byte) []byte { return counts.append(key.append(buffer)) })
}

// counted tells whether the events of a date are counted anew.
func (c *dayCounting) counted(date int32) bool { return c.dates[date].Events }

// keep takes over what has not changed.
func (c *dayCounting) keep(ctx context.Context) error {
	if err := keepRows(ctx, c, goldVersionDaily, func(row *versionDailyRow) error {
		key, counts := row.part()
		if date := c.dates[key.date]; date.Events {
			clear(counts[:firstMove])
			if date.Moves {
				return nil
			}
		} else if date.Moves {
			clear(counts[firstMove:])
		}
		return c.add(&key, &counts)
	}); err != nil {
		return err
	}
	written := c.staged.months(true)
	return keepRows(ctx, c, goldEventDaily, func(row *eventDailyRow) error {
		key, counts := row.part()
		if c.dates[key.date].Events || !written[monthOf(key.date)] {
			return nil
		}
		return c.add(&key, &counts)
	})
}

// keepRows reads the present rows of the months.
func keepRows[T any](ctx context.Context, c *dayCounting, definition tableDefinition, each func(*T) error) error {
	head := c.staged.Heads[definition.name]
	loaded, err := c.lake.load(ctx, definition)
	if err != nil {
		return err
	}
	if head != 0 && loaded.SnapshotByID(head) == nil {
		return fmt.Errorf("%w: snapshot %d of %s was expired", ErrConflict, head, definition.name)
	}
	files, err := monthFiles(ctx, loaded, head)
	if err != nil {
		return err
	}
	for _, month := range c.months {
		for _, file := range files[month] {
			if err := scanRows(ctx, c.lake, file, func(rows []T) error {
				for i := range rows {
					if err := each(&rows[i]); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// moves counts the installations that came or changed their version on the dates.
func (c *dayCounting) moves(ctx context.Context) error {
	if !slices.ContainsFunc(slices.Collect(maps.Values(c.dates)), func(date stagedDate) bool { return date.Moves }) {
		return nil
	}
	users, err := c.lake.load(ctx, goldUsers)
	if err != nil {
		return err
	}
	if c.staged.State.Users != 0 && users.SnapshotByID(c.staged.State.Users) == nil {
		return fmt.Errorf("%w: snapshot %d of gold.users was expired", ErrConflict, c.staged.State.Users)
	}
	return c.lake.moves(ctx, users, c.staged.State.Users, func() (func(*dayKey, int) error, func() error) {
		tally := newTally(c.add)
		return func(key *dayKey, kind int) error {
			if !c.dates[key.date].Moves {
				return nil
			}
			return tally.add(key, kind, 1)
		}, tally.flush
	})
}

// write sums up what was gathered, date by date.
func (c *dayCounting) write(ctx context.Context) (result CountedDates, err error) {
	parts, err := c.parts.open()
	if err != nil {
		return CountedDates{}, err
	}
	defer parts.close()
	var staged stagedCounts
	name := fmt.Sprintf("%s-%d", shortID(c.staged.Round), time.Now().UnixNano())
	for _, month := range c.months {
		rows, files, err := c.writeMonth(ctx, parts, month, name)
		if err != nil {
			return CountedDates{}, err
		}
		result.Rows += rows
		staged.Files = append(staged.Files, files...)
	}
	result.Ref = fmt.Sprintf("%s/%s.json", c.lake.dailyFolder(c.staged.Round), name)
	return result, c.lake.objects.writeJSON(result.Ref, staged)
}

func (c *dayCounting) writeMonth(ctx context.Context, parts openShuffles, month int32, name string) (rows int64, files []dataFile, err error) {
	at := monthPartition(month)
	versions, err := newDataWriter[versionDailyRow](c.lake, goldVersionDaily, at)
	if err != nil {
		return 0, nil, err
	}
	events, err := newDataWriter[eventDailyRow](c.lake, goldEventDaily, at)
	if err != nil {
		versions.abort()
		return 0, nil, err
	}
	defer func() {
		if err != nil {
			versions.abort()
			events.abort()
		}
	}()
	first, end := datesOf(month)
	for date := first; date < end; date++ {
		if err := c.writeDate(ctx, parts, c.section(date), versions, events); err != nil {
			return 0, nil, fmt.Errorf("sum up %s: %w", formatDate(date), err)
		}
	}
	rows = versions.written
	for _, closeFile := range []func(string) (*dataFile, error){versions.close, events.close} {
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

// A date's keys come from clients: there may be more than fit into memory. They are summed in pieces of about this many bytes,
// packed, each with keys that the others do not have.
const sumBytes = 1 << 20

// writeDate sums up and writes what was gathered of a date.
func (c *dayCounting) writeDate(ctx context.Context, parts openShuffles, section int, versions *dataWriter[versionDailyRow], events *dataWriter[eventDailyRow]) error {
	pieces := 1
	for packed := parts.bytes(section); packed > sumBytes*int64(pieces) && pieces < maxSumPieces; {
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
		data, err := parts.read(section, nil)
		if err != nil {
			return err
		}
		return write(data)
	}
	divided, err := c.lake.newSpill(pieces)
	if err != nil {
		return err
	}
	defer divided.close()
	if err := parts.each(section, func(block []byte) error {
		d := decoder{data: block}
		for len(d.data) > 0 {
			record := d.data
			key := d.dayKey()
			d.dayCounts()
			if d.failed {
				return errDamaged
			}
			record = record[:len(record)-len(d.data)]
			if err := divided.add(int(key.hash()%uint64(pieces)), func(buffer []byte) []byte { return append(buffer, record...) }); err != nil {
				return err
			}
		}
		return ctx.Err()
	}); err != nil {
		return err
	}
	open, err := divided.open()
	if err != nil {
		return err
	}
	defer open.close()
	var data []byte
	for piece := range pieces {
		if data, err = open.read(piece, data[:0]); err != nil {
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
func sumParts(data []byte) (map[dayKey]*dayCounts, error) {
	sums := map[dayKey]*dayCounts{}
	d := decoder{data: data}
	for len(d.data) > 0 {
		key, counts := d.dayKey(), d.dayCounts()
		if sum := sums[key]; sum != nil {
			sum.add(&counts)
		} else {
			sums[key] = &counts
		}
	}
	if d.failed {
		return nil, errDamaged
	}
	return sums, nil
}

// writeSums writes rows in the order of their keys. A row of noughts alone says nothing, and is none.
func writeSums(sums map[dayKey]*dayCounts, versions *dataWriter[versionDailyRow], events *dataWriter[eventDailyRow]) error {
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b dayKey) int { return a.compare(&b) })
	var versionRows []versionDailyRow
	var eventRows []eventDailyRow
	for i := range keys {
		key, counts := &keys[i], sums[keys[i]]
		switch {
		case *counts == dayCounts{}:
		case key.event == "":
			versionRows = append(versionRows, versionDaily(key, counts))
		default:
			eventRows = append(eventRows, eventDaily(key, counts))
		}
	}
	if err := versions.write(versionRows, 256*len(versionRows)); err != nil {
		return err
	}
	return events.write(eventRows, 256*len(eventRows))
}
