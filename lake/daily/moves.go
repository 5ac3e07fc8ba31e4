package daily

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
	"github.com/versionlake/versionlake/lake/objects"
)

// Installations, upgrades and downgrades are counted from the histories of gold.users. Which of them changed,
// nobody notes: an upgrade of last year goes when a late file tells more. So a refresh reads all histories, and
// finds the dates that differ by sums of hashes: the moves of a date and the rows that counted them have the same
// sum.

// dateSums are sums of hashes of moves, by date.
type dateSums map[int32]uint64

// add takes n moves of one kind, a place in VersionCounts, in.
func (s dateSums) add(key *daycounts.Key, kind int, n int64, buffer []byte) []byte {
	if n == 0 {
		return buffer
	}
	buffer = objects.AppendText(buffer[:0], key.Service)
	buffer = objects.AppendText(buffer, key.Version)
	buffer = objects.AppendText(buffer, key.Device)
	buffer = binary.AppendUvarint(buffer, uint64(kind))
	s[key.Date] += uint64(n) * xxhash.Sum64(buffer)
	return buffer
}

// plannedKeys is how many keys with moves a plan tells itself: those of the dates with new events, which mostly are
// all that moved, so that the histories are read once.
const plannedKeys = 1 << 12

// movedDates are those whose moves differ from what gold.version_daily says. Of some dates the plan tells the moves;
// nil where there are too many.
func movedDates(ctx context.Context, l *lake.Lake, s dailySource,
	some map[int32]bool) (moved map[int32]bool, told map[daycounts.Key]*daycounts.Counts, err error) {
	var mutex sync.Mutex
	sums, told := dateSums{}, map[daycounts.Key]*daycounts.Counts{}
	if err := moves(ctx, l, s.users, s.to.Users, func() (func(*daycounts.Key, int) error, func() error) {
		mine, buffer, known := dateSums{}, []byte(nil), map[daycounts.Key]*daycounts.Counts{}
		return func(key *daycounts.Key, kind int) error {
				buffer = mine.add(key, kind, 1, buffer)
				if some[key.Date] && known != nil {
					if known[*key] == nil {
						known[key.Clone()] = &daycounts.Counts{}
					}
					known[*key][kind]++
					if len(known) > plannedKeys {
						known = nil
					}
				}
				return nil
			}, func() error {
				mutex.Lock()
				defer mutex.Unlock()
				for date, sum := range mine {
					sums[date] += sum
				}
				told = mergeCounts(told, known)
				return nil
			}
	}); err != nil {
		return nil, nil, err
	}
	loaded := s.daily[lake.GoldVersionDaily.Name]
	files, err := lake.LiveFiles(ctx, loaded)
	if err != nil {
		return nil, nil, err
	}
	var buffer []byte
	if err := lake.EachRow(ctx, l, files, func(row *lake.VersionDailyRow) error {
		key, counts := daycounts.OfVersionRow(row)
		for kind := lake.FirstMove; kind < lake.VersionCounts; kind++ {
			buffer = sums.add(&key, kind, -counts[kind], buffer)
		}
		return nil
	}); err != nil {
		return nil, nil, err
	}
	moved = map[int32]bool{}
	for date, sum := range sums {
		if sum == 0 {
			continue
		}
		moved[date] = true
		if !some[date] {
			told = nil
		}
	}
	return moved, told, nil
}

// mergeCounts adds counts to others, nil for too many.
func mergeCounts(to, from map[daycounts.Key]*daycounts.Counts) map[daycounts.Key]*daycounts.Counts {
	if to == nil || from == nil {
		return nil
	}
	for key, counts := range from {
		if to[key] == nil {
			to[key] = &daycounts.Counts{}
		}
		to[key].Add(counts)
	}
	if len(to) > plannedKeys {
		return nil
	}
	return to
}

