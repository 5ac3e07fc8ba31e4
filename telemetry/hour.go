// Package telemetry turns lines of telemetry files into events. It is pure: no I/O of its own, no clock.
package telemetry

import (
	"fmt"
	"time"
)

// Hour is the UTC hour of the folder that a file lies in: the unit of ingestion (the *ingest* hour, not the
// time of an event). It counts hours since 1970-01-01T00 UTC; as text and in JSON it is 2022-05-27T05.
type Hour int64

const (
	hourLayout   = "2006-01-02T15"
	folderLayout = "2006/01/02/15"
)

// ParseHour reads an hour such as 2022-05-27T05.
func ParseHour(text string) (Hour, error) {
	t, err := time.Parse(hourLayout, text)
	if err != nil || t.Year() < 1 || t.Format(hourLayout) != text { // Parse takes T5 for T05
		return 0, fmt.Errorf("%q is not an hour: write it as 2022-05-27T05 (UTC)", text)
	}
	return HourOf(t), nil
}

// HourOf is the hour that a moment lies in.
func HourOf(t time.Time) Hour {
	seconds := t.Unix()
	hour := seconds / 3600
	if seconds%3600 < 0 {
		hour--
	}
	return Hour(hour)
}

// Start is the first moment of the hour, in UTC.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// End is the first moment after the hour, in UTC.
func (h Hour) End() time.Time { return (h + 1).Start() }

// Folder is the hour's place in a source: 2022/05/27/05.
func (h Hour) Folder() string { return h.Start().Format(folderLayout) }

// Date is the hour's UTC day, in days since 1970-01-01.
func (h Hour) Date() int32 {
	day := h / 24
	if h%24 < 0 {
		day--
	}
	return int32(day)
}

// OfDay is the hour's number within its UTC day, 0 to 23.
func (h Hour) OfDay() int32 { return int32(h.Start().Hour()) }

func (h Hour) String() string { return h.Start().Format(hourLayout) }

// MarshalText writes the hour as 2022-05-27T05.
func (h Hour) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hour) UnmarshalText(text []byte) error {
	parsed, err := ParseHour(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}
