package generate

import (
	"testing"
)

// One hour of the benchmark's world: 2 million lines.
func BenchmarkWrite(b *testing.B) {
	for b.Loop() {
		dir := b.TempDir()
		s, err := WriteHour(b.Context(), dir, Benchmark(2), Benchmark(2).From+1)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(s.Bytes)
		b.ReportMetric(float64(s.Lines), "lines")
	}
}
