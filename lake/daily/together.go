package daily

import (
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/apache/iceberg-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/objects"
)

// summarized counts the events of the dates by the summaries of files; false where that is not possible, and nothing
// was counted yet.
func (c *dayCounting) summarized(ctx context.Context, files []iceberg.DataFile,
	progress func(int64)) (done bool, err error) {
	dates := 0
	for _, each := range c.dates {
		if each.Events {
			dates++
		}
	}
	if dates > summaryDates || len(files) > summaryFiles ||
		slices.ContainsFunc(files, func(file iceberg.DataFile) bool { return file.Count() > summaryRowsAtMost }) {
		return false, nil
	}
	all := make([]*summary, len(files))
	defer func() {
		for _, s := range all {
			if s != nil {
				s.close()
			}
		}
	}()
	work, workCtx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		work.Go(func() (err error) {
			all[i], err = summaryOf(workCtx, c.lake, file)
			progress(lake.CountOf(files[:i+1]))
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return false, err
	}
	c.keys = daycounts.NewTable()
	for _, s := range all {
		if s.Many {
			return false, nil
		}
		if few, err := s.number(c); err != nil || !few {
			return false, err
		}
	}
	c.keys.Order()
	if err := c.unite(ctx, all); err != nil {
		return false, err
	}
	return true, c.dropSummaries(ctx, files)
}

// unite counts each session, and each user, once, in whatever files it has events.
func (c *dayCounting) unite(ctx context.Context, all []*summary) error {
	counters := objects.NewLanes[*daycounts.Counter]()
	sum := daycounts.NewCounter(c.keys, c.add)
	for _, s := range all {
		for i, k := range s.keys {
			if k == nil {
				continue
			}
			for place, n := range s.counts[i] {
				if n == 0 {
					continue
				}
				if err := sum.Add(k, place, n); err != nil {
					return err
				}
			}
		}
	}
	if err := sum.Flush(); err != nil {
		return err
	}
	var next atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() error {
			u := &union{marks: &daycounts.Marks{}}
			for {
				section := int(next.Add(1)) - 1
				if section >= 2*summarySections || ctx.Err() != nil {
					return ctx.Err()
				}
				if err := u.read(all, section); err != nil {
					return err
				}
				if err := counters.With(func(counter **daycounts.Counter) error {
					if *counter == nil {
						*counter = daycounts.NewCounter(c.keys, c.add)
					}
					if section < summarySections {
						return u.count(*counter, countSession)
					}
					return u.count(*counter, countUser)
				}); err != nil {
					return err
				}
			}
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	return flushAll(counters)
}

// union brings together what several files say of sessions, or of users, a section at a time.
type union struct {
	marks   *daycounts.Marks
	data    []byte
	keys    []*daycounts.Keyed
	records []record
	all     []united
	table   []int32 // of all, by hash: one more than the place, 0 for none
	mine    []*daycounts.Keyed
}

// united is a session or a user.
type united struct {
	high      uint64 // of its hash
	low       uint32
	anonymous bool
	last      int32 // of its records
}

// record is which keys one has in one place.
type record struct{ start, end, before int32 }

// read reads a section of all summaries.
func (u *union) read(all []*summary, section int) (err error) {
	u.keys, u.records, u.all = u.keys[:0], u.records[:0], u.all[:0]
	clear(u.table)
	for _, s := range all {
		if u.data, err = s.section(section, u.data[:0]); err != nil {
			return fmt.Errorf("read what %s counts: %w", s.File, err)
		}
		d := objects.Decoder{Data: u.data}
		for len(d.Data) > 0 && !d.Failed {
			if len(d.Data) < hashBytes {
				d.Failed = true
				break
			}
			high, low := binary.LittleEndian.Uint64(d.Data), binary.LittleEndian.Uint32(d.Data[8:])
			d.Data = d.Data[hashBytes:]
			many, start := d.Uvarint(), int32(len(u.keys))
			for n := many >> 1; n > 0 && !d.Failed; n-- {
				number := d.Uvarint()
				if number >= uint64(len(s.keys)) {
					d.Failed = true
				} else if k := s.keys[number]; k != nil {
					u.keys = append(u.keys, k)
				}
			}
			if end := int32(len(u.keys)); end > start {
				one := u.of(high, low)
				one.anonymous = many&1 == 1
				u.records = append(u.records, record{start, end, one.last})
				one.last = int32(len(u.records)) - 1
			}
		}
		if d.Failed {
			return fmt.Errorf("read what %s counts: %w", s.File, objects.ErrDamaged)
		}
	}
	return nil
}

// of finds a session or a user by its hash.
func (u *union) of(high uint64, low uint32) *united {
	if 2*len(u.all) >= len(u.table) {
		u.table = make([]int32, max(1<<10, 2*len(u.table)))
		for i := range u.all {
			u.table[u.slot(u.all[i].high, u.all[i].low)] = int32(i) + 1
		}
	}
	slot := u.slot(high, low)
	if u.table[slot] == 0 {
		u.all = append(u.all, united{high: high, low: low, last: -1})
		u.table[slot] = int32(len(u.all))
	}
	return &u.all[u.table[slot]-1]
}

// slot is where one is in the table, or would be.
func (u *union) slot(high uint64, low uint32) int {
	mask := len(u.table) - 1
	for slot := int(high>>8) & mask; ; slot = (slot + 1) & mask {
		if at := u.table[slot]; at == 0 || u.all[at-1].high == high && u.all[at-1].low == low {
			return slot
		}
	}
}

// count counts all that was read.
func (u *union) count(to *daycounts.Counter,
	count func(*daycounts.Counter, *daycounts.Marks, bool, []*daycounts.Keyed) error) error {
	for i := range u.all {
		one := &u.all[i]
		u.marks.Next()
		u.mine = u.mine[:0]
		for at := one.last; at >= 0; at = u.records[at].before {
			for _, k := range u.keys[u.records[at].start:u.records[at].end] {
				if u.marks.Add(k) {
					u.mine = append(u.mine, k)
				}
			}
		}
		if err := count(to, u.marks, one.anonymous, u.mine); err != nil {
			return err
		}
	}
	return nil
}

// dropSummaries removes those of files that are no longer there, of the partitions that were counted. Those of others
// go with maintenance, and with an erasure all do.
func (c *dayCounting) dropSummaries(ctx context.Context, files []iceberg.DataFile) error {
	present, folders := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		if file.Count() >= summaryRows {
			at := summaryPath(c.lake, file)
			present[at], folders[folderOf(at)] = true, true
		}
	}
	var gone []string
	for folder := range folders {
		if err := c.lake.Objects.Walk(ctx, folder, func(object string, _ int64) error {
			if !present[strings.TrimSuffix(object, path.Ext(object))] {
				gone = append(gone, object)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return c.lake.Objects.Remove(ctx, gone)
}

func folderOf(object string) string { return object[:strings.LastIndexByte(object, '/')] }
