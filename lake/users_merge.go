package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/versionlake/versionlake/history"
)

// MergedUsers points to the data files of merged buckets.
type MergedUsers struct {
	Ref   string `json:"ref"`
	Users int64  `json:"users"` // rows written
	Late  int64  `json:"late"`  // users left to RebuildUsers: late, removed or moved sightings
}

// stagedMerge is what lies at a MergedUsers' Ref.
type stagedMerge struct {
	Files []dataFile `json:"files"`
	Late  []lateUser `json:"late"`
}

// lateUser is a user that needs all its sightings again.
type lateUser struct {
	User string `json:"user"`
}

// MergeUsers rewrites some buckets: rows that only grow are appended to, users that need all their sightings are left
// out and counted as late. progress tells rows written so far.
func (l *Lake) MergeUsers(ctx context.Context, plan UsersPlan, buckets []int, progress func(rows int64)) (result MergedUsers, err error) {
	var staged stagedUsers
	if err := l.objects.readJSON(plan.Ref, &staged); err != nil {
		return MergedUsers{}, err
	}
	var merged stagedMerge
	for _, bucket := range buckets {
		m := &bucketMerge{lake: l, bucket: bucket, told: result.Users, progress: progress}
		file, err := m.run(ctx, &staged)
		if err != nil {
			return MergedUsers{}, fmt.Errorf("merge bucket %d of gold.users: %w", bucket, err)
		}
		if file != nil {
			merged.Files = append(merged.Files, *file)
			result.Users += file.Rows
		}
		merged.Late = append(merged.Late, m.late...)
	}
	result.Late = int64(len(merged.Late))
	result.Ref = fmt.Sprintf("%s/merge-%d-%d.json", l.roundFolder(staged.Round), buckets[0], time.Now().UnixNano())
	return result, l.objects.writeJSON(result.Ref, merged)
}

// bucketMerge is a sorted merge of a bucket's rows with what is new: old file in, new file out.
type bucketMerge struct {
	lake     *Lake
	bucket   int
	told     int64
	progress func(int64)

	writer *dataWriter[userRow]
	late   []lateUser
	rows   []parquet.Row // rows that wait to be written
}

func (m *bucketMerge) run(ctx context.Context, staged *stagedUsers) (file *dataFile, err error) {
	deltas, err := m.lake.objects.openBucket(staged.Runs, m.bucket)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, deltas.close()) }()
	var old *oldUsers
	if !staged.Rebuild {
		if old, err = m.lake.openOldUsers(ctx, staged.Old[m.bucket]); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, old.close()) }()
	}
	if m.writer, err = newDataWriter[userRow](m.lake, goldUsers, bucketOf("user_id", m.bucket)); err != nil {
		return nil, err
	}
	if err := m.merge(ctx, old, deltas); err != nil {
		m.writer.abort()
		return nil, err
	}
	return m.writer.close(fmt.Sprintf("%s-b%03d-%d", shortID(staged.Round), m.bucket, time.Now().UnixNano()))
}

func (m *bucketMerge) merge(ctx context.Context, old *oldUsers, deltas *bucketDeltas) error {
	change, more, err := deltas.nextUser()
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		hasOld := old != nil && old.valid()
		switch {
		case !hasOld && !more:
			return m.flush()
		case hasOld && (!more || old.user() < change.user):
			err = m.add(old.row().Clone())
			if err == nil {
				err = old.advance()
			}
		default:
			var user history.User
			if hasOld && old.user() == change.user {
				if user, err = old.decode(); err == nil {
					err = old.advance()
				}
			}
			if err == nil {
				err = m.apply(user, change)
			}
			if err == nil {
				change, more, err = deltas.nextUser()
			}
		}
		if err != nil {
			return err
		}
	}
}

// apply appends what is new to a user, or leaves the user out as late.
func (m *bucketMerge) apply(user history.User, change userChange) error {
	if change.late {
		m.late = append(m.late, lateUser{User: change.user})
		return nil
	}
	if user.ID == "" {
		user = history.Build(change.user, userKind(change.user), change.sightings)
	} else if !user.Append(change.sightings) {
		m.late = append(m.late, lateUser{User: change.user})
		return nil
	}
	return m.add(appendUser(nil, &user))
}

