package generate

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

func text(e *telemetry.Event, a telemetry.Attribute) string {
	value, _ := e.Attribute(a)
	return string(value)
}

// What a parser reads from the files is what the events say, line by line.
func TestFilesSayWhatTheEventsSay(t *testing.T) {
	o := small()
	dir := t.TempDir()
	summary, err := Write(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	files := tree(t, dir)
	var lines, bad int64
	for _, h := range hours(o) {
		parser, err := telemetry.NewParser(telemetry.Options{Hour: h})
		if err != nil {
			t.Fatal(err)
		}
		var scanner *telemetry.Scanner
		var open string
		for e := range Events(o, h) {
			if e.File != open {
				if scanner != nil && scanner.Scan() {
					t.Fatalf("%s goes on after line %d", open, scanner.Line().Number-1)
				}
				content, ok := files[e.File]
				if !ok {
					t.Fatalf("%s was not written", e.File)
				}
				text, err := telemetry.Decompress(e.File, bytes.NewReader(content))
				if err != nil {
					t.Fatalf("%s: %v", e.File, err)
				}
				delete(files, e.File)
				scanner, open = telemetry.NewScanner(text, telemetry.Position{}), e.File
			}
			if !scanner.Scan() {
				t.Fatalf("%s ends before line %d: %v", open, e.Line, scanner.Err())
			}
			lines++
			line := scanner.Line()
			var got telemetry.Event
			if reason := parser.Parse(line.Text, &got); reason != e.Reason || line.Number != e.Line || e.Hour != h {
				t.Fatalf("%s:%d: reason %q, want %q in line %d: %q", e.File, line.Number, reason, e.Reason, e.Line,
					line.Text)
			}
			if e.Reason != "" {
				bad++
				continue
			}
			compare(t, &e, &got, line.Text)
		}
	}
	if len(files) > 0 || lines != summary.Lines || bad != summary.Bad {
		t.Errorf("%d files too many, %d lines and %d bad ones, want %+v", len(files), lines, bad, summary)
	}
}

func compare(t *testing.T, e *Event, got *telemetry.Event, line []byte) {
	t.Helper()
	want := []string{"Telemetry", e.Name, e.Service, e.Session, strconv.FormatInt(e.Transaction, 10),
		fmt.Sprint(e.Time), e.Kind.String()}
	have := []string{string(got.Category), string(got.Name), string(got.ServiceName), string(got.SessionID),
		string(got.TransactionID),
		fmt.Sprint(got.Time), got.Kind.String()}
	expect := func(a telemetry.Attribute, value string) {
		want, have = append(want, value), append(have, text(got, a))
	}
	named := func(is bool, value string) string {
		if !is {
			return ""
		}
		return value
	}
	number := func(kind telemetry.Kind, n int64) string { return named(e.Kind == kind, strconv.FormatInt(n, 10)) }
	expect(telemetry.AttributeUser, named(e.NamesUser, e.User))
	expect(telemetry.AttributeDevice, named(e.NamesDevice, e.Device))
	expect(telemetry.AttributeVersion, e.Version)
	expect(telemetry.AttributeOS, e.OS)
	expect(telemetry.AttributeModel, e.Model)
	expect(telemetry.AttributeMemory, number(telemetry.KindDeviceInfo, e.Memory))
	expect(telemetry.AttributeTarget, e.Target)
	expect(telemetry.AttributeStatus, e.Status)
	expect(telemetry.AttributeDuration, number(telemetry.KindSessionEnd, e.Duration))
	expect(telemetry.AttributeFeature, e.Feature)
	expect(telemetry.AttributeCode, e.Code)
	expect(telemetry.AttributeSeverity, e.Severity)
	expect(telemetry.AttributeMessage, e.Message)
	expect(telemetry.AttributeSource, e.Source)
	expect(telemetry.AttributeCampaign, e.Campaign)
	expect(telemetry.AttributeExperiment, e.ExperimentName)
	expect(telemetry.AttributeVariant, e.ExperimentArm)
	if !slices.Equal(have, want) {
		t.Fatalf("%s:%d\n%s\n got %q\nwant %q", e.File, e.Line, line, have, want)
	}
}
