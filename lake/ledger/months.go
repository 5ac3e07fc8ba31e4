package ledger

import (
	"time"

	"github.com/versionlake/versionlake/lake"
)

// MonthOf is the month of a date, in months since January 1970: Iceberg's month transform.
func MonthOf(date int32) int32 {
	year, month, _ := time.Unix(int64(date)*24*60*60, 0).UTC().Date()
	return int32(year-1970)*12 + int32(month) - 1
}

// DatesOf are the dates of a month, [from, to).
func DatesOf(month int32) (from, to int32) {
	first := func(month int32) int32 {
		return lake.DateOf(time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	}
	return first(month), first(month + 1)
}

// FormatMonth writes a month as 2022-05.
func FormatMonth(month int32) string {
	from, _ := DatesOf(month)
	return lake.FormatDate(from)[:len("2006-01")]
}

// MonthPartition is a month of a table that is partitioned by the month of date_utc.
func MonthPartition(month int32) lake.Partition {
	return lake.Partition{Folder: "date_utc_month=" + FormatMonth(month),
		Values: map[int]any{lake.PartitionFieldID: month}}
}
