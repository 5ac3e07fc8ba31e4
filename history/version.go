package history

import (
	"cmp"
	"strings"
)

// ClassNumbered is the class of versions that begin with a number; that of others is their leading word.
const ClassNumbered = "#"

// VersionKey is where a version of a service stands among its others (docs/VERSIONS.md).
type VersionKey struct {
	// Sort is a text whose bytewise order, which is that of SQL in Trino, orders all versions: Rank, a blank, and
	// the raw text, which breaks ties. No two versions have the same. It is printable, valid UTF-8, whatever the
	// version is.
	Sort string
	// Rank decides: of two comparable versions the older one has the smaller rank, and equal ones have the same. It
	// holds no blank.
	Rank string
	// Class: two versions are comparable if they are of one class. It is empty for a version without an order, such
	// as a hash.
	Class string
}

// KeyOf makes the key of a version. The service is the product whose name a version may repeat: `App 1.9`.
func KeyOf(service, version string) VersionKey {
	rank, class := rankOf(service, version)
	key := make([]byte, 0, len(rank)+1+len(version))
	key = append(append(key, rank...), ' ') // below every byte of a rank, so that a shorter one comes first
	sort := string(appendRaw(key, version, false))
	return VersionKey{Sort: sort, Rank: sort[:len(rank)], Class: class}
}

// CompareVersions gives one of three answers: a is older than b (order is negative) or newer, both are equal in
// rank (0), or they are not comparable. Texts without an order are comparable with nothing but themselves.
func CompareVersions(service, a, b string) (order int, comparable bool) {
	if a == b {
		return 0, true
	}
	rankA, classA := rankOf(service, a)
	rankB, classB := rankOf(service, b)
	if rankA == rankB {
		return 0, true
	}
	if classA != classB || classA == "" {
		return 0, false
	}
	return strings.Compare(rankA, rankB), true
}

// SortVersions orders versions of a service by their keys, for lists; in it, versions that are not comparable have
// places, too.
func SortVersions(service, a, b string) int {
	return cmp.Compare(KeyOf(service, a).Sort, KeyOf(service, b).Sort)
}

// The classes, in the order of their keys.
const (
	keyNumbered = '1'
	keyWord     = '2'
	keyNone     = '3'
)

func rankOf(service, version string) (rank, class string) {
	text := fold(version)
	head, ok := parseHead(service, text)
	if !ok {
		return string(appendRaw([]byte{keyNone}, trimBlanks(version), true)), ""
	}
	key := make([]byte, 0, 16+2*len(text))
	if len(head.words) == 0 {
		class = ClassNumbered
		key = append(key, keyNumbered)
	} else {
		class = strings.Join(head.words, " ")
		key = append(key, keyWord)
		key = append(key, strings.Join(head.words, "_")...)
		key = append(key, nextNumber)
	}
	key = appendNumber(key, head.epoch)
	key = append(key, nextNumber)
	key, numbers, rest := appendNumbers(key, head.rest)
	t := tail{key: key, numbers: numbers, parts: partsOf(rest)}
	return string(t.run()), class
}

// nextNumber separates numbers. It is above every code that begins what follows them (version_tail.go), so that
// 1.2-rc and 1.2_7 come before 1.2.1.
const nextNumber = ':'

// appendNumbers appends the numbers at the start of text, less the zeros that end them, and returns how many there
// were and what follows.
func appendNumbers(key []byte, text string) (longer []byte, count int, rest string) {
	significant := 0
	for first := true; ; first = false {
		n := digits(text)
		if !first {
			key = append(key, nextNumber)
		}
		key = appendNumber(key, text[:n])
		count++
		if first || strings.Trim(text[:n], "0") != "" {
			significant = len(key)
		}
		text = text[n:]
		if len(text) < 2 || text[0] != '.' || digits(text[1:]) == 0 {
			return key[:significant], count, text
		}
		text = text[1:]
	}
}
