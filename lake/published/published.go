// Package published keeps what the daily aggregates said of a day when it ended, and of a month: numbers that people
// have seen. What came later shows beside it, in the view restated_numbers.
package published

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/ops"
)

// Published is what a publication made known.
type Published struct {
	Days   []string `json:"days,omitempty"`   // 2022-05-27
	Months []string `json:"months,omitempty"` // 2022-05
	Tag    string   `json:"tag,omitempty"`    // that gold.users got
}

// DefaultTagAge is how long the tag of a month's end is kept.
const DefaultTagAge = 5 * 365 * 24 * time.Hour

// Options say how to publish.
type Options struct {
	Now time.Time
	// TagAge is how long gold.users as it was at the end of a month is kept; 0: there is no such tag.
	TagAge time.Duration
}

// The table's properties, which say what was published, whether or not it had a number.
const (
	propertyDays   = "versionlake.published-days"
	propertyMonths = "versionlake.published-months"
)

// Publish writes down the numbers of days and months that ended, as gold.version_daily has them now. A day has ended
// when all of its hours were ingested, at the latest when an hour two days after it was; no hour of it may wait for
// gold or for the daily aggregates. A day is published once, and a month as soon as its last day has ended. It must
// be called by the one writer of the daily aggregates, and called again it finds nothing to do.
func Publish(ctx context.Context, l *lake.Lake, o Options) (done Published, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("publish the numbers of days that ended: %w", err)
		}
	}()
	loaded, err := l.Load(ctx, lake.OpsPublished)
	if err != nil {
		return done, err
	}
	p := &publisher{Options: o, lake: l}
	if p.days, err = parseSpans(loaded, propertyDays); err != nil {
		return done, err
	}
	if p.months, err = parseSpans(loaded, propertyMonths); err != nil {
		return done, err
	}
	days, months, err := p.ended(ctx)
	if err != nil || len(days)+len(months) == 0 {
		return done, err
	}
	rows, err := p.read(ctx, days, months)
	if err != nil {
		return done, err
	}
	// The tag first: after a crash in between, the month is published again, and finds it.
	if len(months) > 0 {
		if done.Tag, err = p.tag(ctx, months[len(months)-1]); err != nil {
			return done, err
		}
	}
	if err := p.commit(ctx, rows, days, months); err != nil {
		return done, err
	}
	for _, day := range days {
		done.Days = append(done.Days, lake.FormatDate(day))
	}
	for _, month := range months {
		done.Months = append(done.Months, ledger.FormatMonth(month))
	}
	return done, nil
}

// publisher is one ops.
type publisher struct {
	Options
	lake         *lake.Lake
	days, months spans // that were published before
	daily        *table.Table
	users        int64 // snapshot of gold.users that the daily aggregates reflect
}

