package lake

import "sync"

// KnownVersions remembers what was found in gold.versions, so that a round that brings nothing new reads none of it.
type KnownVersions struct {
	Mutex    sync.Mutex
	Location string // of the table's metadata; "": nothing is known
	Rows     map[uint64]bool
}

func (k *KnownVersions) Set(location string, rows map[uint64]bool) {
	k.Mutex.Lock()
	defer k.Mutex.Unlock()
	k.Location, k.Rows = location, rows
}
