package hours

import (
	"slices"

	"github.com/versionlake/versionlake/lake/objects"
)

// Sections is a run of section numbers, [From, To).
type Sections struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// GroupSections divides the sections of staged chunks into even pieces of work of about size bytes each; nil when
// nothing waits.
func GroupSections(chunks []StagedChunk, size int64) []Sections {
	var sizes []int64
	for _, chunk := range chunks {
		if sizes == nil {
			sizes = make([]int64, len(chunk.SectionBytes))
		}
		for section, bytes := range chunk.SectionBytes {
			sizes[section] += bytes
		}
	}
	var groups []Sections
	from := 0
	for _, piece := range objects.EvenPieces(sizes, size, func(bytes int64) int64 { return bytes }) {
		if slices.Max(piece) > 0 { // the sections at the end may be empty
			groups = append(groups, Sections{From: from, To: from + len(piece)})
		}
		from += len(piece)
	}
	return groups
}
