package lake

import (
	"math"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/telemetry"
)

const MicrosPerDay = 24 * 60 * 60 * 1_000_000

// DateOf is the UTC date of a moment, in days since 1970.
func DateOf(micros int64) int32 {
	date := micros / MicrosPerDay
	if micros%MicrosPerDay < 0 {
		date--
	}
	return int32(date)
}

func FormatDate(date int32) string {
	return time.Unix(int64(date)*24*60*60, 0).UTC().Format(time.DateOnly)
}

// MonthOf is the month of a date, in months since January 1970: Iceberg's month transform.
func MonthOf(date int32) int32 {
	year, month, _ := time.Unix(int64(date)*24*60*60, 0).UTC().Date()
	return int32(year-1970)*12 + int32(month) - 1
}

// DatesOf are the dates of a month, [from, to).
func DatesOf(month int32) (from, to int32) {
	first := func(month int32) int32 {
		return DateOf(time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	}
	return first(month), first(month + 1)
}

func MonthPartition(month int32) Partition {
	from, _ := DatesOf(month)
	return Partition{Folder: "date_utc_month=" + FormatDate(from)[:7], Values: map[int]any{PartitionFieldID: month}}
}

// HoursBetween selects the partitions of the days that [from, to) touches.
func HoursBetween(from, to telemetry.Hour) table.ScanOption {
	return table.WithRowFilter(iceberg.NewAnd(
		iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(from.Date())),
		iceberg.LessThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date((to-1).Date()))))
}

// EvenShare divides a total into as few equal shares as keep below about a size, so that no small rest runs alone.
func EvenShare(total, size int64) int64 {
	shares := max((total+size/2)/size, 1)
	return max((total+shares-1)/shares, 1)
}

func SaturatingAdd(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}

// Rules 4 and 5: in every version of gold.users that has a name, a user has one row, and its intervals do not overlap.
// Versions share most of their files, so each file is read once, and each set of files that make a bucket.

func Moment(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
