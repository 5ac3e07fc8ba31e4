package hours_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

//nolint:cyclop // a story that is told step by step reads best in one piece
func TestHourTwiceIsTheSame(t *testing.T) {
	in := laketest.NewWorld(t)
	in.Put("27T05/a.tsv", laketest.Login("27T05:01", "s1", "p1"), laketest.Sighting("27T05:10", "s1", "1.0"), "broken")
	in.Put("27T05/b.tsv", laketest.Sighting("27T05:20", "s2", "1.1"),
		laketest.Event("27T05:21", "s2", "FeatureUsed", "Feature", "f"))
	hour := laketest.HourAt(t, "2022-05-27T05")
	type state struct {
		rows, gold string
		ids        []int64
		tags       []string
	}
	look := func() (s state) {
		s.rows, s.gold = laketest.DumpHours(t, in.Lake), laketest.Users(t, in.Lake, "")
		for _, definition := range lake.TableDefinitions {
			if definition.Name != lake.OpsHours.Name {
				ids, tags := laketest.Snapshots(t, in.Lake, definition)
				s.ids, s.tags = append(s.ids, ids...), append(s.tags, tags...)
			}
		}
		return s
	}
	first, row := in.Silver(hour)
	if !row.Changed {
		t.Error("the first run says that it changed nothing")
	}
	commit := in.Gold(first)
	want := look()
	if !slices.Equal(want.tags, []string{"hour-2022-05-27T05"}) || !slices.Equal(commit.Tags, want.tags) {
		t.Errorf("tags %v, commit %+v", want.tags, commit)
	}

	second, row := in.Silver(hour)
	if row.Changed {
		t.Error("the second run says that it changed something")
	}
	in.Gold(second)
	if got := look(); got.rows != want.rows || got.gold != want.gold || !slices.Equal(got.ids, want.ids) ||
		!slices.Equal(got.tags, want.tags) {
		t.Errorf("after the second run\n%+v\nis not\n%+v", got, want)
	}

	// Three at once.
	var staged []laketest.StagedHour
	for range 3 {
		staged = append(staged, in.Stage(hour))
	}
	var work errgroup.Group
	for _, s := range staged {
		work.Go(func() error { _, err := in.CommitHour(s); return err })
	}
	in.Must(work.Wait())
	in.Gold(staged[0].Run, staged[1].Run, staged[2].Run)
	if got := look(); got.rows != want.rows || got.gold != want.gold || !slices.Equal(got.ids, want.ids) ||
		!slices.Equal(got.tags, want.tags) {
		t.Errorf("after three runs at once\n%+v\nis not\n%+v", got, want)
	}
	ledger, err := ledger.Runs(t.Context(), in.Lake, hour, hour+1)
	in.Must(err)
	runs := map[string]bool{}
	for _, row := range ledger {
		runs[row.RunID] = true
	}
	if len(ledger) != 5 || len(runs) != 5 {
		t.Errorf("%d rows in the ledger, of %d runs", len(ledger), len(runs))
	}
}

func TestHourFollowsItsFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := laketest.NewWorld(t)
	in.RemoveGone = true
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T06/other.tsv", laketest.Sighting("27T06:00", "s9", "9.0"))
	in.Ingest(hour + 1)
	for _, step := range []struct {
		name   string
		change func()
		state  string
		files  []string
		bronze []string // file:line
	}{
		{"no file yet", func() {}, ledger.HourEmpty, []string{}, nil},
		{"a file", func() {
			in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
		},
			ledger.HourComplete, []string{"a.tsv=read:2"}, []string{"a.tsv:1", "a.tsv:2"}},
		{"one more", func() { in.Put("27T05/b.tsv", "", laketest.Sighting("27T05:20", "s2", "1.1")) },
			ledger.HourComplete, []string{"a.tsv=read:2", "b.tsv=read:1"}, []string{"a.tsv:1", "a.tsv:2", "b.tsv:2"}},
		{"changed", func() { in.Put("27T05/a.tsv", laketest.Sighting("27T05:30", "s1", "2.0")) },
			ledger.HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=read:1"},
			[]string{"a.tsv:1", "b.tsv:2"}},
		{"only rejects", func() { in.Put("27T05/b.tsv", "broken") },
			ledger.HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=read:0", "b.tsv=replaced:1"},
			[]string{"a.tsv:1"}},
		{"removed", func() { in.Put("27T05/b.tsv") },
			ledger.HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=removed:0", "b.tsv=removed:1"},
			[]string{"a.tsv:1"}},
		{"emptied", func() { in.Put("27T05/a.tsv") },
			ledger.HourEmpty, []string{"a.tsv=removed:1", "a.tsv=removed:2", "b.tsv=removed:0", "b.tsv=removed:1"},
			nil},
		{"back again", func() { in.Put("27T05/a.tsv", laketest.Sighting("27T05:30", "s1", "2.0")) },
			// whether its version is a known one, the store's tags decide
			ledger.HourComplete, nil, []string{"a.tsv:1"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			run, row := in.Silver(hour)
			if row.State != step.state || row.Events != int64(len(step.bronze)) {
				t.Errorf("the ledger says %+v", row)
			}
			if got := in.FileStates(hour); step.files != nil && !slices.Equal(got, step.files) {
				t.Errorf("ops.files has %v, not %v", got, step.files)
			}
			var bronze []string
			for _, row := range laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents) {
				if row.IngestHourOfDay == 5 {
					bronze = append(bronze,
						fmt.Sprintf("%s:%d", row.FileName[strings.LastIndexByte(row.FileName, '/')+1:], row.LineNumber))
				}
			}
			slices.Sort(bronze)
			if !slices.Equal(bronze, step.bronze) {
				t.Errorf("bronze has %v, not %v", bronze, step.bronze)
			}
			in.Gold(run)
			checks.Gold(t, in)
			ledger, err := ledger.Hours(t.Context(), in.Lake, hour, hour+1)
			in.Must(err)
			if len(ledger) != 1 || ledger[0].RunID != run.ID {
				t.Errorf("the ledger's newest row is %+v", ledger)
			}
		})
	}
}

