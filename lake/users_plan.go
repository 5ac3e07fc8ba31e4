package lake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/telemetry"
)

// UsersPlan says which buckets of gold.users must follow which changes of silver.
type UsersPlan struct {
	Ref string `json:"ref"`
	// Groups are buckets, to be merged by one MergeUsers each; empty when no row of silver has moved since the last commit.
	Groups [][]int `json:"groups"`
	// Rebuild: gold starts anew (the first commit, or its base was expired).
	Rebuild bool  `json:"rebuild"`
	Changes int64 `json:"changes"` // sightings that came, went or moved
	// HalfCommitted are hours whose run has committed one silver table and not yet the ledger: gold stops before them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// stagedUsers is what lies at a UsersPlan's Ref.
type stagedUsers struct {
	Round     string             `json:"round"`
	Head      int64              `json:"head"` // gold's snapshot that is replaced; 0: none
	Sightings int64              `json:"sightings"`
	Bindings  int64              `json:"bindings"`
	Rebuild   bool               `json:"rebuild"`
	Buckets   int                `json:"buckets"`
	Runs      []sortedRun        `json:"runs"`
	Versions  []string           `json:"versions,omitempty"` // objects: the versions of all sightings that came
	Old       map[int][]dataFile `json:"old"`                // gold's files by bucket, those to be replaced
}

// Merging is spread over activities of about this many bytes of rows and changes each: small tables need only one, an hour
// of 200,000 users keeps several workers busy. How many files a round writes does not depend on it.
const mergeGroupBytes = 4 << 20

// roundFolder is where a round of the gold writer stages its work.
func (l *Lake) roundFolder(round string) string {
	return l.objects.root + "/" + stagingName + "/users/" + round
}

// readRound reads a plan of gold or of the daily aggregates back. ErrConflict: it was taken away, for it may hold a user who was
// forgotten, or as one that was given up; plan again.
func (l *Lake) readRound(ref string, staged any) error {
	err := l.objects.readJSON(ref, staged)
	if isMissing(err) {
		return fmt.Errorf("%w: what the round staged is gone: %w", ErrConflict, err)
	}
	return err
}

// PlanUsers reads what changed in silver since the snapshots that gold reflects and stages the changes by bucket
// (docs/ARCHITECTURE.md, Gold). round is unique per attempt of the gold writer. again are users to be made anew, whether or
// not silver changed. progress tells rows read so far, from several goroutines.
func (l *Lake) PlanUsers(ctx context.Context, round string, again Again, progress func(read int64)) (plan UsersPlan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("plan round %s of gold: %w", round, err)
		}
	}()
	c, err := l.silverChanges(ctx, again)
	if err != nil {
		return UsersPlan{}, err
	}
	staged := stagedUsers{
		Round: round, Sightings: c.toSightings, Bindings: c.toBindings, Rebuild: !c.base.known, Old: map[int][]dataFile{},
	}
	if head := c.gold.CurrentSnapshot(); head != nil {
		staged.Head = head.SnapshotID
	}
	if staged.Buckets, err = bucketsOf(c.gold.Spec()); err != nil {
		return UsersPlan{}, err
	}
	runs := newRunWriter(l.objects, l.roundFolder(round), bucketFunc(staged.Buckets))
	versions := newVersionCollector(l.objects, l.roundFolder(round))
	if err := l.stageChanges(ctx, c, runs, versions, progress); err != nil {
		return UsersPlan{}, err
	}
	if err := runs.flush(); err != nil {
		return UsersPlan{}, err
	}
	staged.Runs = runs.runs
	if staged.Versions, err = versions.staged(); err != nil {
		return UsersPlan{}, err
	}
	touched, err := l.touchedBuckets(ctx, c.gold, &staged)
	if err != nil {
		return UsersPlan{}, err
	}
	plan = UsersPlan{Ref: l.roundFolder(round) + "/plan.json", Rebuild: staged.Rebuild, Changes: runs.changes.Load(), HalfCommitted: c.halfCommitted}
	plan.Groups = staged.groups(touched)
	return plan, l.objects.writeJSON(plan.Ref, staged)
}

