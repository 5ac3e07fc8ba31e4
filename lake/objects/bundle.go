package objects

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// Bundle holds documents that are written and read together, by the names that each would have as an object. What is
// done of many small things together has one object instead of some for each: an object costs more than they do.
type Bundle struct {
	mutex     sync.Mutex
	documents map[string]json.RawMessage
	read      bool // it takes no more
}

// Bundled is the store with a bundle: WriteJSON puts documents into it, unless it was read, and ReadJSON looks for them
// there first.
func (o *Store) Bundled(b *Bundle) *Store {
	with := *o
	with.bundle = b
	return &with
}

// WriteBundle writes a bundle as one object.
func (o *Store) WriteBundle(object string, b *Bundle) error {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return o.WriteJSON(object, b.documents)
}

// ReadBundle reads it back.
func (o *Store) ReadBundle(object string) (*Bundle, error) {
	b := &Bundle{read: true}
	if err := o.ReadJSON(object, &b.documents); err != nil {
		return nil, err
	}
	return b, nil
}

// Names are those of the documents, in order.
func (b *Bundle) Names() []string { return slices.Sorted(maps.Keys(b.documents)) }

func (b *Bundle) put(name string, document []byte) (taken bool) {
	if b == nil || b.read {
		return false
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.documents == nil {
		b.documents = map[string]json.RawMessage{}
	}
	b.documents[name] = document
	return true
}

func (b *Bundle) get(name string) (document []byte, found bool) {
	if b == nil {
		return nil, false
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	document, found = b.documents[name]
	return document, found
}
