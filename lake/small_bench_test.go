package lake

import (
	"testing"

	"github.com/versionlake/versionlake/generate"
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
		in := newIngester(b, newLake(b), dir)
		hours := in.hours()
		b.StartTimer()
		for _, hour := range hours {
			in.ingest(hour)
		}
	}
}
