package lake

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"
)

// A data file is known by the digest in its name. One that was put together from others is known by theirs, which
// its footer keeps, so that compaction makes no hour look changed.

const (
	// CompactedMark is in the name of a file that was put together. What it was made of is in its footer.
	CompactedMark = "compacted"
	// FooterDigests is the key, in a compacted file's footer, of the digests of the files that it was made of, each
	// behind the hour of the day that it held: 5:7d1a… 5:09bc… 6:….
	FooterDigests = "versionlake.digests"
)

// Digest is the part of a data file's name that tells its contents.
func Digest(file string) string {
	name := strings.TrimSuffix(path.Base(file), ".parquet")
	return name[strings.LastIndexByte(name, '-')+1:]
}

// digests tell the contents of a file: its own, or those of the files that it was put together from.
func (l *Lake) digests(file iceberg.DataFile) (made []string, err error) {
	if part, ok := file.(*PartOfFile); ok {
		return part.digests, nil
	}
	if !IsCompacted(file.FilePath()) {
		return []string{Digest(file.FilePath())}, nil
	}
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	for _, digests := range digestsByHour(parsed) {
		made = append(made, digests...)
	}
	if len(made) == 0 {
		made = []string{Digest(file.FilePath())} // another engine's
	}
	return made, nil
}

func IsCompacted(file string) bool { return strings.Contains(path.Base(file), CompactedMark) }

// digestsByHour reads the footer of a compacted file.
func digestsByHour(parsed *parquet.File) map[int32][]string {
	digests := map[int32][]string{}
	text, _ := parsed.Lookup(FooterDigests)
	for field := range strings.FieldsSeq(text) {
		hour, digest, ok := strings.Cut(field, ":")
		if n, err := strconv.ParseInt(hour, 10, 32); ok && err == nil {
			digests[int32(n)] = append(digests[int32(n)], digest)
		}
	}
	return digests
}

// ListDigests is what such a footer says.
func (l *Lake) ListDigests(parts []HourRows) (string, error) {
	var fields []string
	for _, part := range parts {
		digests, err := l.digests(part.File)
		if err != nil {
			return "", err
		}
		for _, each := range digests {
			fields = append(fields, fmt.Sprintf("%d:%s", part.Hour.OfDay(), each))
		}
	}
	return strings.Join(fields, " "), nil
}

// SameContents compares files by their digests, those that were compacted by what they were made of.
func (l *Lake) SameContents(live []iceberg.DataFile, added []DataFile) (bool, error) {
	count := map[string]int{}
	for _, file := range live {
		digests, err := l.digests(file)
		if err != nil {
			return false, err
		}
		for _, each := range digests {
			count[each]++
		}
	}
	for _, file := range added {
		count[Digest(file.Path)]--
	}
	for _, n := range count {
		if n != 0 {
			return false, nil
		}
	}
	return true, nil
}

// SameDigests tells whether some files, or their parts, hold what others hold.
func (l *Lake) SameDigests(a, b []HourRows) (bool, error) {
	var all [2][]string
	for i, parts := range [...][]HourRows{a, b} {
		for _, part := range parts {
			digests, err := l.digests(part.File)
			if err != nil {
				return false, err
			}
			all[i] = append(all[i], digests...)
		}
		slices.Sort(all[i])
	}
	return slices.Equal(all[0], all[1]), nil
}
