package telemetry

import (
	"bytes"
	"encoding/binary"
)

// parseTimestamp reads a date and time with a UTC offset, such as 2021-12-24T11:31:19.459+0000, into UTC microseconds
// since 1970 (docs/EVENTS.md, Timestamps). separator is allowed beside T and t: a blank where a field may hold one.
func parseTimestamp(text []byte, separator byte) (micros int64, ok bool) {
	const shortest = len("2021-12-24T11:31:19Z")
	if len(text) < shortest {
		return parseLooseTimestamp(text, separator)
	}
	date, dateOK := pairs(binary.LittleEndian.Uint64(text), 0x00_FF_FF_00_FF_FF_FF_FF, '-')
	clock, clockOK := pairs(binary.LittleEndian.Uint64(text[11:]), 0xFF_FF_00_FF_FF_00_FF_FF, ':')
	year, month, day := uint(date&0xFF*100+date>>16&0xFF), uint(date>>40&0xFF), uint(text[8]-'0')*10+uint(text[9]-'0')
	hour, minute, second := clock&0xFF, clock>>24&0xFF, clock>>48&0xFF
	t := text[10]
	if !dateOK || !clockOK || text[8]-'0' > 9 || text[9]-'0' > 9 || t|0x20 != 't' && t != separator ||
		!onCalendar(year, month, day, uint(hour), uint(minute), uint(second)) {
		return parseLooseTimestamp(text, separator)
	}
	rest := text[19:]
	var fraction, offset int64
	if rest[0] == '.' || rest[0] == ',' {
		fraction, rest = parseFraction(rest)
	}
	if string(rest) != "+0000" && string(rest) != "Z" {
		if offset, ok = parseOffset(rest, separator); !ok {
			return 0, false
		}
	}
	return instant(year, month, day, int64(hour*3600+minute*60+second)-offset, fraction)
}

// parseFraction reads a decimal mark and digits, if there are any, into microseconds; what is finer is cut off.
func parseFraction(text []byte) (micros int64, rest []byte) {
	if len(text) < 2 || text[0] != '.' && text[0] != ',' || text[1]-'0' > 9 {
		return 0, text
	}
	n := 1
	for unit := int64(100_000); n < len(text) && text[n]-'0' <= 9; n++ {
		micros += int64(text[n]-'0') * unit
		unit /= 10
	}
	return micros, text[n:]
}

// instant is a day's moment in UTC: micros behind seconds that the offset may have led out of the day.
func instant(year, month, day uint, seconds, micros int64) (int64, bool) {
	seconds += days(year, month, day) * 86400
	if seconds < firstSecond || seconds > lastSecond {
		return 0, false // the offset leads out of the years that a date can be written in
	}
	return seconds*1_000_000 + micros, true
}

// pairs reads eight characters at once: digits where the mask has ones, the separator elsewhere. Byte i of the
// result is the number that the digits i and i+1 make.
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

// parseOffset reads Z, UTC, GMT, +01, +0130, +01:30 or +01:30:15 into seconds east of UTC, whatever name of a zone
// stands behind it: in brackets, or after a blank. One blank may stand before it. Blanks only where a field may hold
// them.
func parseOffset(text []byte, separator byte) (seconds int64, ok bool) {
	text = withoutZone(text, separator)
	switch {
	case len(text) == 1:
		return 0, text[0]|0x20 == 'z'
	case len(text) == 3 && (bytes.EqualFold(text, utc) || bytes.EqualFold(text, gmt)):
		return 0, true
	case len(text) < 3 || text[0] != '+' && text[0] != '-':
		return 0, false
	}
	if seconds, ok = parseClock(text[1:]); text[0] == '-' {
		seconds = -seconds
	}
	return seconds, ok
}

// withoutZone is an offset without the blank before it and the name of a zone behind it.
func withoutZone(text []byte, separator byte) []byte {
	if len(text) > 0 && text[0] == separator && separator == ' ' {
		text = text[1:]
	}
	if n := len(text); n > 0 && text[n-1] == ']' {
		text = text[:max(bytes.IndexByte(text, '['), 0)]
	}
	if n := bytes.IndexByte(text, ' '); n > 0 && separator == ' ' && text[0] < 'A' && isZone(text[n+1:]) { // +0200 CEST
		text = text[:n]
	}
	return text
}

// parseClock reads hours, and perhaps minutes and seconds, with colons between all of them or none.
func parseClock(text []byte) (seconds int64, ok bool) {
	colons := len(text) > 2 && text[2] == ':'
	for unit, most := int64(3600), uint(23); ; unit, most = unit/60, 59 {
		if len(text) < 2 {
			return 0, false
		}
		part, ok := digits2(text)
		if !ok || part > most {
			return 0, false
		}
		seconds += int64(part) * unit
		if text = text[2:]; len(text) == 0 {
			return seconds, true
		}
		if unit == 1 || colons && text[0] != ':' {
			return 0, false
		}
		if colons {
			text = text[1:]
		}
	}
}

// isZone tells a short name of a zone.
func isZone(text []byte) bool {
	for _, c := range text {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 5
}

var utc, gmt = []byte("UTC"), []byte("GMT")

// parseLooseTimestamp reads what else ISO 8601 allows: no seconds, or no minutes either, and the basic form without
// dashes and colons, 20211224T113119Z.
func parseLooseTimestamp(text []byte, separator byte) (micros int64, ok bool) {
	var parts [6]uint // year, month, day, hour, minute, second
	year, ok := number4(text)
	if !ok {
		return 0, false
	}
	parts[0], text = year, text[4:]
	marks := len(text) > 0 && text[0] == '-'
	part := 1
	for ; part < len(parts); part++ {
		rest, more, ok := beforePart(text, part, marks, separator)
		if !ok {
			return 0, false
		}
		if text = rest; !more {
			break
		}
		if len(text) < 2 {
			return 0, false
		}
		if parts[part], ok = digits2(text); !ok {
			return 0, false
		}
		text = text[2:]
	}
	if !onCalendar(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]) {
		return 0, false
	}
	var fraction int64
	if part == len(parts) { // only seconds have one
		fraction, text = parseFraction(text)
	}
	offset, ok := parseOffset(text, separator)
	if !ok {
		return 0, false
	}
	return instant(parts[0], parts[1], parts[2], int64(parts[3]*3600+parts[4]*60+parts[5])-offset, fraction)
}

// beforePart passes over what stands before a part of a date and time: the separator before the hour (part 3), else
// a dash or a colon, or nothing in the basic form. more is false where minutes or seconds are left out.
func beforePart(text []byte, part int, marks bool, separator byte) (rest []byte, more, ok bool) {
	if part == 3 {
		if len(text) == 0 || text[0]|0x20 != 't' && text[0] != separator {
			return nil, false, false
		}
		return text[1:], true, true
	}
	if !marks {
		return text, part < 3 || len(text) > 0 && text[0]-'0' <= 9, true
	}
	mark := byte('-')
	if part > 3 {
		mark = ':'
	}
	if len(text) == 0 || text[0] != mark {
		return text, false, len(text) > 0 && part > 3
	}
	return text[1:], true, true
}

// onCalendar tells whether there is such a date and time.
func onCalendar(year, month, day, hour, minute, second uint) bool {
	return year > 0 && month-1 <= 11 && day-1 < daysIn(year, month) && hour <= 23 && minute <= 59 && second <= 59
}

// number4 reads the four digits that a text begins with.
func number4(text []byte) (uint, bool) {
	if len(text) < 4 {
		return 0, false
	}
	high, ok1 := digits2(text)
	low, ok2 := digits2(text[2:])
	return high*100 + low, ok1 && ok2
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
