package hours

import "github.com/versionlake/versionlake/lake"

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
	total := int64(0)
	for _, bytes := range sizes {
		total += bytes
	}
	share := lake.EvenShare(total, size)
	var groups []Sections
	group, waiting := Sections{}, int64(0)
	for section, bytes := range sizes {
		waiting += bytes
		group.To = section + 1
		if waiting >= share {
			groups = append(groups, group)
			group, waiting = Sections{From: group.To}, 0
		}
	}
	if waiting > 0 {
		groups = append(groups, group)
	}
	return groups
}
