package telemetry

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// The longest name of an event or attribute that can be configured, in bytes.
const maxName = 255

// nameTable finds the number of a name without an allocation: an open hash table of names that do not change, at most a
// quarter of it filled, so that hostile keys, too, are given up on after a few slots.
type nameTable []nameSlot

type nameSlot struct {
	prefix uint64 // of the name: its first eight bytes, zeros behind a shorter one
	name   string
	number uint8
}

const unknownName = 255

func newNameTable(what string, canonical []string, names map[string][]string) (nameTable, error) {
	owners := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		if key == "" || !slices.Contains(canonical, key) {
			return nil, fmt.Errorf("catalogue: there is no %s %q; there are %s", what,
				key, strings.TrimSpace(strings.Join(canonical, " ")))
		}
		for _, name := range names[key] {
			owner, taken := owners[name]
			switch {
			case name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
				return nil, fmt.Errorf("catalogue: %s %q: %q cannot be a name: it needs 1 to %d bytes of UTF-8",
					what, key, name, maxName)
			case taken && owner != key:
				return nil, fmt.Errorf("catalogue: %q is a name of two %ss, %q and %q", name, what, owner, key)
			}
			owners[name] = key
		}
	}
	table := make(nameTable, 1<<bits.Len(uint(4*len(owners))))
	for _, name := range slices.Sorted(maps.Keys(owners)) {
		prefix := namePrefix([]byte(name))
		at := nameHash(prefix, len(name))
		for table.slot(at).name != "" {
			at++
		}
		*table.slot(at) = nameSlot{prefix, name, uint8(slices.Index(canonical, owners[name]))}
	}
	return table, nil
}

func (t nameTable) slot(at uint64) *nameSlot { return &t[at&uint64(len(t)-1)] }

// renumber gives a name that is there another number.
func (t nameTable) renumber(name string, number uint8) {
	for i := range t {
		if t[i].name == name {
			t[i].number = number
		}
	}
}

func (t nameTable) find(name []byte) uint8 {
	return t.lookup(name, namePrefix(name))
}

// findIn finds the name text[from:to]. It is faster than find where more text follows the name.
func (t nameTable) findIn(text []byte, from, to int) uint8 {
	if from+8 > len(text) {
		return t.find(text[from:to])
	}
	prefix := binary.LittleEndian.Uint64(text[from:])
	if n := to - from; n < 8 {
		prefix &= 1<<(8*n&63) - 1
	}
	return t.lookup(text[from:to], prefix)
}

func (t nameTable) lookup(name []byte, prefix uint64) uint8 {
	for at := nameHash(prefix, len(name)); ; at++ {
		slot := t.slot(at)
		if slot.name == "" {
			return unknownName
		}
		// up to 8 bytes, the prefix is all
		if slot.prefix == prefix && len(slot.name) == len(name) && (len(name) <= 8 || slot.name == string(name)) {
			return slot.number
		}
	}
}

func namePrefix(name []byte) uint64 {
	var first [8]byte
	copy(first[:], name)
	return binary.LittleEndian.Uint64(first[:])
}

func nameHash(prefix uint64, length int) uint64 {
	return (prefix + uint64(length)) * 0x9E3779B97F4A7C15 >> 32 // multiplying mixes upwards
}
