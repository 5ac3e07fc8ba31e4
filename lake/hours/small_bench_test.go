package hours_test

import (
	"testing"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake/laketest"
)

// BenchmarkSmallHours takes a day of hours of some thousand lines as far as gold, one after the other.
func BenchmarkSmallHours(b *testing.B) {
	dir := b.TempDir()
	options := generate.Demo()
	options.Hours = 24
	if _, err := generate.Write(b.Context(), dir, options); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		in := laketest.NewIngester(b, laketest.NewLake(b), dir)
		hours := in.Hours()
		b.StartTimer()
		for _, hour := range hours {
			in.Ingest(hour)
		}
	}
}
