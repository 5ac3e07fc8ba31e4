package hours

import (
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
)

// ChunkCounts accounts for every line (docs/ARCHITECTURE.md, Hours): Lines = Events + Rejects + Blanks + Erased.
type ChunkCounts struct {
	Bytes   int64 `json:"bytes"`
	Lines   int64 `json:"lines"`
	Events  int64 `json:"events"`
	Rejects int64 `json:"rejects"`
	Blanks  int64 `json:"blanks"`
	Erased  int64 `json:"erased,omitempty"` // of forgotten users
	// Passed are lines of bronze, of Events, that would be rejected today: they give no silver.
	Passed int64 `json:"passed,omitempty"`
}

// Add adds other counts.
func (c *ChunkCounts) Add(other ChunkCounts) {
	c.Bytes += other.Bytes
	c.Lines += other.Lines
	c.Events += other.Events
	c.Rejects += other.Rejects
	c.Blanks += other.Blanks
	c.Erased += other.Erased
	c.Passed += other.Passed
}

// StagedChunk points to what a ParseChunk wrote.
type StagedChunk struct {
	Ref    string      `json:"ref"`
	Counts ChunkCounts `json:"counts"`
	// SectionBytes is the size of what each section of sessions awaits in StageSilver.
	SectionBytes []int64 `json:"section_bytes,omitempty"`
	// Late are the erasures of which the chunk brought new sessions: earlier hours may hold lines of these.
	Late []string `json:"late,omitempty"`
	// LeftOut names the first files that were left out, or read in part, and why.
	LeftOut []string `json:"left_out,omitempty"`
	// Rejected counts Counts.Rejects by their reason, where the chunk was parsed: it does not travel.
	Rejected map[string]int64 `json:"-"`
}

// ChunkFiles is what lies at a StagedChunk's Ref.
type ChunkFiles struct {
	Files   []lake.DataFile     `json:"files"`
	Counts  map[int]ChunkCounts `json:"counts"` // by the file's place in the plan
	Bad     map[int]string      `json:"bad"`    // files left out whole, with the reason
	Notes   map[int]string      `json:"notes,omitempty"`
	Shuffle objects.Shuffled    `json:"shuffle"`
}

// StagedSilver points to what a StageSilver wrote.
type StagedSilver struct {
	Ref       string `json:"ref"`
	Events    int64  `json:"events"`
	Sightings int64  `json:"sightings"`
	Bindings  int64  `json:"bindings"`
}

// SilverFiles is what lies at a StagedSilver's Ref.
type SilverFiles struct {
	Files []lake.DataFile `json:"files"`
}

// StagedHour is a run of an hour of which all is staged, ready to be committed.
type StagedHour struct {
	Run       lake.Run       `json:"run"`
	Plan      Plan           `json:"plan,omitzero"`
	Chunks    []StagedChunk  `json:"chunks,omitempty"`
	Silver    []StagedSilver `json:"silver,omitempty"`
	StartedAt time.Time      `json:"started_at,omitzero"`
	// Part counts the parts of a range that hours are of which are committed one after the other, from 0.
	Part int `json:"part,omitempty"`
	// Together is the object, where the rest of this lies there, among what other hours staged.
	Together string `json:"together,omitempty"`
}
