package lake

import "time"

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

func Moment(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
