package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// generatedLines are 1 MiB of SoftwareVersion events of 175 bytes each.
func generatedLines() []byte {
	var out bytes.Buffer
	for i := 0; out.Len() < 1<<20; i++ {
		fmt.Fprintf(&out, "Telemetry\t2022-05-27T05:%02d:%02d.%03d+0000\tClientApp\t%032X\t%d\t"+
			"{'Name': 'SoftwareVersion', 'Version': 1.%02d.%02d, 'Device': 'Gameboy', 'PlayerId': 'p%012x'}\n",
			i/60%60, i%60, i%1000, i*7919, 1000+i%9000, i%30, i%100, i*31)
	}
	return out.Bytes()
}

// realLines are the files of the project's sample data, which lies outside of the project.
func realLines(t testing.TB) []byte {
	t.Helper()
	files, err := filepath.Glob("../../shared/data/telemetry/*/*/*/*/*.tsv")
	if err != nil || len(files) == 0 {
		t.Skip("no sample data in ../../shared/data/telemetry")
	}
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

func BenchmarkParse(b *testing.B) {
	bench := func(b *testing.B, data []byte) {
		// the sample is of 2015
		p, err := NewParser(Options{Hour: HourOf(date(2022, 5, 27, 5)), MaxPast: 2 * DefaultMaxPast})
		if err != nil {
			b.Fatal(err)
		}
		lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		var e Event
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			for _, line := range lines {
				if reason := p.Parse(line, &e); reason != "" {
					b.Fatalf("%s: %q", reason, line)
				}
			}
		}
	}
	b.Run("generated", func(b *testing.B) { bench(b, generatedLines()) })
	b.Run("real", func(b *testing.B) { bench(b, realLines(b)) })
}

// TestParseAllocatesNothing: a line costs no memory, once the event's own has grown: whatever kind of event it is, with
// texts that are escaped, and where it is rejected.
func TestParseAllocatesNothing(t *testing.T) {
	p, err := NewParser(Options{Hour: HourOf(date(2022, 5, 27, 5))})
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(generatedLines(), []byte("\n")), []byte("\n"))[:1000]
	for _, body := range []string{
		`{'Name': 'Login', 'UserId': 'u\'1', 'Device': None}`, `{"Name": "Issue", "Code": 7, "Message": "a\tb\u00e9"}`,
		`{'Name': 'Unheard', 'List': ['a', 'b'], 'Dict': {'c': 'd'}}`, `{'Name': 'Logout'`, `nothing`,
		`{'Name': 'DeviceInfo', 'Device': 'PC', 'OS': ('a', 1)}`,
	} {
		lines = append(lines, []byte("Telemetry\t2022-05-27T05:00:00.000+0000\tClientApp\ts1\t1\t"+body))
	}
	lines = append(lines, []byte("Telemetry\tno time\tClientApp\ts1\t1\t{'Name': 'Login'}"), []byte("no tabs"))
	var e Event
	if allocated := testing.AllocsPerRun(10, func() {
		for _, line := range lines {
			p.Parse(line, &e)
		}
	}); allocated > 0 {
		t.Errorf("%d lines allocate %v times", len(lines), allocated)
	}
}

func BenchmarkScan(b *testing.B) {
	data := generatedLines()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := NewScanner(bytes.NewReader(data), Position{})
		for s.Scan() {
		}
		if s.Err() != nil {
			b.Fatal(s.Err())
		}
	}
}

// BenchmarkScanAndParse is what a chunk costs before anything is written.
func BenchmarkScanAndParse(b *testing.B) {
	data := generatedLines()
	p, err := NewParser(Options{Hour: HourOf(date(2022, 5, 27, 5))})
	if err != nil {
		b.Fatal(err)
	}
	var e Event
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s := NewScanner(bytes.NewReader(data), Position{})
		for s.Scan() {
			if reason := p.Parse(s.Line().Text, &e); reason != "" {
				b.Fatal(reason)
			}
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	data := bytes.Repeat(generatedLines(), 16)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Split(bytes.NewReader(data), 4<<20, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecompress(b *testing.B) {
	data := generatedLines()
	for _, name := range []string{"a.tsv.gz", "a.tsv.zst"} {
		b.Run(filepath.Ext(name), func(b *testing.B) {
			packed := compress(b, name, data)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				r, err := Decompress(name, bytes.NewReader(packed))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
