package hours

import (
	"sync"

	"github.com/versionlake/versionlake/lake"
)

// chunkMemory is what a chunk leaves to the next one: it grows once.
type chunkMemory struct {
	arena         []byte
	matter, other []lake.EventRow
}

var freeMemory = sync.Pool{New: func() any { return &chunkMemory{} }}

// takeMemory is for a chunk that begins, leaveMemory for one without a row that waits.
func (c *chunkStage) takeMemory() {
	c.memory = freeMemory.Get().(*chunkMemory)
	c.arena, c.matter.rows, c.other.rows = c.memory.arena, c.memory.matter, c.memory.other
}

func (c *chunkStage) leaveMemory() {
	if cap(c.arena) <= 2*arenaSize { // else of a line of a MiB, and another
		c.memory.arena = c.arena[:0]
	}
	c.memory.matter, c.memory.other = c.matter.rows[:0], c.other.rows[:0]
	freeMemory.Put(c.memory)
	c.arena, c.matter.rows, c.other.rows, c.memory = nil, nil, nil, nil
}
