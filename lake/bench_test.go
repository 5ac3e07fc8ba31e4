package lake

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/telemetry"
)

// BenchmarkHour takes hours of two million lines as far as gold, with two workers, without Temporal. The data is made
// anew unless VERSIONLAKE_BENCH_DATA names a folder to keep it in.
func BenchmarkHour(b *testing.B) {
	dir := benchmarkData(b)
	for b.Loop() {
		b.StopTimer()
		in := newIngester(b, newLake(b), dir)
		in.chunkSize = 32 << 20
		hours := in.hours()
		b.StartTimer()
		for _, hour := range hours {
			in.timed(b, hour)
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
	in := newIngester(b, newLake(b), dir)
	in.chunkSize = 32 << 20
	hours := in.hours()
	for _, hour := range hours {
		in.ingest(hour)
	}
	for b.Loop() {
		for _, definition := range dailyTables {
			in.must(in.lake.commit(b.Context(), definition, func(loaded *table.Table) (*change, error) {
				return &change{updates: []table.Update{table.NewRemovePropertiesUpdate([]string{propertyRound, propertyRules})}}, nil
			}))
		}
		start := time.Now()
		plan, err := in.lake.PlanDaily(b.Context(), fmt.Sprintf("daily-%d", start.UnixNano()), func(int64) {})
		in.must(err)
		planned := time.Now()
		var counted []CountedDates
		for _, group := range plan.Groups {
			each, err := in.lake.CountDates(b.Context(), plan, group, func(int64) {})
			in.must(err)
			counted = append(counted, each)
		}
		done := time.Now()
		commit, err := in.lake.CommitDaily(b.Context(), plan, counted)
		in.must(err)
		b.Logf("plan %v, count %v, commit %v: %+v", planned.Sub(start), done.Sub(planned), time.Since(done), commit)
	}
}

// timed runs the steps of an hour two at a time, as two workers would, and logs how long each took.
func (in *ingester) timed(b *testing.B, hour telemetry.Hour) {
	ctx := b.Context()
	start := time.Now()
	lap := func(step string) {
		b.Logf("%s %-8s %v", hour, step, time.Since(start).Round(time.Millisecond))
		start = time.Now()
	}
	run := Run{Hour: hour, ID: time.Now().Format("150405.000000000")}
	listing, err := in.source.List(ctx, hour)
	in.must(err)
	plan, err := in.lake.StagePlan(ctx, run, in.source.String(), listing, in.cut(listing.Files))
	in.must(err)
	lap("list")

	chunks := make([]StagedChunk, plan.Chunks)
	work := new(errgroup.Group)
	work.SetLimit(2)
	for n := range chunks {
		work.Go(func() (err error) {
			parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
			if err == nil {
				chunks[n], err = in.lake.StageChunk(ctx, run, plan, n, in.source, parser, func(ChunkCounts) {})
			}
			return err
		})
	}
	in.must(work.Wait())
	lap("parse")

	sections := GroupSections(chunks, 12<<20)
	silver := make([]StagedSilver, len(sections))
	for n := range sections {
		work.Go(func() (err error) {
			silver[n], err = in.lake.StageSilver(ctx, run, plan, chunks, sections[n], func(int) {})
			return err
		})
	}
	in.must(work.Wait())
	lap("silver")

	_, err = in.lake.CommitHour(ctx, run, plan, chunks, silver, start)
	in.must(err)
	lap("commit")

	users, err := in.lake.PlanUsers(ctx, run.ID, Again{}, func(int64) {})
	in.must(err)
	lap("plan")
	merged := make([]MergedUsers, len(users.Groups))
	for n, group := range users.Groups {
		work.Go(func() (err error) {
			merged[n], err = in.lake.MergeUsers(ctx, users, group, func(int64) {})
			return err
		})
	}
	in.must(work.Wait())
	lap("merge")
	late := int64(0)
	for _, each := range merged {
		late += each.Late
	}
	if late > 0 {
		each, err := in.lake.RebuildUsers(ctx, users, merged, func(int64) {})
		in.must(err)
		merged = append(merged, each)
		lap("rebuild")
	}
	commit, err := in.lake.CommitUsers(ctx, users, merged, []Run{run})
	in.must(err)
	lap("gold")
	b.Logf("%s chunks %d, sections %d, changes %d, late %d, users %d", hour, len(chunks), len(sections), users.Changes, late, commit.Users)
}
