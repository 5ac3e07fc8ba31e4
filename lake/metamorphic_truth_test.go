package lake

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/telemetry"
)

// truth is what bronze must have of each file of a plan: the lines of its last good version that a run read which reached the ledger. It
// follows the files on the disk and the ledger, and nothing else.
type truth struct {
	forget bool // lines of the forgotten go: not followed
	files  map[string][]byte
	staged map[Run]stagedTruth
	// unsure are hours of which a run that was given up left something, and of which no snapshot tells any more what was there before.
	unsure map[telemetry.Hour]bool
}

// stagedTruth is what a run finds on the disk.
type stagedTruth struct {
	good       map[string][]byte
	bad        []string
	removeGone bool
}

func newTruth(forget bool) *truth {
	return &truth{forget: forget, files: map[string][]byte{}, staged: map[Run]stagedTruth{}, unsure: map[telemetry.Hour]bool{}}
}

// stage stages an hour, and notes what its files hold.
func (p *planRun) stage(run Run) (stagedHour, error) {
	found := stagedTruth{good: map[string][]byte{}, removeGone: p.in.removeGone}
	folder := filepath.Dir(p.in.path(fmt.Sprintf("27T%02d/x", run.Hour.OfDay())))
	files, _ := os.ReadDir(folder)
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(folder, file.Name()))
		p.in.must(err)
		key := run.Hour.Folder() + "/" + file.Name()
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			found.bad = append(found.bad, key)
		} else {
			found.good[key] = data
		}
	}
	p.truth.staged[run] = found
	p.in.noteGone = len(p.truth.staged)%2 == 0
	return p.in.tryStage(run)
}

// follow takes in the runs that reached the ledger since.
func (f *truth) follow(in *ingester) {
	in.tb.Helper()
	rows, err := in.lake.hourRows(in.tb.Context(), hourAt(in.tb, "2022-05-27T00"), hourAt(in.tb, "2022-05-28T00"))
	in.must(err)
	slices.SortStableFunc(rows, func(a, b HourRow) int { return a.FinishedAt.Compare(b.FinishedAt) })
	for _, row := range rows {
		run := Run{Hour: row.Hour, ID: row.RunID}
		found, news := f.staged[run]
		if !news {
			continue
		}
		delete(f.staged, run)
		sure := len(found.bad) == 0
		for key := range f.files {
			if _, good := found.good[key]; strings.HasPrefix(key, row.Hour.Folder()) && !good {
				sure = false
				if found.removeGone {
					delete(f.files, key)
				}
			}
		}
		for key, data := range found.good {
			if len(data) > 0 || found.removeGone {
				f.files[key] = data
			} else {
				sure = false
			}
		}
		if sure || found.removeGone {
			delete(f.unsure, row.Hour)
		}
	}
}

// check compares bronze with it, but for hours that a run left half-way.
func (f *truth) check(t testing.TB, p *planRun) {
	t.Helper()
	if f.forget {
		return
	}
	f.follow(p.in)
	half := p.half()
	skip := func(hour telemetry.Hour) bool {
		_, halfway := half[hour]
		return halfway || f.unsure[hour]
	}
	want, got := []string{}, []string{}
	for hour := range telemetry.Hour(5) {
		if hour := p.hour(int(hour)); !skip(hour) {
			want = append(want, f.lines(t, hour)...)
		}
	}
	for _, row := range rowsOf[eventRow](t, p.in.lake, bronzeEvents) {
		if !skip(hourOfRow(row.IngestDate, row.IngestHourOfDay)) {
			got = append(got, fmt.Sprintf("%s:%d %s", row.FileName, row.LineNumber, row.BodyMessage))
		}
	}
	for _, row := range rowsOf[rejectRow](t, p.in.lake, bronzeRejects) {
		if !skip(hourOfRow(row.IngestDate, row.IngestHourOfDay)) {
			got = append(got, fmt.Sprintf("%s:%d %s", row.FileName, row.LineNumber, row.RawLine))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("bronze has\n%s\nand the last good versions of the files\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// lines are an hour's lines as bronze must have them.
func (f *truth) lines(t testing.TB, hour telemetry.Hour) (lines []string) {
	parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(f.files)) {
		if !strings.HasPrefix(key, hour.Folder()) {
			continue
		}
		var event telemetry.Event
		for i, line := range strings.Split(strings.TrimSuffix(string(f.files[key]), "\n"), "\n") {
			if line == "" {
				continue
			}
			if parser.Parse([]byte(line), &event) == "" {
				line = string(event.Body)
			}
			lines = append(lines, fmt.Sprintf("%s:%d %s", key, i+1, line))
		}
	}
	return lines
}
