package hours_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/laketest"
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
			in.Timed(b, hour)
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
					table.NewRemovePropertiesUpdate([]string{lake.PropertyRound, lake.PropertyRules})}}, nil
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
