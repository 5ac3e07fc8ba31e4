package daily

import (
	"time"

	"github.com/versionlake/versionlake/lake"
)

// monthOf is the month of a date, in months since January 1970: Iceberg's month transform.
func monthOf(date int32) int32 {
	year, month, _ := time.Unix(int64(date)*24*60*60, 0).UTC().Date()
	return int32(year-1970)*12 + int32(month) - 1
}

// datesOf are the dates of a month, [from, to).
func datesOf(month int32) (from, to int32) {
	first := func(month int32) int32 {
		return lake.DateOf(time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	}
	return first(month), first(month + 1)
}

func monthPartition(month int32) lake.Partition {
	from, _ := datesOf(month)
	return lake.Partition{Folder: "date_utc_month=" + lake.FormatDate(from)[:7],
		Values: map[int]any{lake.PartitionFieldID: month}}
}
