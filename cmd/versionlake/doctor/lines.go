package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/versionlake/versionlake/cmd/versionlake/output"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// headBytes and headLines are how much of a file is read for a look at what it holds.
const (
	headBytes = 256 << 10
	headLines = 1000
)

// headOf reads the begin of a file, as it is stored.
func headOf(ctx context.Context, src source.Source, file source.File) ([]byte, error) {
	reader, err := src.Open(ctx, file, 0, min(file.Size, headBytes))
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(reader)
	return head, errors.Join(err, reader.Close())
}

// found is what the first lines of a file are.
type found struct {
	lines, versions int
	rejects         map[telemetry.Reason]int
	names           map[string]bool // of events
}

// checkLines says whether the begin of a file holds lines that are read, and whether any tells a version.
func (d *doctor) checkLines(hour telemetry.Hour, file source.File, head []byte) {
	options, err := d.Parsing()
	if err != nil {
		d.say("lines", wrong, text(err), "")
		return
	}
	options.Hour = hour
	f, err := look(options, file, head)
	rejected := 0
	for _, n := range f.rejects {
		rejected += n
	}
	reasons := slices.Sorted(maps.Keys(f.rejects))
	of := fmt.Sprintf("of the first %s of %s", output.Count(int64(f.lines), "line"), file.Key)
	switch {
	case err != nil:
		d.say("lines", warning, fmt.Sprintf("%s: %s", file.Key, text(err)), "")
	case f.lines == 0:
	case 2*rejected > f.lines:
		d.say("lines", warning, fmt.Sprintf("%s, %d can't be read, by the reasons %v", of, rejected, reasons),
			"docs/EVENTS.md says what a line has to be, and what the reasons mean")
	case f.versions == 0:
		d.say("lines", warning, fmt.Sprintf("%s, none tells a version; their events are %s", of,
			strings.Join(first(slices.Sorted(maps.Keys(f.names))), ", ")),
			"if one of these does, name it with --events: docs/EVENTS.md, \"The catalogue\"")
	default:
		d.say("lines", ok, fmt.Sprintf("%s, %d are read, and %d tell a version", of, f.lines-rejected, f.versions), "")
	}
}

// look reads lines of a file's begin; where that is not all of it, the last one may be cut and does not count.
func look(options telemetry.Options, file source.File, head []byte) (f found, err error) {
	f = found{rejects: map[telemetry.Reason]int{}, names: map[string]bool{}}
	parser, err := telemetry.NewParser(options)
	if err != nil {
		return f, err
	}
	whole := int64(len(head)) >= file.Size
	in, err := telemetry.Decompress(file.Key, bytes.NewReader(head))
	if err != nil {
		return f, err
	}
	defer in.Close()
	lines := telemetry.NewScanner(in, telemetry.Position{})
	var last func()
	for f.lines < headLines && lines.Scan() {
		if last != nil {
			last()
		}
		last = nil
		line := lines.Line()
		if line.Blank() {
			continue
		}
		var event telemetry.Event
		reason := line.Reason
		if reason == "" {
			reason = parser.Parse(bytes.Clone(line.Text), &event)
		}
		last = func() { f.add(reason, &event) }
	}
	if last != nil && (whole || f.lines == headLines-1) {
		last()
	}
	if err := lines.Err(); err != nil && whole {
		return f, err
	}
	return f, nil
}

func (f *found) add(reason telemetry.Reason, event *telemetry.Event) {
	f.lines++
	if reason != "" {
		f.rejects[reason]++
		return
	}
	f.names[string(event.Name)] = true
	if _, told := event.Attribute(telemetry.AttributeVersion); told &&
		event.Kind == telemetry.KindSoftwareVersion {
		f.versions++
	}
}

// first are the first of many names.
func first(names []string) []string {
	const most = 8
	if more := len(names) - most; more > 0 {
		return append(names[:most:most], fmt.Sprintf("%d more", more))
	}
	return names
}
