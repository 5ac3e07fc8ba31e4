package laketest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// MergeGold takes a round of gold as far as its commit.
func (in *Ingester) MergeGold() (gold.Plan, []gold.Merged) {
	in.TB.Helper()
	return in.MergeScope(gold.Scope{})
}

// MergeScope does so with what the round is to take in.
func (in *Ingester) MergeScope(scope gold.Scope) (gold.Plan, []gold.Merged) {
	in.TB.Helper()
	ctx := in.TB.Context()
	var plan gold.Plan
	in.Do(func() (err error) {
		in.runs++ // a round is one attempt
		plan, err = gold.PlanUsers(ctx, in.Lake, fmt.Sprintf("round%05d-%d", in.runs, time.Now().UnixNano()),
			scope, func(int64) {})
		return err
	})
	var merged []gold.Merged
	late := int64(0)
	var each gold.Merged
	for _, group := range plan.Groups {
		in.Do(func() (err error) { each, err = gold.MergeUsers(ctx, in.Lake, plan, group, func(int64) {}); return err })
		merged = append(merged, each)
		late += each.Late
	}
	if late > 0 {
		in.Do(func() (err error) {
			each, err = gold.RebuildUsers(ctx, in.Lake, plan, merged, func(int64) {})
			return err
		})
		merged = append(merged, each)
	}
	return plan, merged
}

// Gold lets gold follow.
func (in *Ingester) Gold(runs ...lake.Run) gold.Committed {
	in.TB.Helper()
	plan, merged := in.MergeGold()
	return in.CommitGold(plan, merged, runs...)
}

// GoldUpTo lets gold follow as far as the runs, as the gold writer does.
func (in *Ingester) GoldUpTo(runs ...lake.Run) gold.Committed {
	in.TB.Helper()
	plan, merged := in.MergeScope(gold.Scope{UpTo: runs})
	return in.CommitGold(plan, merged, runs...)
}

func (in *Ingester) CommitGold(plan gold.Plan, merged []gold.Merged, runs ...lake.Run) gold.Committed {
	in.TB.Helper()
	var commit gold.Committed
	in.Do(func() (err error) {
		commit, err = gold.CommitUsers(in.TB.Context(), in.Lake, plan, merged, runs)
		return err
	})
	in.Do(func() error { return gold.DropRound(in.TB.Context(), in.Lake, plan) })
	return commit
}

// TryCommitTables does so where a step may fail, or come to nothing since a user was forgotten.
func (in *Ingester) TryCommitTables(staged []hours.StagedHour, definitions ...lake.TableDefinition) error {
	in.TB.Helper()
	return in.Try(func() error {
		c := commit.New(in.Lake)
		if _, err := c.Begin(in.TB.Context(), staged); err != nil {
			return err
		}
		err := c.Gather(in.TB.Context())
		for _, definition := range definitions {
			if err == nil {
				err = c.Replace(in.TB.Context(), definition)
			}
		}
		return err
	})
}

// CommitTables commits only some tables of a staged hour, as a run that dies does.
func (in *Ingester) CommitTables(s StagedHour, definitions ...lake.TableDefinition) *commit.Commit {
	in.TB.Helper()
	return in.CommitTablesOf([]hours.StagedHour{s.Ready()}, definitions...)
}

func (in *Ingester) CommitTablesOf(staged []hours.StagedHour, definitions ...lake.TableDefinition) *commit.Commit {
	in.TB.Helper()
	c := commit.New(in.Lake)
	_, err := c.Begin(in.TB.Context(), staged)
	in.Must(err)
	in.Must(c.Gather(in.TB.Context()))
	for _, definition := range definitions {
		in.Must(c.Replace(in.TB.Context(), definition))
	}
	return c
}

