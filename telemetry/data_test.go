package telemetry

import (
	"bytes"
	"os"
	"testing"
)

// The seed document's only line, exactly as printed there: blanks, a continuation, a misspelt category.
func TestSeedExample(t *testing.T) {
	file, err := os.Open("../../shared/data/seed-example/2021/12/24/11/example.tsv")
	if err != nil {
		t.Skip("no seed example in ../../shared/data/seed-example")
	}
	defer file.Close()
	s := NewScanner(file, Position{})
	if !s.Scan() {
		t.Fatalf("no line: %v", s.Err())
	}
	p := newParser(t, Options{Hour: HourOf(date(2021, 12, 24, 11))})
	var e Event
	if reason := p.Parse(s.Line().Text, &e); reason != "" {
		t.Fatalf("%s: %q", reason, s.Line().Text)
	}
	want := `Telemtery|2021-12-24T11:31:19.459Z|ClientApp|28E93968461E0CF4CBB8429D25B213A0|20=20|` +
		`{ 'Name': 'SoftwareVersion', 'Version': 1.22.03, 'Device': 'Gameboy'}|` +
		`SoftwareVersion=SoftwareVersion|Version=1.22.03|Device=Gameboy`
	if got := describe(&e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s.Scan() || s.Err() != nil {
		t.Errorf("another line %q, or %v", s.Line().Text, s.Err())
	}
}

func TestSampleData(t *testing.T) {
	p := newParser(t, Options{Hour: HourOf(date(2015, 5, 18, 23))})
	s := NewScanner(bytes.NewReader(realLines(t)), Position{})
	kinds := map[Kind]int{}
	var e Event
	for s.Scan() {
		if reason := p.Parse(s.Line().Text, &e); reason != "" {
			t.Fatalf("line %d: %s: %q", s.Line().Number, reason, s.Line().Text)
		}
		kinds[e.Kind]++
		if _, ok := e.Attribute(AttributeVersion); e.Kind == KindSoftwareVersion && !ok {
			t.Fatalf("line %d: no version: %q", s.Line().Number, s.Line().Text)
		}
		if _, ok := e.Attribute(AttributeUser); e.Kind == KindLogin && !ok {
			t.Fatalf("line %d: no user: %q", s.Line().Number, s.Line().Text)
		}
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if kinds[KindSoftwareVersion] == 0 || kinds[KindLogin] == 0 || kinds[KindIssue] == 0 {
		t.Errorf("events by kind: %v", kinds)
	}
}