// userKind follows from the id: history.UserID keeps named users out of the prefix.
func userKind(id string) string {
	if strings.HasPrefix(id, "session:") {
		return history.KindSession
	}
	return history.KindUser
}

// add writes a row; an untouched one comes straight from the old file, never decoded.
func (m *bucketMerge) add(row parquet.Row) error {
	if m.rows = append(m.rows, row); len(m.rows) < 256 {
		return nil
	}
	return m.flush()
}

func (m *bucketMerge) flush() error {
	err := m.writer.writeRaw(m.rows)
	m.rows = m.rows[:0]
	m.progress(m.told + m.writer.written)
	return err
}

// oldUsers streams a bucket's present rows in the order of user ids.
type oldUsers struct{ files []*oldFile }

type oldFile struct {
	schema *parquet.Schema
	rows   parquet.Rows
	close  func() error
	path   string
	batch  []parquet.Row
	at, n  int
	done   bool
}

const oldBatch = 128

var userSchema = parquet.SchemaOf(userRow{})

func (l *Lake) openOldUsers(ctx context.Context, files []dataFile) (*oldUsers, error) {
	old := &oldUsers{}
	for _, each := range files {
		entry, err := l.entry(each, goldUsers)
		if err != nil {
			return nil, errors.Join(err, old.close())
		}
		parsed, closeFile, err := l.openParquet(entry)
		if err != nil {
			return nil, errors.Join(err, old.close())
		}
		reader := parquet.NewReader(parsed, userSchema)
		f := &oldFile{schema: userSchema, rows: readerRows{reader}, path: each.Path, batch: make([]parquet.Row, oldBatch),
			close: func() error { return errors.Join(reader.Close(), closeFile()) }}
		old.files = append(old.files, f)
		if err := f.advance(); err != nil {
			return nil, errors.Join(err, old.close())
		}
	}
	old.sort()
	return old, nil
}

// readerRows gives parquet.Reader, which converts files that other engines rewrote, the shape of parquet.Rows.
type readerRows struct{ *parquet.Reader }

func (r readerRows) Schema() *parquet.Schema { return r.Reader.Schema() }

func (f *oldFile) advance() error {
	before := ""
	if f.n > 0 {
		before = strings.Clone(f.user())
	}
	if f.at++; f.at >= f.n {
		n, err := f.rows.ReadRows(f.batch)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", f.path, err)
		}
		f.at, f.n = 0, n
		if n == 0 {
			f.done = true
			return nil
		}
	}
	if f.user() < before {
		return fmt.Errorf("%s: %w", f.path, errUnsorted)
	}
	return nil
}

// errUnsorted: another engine rewrote a file of gold.users without its order.
var errUnsorted = errors.New("rows are not in the order of user_id: rewrite gold with `versionlake reprocess --layer gold`")

// user is the first column: user_id.
func (f *oldFile) user() string { return alias(f.batch[f.at][0].ByteArray()) }

func (o *oldUsers) sort() {
	o.files = slices.DeleteFunc(o.files, func(f *oldFile) bool {
		if f.done {
			f.close()
		}
		return f.done
	})
	slices.SortFunc(o.files, func(a, b *oldFile) int { return strings.Compare(a.user(), b.user()) })
}

func (o *oldUsers) valid() bool      { return len(o.files) > 0 }
func (o *oldUsers) user() string     { return o.files[0].user() }
func (o *oldUsers) row() parquet.Row { return o.files[0].batch[o.files[0].at] }

func (o *oldUsers) decode() (history.User, error) {
	user, err := userOf(o.row())
	if err != nil {
		return history.User{}, fmt.Errorf("read %s: %w", o.files[0].path, err)
	}
	return user, nil
}

func (o *oldUsers) advance() error {
	if err := o.files[0].advance(); err != nil {
		return err
	}
	if o.files[0].done || len(o.files) > 1 {
		o.sort()
	}
	return nil
}

func (o *oldUsers) close() error {
	var err error
	for _, f := range o.files {
		err = errors.Join(err, f.close())
	}
	o.files = nil
	return err
}

