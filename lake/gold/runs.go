package gold

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	icebergio "github.com/apache/iceberg-go/io"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/lake/objects"
)

// Changes travel from silver to the buckets of gold.users in sorted runs: whatever their number, a bucket reads them as
// one stream in the order of user ids, and memory is one run while they are written.
const runBytes = 48 << 20

// userDelta is one change of a user.
type userDelta struct {
	user     string
	kind     byte
	sighting history.Sighting // of deltaCame and deltaLeft
}

// Kinds of changes, in the order in which a user's come.
const (
	deltaLate = iota // all sightings must be looked at again
	deltaLeft        // a sighting moved to another user, with all others of its session at that time
	deltaCame        // a sighting more
)

// compare orders changes as they are read: by user, then kind, then as a history takes sightings.
func (d *userDelta) compare(other *userDelta) int {
	if c := strings.Compare(d.user, other.user); c != 0 {
		return c
	}
	if d.kind != other.kind || d.kind == deltaLate {
		return cmp.Compare(d.kind, other.kind)
	}
	return history.CompareWithinUser(d.sighting, other.sighting)
}

func appendDelta(buffer []byte, d *userDelta) []byte {
	buffer = objects.AppendText(buffer, d.user)
	buffer = append(buffer, d.kind)
	if d.kind == deltaLate {
		return buffer
	}
	s := &d.sighting
	buffer = objects.AppendText(buffer, s.Service)
	buffer = objects.AppendText(buffer, s.Device)
	buffer = objects.AppendText(buffer, s.Version)
	buffer = binary.AppendVarint(buffer, s.Time)
	buffer = binary.AppendVarint(buffer, s.Transaction)
	buffer = objects.AppendText(buffer, s.File)
	return binary.AppendVarint(buffer, s.Line)
}

func decodeDelta(d *objects.Decoder) (u userDelta) {
	u.user = d.Text()
	if d.Failed || len(d.Data) == 0 {
		d.Failed = true
		return u
	}
	u.kind = d.Data[0]
	d.Data = d.Data[1:]
	if u.kind == deltaLate {
		return u
	}
	s := &u.sighting
	s.Service = d.Text()
	s.Device = d.Text()
	s.HasDevice = s.Device != ""
	s.Version = d.Text()
	s.Time = d.Varint()
	s.Transaction = d.Varint()
	s.File = d.Text()
	s.Line = d.Varint()
	return u
}

// sortedRun is a written run: where each bucket lies in it, as offset and length.
type sortedRun struct {
	Path    string           `json:"path"`
	Buckets map[int][2]int64 `json:"buckets"`
}

// touchedBy are the buckets that runs have changes for.
func touchedBy(runs []sortedRun) map[int]bool {
	touched := map[int]bool{}
	for _, run := range runs {
		for bucket := range run.Buckets {
			touched[bucket] = true
		}
	}
	return touched
}

type pendingDelta struct {
	bucket int
	user   string
	record []byte
}

// runWriter sorts changes by bucket and user. It is safe for concurrent use.
type runWriter struct {
	objects *objects.Store
	folder  string
	bucket  func(user string) int
	lanes   objects.Lanes[pendingRun]
	changes atomic.Int64

	mutex sync.Mutex
	runs  []sortedRun
}

// pendingRun are changes that wait to be sorted, in memory of their own.
type pendingRun struct {
	deltas []pendingDelta
	block  []byte // where the next records go; full ones live as long as their records
	bytes  int
}

const runBlock = 256 << 10

func newRunWriter(o *objects.Store, folder string, bucket func(user string) int) *runWriter {
	return &runWriter{objects: o, folder: folder, bucket: bucket, lanes: objects.NewLanes[pendingRun]()}
}

func (w *runWriter) add(d userDelta) error {
	w.changes.Add(1)
	return w.lanes.With(func(p *pendingRun) error {
		p.add(&d, w.bucket)
		if p.bytes < runBytes/len(w.lanes) {
			return nil
		}
		return w.write(p)
	})
}

func (p *pendingRun) add(d *userDelta, bucket func(string) int) {
	start := len(p.block)
	p.block = appendDelta(p.block, d)
	record := p.block[start:len(p.block):len(p.block)]
	// The user is the record's first text: no second copy.
	user := (&objects.Decoder{Data: record}).Text()
	p.deltas = append(p.deltas, pendingDelta{bucket(user), user, record})
	p.bytes += len(record) + 96
	if len(p.block) > runBlock-4096 {
		p.block = make([]byte, 0, runBlock)
	}
}

// flush writes what waits, once nobody adds any more.
func (w *runWriter) flush() error { return w.write(w.lanes.All()...) }

