package ledger

import (
	"context"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	// LeftOutTold is how many files a step names that it leaves out.
	LeftOutTold = 10
	// leftOutHours and leftOutDays bound what Status looks at: so many of the newest hours with such files, and the
	// newest days.
	leftOutHours = 100
	leftOutDays  = 7
)

// LeftOutFiles are what of some hours is not in the lake: files that are bad, files that were read in part, and
// what was passed over. They are in order of hour and name.
func LeftOutFiles(ctx context.Context, l *lake.Lake, from, to telemetry.Hour) ([]File, error) {
	files, err := FilesBetween(ctx, l, from, to)
	if err != nil {
		return nil, err
	}
	var left []File
	for hour, rows := range files {
		for _, row := range rows {
			if hour >= from && hour < to && row.leftOut() {
				left = append(left, row)
			}
		}
	}
	sortFiles(left)
	return left, nil
}

func sortFiles(rows []File) {
	slices.SortFunc(rows, func(a, b File) int {
		if a.Hour != b.Hour {
			return int(a.Hour - b.Hour)
		}
		return strings.Compare(a.Key, b.Key)
	})
}

// LeftOutLately is LeftOutFiles of the newest days, and of the newest other hours that the ledger says have such files.
func LeftOutLately(ctx context.Context, l *lake.Lake, rows []Hour) (left []File, err error) {
	if len(rows) == 0 {
		return nil, nil
	}
	const day = 24
	end := rows[len(rows)-1].Hour + 1
	recent := end - leftOutDays*day
	days := map[telemetry.Hour]bool{}
	hours := 0
	for _, row := range slices.Backward(rows) {
		if row.BadFiles+row.PassedOver > 0 && row.Hour < recent && hours < leftOutHours {
			hours++
			days[telemetry.Hour(row.Hour.Date())*day] = true
		}
	}
	if left, err = LeftOutFiles(ctx, l, recent, end); err != nil {
		return nil, err
	}
	for start := range days {
		more, err := LeftOutFiles(ctx, l, start, min(start+day, recent))
		if err != nil {
			return nil, err
		}
		left = append(left, more...)
	}
	sortFiles(left)
	return left, nil
}
