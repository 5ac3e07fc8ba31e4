package columnar

import (
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"unsafe"
)

// Optional texts that are absent must be NULL in the file. Of a batch of rows in which a run of n texts that are
// there begins n rows after the start of a word of 64, and nothing follows in the word, parquet-go 0.32.0 takes all
// that does follow for texts that are there, too: readers see empty texts. So rows are given to it in batches in
// which no column looks like this. TestOptionalTexts fails when this is no longer needed.

// OptionalTexts are the places, within a row, of its optional columns of text. Rows that are no structs come in
// Parquet's own form, where this can't happen.
func OptionalTexts[T any]() (offsets []uintptr) {
	row := reflect.TypeFor[T]()
	if row.Kind() != reflect.Struct {
		return nil
	}
	for i := range row.NumField() {
		field := row.Field(i)
		if options := strings.Split(field.Tag.Get("parquet"), ","); field.Type.Kind() == reflect.String &&
			slices.Contains(options[1:], "optional") {
			offsets = append(offsets, field.Offset)
		}
	}
	return offsets
}

// SafeBatch says how many of the rows, from the first on, can be written at once.
func SafeBatch[T any](rows []T, texts []uintptr) int {
	if len(texts) == 0 {
		return len(rows)
	}
	for start := 0; start < len(rows); start += 64 {
		word := rows[start:min(start+64, len(rows))]
		n := len(word)
		for i := 0; i < len(texts); i++ {
			var present uint64
			for at := range n {
				if *(*string)(unsafe.Add(unsafe.Pointer(&word[at]), texts[i])) != "" {
					present |= 1 << at
				}
			}
			end := bits.Len64(present)
			run := bits.LeadingZeros64(^(present << (64 - end)))
			if run > 0 && end == 2*run && end < n {
				n, i = end, -1 // and look at all columns again
			}
		}
		if n < len(word) {
			return start + n
		}
	}
	return len(rows)
}
