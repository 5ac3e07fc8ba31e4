package generate

import (
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
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

//nolint:cyclop // one pass over a world, in which everything is counted and then compared
func TestBenchmarkShape(t *testing.T) {
	o := Benchmark(3)
	w, err := newWorld(o)
	if err != nil {
		t.Fatal(err)
	}
	files := w.files(o.From + 1)
	if len(files) != o.FilesPerHour {
		t.Fatalf("%d files", len(files))
	}
	// One file is like the others.
	var lines writer
	var text []byte
	users, logins := map[string]bool{}, map[string]bool{}
	count, heartbeats := 0, 0
	for e := range files[3].events() {
		if !e.Counts() || e.dialect != plain {
			t.Fatalf("%+v", e)
		}
		at := len(text)
		text = lines.append(text, e)
		line := string(text[at:])
		users[e.User] = true
		count++
		// As other programs cut these lines: by tabs, and by the quotes of the attributes.
		fields := strings.Split(line, "\t")
		if len(fields) != 6 || len(fields[1]) != len("2021-12-24T11:31:19.459+0000") ||
			!strings.HasPrefix(fields[5], "{'Name': '"+e.Name+"'") {
			t.Fatalf("%q", line)
		}
		switch e.Kind {
		case telemetry.KindLogin:
			logins[e.Session] = true
			if !strings.Contains(line, "'PlayerId': '"+e.User+"'") {
				t.Fatalf("%q", line)
			}
		case telemetry.KindSoftwareVersion:
			if !strings.Contains(line, "'Version': "+e.Version+", 'Device': ") {
				t.Fatalf("%q", line)
			}
		case telemetry.KindOther:
			heartbeats++
		}
	}
	all := count * o.FilesPerHour
	if all < 1_900_000 || all > 2_100_000 {
		t.Errorf("%d lines an hour", all)
	}
	if perLine := float64(len(text)) / float64(count); perLine < 160 || perLine > 185 {
		t.Errorf("%.1f bytes a line", perLine)
	}
	if n := len(users) * o.FilesPerHour; n < 190_000 || n > 220_000 {
		t.Errorf("%d users an hour", n)
	}
	if f := float64(heartbeats) / float64(count); f < 0.68 || f > 0.82 {
		t.Errorf("%.2f heartbeats", f)
	}
}