// groups divides buckets into pieces of work of about the same size.
func (s *stagedUsers) groups(buckets []int) [][]int {
	size := func(bucket int) (bytes int64) {
		for _, file := range s.Old[bucket] {
			bytes += file.Size
		}
		for _, run := range s.Runs {
			bytes += run.Buckets[bucket][1]
		}
		return bytes
	}
	total := int64(0)
	for _, bucket := range buckets {
		total += size(bucket)
	}
	share := evenShare(total, mergeGroupBytes)
	var groups [][]int
	var group []int
	waiting := int64(0)
	for _, bucket := range buckets {
		group = append(group, bucket)
		if waiting += size(bucket); waiting >= share {
			groups = append(groups, group)
			group, waiting = nil, 0
		}
	}
	if len(group) > 0 {
		groups = append(groups, group)
	}
	return groups
}

// evenShare divides a total into as few equal shares as keep below about a size, so that no small rest runs alone.
func evenShare(total, size int64) int64 {
	shares := max((total+size/2)/size, 1)
	return max((total+shares-1)/shares, 1)
}

// touchedBuckets notes gold's present files of the buckets that the runs touch; of all when gold is rebuilt.
func (l *Lake) touchedBuckets(ctx context.Context, gold *table.Table, staged *stagedUsers) ([]int, error) {
	touched := touchedBy(staged.Runs)
	live, err := liveFiles(ctx, gold)
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		bucket, ok := file.Partition()[partitionFieldID].(int32)
		if !ok {
			return nil, fmt.Errorf("file %s of gold.users has no bucket", file.FilePath())
		}
		if !touched[int(bucket)] && !staged.Rebuild {
			continue
		}
		touched[int(bucket)] = true
		encoded, err := l.encode(file, goldUsers)
		if err != nil {
			return nil, err
		}
		staged.Old[int(bucket)] = append(staged.Old[int(bucket)], encoded)
	}
	buckets := make([]int, 0, len(touched))
	for bucket := range touched {
		buckets = append(buckets, bucket)
	}
	slices.Sort(buckets)
	return buckets, nil
}

// silverChange is what lies between gold and silver.
type silverChange struct {
	gold, sightings, bindings *table.Table
	base                      base
	toSightings, toBindings   int64
	sightingFiles             changedFiles
	bindingFiles              changedFiles
	again                     []iceberg.DataFile // of silver.sightings: their users are made anew
	users                     []string           // likewise
	halfCommitted             []string
}

func (l *Lake) silverChanges(ctx context.Context, again Again) (c silverChange, err error) {
	if c.gold, err = l.load(ctx, goldUsers); err != nil {
		return c, err
	}
	if !again.All {
		c.base = goldBase(c.gold)
	}
	// The ledger first: a run that it has is whole in what is read after it.
	known, err := l.openLedger(ctx)
	if err != nil {
		return c, err
	}
	if c.sightings, err = l.load(ctx, silverSightings); err != nil {
		return c, err
	}
	if c.bindings, err = l.load(ctx, silverBindings); err != nil {
		return c, err
	}
	sightingLog, ok1 := log(c.sightings, c.base.sightings)
	bindingLog, ok2 := log(c.bindings, c.base.bindings)
	if !ok1 || !ok2 {
		c.base = base{}
		sightingLog, _ = log(c.sightings, 0)
		bindingLog, _ = log(c.bindings, 0)
	}
	if err := known.learn(ctx, slices.Concat(sightingLog, bindingLog)); err != nil {
		return c, err
	}
	c.halfCommitted = unsettledHours(slices.Concat(sightingLog, bindingLog), known.settled)
	cuts := settledPrefix(known.settled, sightingLog, bindingLog)
	c.toSightings, c.toBindings = c.base.sightings, c.base.bindings
	if cuts[0] > 0 {
		c.toSightings = sightingLog[cuts[0]-1].snapshot
	}
	if cuts[1] > 0 {
		c.toBindings = bindingLog[cuts[1]-1].snapshot
	}
	if c.sightingFiles, err = l.changesBetween(ctx, c.sightings, c.base.sightings, c.toSightings); err != nil {
		return c, err
	}
	if c.bindingFiles, err = l.changesBetween(ctx, c.bindings, c.base.bindings, c.toBindings); err != nil {
		return c, err
	}
	if c.base.known { // else all are
		c.users = again.Users
	}
	c.again, err = l.filesAgain(ctx, again, c)
	return c, err
}