// Follow lets gold follow until it shows the runs, whoever else writes it.
func (in *Ingester) Follow(ctx context.Context, runs []lake.Run) error {
	for round := 0; len(runs) > 0 && round < 50; round++ {
		in.runs++
		plan, err := gold.PlanUsers(ctx, in.Lake, fmt.Sprintf("%s-round%d", runs[0].ID, in.runs),
			gold.Scope{UpTo: runs},
			func(int64) {})
		if err != nil {
			return err
		}
		var merged []gold.Merged
		late := int64(0)
		for _, group := range plan.Groups {
			each, err := gold.MergeUsers(ctx, in.Lake, plan, group, func(int64) {})
			if err != nil {
				return err
			}
			merged, late = append(merged, each), late+each.Late
		}
		if late > 0 {
			each, err := gold.RebuildUsers(ctx, in.Lake, plan, merged, func(int64) {})
			if err != nil {
				return err
			}
			merged = append(merged, each)
		}
		commit, err := gold.CommitUsers(ctx, in.Lake, plan, merged, runs)
		if errors.Is(err, lake.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		runs = commit.Waiting
	}
	if len(runs) > 0 {
		return fmt.Errorf("gold never showed %v", runs)
	}
	return nil
}

// Reopen is another handle on the same lake, as another process has.
func (in *Ingester) Reopen() *Ingester {
	in.TB.Helper()
	l, err := lake.Open(in.TB.Context(), in.Lake.Config)
	in.Must(err)
	in.TB.Cleanup(func() { l.Close() })
	other := *in
	other.Lake, other.runs = l, in.runs+1000
	return &other
}

// GoldRows are the rows of a version of gold, by user.
func (in *Ingester) GoldRows(version string) map[string]string {
	in.TB.Helper()
	at, err := gold.FindVersion(in.TB.Context(), in.Lake, version)
	in.Must(err)
	rows := map[string]string{}
	for user, err := range gold.Users(in.TB.Context(), in.Lake, at) {
		in.Must(err)
		if _, twice := rows[user.ID]; twice {
			in.TB.Errorf("%s has two rows in %q", user.ID, version)
		}
		rows[user.ID] = Marshal(in.TB, user)
	}
	return rows
}

// GoldVersions are all snapshots and tags of gold, with their rows.
func (in *Ingester) GoldVersions() map[string]map[string]string {
	in.TB.Helper()
	versions := map[string]map[string]string{}
	ids, tags := Snapshots(in.TB, in.Lake, lake.GoldUsers)
	for _, id := range ids {
		versions[fmt.Sprint(id)] = in.GoldRows(fmt.Sprint(id))
	}
	for _, tag := range tags {
		versions[tag] = in.GoldRows(tag)
	}
	return versions
}

// ReadForGold plans a round, and tells the rows that were read for it.
func (in *Ingester) ReadForGold() (changes, read int64) {
	in.TB.Helper()
	in.runs++
	plan, err := gold.PlanUsers(in.TB.Context(), in.Lake, fmt.Sprintf("look%05d", in.runs), gold.Scope{},
		func(rows int64) { read = max(read, rows) })
	in.Must(err)
	in.Must(gold.DropRound(in.TB.Context(), in.Lake, plan))
	return plan.Changes, read
}

// Anew makes gold from nothing but silver.
func (in *Ingester) Anew() gold.Committed {
	in.TB.Helper()
	plan, merged := in.MergeScope(gold.Scope{Remake: gold.Remake{All: true}})
	return in.CommitGold(plan, merged)
}

// HeadsNow are the snapshots of bronze, silver, gold and of ops.files.
func (in *Ingester) HeadsNow() (heads []int64) {
	in.TB.Helper()
	for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles, lake.GoldUsers) {
		loaded, err := in.Lake.Load(in.TB.Context(), definition)
		in.Must(err)
		heads = append(heads, lake.HeadOf(loaded))
	}
	return heads
}

func (in *Ingester) LedgerRow(hour telemetry.Hour) ledger.Hour {
	in.TB.Helper()
	rows, err := ledger.Hours(in.TB.Context(), in.Lake, hour, hour+1)
	in.Must(err)
	if len(rows) != 1 {
		in.TB.Fatalf("the ledger has %+v", rows)
	}
	return rows[0]
}
