package daily

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/objects"
)

// A day grows by an hour at a time, and is counted anew each time. What a large file of gold.events counts is therefore
// kept beside the lake, under the file's name, and is read in place of the file when its date is counted again. Files
// never change, so neither does what they count: a summary can't be wrong, only missing, and then it is made again.

// Bounds of what is counted by summaries; beyond them, and where keys are too many, all is counted from the files.
const (
	summaryDates = 3
	summaryFiles = 512
	summaryKeys  = 1 << 14 // of a file
)

// Variables, so that tests have small ones.
var (
	// summaryRows is how many rows a file has whose summary is worth an object.
	summaryRows int64 = 4096
	// summaryRowsAtMost bounds the memory of making a summary, some 20 bytes for each session and each user.
	summaryRowsAtMost int64 = 1 << 20
)

// summarySections is a power of two, of sessions, and of users.
const summarySections = 64

// summaryFolder is where summaries lie, by the partition of their files. Its name says of which form they are.
const summaryFolder = "daily-keys1"

// storedSummary is the document of a summary.
type storedSummary struct {
	File string `json:"file"`
	Many bool   `json:"many,omitempty"` // there are too many keys for a summary
	Keys []byte `json:"keys,omitempty"` // each with its counts
	// Records of sessions, then of users: the beginning of a hash, how many keys, and their numbers among Keys.
	Records objects.Shuffled `json:"records"`
}

// summary is what a file counts.
type summary struct {
	storedSummary
	keys   []*daycounts.Keyed // of the whole count; nil: of another date
	counts []daycounts.Counts
	held   [][]byte // its records, where they are not stored
	blocks objects.Blocks
}

// hashBytes is how much of a hash stands for a session or a user: two share one with a chance of less than 10^-12
// even among 10^8.
const hashBytes = 12

func summaryPath(l *lake.Lake, file iceberg.DataFile) string {
	folder, name := path.Split(file.FilePath())
	return fmt.Sprintf("%s/%s/%s/%s", l.StagingFolder(), summaryFolder, path.Base(folder),
		strings.TrimSuffix(name, path.Ext(name)))
}

// summaryOf reads the summary of a file, or makes it.
func summaryOf(ctx context.Context, l *lake.Lake, file iceberg.DataFile) (s *summary, err error) {
	s = &summary{}
	at := summaryPath(l, file)
	if file.Count() >= summaryRows {
		if err = l.Objects.ReadJSON(at+".json", &s.storedSummary); err == nil && s.File == file.FilePath() {
			if s.blocks, err = l.Objects.OpenShuffle(s.Records); err == nil {
				return s, nil
			}
		}
		if err != nil && !objects.IsMissing(err) {
			return nil, fmt.Errorf("read what %s counts: %w", file.FilePath(), err)
		}
		s = &summary{}
	}
	if err := s.make(ctx, l, file); err != nil {
		return nil, fmt.Errorf("count %s: %w", file.FilePath(), err)
	}
	if file.Count() >= summaryRows {
		if err := s.store(l, at); err != nil {
			return nil, fmt.Errorf("keep what %s counts: %w", file.FilePath(), err)
		}
	}
	return s, nil
}

// make reads the file.
func (s *summary) make(ctx context.Context, l *lake.Lake, file iceberg.DataFile) error {
	s.File = file.FilePath()
	s.held = make([][]byte, 2*summarySections)
	keys, counted := daycounts.NewTable(), true
	f := &fileCounting{takes: func(int32) bool { return true }, handOn: s.add}
	f.Counter = daycounts.NewCounter(keys, func(*daycounts.Key, *daycounts.Counts) error {
		counted = false // a key without a number
		return nil
	})
	if err := f.file(ctx, l, file); err != nil {
		return err
	}
	if err := f.Tally.Flush(); err != nil {
		return err
	}
	if s.Many = !counted || len(keys.All) > summaryKeys; s.Many {
		s.held = nil
		return nil
	}
	for number, k := range keys.All {
		var none daycounts.Counts
		counts := &none
		if number < len(f.Counts) && f.Counts[number] != nil {
			counts = f.Counts[number]
		}
		s.Keys = counts.Append(k.Append(s.Keys))
	}
	return nil
}

// add takes keys of a session and of a user.
func (s *summary) add(session, user string, keys []*daycounts.Keyed) error {
	for i, name := range [...]string{session, user} {
		if name == "" {
			continue
		}
		hash := sha256.Sum256([]byte(name))
		section := i*summarySections + int(hash[0])%summarySections
		many := uint64(len(keys)) << 1
		if i == 1 && history.KindOf(user) == history.KindSession {
			many |= 1
		}
		record := binary.AppendUvarint(append(s.held[section], hash[:hashBytes]...), many)
		for _, k := range keys {
			record = binary.AppendUvarint(record, uint64(max(k.Number, 0)))
		}
		s.held[section] = record
	}
	return nil
}

// store makes the summary an object, and its records another one, unless they are few.
func (s *summary) store(l *lake.Lake, at string) (err error) {
	if !s.Many {
		records := l.Objects.NewShuffle(folderOf(at), len(s.held))
		for section, held := range s.held {
			if err := records.Add(section, func(buffer []byte) []byte { return append(buffer, held...) }); err != nil {
				records.Object.Abort()
				return err
			}
		}
		if s.Records, err = records.Close(at + ".keys"); err != nil {
			return err
		}
		if s.blocks, err = l.Objects.OpenShuffle(s.Records); err != nil {
			return err
		}
		s.held = nil
	}
	return l.Objects.WriteJSON(at+".json", s.storedSummary)
}

func (s *summary) close() {
	if s.blocks != nil {
		s.blocks.Close()
	}
}

// number gives the keys of a summary the numbers that they have in the whole count; false where there are too many.
func (s *summary) number(c *dayCounting) (bool, error) {
	d := objects.Decoder{Data: s.Keys}
	for len(d.Data) > 0 {
		key, counts := daycounts.DecodeKey(&d), daycounts.DecodeCounts(&d)
		if d.Failed {
			return false, fmt.Errorf("read what %s counts: %w", s.File, objects.ErrDamaged)
		}
		if !c.counted(key.Date) {
			s.keys, s.counts = append(s.keys, nil), append(s.counts, daycounts.Counts{})
			continue
		}
		k := c.keys.Of(&key)
		if k.Number < 0 {
			return false, nil
		}
		s.keys, s.counts = append(s.keys, k), append(s.counts, counts)
	}
	return true, nil
}

// section reads the records of a section.
func (s *summary) section(number int, into []byte) ([]byte, error) {
	if s.held != nil {
		return append(into, s.held[number]...), nil
	}
	return s.Records.Read(s.blocks, number, into)
}
