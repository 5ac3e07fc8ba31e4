package telemetry

// parseTimestamp reads a date and time with a UTC offset, such as 2021-12-24T11:31:19.459+0000, into UTC microseconds
// since 1970 (docs/EVENTS.md, Timestamps). separator is allowed beside T and t: a blank where a field may hold one.
func parseTimestamp(text []byte, separator byte) (micros int64, ok bool) {
	const shortest = len("2021-12-24T11:31:19Z")
	if len(text) < shortest {
		return 0, false
	}
	year, ok1 := digits4(text)
	month, ok2 := digits2(text[5:])
	day, ok3 := digits2(text[8:])
	hour, ok4 := digits2(text[11:])
	minute, ok5 := digits2(text[14:])
	second, ok6 := digits2(text[17:])
	t := text[10]
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) ||
		text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':' || t|0x20 != 't' && t != separator ||
		year == 0 || month-1 > 11 || day-1 >= daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	rest := text[19:]
	var fraction int64
	if rest[0] == '.' {
		n := 1
		unit := int64(100_000)
		for ; n < len(rest) && rest[n]-'0' <= 9; n++ {
			fraction += int64(rest[n]-'0') * unit
			unit /= 10
		}
		if n == 1 || n > 10 {
			return 0, false
		}
		rest = rest[n:]
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	seconds := ((days(year, month, day)*24+int64(hour))*60+int64(minute))*60 + int64(second) - offset
	if seconds < firstSecond || seconds > lastSecond {
		return 0, false // the offset leads out of the years that a date can be written in
	}
	return seconds*1_000_000 + fraction, true
}

// From 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const (
	firstSecond = -62_135_596_800
	lastSecond  = 253_402_300_799
)

// parseOffset reads Z, +01, +0130 or +01:30 into seconds east of UTC.
func parseOffset(text []byte) (seconds int64, ok bool) {
	if len(text) == 1 {
		return 0, text[0]|0x20 == 'z'
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	negative := text[0] == '-'
	hours, ok := digits2(text[1:])
	var minutes uint
	switch text = text[3:]; {
	case len(text) == 3 && text[0] == ':':
		text = text[1:]
		fallthrough
	case len(text) == 2:
		var fine bool
		minutes, fine = digits2(text)
		ok = ok && fine
	case len(text) != 0:
		return 0, false
	}
	if !ok || hours > 23 || minutes > 59 {
		return 0, false
	}
	seconds = int64(hours)*3600 + int64(minutes)*60
	if negative {
		seconds = -seconds
	}
	return seconds, true
}

func digits2(text []byte) (uint, bool) {
	a, b := uint(text[0]-'0'), uint(text[1]-'0')
	return a*10 + b, a <= 9 && b <= 9
}

func digits4(text []byte) (uint, bool) {
	a, ok := digits2(text)
	b, fine := digits2(text[2:])
	return a*100 + b, ok && fine
}

func daysIn(year, month uint) uint {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return uint([...]uint8{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1])
}

// days since 1970-01-01 of a date in the Gregorian calendar. Years begin in March here, so that a leap day is the last.
func days(year, month, day uint) int64 {
	y, m := int64(year), int64(month)-3
	if m < 0 {
		y, m = y-1, m+12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + int64(day) - 719_469
}