// moved tells whether silver changed at all.
func (c *silverChange) moved() bool {
	return len(c.sightingFiles.added)+len(c.sightingFiles.removed)+len(c.bindingFiles.added)+len(c.bindingFiles.removed) > 0
}

var (
	sightingTimeField = silverSightings.fieldID("event_timestamp_utc")
	bindingTimeField  = silverBindings.fieldID("event_timestamp_utc")
	windowMicros      = history.DefaultWindow.Microseconds()
)

// stageChanges joins the changed rows with what else is known of their sessions and writes what follows for users.
func (l *Lake) stageChanges(ctx context.Context, c silverChange, runs *runWriter, versions *versionCollector, progress func(int64)) error {
	for _, user := range c.users {
		if err := runs.add(userDelta{user: user, kind: deltaLate}); err != nil {
			return err
		}
	}
	if !c.moved() && len(c.again) == 0 {
		return nil
	}
	j, err := l.newJoin(joinSections)
	if err != nil {
		return err
	}
	defer j.close()

	// Sessions whose other rows matter: bindings for sightings that name no user or device, sightings for bindings.
	unnamed, bound := newLanes[sessionSet](), newLanes[sessionSet]()
	changed := func(row sessionRow) error {
		switch {
		case row.kind != 's':
			noteSession(bound, &row)
		case row.user == "" || row.device == "":
			noteSession(unnamed, &row)
		}
		progress(j.rows.Load())
		return j.add(row)
	}
	if err := l.sessionRows(ctx, c.sightingFiles, c.bindingFiles, changed); err != nil {
		return err
	}
	if err := l.sightingRows(ctx, c.again, rowAgain, nil, changed); err != nil {
		return err
	}
	if c.base.known {
		if err := l.addContext(ctx, c, j, mergeSessions(unnamed), mergeSessions(bound)); err != nil {
			return err
		}
	}
	return j.sessions(ctx, func(rows []*sessionRow) error {
		s := newSession(rows)
		if err := versions.addSightings(rows); err != nil {
			return err
		}
		return s.deltas(runs.add)
	})
}

// sessionRows reads changed files of both tables.
func (l *Lake) sessionRows(ctx context.Context, sightings, bindings changedFiles, each func(sessionRow) error) error {
	for _, part := range [...]struct {
		files []iceberg.DataFile
		state byte
	}{{sightings.added, rowAdded}, {sightings.removed, rowRemoved}} {
		if err := l.sightingRows(ctx, part.files, part.state, nil, each); err != nil {
			return err
		}
	}
	for _, part := range [...]struct {
		files []iceberg.DataFile
		state byte
	}{{bindings.added, rowAdded}, {bindings.removed, rowRemoved}} {
		if err := l.bindingRows(ctx, part.files, part.state, nil, each); err != nil {
			return err
		}
	}
	return nil
}

// addContext adds the rows that stayed, of the sessions that changed: unnamed are those with sightings that name no user or
// device, bound those with bindings.
func (l *Lake) addContext(ctx context.Context, c silverChange, j *join, unnamed, bound sessionSet) error {
	both := newKeySet(slices.Concat(unnamed.keys, bound.keys))
	near := span{
		min(unnamed.times.low, saturatingAdd(bound.times.low, -windowMicros)),
		max(unnamed.times.high, saturatingAdd(bound.times.high, windowMicros)),
	}.widened(windowMicros)
	kept, err := keptFiles(ctx, c.bindings, c.toBindings, c.bindingFiles.added, near, bindingTimeField)
	if err != nil {
		return err
	}
	if err := l.bindingRows(ctx, kept, rowKept, both, j.add); err != nil {
		return err
	}
	kept, err = keptFiles(ctx, c.sightings, c.toSightings, c.sightingFiles.added, bound.times.widened(windowMicros), sightingTimeField)
	if err != nil {
		return err
	}
	return l.sightingRows(ctx, kept, rowKept, bound.keys, func(row sessionRow) error {
		if row.user != "" && row.device != "" {
			return nil
		}
		return j.add(row)
	})
}

