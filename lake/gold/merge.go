package gold

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake"
)

// Merged points to the data files of merged buckets.
type Merged struct {
	Ref   string `json:"ref"`
	Users int64  `json:"users"` // rows written
	Late  int64  `json:"late"`  // users left to RebuildUsers: late, removed or moved sightings
}

// stagedMerge is what lies at a Merged' Ref.
type stagedMerge struct {
	Files []lake.DataFile `json:"files"`
	Late  []string        `json:"late"` // users that need all their sightings again
}

// MergeUsers rewrites some buckets: rows that only grow are appended to, users that need all their sightings are left
// out and counted as late. progress tells rows written so far.
func MergeUsers(ctx context.Context, l *lake.Lake, plan Plan, buckets []int,
	progress func(rows int64)) (result Merged, err error) {
	var staged stagedRound
	if err := l.ReadStaged(plan.Ref, &staged); err != nil {
		return Merged{}, err
	}
	merged, rows, err := mergeBuckets(ctx, l, &staged, buckets, progress)
	if err != nil {
		return Merged{}, err
	}
	result.Users, result.Late = rows, int64(len(merged.Late))
	result.Ref = fmt.Sprintf("%s/merge-%d-%d.json", roundFolder(l, staged.Round), buckets[0], time.Now().UnixNano())
	return result, l.Objects.WriteJSON(result.Ref, merged)
}

// mergeBuckets writes buckets one after the other; rows are those written.
func mergeBuckets(ctx context.Context, l *lake.Lake, staged *stagedRound, buckets []int,
	progress func(int64)) (merged stagedMerge, rows int64, err error) {
	for _, bucket := range buckets {
		m := &bucketMerge{lake: l, bucket: bucket, max: staged.MaxIntervals, told: rows, progress: progress}
		file, err := m.run(ctx, staged)
		if err != nil {
			return merged, rows, fmt.Errorf("merge bucket %d of gold.users: %w", bucket, err)
		}
		if file != nil {
			merged.Files = append(merged.Files, *file)
			rows += file.Rows
		}
		merged.Late = append(merged.Late, m.late...)
	}
	return merged, rows, nil
}

// bucketMerge is a sorted merge of a bucket's rows with what is new: old file in, new file out.
type bucketMerge struct {
	lake     *lake.Lake
	bucket   int
	max      int // of intervals in a row
	told     int64
	progress func(int64)

	writer *lake.DataWriter[lake.UserRow]
	late   []string
	// Rows that wait to be written, at most until what they lie in of the old file goes, and the values of new ones.
	rows   []parquet.Row
	values []parquet.Value
}

func (m *bucketMerge) run(ctx context.Context, staged *stagedRound) (file *lake.DataFile, err error) {
	deltas, err := openBucket(m.lake.Objects, staged.Runs, m.bucket)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, deltas.close()) }()
	old := &oldUsers{}
	if !staged.Rebuild {
		if old, err = openOldUsers(ctx, m.lake, staged.Old[m.bucket]); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, old.close()) }()
		old.leave = m.flush
	}
	if m.writer, err = lake.NewDataWriter[lake.UserRow](m.lake, lake.GoldUsers,
		BucketPartition(m.bucket)); err != nil {
		return nil, err
	}
	if err := m.merge(ctx, old, deltas); err != nil {
		m.writer.Abort()
		return nil, err
	}
	return m.writer.Close(fmt.Sprintf("%s-b%03d-%d", lake.ShortID(staged.Round), m.bucket, time.Now().UnixNano()))
}

// merge goes through the old rows and the changes side by side, in the order of user ids.
func (m *bucketMerge) merge(ctx context.Context, old *oldUsers, deltas *bucketDeltas) (err error) {
	for err == nil && (deltas.valid() || old.valid()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if deltas.valid() && (!old.valid() || deltas.next().user <= old.user()) {
			err = m.mergeUser(old, deltas)
			continue
		}
		if err = m.add(old.row()); err == nil {
			err = old.advance()
		}
	}
	if err != nil {
		return err
	}
	return m.flush()
}

// mergeUser applies the changes of a user to the user's old row, if there is one.
func (m *bucketMerge) mergeUser(old *oldUsers, deltas *bucketDeltas) error {
	id := deltas.next().user
	user, has := history.User{}, old.valid() && old.user() == id
	if has {
		var err error
		if user, err = old.decode(aliased); err != nil {
			return err
		}
	}
	user, late, err := m.apply(user, id, deltas)
	if err == nil {
		err = deltas.skip(id)
	}
	switch {
	case err != nil:
		return err
	case late:
		m.late = append(m.late, id)
	case user.ID != "":
		start := len(m.values)
		m.values = appendUser(m.values, &user)
		if err := m.add(m.values[start:len(m.values):len(m.values)]); err != nil {
			return err
		}
	}
	if has {
		return old.advance()
	}
	return nil
}

// apply brings a user up to date, sighting by sighting, so that it does not matter how many there are. late: the user
// must be made of all sightings. The user has no ID where nothing is left.
func (m *bucketMerge) apply(user history.User, id string,
	deltas *bucketDeltas) (_ history.User, late bool, err error) {
	if deltas.next().kind == deltaLate {
		return user, true, nil
	}
	if deltas.next().kind == deltaLeft {
		left := history.NewBuilder(history.User{ID: id, Kind: history.KindOf(id)}, m.max)
		for deltas.of(id) && deltas.next().kind == deltaLeft {
			left.Add(&deltas.next().sighting) // sorted, and of nothing before: it refuses none
			if err := deltas.advance(); err != nil {
				return user, false, err
			}
		}
		if !allLeft(user, left.User()) {
			return user, true, nil
		}
		user = history.User{}
	}
	if !deltas.of(id) {
		return user, false, nil
	}
	if user.ID == "" {
		user = history.User{ID: id, Kind: history.KindOf(id)}
	}
	b := history.NewBuilder(user, m.max)
	for n := 1; deltas.of(id); n++ {
		if !b.Add(&deltas.next().sighting) {
			return user, true, nil
		}
		if err := deltas.advance(); err != nil {
			return user, false, err
		}
		if n%10_000 == 0 {
			m.progress(m.told + m.writer.Written)
		}
	}
	return b.User(), false, nil
}

// allLeft tells that nothing remains of an anonymous user: the row is what the sightings that left make by themselves,
// as it is when a session's user becomes known. One more sighting that does not show in the row would lie at the same
// microsecond as one that left, and would have left with it, since whose a session is depends on the time alone. This
// does not hold for named users, who have several sessions: those are late; nor for rows that do not show all.
func allLeft(user, left history.User) bool {
	if user.Kind != history.KindSession || user.IntervalsCut > 0 {
		return false
	}
	return reflect.DeepEqual(left, user)
}

// add writes a row; an untouched one comes straight from the old file, never decoded.
func (m *bucketMerge) add(row parquet.Row) error {
	if m.rows = append(m.rows, row); len(m.rows) < 256 && len(m.values) < 1<<17 {
		return nil
	}
	return m.flush()
}

func (m *bucketMerge) flush() error {
	err := m.writer.WriteRaw(m.rows)
	m.rows, m.values = m.rows[:0], m.values[:0]
	m.progress(m.told + m.writer.Written)
	return err
}

// BucketPartition is where rows of a bucket of users lie.
func BucketPartition(bucket int) lake.Partition {
	return lake.Partition{Folder: fmt.Sprintf("user_id_bucket=%d", bucket),
		Values: map[int]any{lake.PartitionFieldID: int32(bucket)}}
}
