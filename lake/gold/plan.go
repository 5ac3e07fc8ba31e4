package gold

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/lake/versionkeys"
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
	// Why gold starts anew, in plain words, where it had rows.
	Why string `json:"why,omitempty"`
	// HalfCommitted are hours whose run has committed one silver table and not yet the ledger: gold stops before them.
	HalfCommitted []string `json:"half_committed,omitempty"`
}

// stagedRound is what lies at a Plan's Ref.
type stagedRound struct {
	Round     string `json:"round"`
	Head      int64  `json:"head"` // gold's snapshot that is replaced; 0: none
	Sightings int64  `json:"sightings"`
	Bindings  int64  `json:"bindings"`
	Rebuild   bool   `json:"rebuild"`
	// Baseless: what gold has reflects silver that is gone. So the round commits though it may change no row.
	Baseless bool `json:"baseless,omitempty"`
	Buckets  int  `json:"buckets"`
	// MaxIntervals is how many a row may hold.
	MaxIntervals int                     `json:"max_intervals,omitempty"`
	Runs         []sortedRun             `json:"runs"`
	Versions     []string                `json:"versions,omitempty"` // objects: the versions of all sightings that came
	Old          map[int][]lake.DataFile `json:"old"`                // gold's files by bucket, those to be replaced
}

// Merging is spread over activities of about this many bytes of rows and changes each: small tables need only one,
// an hour of 200,000 users keeps several workers busy. How many files a round writes does not depend on it.
const mergeGroupBytes = 4 << 20

// roundFolder is where a round of the gold writer stages its work.
func roundFolder(l *lake.Lake, round string) string {
	return l.StagingFolder() + "/users/" + round
}

// PlanUsers reads what changed in silver since the snapshots that gold reflects and stages the changes by bucket
// (docs/ARCHITECTURE.md, Gold). round is unique per attempt of the gold writer. progress tells rows
// read so far, from several goroutines.
//
// Where a file that the round needs can't be read, of what gold has or of what silver had, gold is made anew from the
// silver of today. Errors: IsDamage where that can't be read either.
func PlanUsers(ctx context.Context, l *lake.Lake, round string, scope Scope,
	progress func(read int64)) (plan Plan, err error) {
	plan, err = planRound(ctx, l, round, scope, progress)
	if (objects.Unreadable(err) || errors.Is(err, lake.ErrDeleteFiles)) && !scope.Remake.All {
		why := err.Error()
		if plan, err = planRound(ctx, l, round, Scope{Remake: Remake{All: true}}, progress); err == nil {
			plan.Why = why
		}
	}
	if err != nil {
		return Plan{}, fmt.Errorf("plan round %s of gold: %w", round, err)
	}
	return plan, nil
}

func planRound(ctx context.Context, l *lake.Lake, round string, scope Scope,
	progress func(read int64)) (plan Plan, err error) {
	why := ""
	c, err := findChange(ctx, l, scope)
	if err != nil {
		return Plan{}, err
	}
	staged := stagedRound{
		Round: round, Sightings: c.sightings.To, Bindings: c.bindings.To, Rebuild: c.rebuild,
		Old: map[int][]lake.DataFile{}, MaxIntervals: c.maxIntervals,
	}
	if head := c.gold.CurrentSnapshot(); head != nil {
		staged.Head, staged.Baseless = head.SnapshotID, c.baseless()
	}
	if staged.Buckets, err = lake.BucketsOf(c.gold.Spec()); err != nil {
		return Plan{}, err
	}
	folder := roundFolder(l, round)
	runs := newRunWriter(l.Objects, folder, lake.BucketFunc(staged.Buckets))
	versions := versionkeys.NewCollector(l.Objects, folder)
	work := stager{lake: l, change: c, runs: runs, versions: versions, progress: progress}
	if err := work.stage(ctx); err != nil {
		return Plan{}, l.Catalog.Lost(ctx, c.sightings.Table, "a file of silver",
			l.Catalog.Lost(ctx, c.bindings.Table, "a file of silver", err))
	}
	if err := runs.flush(); err != nil {
		return Plan{}, err
	}
	staged.Runs = runs.runs
	if staged.Rebuild && staged.Head != 0 && staged.Baseless {
		why = "what is in gold.users does not go back to a commit of versionlake, or the silver that it was made " +
			"from is gone"
	}
	if staged.Versions, err = versions.Staged(); err != nil {
		return Plan{}, err
	}
	touched, err := touchedBuckets(ctx, l, c.gold, &staged)
	if err != nil {
		return Plan{}, err
	}
	plan = Plan{Ref: folder + "/plan.json", Groups: staged.groups(touched), Rebuild: staged.Rebuild,
		Changes: runs.changes.Load(), HalfCommitted: c.halfCommitted, Why: why}
	return plan, l.Objects.WriteJSON(plan.Ref, staged)
}

// groups divides buckets into pieces of work of about the same size.
func (s *stagedRound) groups(buckets []int) [][]int {
	size := func(bucket int) (bytes int64) {
		for _, file := range s.Old[bucket] {
			bytes += file.Size
		}
		for _, run := range s.Runs {
			bytes += run.Buckets[bucket][1]
		}
		return bytes
	}
	return objects.EvenPieces(buckets, mergeGroupBytes, size)
}

// touchedBuckets notes gold's present files of the buckets that the runs touch; of all when gold is rebuilt.
func touchedBuckets(ctx context.Context, l *lake.Lake, gold *table.Table, staged *stagedRound) ([]int, error) {
	touched := touchedBy(staged.Runs)
	live, deleted, err := lake.AllFiles(ctx, gold)
	if err == nil && deleted && !staged.Rebuild {
		err = fmt.Errorf("gold.users: %w", lake.ErrDeleteFiles)
	}
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
		if !staged.Rebuild {
			if err := l.CheckFile(file, false); err != nil {
				return nil, err
			}
		}
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