// keptFiles are the live files of a snapshot, or their parts, that did not just come, and that may hold event times of a span. A
// client may be late by any time, but not ahead of its hour by more than parsing lets it: so the manifests of hours long before
// the span stay closed, and a round costs no more in an old lake than in a young one.
func keptFiles(ctx context.Context, loaded *table.Table, snapshot int64, added []iceberg.DataFile, near span, timeField int) ([]iceberg.DataFile, error) {
	if snapshot == 0 || near.low > near.high {
		return nil, nil
	}
	first := telemetry.HourOf(time.UnixMicro(saturatingAdd(near.low, -telemetry.LargestMaxFuture.Microseconds()))) - 1
	live, err := liveFiles(ctx, loaded, table.WithSnapshotID(snapshot), table.WithRowFilter(
		iceberg.GreaterThanEqual(iceberg.Reference("p_ingest_date_utc"), iceberg.Date(first.Date()))))
	if err != nil {
		return nil, err
	}
	came := map[string]iceberg.DataFile{}
	for _, file := range added {
		came[file.FilePath()] = file
	}
	var kept []iceberg.DataFile
	for _, file := range live {
		just, ok := came[file.FilePath()]
		if !ok {
			kept = append(kept, file)
		} else if part, ok := just.(*partOfFile); ok {
			if others := part.others(); others != nil {
				kept = append(kept, others)
			}
		}
	}
	return near.within(kept, timeField), nil
}

// sightingRows streams files of silver.sightings; only the sessions in keys, unless nil. Several files are read at once:
// each must be safe for that. Texts live until each returns.
func (l *Lake) sightingRows(ctx context.Context, files []iceberg.DataFile, state byte, keys keySet, each func(sessionRow) error) error {
	return l.sessionRowsOf(ctx, files, sightingSchema, keys, func(row parquet.Row) error { return each(sightingOf(row, state)) })
}

// bindingRows does the same for silver.bindings.
func (l *Lake) bindingRows(ctx context.Context, files []iceberg.DataFile, state byte, keys keySet, each func(sessionRow) error) error {
	return l.sessionRowsOf(ctx, files, bindingSchema, keys, func(row parquet.Row) error { return each(bindingOf(row, state)) })
}

var (
	sightingSchema = parquet.SchemaOf(sightingRow{})
	bindingSchema  = parquet.SchemaOf(bindingRow{})
)

// sessionRowsOf streams files whose first column is the session key.
func (l *Lake) sessionRowsOf(ctx context.Context, files []iceberg.DataFile, schema *parquet.Schema, keys keySet, each func(parquet.Row) error) error {
	if keys != nil && len(keys) == 0 {
		return nil
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			if keys == nil {
				return l.scanRaw(ctx, file, schema, each)
			}
			if low, high := bounds(file, 1); !keys.overlaps(low, high) {
				return nil
			}
			return l.eachGroup(file, func(group rowGroup) error {
				found, err := group.anySession(ctx, keys)
				if err != nil || !found {
					return err
				}
				wanted := keyCursor{set: keys}
				return group.scan(ctx, schema, func(row parquet.Row) error {
					if !wanted.contains(row[0].Int64()) {
						return nil
					}
					return each(row)
				})
			})
		})
	}
	return work.Wait()
}

var keySchema = parquet.SchemaOf(struct {
	SessionKey int64 `parquet:"session_key,delta,id(1)"`
}{})

// anySession reads only the session keys of a row group, which are delta-coded and small, to spare the rest.
func (g rowGroup) anySession(ctx context.Context, keys keySet) (found bool, err error) {
	wanted := keyCursor{set: keys}
	err = g.scan(ctx, keySchema, func(row parquet.Row) error {
		if wanted.contains(row[0].Int64()) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return true, nil
	}
	return false, err
}

func saturatingAdd(a, b int64) int64 {
	switch sum := a + b; {
	case b > 0 && sum < a:
		return math.MaxInt64
	case b < 0 && sum > a:
		return math.MinInt64
	default:
		return sum
	}
}