func (w *runWriter) write(pending ...*pendingRun) error {
	buckets := byBucket(pending)
	if len(buckets) == 0 {
		return nil
	}
	var sorting errgroup.Group
	sorting.SetLimit(runtime.GOMAXPROCS(0))
	for _, bucket := range buckets {
		sorting.Go(func() error {
			sortBucket(bucket)
			return nil
		})
	}
	if err := sorting.Wait(); err != nil {
		return err
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	object := w.objects.Create(w.folder)
	run := sortedRun{Path: fmt.Sprintf("%s/run-%04d", w.folder, len(w.runs)), Buckets: map[int][2]int64{}}
	var header []byte
	for _, bucket := range slices.Sorted(maps.Keys(buckets)) {
		start := object.Size
		for _, p := range buckets[bucket] {
			header = binary.AppendUvarint(header[:0], uint64(len(p.Value.record)))
			if _, err := object.Write(append(header, p.Value.record...)); err != nil {
				object.Abort()
				return fmt.Errorf("write %s: %w", run.Path, err)
			}
		}
		run.Buckets[bucket] = [2]int64{start, object.Size - start}
	}
	if err := object.Publish(run.Path); err != nil {
		return err
	}
	w.runs = append(w.runs, run)
	for _, p := range pending {
		*p = pendingRun{}
	}
	return nil
}

// sortBucket puts a bucket's changes into the order in which they are read. Most users have one or two.
func sortBucket(bucket []objects.Keyed[pendingDelta]) {
	objects.SortKeyed(bucket, func(a, b *pendingDelta) int { return strings.Compare(a.user, b.user) })
	type decoded struct {
		userDelta
		record []byte
	}
	var of []decoded
	for start := 0; start < len(bucket); {
		end := start + 1
		for end < len(bucket) && bucket[end].Value.user == bucket[start].Value.user {
			end++
		}
		if end-start > 1 {
			of = of[:0]
			for _, p := range bucket[start:end] {
				of = append(of, decoded{decodeDelta(&objects.Decoder{Data: p.Value.record}), p.Value.record})
			}
			slices.SortFunc(of, func(a, b decoded) int { return a.compare(&b.userDelta) })
			for i := range of {
				bucket[start+i].Value.record = of[i].record
			}
		}
		start = end
	}
}

// byBucket divides changes into one slice a bucket.
func byBucket(pending []*pendingRun) map[int][]objects.Keyed[pendingDelta] {
	sizes := map[int]int{}
	for _, p := range pending {
		for i := range p.deltas {
			sizes[p.deltas[i].bucket]++
		}
	}
	buckets := make(map[int][]objects.Keyed[pendingDelta], len(sizes))
	for bucket, size := range sizes {
		buckets[bucket] = make([]objects.Keyed[pendingDelta], 0, size)
	}
	for _, p := range pending {
		for i := range p.deltas {
			delta := &p.deltas[i]
			key := int64(objects.PrefixOf(delta.user) ^ 1<<63) // as numbers with a sign are ordered
			buckets[delta.bucket] = append(buckets[delta.bucket], objects.Keyed[pendingDelta]{Key: key, Value: delta})
		}
	}
	return buckets
}

// runReader streams one bucket of one run.
type runReader struct {
	file   icebergio.File
	reader *bufio.Reader
	next   userDelta
	order  int
}

func (r *runReader) advance() error {
	size, err := binary.ReadUvarint(r.reader)
	if err != nil {
		return err // io.EOF at the end of the bucket
	}
	record := make([]byte, size)
	if _, err := io.ReadFull(r.reader, record); err != nil {
		return fmt.Errorf("read a sorted run: %w", err)
	}
	d := objects.Decoder{Data: record}
	r.next = decodeDelta(&d)
	if d.Failed {
		return errors.New("a sorted run is damaged")
	}
	return nil
}

// bucketDeltas merges a bucket of all runs into one stream of changes, by user and then in the order of compare.
type bucketDeltas struct{ readers []*runReader }

func (b *bucketDeltas) Len() int { return len(b.readers) }

func (b *bucketDeltas) Less(i, j int) bool {
	return cmp.Or(b.readers[i].next.compare(&b.readers[j].next),
		cmp.Compare(b.readers[i].order, b.readers[j].order)) < 0
}

func (b *bucketDeltas) Swap(i, j int) { b.readers[i], b.readers[j] = b.readers[j], b.readers[i] }

func (b *bucketDeltas) Push(x any) { b.readers = append(b.readers, x.(*runReader)) }

func (b *bucketDeltas) Pop() any {
	last := b.readers[len(b.readers)-1]
	b.readers = b.readers[:len(b.readers)-1]
	return last
}

func openBucket(o *objects.Store, runs []sortedRun, bucket int) (*bucketDeltas, error) {
	b := &bucketDeltas{}
	for order, run := range runs {
		at, ok := run.Buckets[bucket]
		if !ok {
			continue
		}
		file, err := o.Open(run.Path)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		r := &runReader{file: file, reader: bufio.NewReaderSize(io.NewSectionReader(file, at[0], at[1]), 1<<16),
			order: order}
		if err := r.advance(); err != nil {
			return nil, errors.Join(fmt.Errorf("read %s: %w", run.Path, err), file.Close(), b.close())
		}
		b.readers = append(b.readers, r)
	}
	heap.Init(b)
	return b, nil
}

func (b *bucketDeltas) close() error {
	var err error
	for _, r := range b.readers {
		err = errors.Join(err, r.file.Close())
	}
	b.readers = nil
	return err
}

func (b *bucketDeltas) valid() bool { return len(b.readers) > 0 }

// next is the change that the stream stands at. Its texts stay.
func (b *bucketDeltas) next() *userDelta { return &b.readers[0].next }

// of tells that the stream stands at a change of a user.
func (b *bucketDeltas) of(user string) bool { return b.valid() && b.next().user == user }

func (b *bucketDeltas) advance() error {
	r := b.readers[0]
	switch err := r.advance(); {
	case err == io.EOF:
		heap.Pop(b)
		return r.file.Close()
	case err != nil:
		return err
	}
	heap.Fix(b, 0)
	return nil
}

// skip passes over what the stream has of a user.
func (b *bucketDeltas) skip(user string) error {
	for b.of(user) {
		if err := b.advance(); err != nil {
			return err
		}
	}
	return nil
}
