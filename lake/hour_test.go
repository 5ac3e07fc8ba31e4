package lake

import (
	"bytes"
	"compress/gzip"
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

	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

func TestHourTwiceIsTheSame(t *testing.T) {
	in := newWorld(t)
	in.put("27T05/a.tsv", login("27T05:01", "s1", "p1"), sighting("27T05:10", "s1", "1.0"), "broken")
	in.put("27T05/b.tsv", sighting("27T05:20", "s2", "1.1"), event("27T05:21", "s2", "FeatureUsed", "Feature", "f"))
	hour := hourAt(t, "2022-05-27T05")
	type state struct {
		rows, gold string
		ids        []int64
		tags       []string
	}
	look := func() (s state) {
		s.rows, s.gold = dumpHours(t, in.lake), users(t, in.lake, "")
		for _, definition := range tableDefinitions {
			if definition.name != opsHours.name {
				ids, tags := snapshots(t, in.lake, definition)
				s.ids, s.tags = append(s.ids, ids...), append(s.tags, tags...)
			}
		}
		return s
	}
	first, row := in.silver(hour)
	if !row.Changed {
		t.Error("the first run says that it changed nothing")
	}
	commit := in.gold(first)
	want := look()
	if !slices.Equal(want.tags, []string{"hour-2022-05-27T05"}) || !slices.Equal(commit.Tags, want.tags) {
		t.Errorf("tags %v, commit %+v", want.tags, commit)
	}

	second, row := in.silver(hour)
	if row.Changed {
		t.Error("the second run says that it changed something")
	}
	in.gold(second)
	if got := look(); got.rows != want.rows || got.gold != want.gold || !slices.Equal(got.ids, want.ids) || !slices.Equal(got.tags, want.tags) {
		t.Errorf("after the second run\n%+v\nis not\n%+v", got, want)
	}

	// Three at once.
	var staged []stagedHour
	for range 3 {
		staged = append(staged, in.stage(hour))
	}
	var work errgroup.Group
	for _, s := range staged {
		work.Go(func() error { _, err := in.commitHour(s); return err })
	}
	in.must(work.Wait())
	in.gold(staged[0].run, staged[1].run, staged[2].run)
	if got := look(); got.rows != want.rows || got.gold != want.gold || !slices.Equal(got.ids, want.ids) || !slices.Equal(got.tags, want.tags) {
		t.Errorf("after three runs at once\n%+v\nis not\n%+v", got, want)
	}
	ledger, err := in.lake.hourRows(t.Context(), hour, hour+1)
	in.must(err)
	runs := map[string]bool{}
	for _, row := range ledger {
		runs[row.RunID] = true
	}
	if len(ledger) != 5 || len(runs) != 5 {
		t.Errorf("%d rows in the ledger, of %d runs", len(ledger), len(runs))
	}
}

// fileStates are the rows of ops.files, as key=state:events.
func (in *ingester) fileStates(hour telemetry.Hour) []string {
	in.tb.Helper()
	rows, err := in.lake.Files(in.tb.Context(), hour)
	in.must(err)
	states := []string{}
	for _, row := range rows {
		if row.Lines != row.Events+row.Rejects+row.Blanks {
			in.tb.Errorf("%s: %d lines, %d events, %d rejects, %d blanks", row.Key, row.Lines, row.Events, row.Rejects, row.Blanks)
		}
		states = append(states, fmt.Sprintf("%s=%s:%d", row.Key[strings.LastIndexByte(row.Key, '/')+1:], row.State, row.Events))
	}
	slices.Sort(states)
	return states
}

func TestHourFollowsItsFiles(t *testing.T) {
	in := newWorld(t)
	in.removeGone = true
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T06/other.tsv", sighting("27T06:00", "s9", "9.0"))
	in.ingest(hour + 1)
	for _, step := range []struct {
		name   string
		change func()
		state  string
		files  []string
		bronze []string // file:line
	}{
		{"no file yet", func() {}, HourEmpty, []string{}, nil},
		{"a file", func() { in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1")) },
			HourComplete, []string{"a.tsv=read:2"}, []string{"a.tsv:1", "a.tsv:2"}},
		{"one more", func() { in.put("27T05/b.tsv", "", sighting("27T05:20", "s2", "1.1")) },
			HourComplete, []string{"a.tsv=read:2", "b.tsv=read:1"}, []string{"a.tsv:1", "a.tsv:2", "b.tsv:2"}},
		{"changed", func() { in.put("27T05/a.tsv", sighting("27T05:30", "s1", "2.0")) },
			HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=read:1"}, []string{"a.tsv:1", "b.tsv:2"}},
		{"only rejects", func() { in.put("27T05/b.tsv", "broken") },
			HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=read:0", "b.tsv=replaced:1"}, []string{"a.tsv:1"}},
		{"removed", func() { in.put("27T05/b.tsv") },
			HourComplete, []string{"a.tsv=read:1", "a.tsv=replaced:2", "b.tsv=removed:0", "b.tsv=removed:1"}, []string{"a.tsv:1"}},
		{"emptied", func() { in.put("27T05/a.tsv") },
			HourEmpty, []string{"a.tsv=removed:1", "a.tsv=removed:2", "b.tsv=removed:0", "b.tsv=removed:1"}, nil},
		{"back again", func() { in.put("27T05/a.tsv", sighting("27T05:30", "s1", "2.0")) },
			HourComplete, nil, []string{"a.tsv:1"}}, // whether its version is a known one, the store's tags decide
	} {
		t.Run(step.name, func(t *testing.T) {
			step.change()
			run, row := in.silver(hour)
			if row.State != step.state || row.Events != int64(len(step.bronze)) {
				t.Errorf("the ledger says %+v", row)
			}
			if got := in.fileStates(hour); step.files != nil && !slices.Equal(got, step.files) {
				t.Errorf("ops.files has %v, not %v", got, step.files)
			}
			var bronze []string
			for _, row := range rowsOf[eventRow](t, in.lake, bronzeEvents) {
				if row.IngestHourOfDay == 5 {
					bronze = append(bronze, fmt.Sprintf("%s:%d", row.FileName[strings.LastIndexByte(row.FileName, '/')+1:], row.LineNumber))
				}
			}
			slices.Sort(bronze)
			if !slices.Equal(bronze, step.bronze) {
				t.Errorf("bronze has %v, not %v", bronze, step.bronze)
			}
			in.gold(run)
			checkGold(t, in)
			ledger, err := in.lake.Hours(t.Context(), hour, hour+1)
			in.must(err)
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
	hour := hourAt(t, "2022-05-27T05")
	before := []string{sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1"), "broken"}
	after := []string{sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p2"), sighting("27T05:12", "s2", "3.0"), "also broken"}
	world := func() (*ingester, stagedHour) {
		in := newWorld(t)
		in.put("27T05/a.tsv", before...)
		in.ingest(hour)
		in.put("27T05/a.tsv", after...)
		return in, in.stage(hour)
	}
	counts := func(row HourRow) HourRow {
		row.RunID, row.Source = "", ""
		row.StartedAt, row.FinishedAt = time.Time{}, time.Time{}
		return row
	}
	in, staged := world()
	row, err := in.commitHour(staged)
	in.must(err)
	in.gold(staged.run)
	wantRow, wantRows, wantGold, wantFiles := counts(row), dumpHours(t, in.lake), users(t, in.lake, ""), in.fileStates(hour)

	tables := hourTables
	for _, done := range []int{1, 4, 5, 6, 7} { // 6: the files too, 7: the ledger too
		t.Run(fmt.Sprintf("after %d commits", done), func(t *testing.T) {
			in, staged := world()
			ctx := t.Context()
			commit := in.commitTables(staged, tables[:min(done, len(tables))]...)
			for _, definition := range tables[:min(done, len(tables))] {
				if !commit.hours[0].changed[definition.name] {
					t.Fatalf("%s did not change", definition.name)
				}
			}
			if done > len(tables) {
				in.must(commit.recordFiles(ctx))
			}
			if done > len(tables)+1 {
				_, err := in.commitHour(staged)
				in.must(err)
			}
			for range 2 {
				row, err := in.commitHour(staged)
				in.must(err)
				if counts(row) != wantRow {
					t.Errorf("the ledger says\n%+v, not\n%+v", counts(row), wantRow)
				}
			}
			ledger, err := in.lake.hourRows(ctx, hour, hour+1)
			in.must(err)
			if len(ledger) != 2 || counts(ledger[1]) != wantRow {
				t.Errorf("the ledger has %+v", ledger)
			}
			if shown := in.gold(staged.run); !slices.Equal(shown.Tags, []string{"hour-2022-05-27T05.2"}) {
				t.Errorf("tags %v", shown.Tags)
			}
			if dumpHours(t, in.lake) != wantRows || users(t, in.lake, "") != wantGold || !slices.Equal(in.fileStates(hour), wantFiles) {
				t.Error("the tables differ from those of an undisturbed run")
			}
			checkGold(t, in)
		})
	}
}

// TestRunGivenUp lets another run find what one left half-way.
func TestRunGivenUp(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1"))
	left := in.stage(hour)
	in.commitTables(left, silverSightings)
	in.put("27T06/a.tsv", sighting("27T06:10", "s1", "1.1"))
	later, _ := in.silver(hour + 1)
	if commit := in.gold(later); len(commit.Tags) != 0 || !slices.Equal(commit.Waiting, []Run{later}) {
		t.Errorf("gold passed a half hour: %+v", commit)
	}
	again, row := in.silver(hour)
	if !row.Changed {
		t.Error("the run that brought the bindings says that it changed nothing")
	}
	if commit := in.gold(later, again); !slices.Equal(commit.Tags, []string{"hour-2022-05-27T05", "hour-2022-05-27T06"}) || len(commit.Waiting) > 0 {
		t.Errorf("gold does not show both hours: %+v", commit)
	}
	checkGold(t, in)
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
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
	text, err := os.ReadFile(inCheckout(t, "docs/EVENTS.md"))
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

func TestEveryLineIsAccountedFor(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2021-12-24T11")
	good := "Telemetry\t2021-12-24T11:31:19Z\tClientApp\tS1\t20\t{'Name': 'Login', 'UserId': 'p1'}"
	broken, reasons := rejectExamples(t)
	if len(broken) < 30 {
		t.Fatalf("only %d examples", len(broken))
	}
	files := map[string][]byte{}
	wantLines, wantEvents, wantRejects, wantBlanks := map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	add := func(name string, data []byte, events, rejects, blanks int64) {
		files[name] = data
		wantEvents[name], wantRejects[name], wantBlanks[name] = events, rejects, blanks
		wantLines[name] = events + rejects + blanks
	}
	for i, line := range broken {
		end := "\n" + good + "\n"
		if strings.HasSuffix(line, "\\") {
			end = "" // it would be continued
		}
		add(fmt.Sprintf("broken%02d.tsv", i), []byte(line+end), int64(len(end))/int64(max(len(end), 1)), 1, 0)
	}
	blank := "\n \t \r\n\n"
	add("blank.tsv", []byte(blank), 0, 0, 3)
	add("empty.tsv", nil, 0, 0, 0)
	add("bom.tsv", []byte("\ufeff"+good+"\r\n"+good), 2, 0, 0)
	add("mixed.tsv", []byte(good+"\n\n"+broken[6]+"\n"+good), 2, 1, 1)
	add("good.tsv.gz", gzipped(t, good+"\n"+broken[6]+"\n"+blank), 1, 1, 3)
	add("good.tsv.zst", zstandard(t, good+"\n"+broken[6]+"\n"+blank), 1, 1, 3)
	long := gzipped(t, strings.Repeat(good+"\n", 5000))
	add("torn.tsv.gz", long[:len(long)-20], 0, 0, 0)
	flipped := zstandard(t, good+"\n")
	flipped[len(flipped)-1] ^= 1
	add("torn.tsv.zst", flipped, 0, 0, 0)
	add("void.tsv.gz", nil, 0, 0, 0)
	packed := string(gzipped(t, good+"\n"+broken[6]+"\n"))
	add("noted.tsv.gz", []byte(packed+packed+"\x00\x00"+good+"\n"), 2, 2, 0)
	add("padded.log.GZ", []byte(packed+strings.Repeat("\x00", 512)), 1, 1, 0)
	add("part-00000", []byte(packed), 1, 1, 0)
	add("plain.tsv.zst", []byte(good+"\n"), 1, 0, 0)
	for name, data := range files {
		in.must(os.MkdirAll(in.source.String()[len("file://"):]+"/"+hour.Folder(), 0o755))
		in.must(os.WriteFile(in.source.String()[len("file://"):]+"/"+hour.Folder()+"/"+name, data, 0o644))
	}

	run, row := in.silver(hour)
	if row.State != HourDegraded || row.BadFiles != 2 || row.Files != int64(len(files)) {
		t.Errorf("the ledger says %+v", row)
	}
	events, rejects := map[string]int64{}, map[string]int64{}
	for _, row := range rowsOf[eventRow](t, in.lake, bronzeEvents) {
		events[row.FileName]++
	}
	for _, row := range rowsOf[rejectRow](t, in.lake, bronzeRejects) {
		rejects[row.FileName]++
		name := row.FileName[strings.LastIndexByte(row.FileName, '/')+1:]
		if n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "broken"), ".tsv")); err == nil {
			want := broken[n]
			if reasons[n] == string(telemetry.ReasonLength) {
				want = want[:telemetry.MaxLine]
			}
			if row.Reason != reasons[n] || row.LineNumber != 1 || row.ByteOffset != 0 || string(row.RawLine) != want ||
				row.ByteLength != int64(len(broken[n]))+min(1, events[row.FileName]) {
				t.Errorf("%.60q: reason %s, not %s; line %d, offset %d, length %d", broken[n], row.Reason, reasons[n], row.LineNumber, row.ByteOffset, row.ByteLength)
			}
		}
	}
	rows, err := in.lake.Files(t.Context(), hour)
	in.must(err)
	if len(rows) != len(files) {
		t.Errorf("%d rows in ops.files, of %d files", len(rows), len(files))
	}
	var lines int64
	for _, row := range rows {
		name := row.Key[strings.LastIndexByte(row.Key, '/')+1:]
		if row.Lines != wantLines[name] || row.Events != wantEvents[name] || row.Rejects != wantRejects[name] || row.Blanks != wantBlanks[name] {
			t.Errorf("ops.files says %+v, not %d lines = %d events + %d rejects + %d blanks", row, wantLines[name], wantEvents[name], wantRejects[name], wantBlanks[name])
		}
		if row.Events != events[row.Key] || row.Rejects != rejects[row.Key] {
			t.Errorf("%s: %d events and %d rejects in bronze, ops.files says %d and %d", row.Key, events[row.Key], rejects[row.Key], row.Events, row.Rejects)
		}
		bad := strings.HasPrefix(name, "torn")
		if (row.Note != "") != strings.HasPrefix(name, "noted") {
			t.Errorf("%s is noted %q", name, row.Note)
		}
		if (row.State == FileBad) != bad || (row.Error != "") != bad {
			t.Errorf("%s is %s %q", name, row.State, row.Error)
		}
		lines += row.Lines
	}
	if lines != row.Lines || row.Lines != row.Events+row.Rejects+row.Blanks {
		t.Errorf("%d lines in ops.files, the ledger says %+v", lines, row)
	}
	in.gold(run)

	// A file that is whole again is read.
	in.must(os.WriteFile(in.source.String()[len("file://"):]+"/"+hour.Folder()+"/torn.tsv.gz", long, 0o644))
	if _, row := in.silver(hour); row.BadFiles != 1 || row.Lines != lines+5000 {
		t.Errorf("with a whole file: %+v", row)
	}
}

func TestChunksDoNotMatter(t *testing.T) {
	var lines []string
	for i := range 25 {
		lines = append(lines, sighting(fmt.Sprintf("27T05:%02d", i), fmt.Sprintf("s%d", i%7), fmt.Sprintf("1.%d", i%5)), "broken "+strconv.Itoa(i), "")
		lines = append(lines, login(fmt.Sprintf("27T05:%02d", i), fmt.Sprintf("s%d", i%7), fmt.Sprintf("p%d", i%3)))
		lines = append(lines, lines[len(lines)-1]) // a client's retry, perhaps in another chunk
		lines = append(lines, fmt.Sprintf("Telemetry 2022-05-27T05:%02d:00Z App s%d 3 \\\r\n{'Name': 'Other', 'N': %d}\r", i, i%7, i))
	}
	want, wantGold := "", ""
	for _, size := range []int64{1 << 20, 4096, 511, 64} {
		in := newWorld(t)
		in.chunkSize = size
		in.put("27T05/a.tsv", lines...)
		in.put("27T05/b.tsv", lines[:9]...)
		in.ingest(hourAt(t, "2022-05-27T05"))
		rows, gold := dumpHours(t, in.lake), users(t, in.lake, "")
		if want == "" {
			want, wantGold = rows, gold
			checkGold(t, in)
		}
		if rows != want || gold != wantGold {
			t.Errorf("chunks of %d bytes give other rows", size)
		}
	}
}

// TestHourCancelled stops a commit by its context: nothing may be left half-done that a second call does not mend.
func TestHourCancelled(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), login("27T05:11", "s1", "p1"))
	staged := in.stage(hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.lake.CommitHour(ctx, staged.run, staged.plan, staged.chunks, staged.silver, hour.Start()); err == nil {
		t.Error("a cancelled commit succeeded")
	}
	_, err := in.commitHour(staged)
	in.must(err)
	in.gold(staged.run)
	checkGold(t, in)
}

// TestFileChangesUnderway: a chunk is of the files that were listed or of none, and an attempt that is repeated counts once.
func TestFileChangesUnderway(t *testing.T) {
	in := newWorld(t)
	hour := hourAt(t, "2022-05-27T05")
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"))
	listing, err := in.source.List(t.Context(), hour)
	in.must(err)
	run := Run{Hour: hour, ID: "underway"}
	plan, err := in.lake.StagePlan(t.Context(), run, in.source.String(), listing, in.cut(listing.Files))
	in.must(err)
	parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
	in.must(err)
	stage := func(n int) (StagedChunk, error) {
		return in.lake.StageChunk(t.Context(), run, plan, n, in.source, parser, func(ChunkCounts) {})
	}
	given, err := stage(0)
	in.must(err)
	again, err := stage(0)
	in.must(err)
	if given.Ref == again.Ref {
		t.Error("two attempts write to one place")
	}
	if _, err := stage(1); err == nil {
		t.Error("a chunk that is not planned was parsed")
	}
	in.put("27T05/a.tsv", sighting("27T05:10", "s1", "1.0"), sighting("27T05:20", "s1", "1.1"))
	if _, err := stage(0); !errors.Is(err, source.ErrChanged) {
		t.Errorf("a file that changed: %v", err)
	}
	in.put("27T05/a.tsv")
	if _, err := stage(0); !errors.Is(err, source.ErrNotFound) {
		t.Errorf("a file that went: %v", err)
	}
	silver, err := in.lake.StageSilver(t.Context(), run, plan, []StagedChunk{again}, Sections{From: 0, To: len(again.SectionBytes)}, func(int) {})
	in.must(err)
	row, err := in.lake.CommitHour(t.Context(), run, plan, []StagedChunk{again}, []StagedSilver{silver}, time.Now())
	in.must(err)
	if row.Events != 1 || len(rowsOf[eventRow](t, in.lake, bronzeEvents)) != 1 {
		t.Errorf("the ledger says %+v", row)
	}
	in.must(in.lake.DropStaging(t.Context(), run))
	if left := leftovers(t, strings.TrimPrefix(in.lake.config.Warehouse, "file://")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := in.lake.StagePlan(t.Context(), run, "", source.Listing{Files: []source.File{{Key: "b"}, {Key: "a"}}}, nil); err == nil {
		t.Error("a plan out of order was kept")
	}
}
