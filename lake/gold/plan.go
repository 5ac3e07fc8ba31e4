package gold

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/sessions"
	"github.com/versionlake/versionlake/telemetry"
)

// Plan says which buckets of gold.users must follow which changes of silver.
type Plan struct {
	Ref string `json:"ref"`
	// Groups are buckets, to be merged by one MergeUsers each; empty when no row of silver has moved since the last
	// commit.
	Groups [][]int `json:"groups"`
	// Rebuild: gold starts anew (the first commit, or its base was expired).
	Rebuild bool  `json:"rebuild"`
	Changes int64 `json:"changes"` // sightings that came, went or moved
	// HalfCommitted are hours whose run has committed one silver table and not yet the ledger: gold stops before them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// StagedUsers is what lies at a Plan's Ref.
type StagedUsers struct {
	Round     string                  `json:"round"`
	Head      int64                   `json:"head"` // gold's snapshot that is replaced; 0: none
	Sightings int64                   `json:"sightings"`
	Bindings  int64                   `json:"bindings"`
	Rebuild   bool                    `json:"rebuild"`
	Buckets   int                     `json:"buckets"`
	Runs      []sortedRun             `json:"runs"`
	Versions  []string                `json:"versions,omitempty"` // objects: the versions of all sightings that came
	Old       map[int][]lake.DataFile `json:"old"`                // gold's files by bucket, those to be replaced
}

// Merging is spread over activities of about this many bytes of rows and changes each: small tables need only one,
// an hour of 200,000 users keeps several workers busy. How many files a round writes does not depend on it.
const mergeGroupBytes = 4 << 20

// RoundFolder is where a round of the gold writer stages its work.
func RoundFolder(l *lake.Lake, round string) string {
	return l.Objects.Root + "/" + lake.StagingName + "/users/" + round
}

// ReadRound reads a plan of gold or of the daily aggregates back. ErrConflict: it was taken away, for it may hold a
// user who was forgotten, or as one that was given up; plan again.
func ReadRound(l *lake.Lake, ref string, staged any) error {
	err := l.Objects.ReadJSON(ref, staged)
	if objects.IsMissing(err) {
		return fmt.Errorf("%w: what the round staged is gone: %w", lake.ErrConflict, err)
	}
	return err
}

// PlanUsers reads what changed in silver since the snapshots that gold reflects and stages the changes by bucket
// (docs/ARCHITECTURE.md, Gold). round is unique per attempt of the gold writer. again are users to be made anew,
// whether or not silver changed. progress tells rows read so far, from several goroutines.
func PlanUsers(ctx context.Context, l *lake.Lake, round string, again Again,
	progress func(read int64)) (plan Plan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("plan round %s of gold: %w", round, err)
		}
	}()
	c, err := SilverChanges(ctx, l, again)
	if err != nil {
		return Plan{}, err
	}
	staged := StagedUsers{
		Round: round, Sightings: c.toSightings, Bindings: c.toBindings, Rebuild: !c.base.Known,
		Old: map[int][]lake.DataFile{},
	}
	if head := c.gold.CurrentSnapshot(); head != nil {
		staged.Head = head.SnapshotID
	}
	if staged.Buckets, err = lake.BucketsOf(c.gold.Spec()); err != nil {
		return Plan{}, err
	}
	runs := newRunWriter(l.Objects, RoundFolder(l, round), lake.BucketFunc(staged.Buckets))
	versions := NewVersionCollector(l.Objects, RoundFolder(l, round))
	if err := stageChanges(ctx, l, c, runs, versions, progress); err != nil {
		return Plan{}, err
	}
	if err := runs.flush(); err != nil {
		return Plan{}, err
	}
	staged.Runs = runs.runs
	if staged.Versions, err = versions.Staged(); err != nil {
		return Plan{}, err
	}
	touched, err := touchedBuckets(ctx, l, c.gold, &staged)
	if err != nil {
		return Plan{}, err
	}
	plan = Plan{Ref: RoundFolder(l, round) + "/plan.json", Rebuild: staged.Rebuild, Changes: runs.changes.Load(),
		HalfCommitted: c.HalfCommitted}
	plan.Groups = staged.groups(touched)
	return plan, l.Objects.WriteJSON(plan.Ref, staged)
}