// TestCommitHourAfterCrash commits an hour table by table, as far as a crash let it come, and again as a whole.
func TestCommitHourAfterCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("crashes at every step")
	}
	hour := laketest.HourAt(t, "2022-05-27T05")
	before := []string{laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"), "broken"}
	after := []string{laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p2"),
		laketest.Sighting("27T05:12", "s2", "3.0"), "also broken"}
	world := func() (*laketest.Ingester, laketest.StagedHour) {
		in := laketest.NewWorld(t)
		in.Put("27T05/a.tsv", before...)
		in.Ingest(hour)
		in.Put("27T05/a.tsv", after...)
		return in, in.Stage(hour)
	}
	counts := func(row ledger.Hour) ledger.Hour {
		row.RunID, row.Source = "", ""
		row.StartedAt, row.FinishedAt = time.Time{}, time.Time{}
		return row
	}
	in, staged := world()
	row, err := in.CommitHour(staged)
	in.Must(err)
	in.Gold(staged.Run)
	wantRow, wantRows, wantGold, wantFiles := counts(row), laketest.DumpHours(t, in.Lake), laketest.Users(t, in.Lake,
		""), in.FileStates(hour)

	tables := lake.HourTables
	for _, done := range []int{1, 4, 5, 6, 7} { // 6: the files too, 7: the ledger too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, staged := world()
			ctx := t.Context()
			commit := in.CommitTables(staged, tables[:min(done, len(tables))]...)
			for _, definition := range tables[:min(done, len(tables))] {
				if !commit.Hours[0].Changed[definition.Name] {
					t.Fatalf("%s did not change", definition.Name)
				}
			}
			if done > len(tables) {
				in.Must(commit.RecordFiles(ctx))
			}
			if done > len(tables)+1 {
				_, err := in.CommitHour(staged)
				in.Must(err)
			}
			for range 2 {
				row, err := in.CommitHour(staged)
				in.Must(err)
				if counts(row) != wantRow {
					t.Errorf("the ledger says\n%+v, not\n%+v", counts(row), wantRow)
				}
			}
			ledger, err := ledger.Runs(ctx, in.Lake, hour, hour+1)
			in.Must(err)
			if len(ledger) != 2 || counts(ledger[1]) != wantRow {
				t.Errorf("the ledger has %+v", ledger)
			}
			if shown := in.Gold(staged.Run); !slices.Equal(shown.Tags, []string{"hour-2022-05-27T05.2"}) {
				t.Errorf("tags %v", shown.Tags)
			}
			if laketest.DumpHours(t, in.Lake) != wantRows || laketest.Users(t, in.Lake, "") != wantGold ||
				!slices.Equal(in.FileStates(hour), wantFiles) {
				t.Error("the tables differ from those of an undisturbed run")
			}
			checks.Gold(t, in)
		})
	}
}

// TestRunGivenUp lets another run find what one left half-way.
func TestRunGivenUp(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
	left := in.Stage(hour)
	in.CommitTables(left, lake.SilverSightings)
	in.Put("27T06/a.tsv", laketest.Sighting("27T06:10", "s1", "1.1"))
	later, _ := in.Silver(hour + 1)
	if commit := in.Gold(later); len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, []lake.Run{later}) {
		t.Errorf("gold passed a half hour: %+v", commit)
	}
	again, row := in.Silver(hour)
	if !row.Changed {
		t.Error("the run that brought the bindings says that it changed nothing")
	}
	if commit := in.Gold(later, again); !slices.Equal(commit.Tags,
		[]string{"hour-2022-05-27T06"}) || len(commit.Waiting) > 0 {
		t.Errorf("gold does not show both hours: %+v", commit)
	}
	checks.Gold(t, in)
}

