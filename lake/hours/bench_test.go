package hours_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/upkeep"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// BenchmarkHour takes hours of two million lines as far as gold, with two workers, without Temporal. The data is made
// anew unless VERSIONLAKE_BENCH_DATA names a folder to keep it in.
func BenchmarkHour(b *testing.B) {
	dir := benchmarkData(b)
	for b.Loop() {
		b.StopTimer()
		in := laketest.NewIngester(b, laketest.NewLake(b), dir)
		in.ChunkSize = 32 << 20
		hours := in.Hours()
		b.StartTimer()
		for _, hour := range hours {
			timed(in, b, hour)
		}
	}
}

func benchmarkData(b *testing.B) string {
	dir := os.Getenv("VERSIONLAKE_BENCH_DATA")
	if dir == "" {
		dir = b.TempDir()
	}
	options := generate.Benchmark(3)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		if _, err := generate.Write(b.Context(), dir, options); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// BenchmarkDaily refreshes the daily aggregates after the last of three such hours: all of them lie on one date.
func BenchmarkDaily(b *testing.B) {
	dir := benchmarkData(b)
	in := laketest.NewIngester(b, laketest.NewLake(b), dir)
	in.ChunkSize = 32 << 20
	hours := in.Hours()
	for _, hour := range hours {
		in.Ingest(hour)
	}
	for b.Loop() {
		for _, definition := range lake.DailyTables {
			in.Must(in.Lake.Commit(b.Context(), definition, func(loaded *table.Table) (*lake.Change, error) {
				return &lake.Change{Updates: []table.Update{
					table.NewRemovePropertiesUpdate([]string{ledger.PropertyRound, lake.PropertyRules})}}, nil
			}))
		}
		start := time.Now()
		plan, err := daily.PlanDaily(b.Context(), in.Lake, fmt.Sprintf("daily-%d", start.UnixNano()), func(int64) {})
		in.Must(err)
		planned := time.Now()
		var counted []daily.CountedDates
		for _, group := range plan.Groups {
			each, err := daily.CountDates(b.Context(), in.Lake, plan, group, func(int64) {})
			in.Must(err)
			counted = append(counted, each)
		}
		done := time.Now()
		commit, err := daily.CommitDaily(b.Context(), in.Lake, plan, counted)
		in.Must(err)
		b.Logf("plan %v, count %v, commit %v: %+v", planned.Sub(start), done.Sub(planned), time.Since(done), commit)
	}
}

// BenchmarkFollowers lets gold.events and the daily aggregates follow three such hours at once, as a range does.
func BenchmarkFollowers(b *testing.B) {
	dir := benchmarkData(b)
	for b.Loop() {
		b.StopTimer()
		in := laketest.NewIngester(b, laketest.NewLake(b), dir)
		in.ChunkSize = 32 << 20
		for _, hour := range in.Hours() {
			in.Ingest(hour)
		}
		b.StartTimer()
		start := time.Now()
		upkeep.Events(in)
		followed := time.Now()
		upkeep.Daily(in)
		b.Logf("events %v, daily %v", followed.Sub(start), time.Since(followed))
	}
}

// timed runs the steps of an hour two at a time, as two workers would, and logs how long each took.
//
//nolint:funlen // the steps of an hour, one after the other
func timed(in *laketest.Ingester, b *testing.B, hour telemetry.Hour) {
	ctx := b.Context()
	start := time.Now()
	lap := func(step string) {
		b.Logf("%s %-8s %v", hour, step, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	run := lake.Run{Hour: hour, ID: time.Now().Format("150405.000000000")}
	listing, err := in.Source.List(ctx, hour)
	in.Must(err)
	plan, err := hours.StagePlan(ctx, in.Lake, run,
		hours.Listed{Source: in.Source.String(), Listing: listing, Chunks: in.Cut(listing.Files)})
	in.Must(err)
	lap("list")

	chunks := make([]hours.StagedChunk, plan.Chunks)
	work := new(errgroup.Group)
	work.SetLimit(2)
	for n := range chunks {
		work.Go(func() (err error) {
			parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
			if err == nil {
				chunks[n], err = hours.StageChunk(ctx, in.Lake, run, plan, n, in.Source,
					parser, func(hours.ChunkCounts) {})
			}
			return err
		})
	}
	in.Must(work.Wait())
	lap("parse")

	sections := hours.GroupSections(chunks, 12<<20)
	silver := make([]hours.StagedSilver, len(sections))
	for n := range sections {
		work.Go(func() (err error) {
			silver[n], err = hours.StageSilver(ctx, in.Lake, run, plan, chunks, sections[n], func(int) {})
			return err
		})
	}
	in.Must(work.Wait())
	lap("silver")

	_, err = commit.Hour(ctx, in.Lake,
		hours.StagedHour{Run: run, Plan: plan, Chunks: chunks, Silver: silver, StartedAt: start})
	in.Must(err)
	lap("commit")

	users, err := gold.PlanUsers(ctx, in.Lake, run.ID, gold.Scope{}, func(int64) {})
	in.Must(err)
	lap("plan")
	merged := make([]gold.Merged, len(users.Groups))
	for n, group := range users.Groups {
		work.Go(func() (err error) {
			merged[n], err = gold.MergeUsers(ctx, in.Lake, users, group, func(int64) {})
			return err
		})
	}
	in.Must(work.Wait())
	lap("merge")
	late := int64(0)
	for _, each := range merged {
		late += each.Late
	}
	if late > 0 {
		each, err := gold.RebuildUsers(ctx, in.Lake, users, merged, func(int64) {})
		in.Must(err)
		merged = append(merged, each)
		lap("rebuild")
	}
	commit, err := gold.CommitUsers(ctx, in.Lake, users, merged, []lake.Run{run})
	in.Must(err)
	lap("gold")
	b.Logf("%s chunks %d, sections %d, changes %d, late %d, users %d", hour, len(chunks), len(sections), users.Changes,
		late, commit.Users)
}