// groups divides buckets into pieces of work of about the same size.
func (s *StagedUsers) groups(buckets []int) [][]int {
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
	share := lake.EvenShare(total, mergeGroupBytes)
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

// touchedBuckets notes gold's present files of the buckets that the runs touch; of all when gold is rebuilt.
func touchedBuckets(ctx context.Context, l *lake.Lake, gold *table.Table, staged *StagedUsers) ([]int, error) {
	touched := touchedBy(staged.Runs)
	live, err := lake.LiveFiles(ctx, gold)
	if err != nil {
		return nil, err
	}
	for _, file := range live {
		bucket, ok := file.Partition()[lake.PartitionFieldID].(int32)
		if !ok {
			return nil, fmt.Errorf("file %s of gold.users has no bucket", file.FilePath())
		}
		if !touched[int(bucket)] && !staged.Rebuild {
			continue
		}
		touched[int(bucket)] = true
		encoded, err := l.Encode(file, lake.GoldUsers)
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
	base                      ledger.Base
	toSightings, toBindings   int64
	sightingFiles             ledger.ChangedFiles
	bindingFiles              ledger.ChangedFiles
	again                     []iceberg.DataFile // of silver.sightings: their users are made anew
	users                     []string           // likewise
	HalfCommitted             []string
}

func SilverChanges(ctx context.Context, l *lake.Lake, again Again) (c silverChange, err error) {
	if c.gold, err = l.Load(ctx, lake.GoldUsers); err != nil {
		return c, err
	}
	if !again.All {
		c.base = ledger.GoldBase(c.gold)
	}
	// The ledger first: a run that it has is whole in what is read after it.
	known, err := ledger.OpenLedger(ctx, l)
	if err != nil {
		return c, err
	}
	if c.sightings, err = l.Load(ctx, lake.SilverSightings); err != nil {
		return c, err
	}
	if c.bindings, err = l.Load(ctx, lake.SilverBindings); err != nil {
		return c, err
	}
	sightingLog, ok1 := ledger.Since(c.sightings, c.base.Sightings)
	bindingLog, ok2 := ledger.Since(c.bindings, c.base.Bindings)
	if !ok1 || !ok2 {
		c.base = ledger.Base{}
		sightingLog, _ = ledger.Since(c.sightings, 0)
		bindingLog, _ = ledger.Since(c.bindings, 0)
	}
	if err := known.Learn(ctx, slices.Concat(sightingLog, bindingLog)); err != nil {
		return c, err
	}
	c.HalfCommitted = ledger.UnsettledHours(slices.Concat(sightingLog, bindingLog), known.Settled)
	cuts := ledger.SettledPrefix(known.Settled, sightingLog, bindingLog)
	c.toSightings, c.toBindings = c.base.Sightings, c.base.Bindings
	if cuts[0] > 0 {
		c.toSightings = sightingLog[cuts[0]-1].Snapshot
	}
	if cuts[1] > 0 {
		c.toBindings = bindingLog[cuts[1]-1].Snapshot
	}
	if c.sightingFiles, err = ledger.ChangesBetween(ctx, l, c.sightings, c.base.Sightings, c.toSightings); err != nil {
		return c, err
	}
	if c.bindingFiles, err = ledger.ChangesBetween(ctx, l, c.bindings, c.base.Bindings, c.toBindings); err != nil {
		return c, err
	}
	if c.base.Known { // else all are
		c.users = again.Users
	}
	c.again, err = filesAgain(ctx, l, again, c)
	return c, err
}

// Moved tells whether silver changed at all.
func (c *silverChange) Moved() bool {
	return len(c.sightingFiles.Added)+len(c.sightingFiles.Removed)+len(c.bindingFiles.Added)+
		len(c.bindingFiles.Removed) > 0
}

// stageChanges joins the changed rows with what else is known of their sessions and writes what follows for users.
func stageChanges(ctx context.Context, l *lake.Lake, c silverChange, runs *runWriter, versions *versionCollector,
	progress func(int64)) error {
	for _, user := range c.users {
		if err := runs.add(userDelta{user: user, kind: deltaLate}); err != nil {
			return err
		}
	}
	if !c.Moved() && len(c.again) == 0 {
		return nil
	}
	j, err := sessions.NewJoin(l, sessions.JoinSections)
	if err != nil {
		return err
	}
	defer j.Close()

	// Sessions whose other rows matter: bindings for sightings that name no user or device, sightings for bindings.
	unnamed, bound := objects.NewLanes[sessions.SessionSet](), objects.NewLanes[sessions.SessionSet]()
	changed := func(row sessions.SessionRow) error {
		switch {
		case row.Kind != 's':
			sessions.NoteSession(bound, &row)
		case row.User == "" || row.Device == "":
			sessions.NoteSession(unnamed, &row)
		}
		progress(j.Rows.Load())
		return j.Add(row)
	}
	if err := sessionRows(ctx, l, c.sightingFiles, c.bindingFiles, changed); err != nil {
		return err
	}
	if err := SightingRows(ctx, l, c.again, sessions.RowAgain, nil, changed); err != nil {
		return err
	}
	if c.base.Known {
		if err := addContext(ctx, l, c, j, sessions.MergeSessions(unnamed), sessions.MergeSessions(bound)); err != nil {
			return err
		}
	}
	return j.Sessions(ctx, func(rows []*sessions.SessionRow) error {
		s := sessions.NewSession(rows)
		if err := versions.addSightings(rows); err != nil {
			return err
		}
		return deltas(&s, runs.add)
	})
}

// sessionRows reads changed files of both tables.
func sessionRows(ctx context.Context, l *lake.Lake, sightings, bindings ledger.ChangedFiles,
	each func(sessions.SessionRow) error) error {
	for _, part := range [...]struct {
		files []iceberg.DataFile
		state byte
	}{{sightings.Added, sessions.RowAdded}, {sightings.Removed, sessions.RowRemoved}} {
		if err := SightingRows(ctx, l, part.files, part.state, nil, each); err != nil {
			return err
		}
	}
	for _, part := range [...]struct {
		files []iceberg.DataFile
		state byte
	}{{bindings.Added, sessions.RowAdded}, {bindings.Removed, sessions.RowRemoved}} {
		if err := BindingRows(ctx, l, part.files, part.state, nil, each); err != nil {
			return err
		}
	}
	return nil
}

// addContext adds the rows that stayed, of the sessions that changed: unnamed are those with sightings that name no
// user or device, bound those with bindings.
func addContext(ctx context.Context, l *lake.Lake, c silverChange, j *sessions.Join,
	unnamed, bound sessions.SessionSet) error {
	both := sessions.NewKeySet(slices.Concat(unnamed.Keys, bound.Keys))
	near := sessions.Span{
		Low:  min(unnamed.Times.Low, lake.SaturatingAdd(bound.Times.Low, -lake.WindowMicros)),
		High: max(unnamed.Times.High, lake.SaturatingAdd(bound.Times.High, lake.WindowMicros)),
	}.Widened(lake.WindowMicros)
	kept, err := KeptFiles(ctx, c.bindings, c.toBindings, c.bindingFiles.Added, near, lake.BindingTimeField)
	if err != nil {
		return err
	}
	if err := BindingRows(ctx, l, kept, sessions.RowKept, both, j.Add); err != nil {
		return err
	}
	kept, err = KeptFiles(ctx, c.sightings, c.toSightings, c.sightingFiles.Added,
		bound.Times.Widened(lake.WindowMicros), lake.SightingTimeField)
	if err != nil {
		return err
	}
	return SightingRows(ctx, l, kept, sessions.RowKept, bound.Keys, func(row sessions.SessionRow) error {
		if row.User != "" && row.Device != "" {
			return nil
		}
		return j.Add(row)
	})
}

// KeptFiles are the live files of a snapshot, or their parts, that did not just come, and that may hold event times
// of a span. A client may be late by any time, but not ahead of its hour by more than parsing lets it: so the
// manifests of hours long before the span stay closed, and a round costs no more in an old lake than in a young
// one.
func KeptFiles(ctx context.Context, loaded *table.Table, snapshot int64, added []iceberg.DataFile, near sessions.Span,
	timeField int) ([]iceberg.DataFile, error) {
	if snapshot == 0 || near.Low > near.High {
		return nil, nil
	}
	first := telemetry.HourOf(time.UnixMicro(lake.SaturatingAdd(near.Low,
		-telemetry.LargestMaxFuture.Microseconds()))) - 1
	live, err := lake.LiveFiles(ctx, loaded, table.WithSnapshotID(snapshot), table.WithRowFilter(
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
		} else if part, ok := just.(*lake.PartOfFile); ok {
			if others := part.Others(); others != nil {
				kept = append(kept, others)
			}
		}
	}
	return near.Within(kept, timeField), nil
}

// SightingRows streams files of silver.sightings; only the sessions in keys, unless nil. Several files are read at
// once: each must be safe for that. Texts live until each returns.
func SightingRows(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, state byte, keys sessions.KeySet,
	each func(sessions.SessionRow) error) error {
	return SessionRowsOf(ctx, l, files, sightingSchema,
		keys, func(row parquet.Row) error { return each(sessions.SightingOf(row, state)) })
}

// BindingRows does the same for silver.bindings.
func BindingRows(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, state byte, keys sessions.KeySet,
	each func(sessions.SessionRow) error) error {
	return SessionRowsOf(ctx, l, files, BindingSchema,
		keys, func(row parquet.Row) error { return each(sessions.BindingOf(row, state)) })
}

var (
	sightingSchema = parquet.SchemaOf(lake.SightingRow{})
	BindingSchema  = parquet.SchemaOf(lake.BindingRow{})
)

// SessionRowsOf streams files whose first column is the session key.
func SessionRowsOf(ctx context.Context, l *lake.Lake, files []iceberg.DataFile, schema *parquet.Schema,
	keys sessions.KeySet, each func(parquet.Row) error) error {
	if keys != nil && len(keys) == 0 {
		return nil
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, file := range files {
		work.Go(func() error {
			if keys == nil {
				return l.ScanRaw(ctx, file, schema, each)
			}
			if low, high := lake.Bounds(file, 1); !keys.Overlaps(low, high) {
				return nil
			}
			return l.EachGroup(file, func(group lake.RowGroup) error {
				found, err := sessions.AnySession(ctx, group, keys)
				if err != nil || !found {
					return err
				}
				wanted := sessions.KeyCursor{Set: keys}
				return group.Scan(ctx, schema, func(row parquet.Row) error {
					if !wanted.Contains(row[0].Int64()) {
						return nil
					}
					return each(row)
				})
			})
		})
	}
	return work.Wait()
}

// deltas says what a session's changes mean for users.
func deltas(s *sessions.Session, emit func(userDelta) error) error {
	for i := range s.Sightings {
		row := &s.Sightings[i]
		var changes []userDelta
		switch row.State {
		case sessions.RowAdded:
			user, sighting := s.After.Resolve(row)
			changes = []userDelta{{user: user, kind: deltaCame, sighting: sighting}}
		case sessions.RowRemoved:
			user, _ := s.Before.Resolve(row)
			changes = []userDelta{{user: user, kind: deltaLate}}
		case sessions.RowKept:
			before, was := s.Before.Resolve(row)
			after, is := s.After.Resolve(row)
			switch {
			case before != after:
				changes = []userDelta{{user: before, kind: deltaLeft, sighting: was},
					{user: after, kind: deltaCame, sighting: is}}
			case was != is:
				changes = []userDelta{{user: after, kind: deltaLate}}
			}
		case sessions.RowAgain:
			before, _ := s.Before.Resolve(row)
			after, _ := s.After.Resolve(row)
			changes = []userDelta{{user: before, kind: deltaLate}, {user: after, kind: deltaLate}}
		}
		for _, change := range changes {
			if err := emit(change); err != nil {
				return err
			}
		}
	}
	return nil
}