var movesSchema = parquet.SchemaOf(struct {
	UserKind string `parquet:"user_kind,dict,id(2)"`
	History  []struct {
		Service   string `parquet:"service,dict,id(13)"`
		Device    string `parquet:"device,optional,dict,id(14)"`
		Version   string `parquet:"version,dict,id(15)"`
		ValidFrom int64  `parquet:"valid_from,timestamp(microsecond),id(16)"`
	} `parquet:"history,list,id(11)" parquet-element:",id(12)"`
	IntervalsCut int64 `parquet:"intervals_cut,optional,id(21)"`
}{})

// moves reads the histories of a snapshot of gold.users, and tells each installation that came or changed its
// version. Several files are read at once: worker makes, for each, what takes the moves, and what is called at its
// end. A key lives until each returns.
func moves(ctx context.Context, l *lake.Lake, users *table.Table, snapshot int64,
	worker func() (each func(key *daycounts.Key, kind int) error, end func() error)) error {
	if snapshot == 0 {
		return nil
	}
	files, err := lake.LiveFiles(ctx, users, table.WithSnapshotID(snapshot))
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			each, end := worker()
			if err := movesOf(ctx, l, file, each); err != nil {
				return fmt.Errorf("read %s: %w", file.FilePath(), err)
			}
			return end()
		})
	}
	return work.Wait()
}

func movesOf(ctx context.Context, l *lake.Lake, file iceberg.DataFile,
	each func(*daycounts.Key, int) error) (err error) {
	parsed, closeFile, err := l.OpenParquet(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	reader := parquet.NewGenericReader[any](parsed, movesSchema)
	defer reader.Close()
	batch := make([]parquet.Row, movesBatch)
	var m mover
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := reader.ReadRows(batch)
		for _, row := range batch[:n] {
			if err := m.row(row, each); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// movesBatch is how many rows of gold.users are read at once.
const movesBatch = 128

// mover tells the moves of a row.
type mover struct {
	versions map[[2]string]string // the last one of an installation, by service and device
}

func (m *mover) row(row parquet.Row, each func(*daycounts.Key, int) error) error {
	const columns = 4
	n := (len(row) - 2) / columns
	if len(row) != 2+columns*n {
		return fmt.Errorf("a row of gold.users has %d values", len(row))
	}
	if !row[len(row)-1].IsNull() { // some of the moves are not known any more, so that none of the user's count
		return nil
	}
	anonymous := string(row[0].ByteArray()) == history.KindSession
	if m.versions == nil {
		m.versions = map[[2]string]string{}
	}
	clear(m.versions)
	for i := range n {
		text := func(column int) string { return objects.UnsafeString(row[1+column*n+i].ByteArray()) }
		key := daycounts.Key{Service: text(0), Device: text(1), Version: text(2),
			Date: lake.DateOf(row[1+3*n+i].Int64())}
		installation := [2]string{key.Service, key.Device}
		before, known := m.versions[installation]
		m.versions[installation] = key.Version
		kinds := [2]int{lake.CountNewInstallations, lake.CountAnonymousInstallations}
		switch {
		case !known && !anonymous:
			kinds[1] = -1
		case !known:
		default:
			kinds = m.kindsOf(key.Service, before, key.Version)
		}
		if err := each(&key, kinds[0]); err != nil {
			return err
		}
		if known {
			key.Version = before
		}
		if kinds[1] >= 0 {
			if err := each(&key, kinds[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// kindsOf says as what a change of the version counts, for the version after it and for the one before.
func (m *mover) kindsOf(service, before, after string) [2]int {
	switch order, _ := history.CompareVersions(service, before, after); { // 0: not comparable, or of equal rank
	case order < 0:
		return [2]int{lake.CountUpgradesIn, lake.CountUpgradesOut}
	case order > 0:
		return [2]int{lake.CountDowngradesIn, lake.CountDowngradesOut}
	}
	return [2]int{lake.CountOtherMovesIn, lake.CountOtherMovesOut}
}
