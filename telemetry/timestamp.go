package telemetry

import "encoding/binary"

// parseTimestamp reads a date and time with a UTC offset, such as 2021-12-24T11:31:19.459+0000, into UTC microseconds
// since 1970 (docs/EVENTS.md, Timestamps). separator is allowed beside T and t: a blank where a field may hold one.
func parseTimestamp(text []byte, separator byte) (micros int64, ok bool) {
	const shortest = len("2021-12-24T11:31:19Z")
	if len(text) < shortest {
		return 0, false
	}
	date, dateOK := pairs(binary.LittleEndian.Uint64(text), 0x00_FF_FF_00_FF_FF_FF_FF, '-')
	clock, clockOK := pairs(binary.LittleEndian.Uint64(text[11:]), 0xFF_FF_00_FF_FF_00_FF_FF, ':')
	year, month, day := uint(date&0xFF*100+date>>16&0xFF), uint(date>>40&0xFF), uint(text[8]-'0')*10+uint(text[9]-'0')
	hour, minute, second := clock&0xFF, clock>>24&0xFF, clock>>48&0xFF
	t := text[10]
	if !dateOK || !clockOK || text[8]-'0' > 9 || text[9]-'0' > 9 || t|0x20 != 't' && t != separator ||
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
	var offset int64
	if string(rest) != "+0000" && string(rest) != "Z" {
		if offset, ok = parseOffset(rest); !ok {
			return 0, false
		}
	}
	seconds := days(year, month, day)*86400 + int64(hour*3600+minute*60+second) - offset
	if seconds < firstSecond || seconds > lastSecond {
		return 0, false // the offset leads out of the years that a date can be written in
	}
	return seconds*1_000_000 + fraction, true
}

// pairs reads eight characters at once: digits where the mask has ones, the separator elsewhere. Byte i of the result is
// the number that the digits i and i+1 make.
func pairs(word, mask uint64, separator byte) (numbers uint64, ok bool) {
	const every = 0x01_01_01_01_01_01_01_01
	digits := (word ^ every*'0') & mask // 0 to 9 in each byte
	wrong := (digits | (digits + every*6)) & (every * 0xF0)
	wrong |= (word ^ every*uint64(separator)) &^ mask
	return digits*10 + digits>>8, wrong == 0
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
