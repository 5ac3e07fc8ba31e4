package plantest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// truth is what bronze must have of each file of a plan: the lines of its last good version that a run read which
// reached the ledger. It follows the files on the disk and the ledger, and nothing else.
type truth struct {
	forget bool // lines of the forgotten go: not followed
	files  map[string][]byte
	staged map[lake.Run]stagedTruth
	// unsure are hours of which a run that was given up left something, and of which no snapshot tells any more
	// what was there before.
	unsure map[telemetry.Hour]bool
}

// stagedTruth is what a run finds on the disk.
type stagedTruth struct {
	good       map[string][]byte
	bad        []string
	removeGone bool
}

func NewTruth(forget bool) *truth {
	return &truth{forget: forget, files: map[string][]byte{}, staged: map[lake.Run]stagedTruth{},
		unsure: map[telemetry.Hour]bool{}}
}

// follow takes in the runs that reached the ledger since.
func (f *truth) follow(in *laketest.Ingester) {
	in.TB.Helper()
	rows, err := ledger.Runs(in.TB.Context(), in.Lake, laketest.HourAt(in.TB, "2022-05-27T00"),
		laketest.HourAt(in.TB, "2022-05-28T00"))
	in.Must(err)
	slices.SortStableFunc(rows, func(a, b ledger.Hour) int { return a.FinishedAt.Compare(b.FinishedAt) })
	for _, row := range rows {
		run := lake.Run{Hour: row.Hour, ID: row.RunID}
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

// Check compares bronze with it, but for hours that a run left half-way.
func (f *truth) Check(t testing.TB, p *PlanRun) {
	t.Helper()
	if f.forget {
		return
	}
	f.follow(p.In)
	half := p.half()
	skip := func(hour telemetry.Hour) bool {
		_, halfway := half[hour]
		return halfway || f.unsure[hour]
	}
	want, got := []string{}, []string{}
	for hour := range telemetry.Hour(5) {
		if hour := p.Hour(int(hour)); !skip(hour) {
			want = append(want, f.lines(t, hour)...)
		}
	}
	for _, row := range laketest.RowsOf[lake.EventRow](t, p.In.Lake, lake.BronzeEvents) {
		if !skip(lake.HourOfRow(row.IngestDate, row.IngestHourOfDay)) {
			got = append(got, fmt.Sprintf("%s:%d %s", row.FileName, row.LineNumber, row.BodyMessage))
		}
	}
	for _, row := range laketest.RowsOf[lake.RejectRow](t, p.In.Lake, lake.BronzeRejects) {
		if !skip(lake.HourOfRow(row.IngestDate, row.IngestHourOfDay)) {
			got = append(got, fmt.Sprintf("%s:%d %s", row.FileName, row.LineNumber, row.RawLine))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("bronze has\n%s\nand the last good versions of the files\n%s", strings.Join(got, "\n"),
			strings.Join(want, "\n"))
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