func zstandard(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

// rejectExamples are the lines of docs/EVENTS.md that are rejected, with the reason.
func rejectExamples(t *testing.T) (lines []string, reasons []string) {
	t.Helper()
	text, err := os.ReadFile(laketest.InCheckout(t, "docs/EVENTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n| rejected |")
	quoted := regexp.MustCompile(`^("(?:[^"\\]|\\.)*")(?: × (\d+))?$`)
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), " |")
		if len(lines) > 0 && len(cells) < 3 {
			break
		}
		if !strings.Contains(cells[0], "\"") {
			continue
		}
		line := ""
		for part := range strings.SplitSeq(strings.Trim(strings.TrimSpace(cells[0]), "`"), " + ") {
			m := quoted.FindStringSubmatch(part)
			if m == nil {
				t.Fatalf("can't read the example %s", cells[0])
			}
			text, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatal(err)
			}
			times, _ := strconv.Atoi("0" + m[2])
			line += strings.Repeat(text, max(times, 1))
		}
		switch {
		case line[0] == '{' || line[0] == '\'' || line[0] == '"':
			line = "Telemetry\t2021-12-24T11:31:19.459+0000\tClientApp\tS1\t20\t" + line
		case line[0] >= '0' && line[0] <= '9':
			line = "Telemetry\t" + line + "\tClientApp\tS1\t20\t{'Name': 'Login'}"
		}
		lines, reasons = append(lines, line), append(reasons, strings.Trim(strings.TrimSpace(cells[1]), "`"))
	}
	return lines, reasons
}

// TestHourCancelled stops a commit by its context: nothing may be left half-done that a second call does not mend.
func TestHourCancelled(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Login("27T05:11", "s1", "p1"))
	staged := in.Stage(hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := commit.Hour(ctx, in.Lake, staged.Ready()); err == nil {
		t.Error("a cancelled commit succeeded")
	}
	_, err := in.CommitHour(staged)
	in.Must(err)
	in.Gold(staged.Run)
	checks.Gold(t, in)
}

// TestFileChangesUnderway: a chunk is of the files that were listed or of none, and an attempt that is repeated
// counts once.
func TestFileChangesUnderway(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	listing, err := in.Source.List(t.Context(), hour)
	in.Must(err)
	run := lake.Run{Hour: hour, ID: "underway"}
	plan, err := hours.StagePlan(t.Context(), in.Lake, run,
		hours.Listed{Source: in.Source.String(), Listing: listing, Chunks: in.Cut(listing.Files)})
	in.Must(err)
	parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
	in.Must(err)
	stage := func(n int) (hours.StagedChunk, error) {
		return hours.StageChunk(t.Context(), in.Lake, run, plan, n, in.Source, parser, func(hours.ChunkCounts) {})
	}
	given, err := stage(0)
	in.Must(err)
	again, err := stage(0)
	in.Must(err)
	if given.Ref == again.Ref {
		t.Error("two attempts write to one place")
	}
	if _, err := stage(1); err == nil {
		t.Error("a chunk that is not planned was parsed")
	}
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"), laketest.Sighting("27T05:20", "s1", "1.1"))
	if _, err := stage(0); !errors.Is(err, source.ErrChanged) {
		t.Errorf("a file that changed: %v", err)
	}
	in.Put("27T05/a.tsv")
	if _, err := stage(0); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("a file that went: %v", err)
	}
	silver, err := hours.StageSilver(t.Context(), in.Lake, run, plan, []hours.StagedChunk{again},
		hours.Sections{From: 0, To: len(again.SectionBytes)}, func(int) {})
	in.Must(err)
	row, err := commit.Hour(t.Context(), in.Lake, hours.StagedHour{Run: run, Plan: plan,
		Chunks: []hours.StagedChunk{again}, Silver: []hours.StagedSilver{silver}, StartedAt: time.Now()})
	in.Must(err)
	if row.Events != 1 || len(laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents)) != 1 {
		t.Errorf("the ledger says %+v", row)
	}
	in.Must(hours.DropStaging(t.Context(), in.Lake, run))
	if left := laketest.Leftovers(t, strings.TrimPrefix(in.Lake.Config.Warehouse, "file://")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := hours.StagePlan(t.Context(), in.Lake, run, hours.Listed{
		Listing: source.Listing{Files: []source.File{{Key: "b"}, {Key: "a"}}}}); err == nil {
		t.Error("a plan out of order was kept")
	}
}