// RebuildUsers recomputes the late users of a round from sightings and bindings; progress tells rows read so far.
func (l *Lake) RebuildUsers(ctx context.Context, plan UsersPlan, merged []MergedUsers, progress func(rows int64)) (result MergedUsers, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("rebuild late users of gold: %w", err)
		}
	}()
	var staged stagedUsers
	if err := l.objects.readJSON(plan.Ref, &staged); err != nil {
		return MergedUsers{}, err
	}
	late := map[string]bool{}
	for _, each := range merged {
		var m stagedMerge
		if err := l.objects.readJSON(each.Ref, &m); err != nil {
			return MergedUsers{}, err
		}
		for _, user := range m.Late {
			late[user.User] = true
		}
	}
	folder := fmt.Sprintf("%s/rebuild-%d", l.roundFolder(staged.Round), time.Now().UnixNano())
	runs := &runWriter{objects: l.objects, folder: folder, bucket: bucketFunc(staged.Buckets)}
	if err := l.stageLate(ctx, &staged, late, runs, progress); err != nil {
		return MergedUsers{}, err
	}
	if err := runs.flush(); err != nil {
		return MergedUsers{}, err
	}
	var all stagedMerge
	alone := stagedUsers{Round: staged.Round, Runs: runs.runs}
	for bucket := range staged.Buckets {
		m := &bucketMerge{lake: l, bucket: bucket, progress: progress}
		file, err := m.run(ctx, &alone)
		if err != nil {
			return MergedUsers{}, fmt.Errorf("bucket %d: %w", bucket, err)
		}
		if file != nil {
			all.Files = append(all.Files, *file)
			result.Users += file.Rows
		}
	}
	result.Ref = folder + "/rebuilt.json"
	return result, l.objects.writeJSON(result.Ref, all)
}

var (
	namingSchema = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		Kind       string `parquet:"kind,dict,id(3)"`
		Value      string `parquet:"value,id(4)"`
	}{})
	namedSchema = parquet.SchemaOf(struct {
		SessionKey int64  `parquet:"session_key,delta,id(1)"`
		SessionID  string `parquet:"session_id,id(2)"`
		UserID     string `parquet:"user_id,optional,id(3)"`
	}{})
)

// stageLate finds all sightings of the late users as silver now stands, and joins them with their sessions' bindings.
func (l *Lake) stageLate(ctx context.Context, staged *stagedUsers, late map[string]bool, runs *runWriter, progress func(int64)) error {
	sightings, bindings, err := l.silverFiles(ctx, staged)
	if err != nil {
		return err
	}
	j, err := l.newJoin()
	if err != nil {
		return err
	}
	defer j.close()
	var mutex sync.Mutex
	read := int64(0)
	collect := func(keys *[]int64, key int64, wanted bool) {
		mutex.Lock()
		defer mutex.Unlock()
		if wanted {
			*keys = append(*keys, key)
		}
		read++
		progress(read)
	}

	// Sessions that name a late user may hold its sightings; whether they do, the join decides. The first look at each
	// table takes only the columns that tell.
	var sessions, wanted []int64
	if err := l.sessionRowsOf(ctx, bindings, namingSchema, nil, func(row parquet.Row) error {
		user, _ := history.UserID(alias(row[2].ByteArray()), "")
		collect(&sessions, row[0].Int64(), string(row[1].ByteArray()) == bindingUser && late[user])
		return nil
	}); err != nil {
		return err
	}
	naming := newKeySet(sessions)
	mayBeLate := func(key int64, session, user string) bool {
		id, _ := history.UserID(user, session)
		return late[id] || user == "" && naming.has(key)
	}
	if err := l.sessionRowsOf(ctx, sightings, namedSchema, nil, func(row parquet.Row) error {
		key := row[0].Int64()
		collect(&wanted, key, mayBeLate(key, alias(row[1].ByteArray()), alias(row[2].ByteArray())))
		return nil
	}); err != nil {
		return err
	}
	keys := newKeySet(wanted)
	if err := l.sightingRows(ctx, sightings, rowAdded, keys, func(row sessionRow) error {
		if !mayBeLate(row.key, row.session, row.user) {
			return nil
		}
		return j.add(row)
	}); err != nil {
		return err
	}
	if err := l.bindingRows(ctx, bindings, rowAdded, keys, j.add); err != nil {
		return err
	}
	return j.sessions(ctx, func(rows []*sessionRow) error {
		s := newSession(rows)
		return s.deltas(func(d userDelta) error {
			if !late[d.user] {
				return nil
			}
			return runs.add(d)
		})
	})
}