// read gathers the numbers of some days and months.
func (p *publisher) read(ctx context.Context, days, months []int32) ([]ops.PublishedRow, error) {
	first := slices.Min(slices.Concat(days, firstDates(months)))
	files, err := lake.LiveFiles(ctx, p.daily, table.WithRowFilter(
		iceberg.GreaterThanEqual(iceberg.Reference("date_utc"), iceberg.Date(first))))
	if err != nil {
		return nil, err
	}
	type key struct {
		period, service, version, metric string
		date                             int32
	}
	sums := map[key]int64{}
	metrics := Metrics()
	if err := lake.EachRow(ctx, p.lake, files, func(row *lake.VersionDailyRow) error {
		month := ledger.MonthOf(row.Date)
		first, _ := ledger.DatesOf(month)
		ofDay, ofMonth := slices.Contains(days, row.Date), slices.Contains(months, month)
		if !ofDay && !ofMonth {
			return nil
		}
		service, version := strings.Clone(row.Service), strings.Clone(row.Version)
		for i, count := range row.Counts() {
			if *count == 0 {
				continue
			}
			if ofDay {
				sums[key{ops.PeriodDay, service, version, metrics[i], row.Date}] += *count
			}
			if ofMonth {
				sums[key{ops.PeriodMonth, service, version, metrics[i], first}] += *count
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	rows := make([]ops.PublishedRow, 0, len(sums))
	for k, value := range sums {
		rows = append(rows, ops.PublishedRow{Date: k.date, Period: k.period, PublishedAt: p.Now.UnixMicro(),
			Service: k.service, Version: k.version, Metric: k.metric, Value: value})
	}
	return rows, nil
}

// Metrics are the names of what is published, in the order of the counts of gold.version_daily.
func Metrics() []string {
	var names []string
	for _, field := range lake.GoldVersionDaily.Schema().Fields()[4:] {
		names = append(names, field.Name)
	}
	return names
}

// commit adds rows, and notes what was published. Each month keeps one file.
func (p *publisher) commit(ctx context.Context, rows []ops.PublishedRow, days, months []int32) error {
	byMonth := map[int32][]ops.PublishedRow{}
	for _, row := range rows {
		byMonth[ledger.MonthOf(row.Date)] = append(byMonth[ledger.MonthOf(row.Date)], row)
	}
	return p.lake.Commit(ctx, lake.OpsPublished, func(loaded *table.Table) (*lake.Change, error) {
		if loaded.Properties()[propertyDays] != p.days.String() ||
			loaded.Properties()[propertyMonths] != p.months.String() {
			return nil, nil // it was this one, whose answer was lost, or another, and the next one goes on
		}
		change := lake.MetadataChange(loaded, iceberg.Properties{
			propertyDays: p.days.with(days).String(), propertyMonths: p.months.with(months).String()})
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		whole := map[int32][]ops.PublishedRow{}
		for month, added := range byMonth {
			old := slices.DeleteFunc(slices.Clone(live), func(file iceberg.DataFile) bool {
				return file.Partition()[lake.PartitionFieldID] != month
			})
			kept, err := lake.ReadRows[ops.PublishedRow](ctx, p.lake, old)
			if err != nil {
				return nil, err
			}
			whole[month] = slices.SortedFunc(slices.Values(slices.Concat(kept, added)), inOrder)
			change.Remove = append(change.Remove, old...)
		}
		written, err := ledger.WriteParts(ctx, p.lake, lake.OpsPublished, whole, ledger.MonthPartition,
			fmt.Sprintf("published-%d", p.Now.UnixNano()))
		if err != nil {
			return nil, err
		}
		for _, month := range slices.Sorted(maps.Keys(written)) {
			added, err := p.lake.Entries(lake.OpsPublished, written[month])
			if err != nil {
				return nil, err
			}
			change.Add = append(change.Add, added...)
		}
		return change, nil
	})
}

func inOrder(a, b ops.PublishedRow) int {
	return cmp.Or(cmp.Compare(a.Period, b.Period), cmp.Compare(a.Date, b.Date), cmp.Compare(a.Service, b.Service),
		cmp.Compare(a.Version, b.Version), cmp.Compare(a.Metric, b.Metric))
}

// TagOf names gold.users as it was when a month ended.
func TagOf(month int32) string { return "month-" + ledger.FormatMonth(month) }

// tag keeps gold.users as it was when a month ended: the version that the month's numbers were counted from.
func (p *publisher) tag(ctx context.Context, month int32) (tag string, err error) {
	if p.TagAge <= 0 {
		return "", nil
	}
	err = p.lake.Commit(ctx, lake.GoldUsers, func(loaded *table.Table) (*lake.Change, error) {
		snapshot := loaded.SnapshotByID(p.users)
		for name := range loaded.Metadata().Refs() {
			if name == TagOf(month) {
				snapshot = nil
			}
		}
		if snapshot == nil {
			return nil, nil
		}
		tag = TagOf(month)
		// Iceberg counts a tag's age from its snapshot's.
		age := max(p.Now.Sub(time.UnixMilli(snapshot.TimestampMs)), 0) + p.TagAge
		return &lake.Change{
			Updates: []table.Update{table.NewSetSnapshotRefUpdate(tag, snapshot.SnapshotID, table.TagRef,
				age.Milliseconds(), 0, 0)},
			Requirements: []table.Requirement{table.AssertRefSnapshotID(tag, nil)},
		}, nil
	})
	return tag, err
}

// Rows reads what was published, in no order; none of a lake that is older than the table.
func Rows(ctx context.Context, l *lake.Lake) ([]ops.PublishedRow, error) {
	loaded, err := l.Load(ctx, lake.OpsPublished)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, err
	}
	return lake.ReadRows[ops.PublishedRow](ctx, l, files)
}
