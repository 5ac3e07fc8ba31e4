package hours_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/laketest/checks"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

//nolint:cyclop,funlen // each branch is one count that must add up
func TestEveryLineIsAccountedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2021-12-24T11")
	good := "Telemetry\t2021-12-24T11:31:19Z\tClientApp\tS1\t20\t{'Name': 'Login', 'UserId': 'p1'}"
	broken, reasons := rejectExamples(t)
	if len(broken) < 30 {
		t.Fatalf("only %d examples", len(broken))
	}
	files := map[string][]byte{}
	wantLines, wantEvents := map[string]int64{}, map[string]int64{}
	wantRejects, wantBlanks := map[string]int64{}, map[string]int64{}
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
	add("good.tsv.gz", laketest.Gzipped(t, good+"\n"+broken[6]+"\n"+blank), 1, 1, 3)
	add("good.tsv.zst", zstandard(t, good+"\n"+broken[6]+"\n"+blank), 1, 1, 3)
	long := laketest.Gzipped(t, strings.Repeat(good+"\n", 5000))
	add("torn.tsv.gz", long[:len(long)-20], 0, 0, 0)
	flipped := zstandard(t, good+"\n")
	flipped[len(flipped)-1] ^= 1
	add("torn.tsv.zst", flipped, 0, 0, 0)
	add("void.tsv.gz", nil, 0, 0, 0)
	packed := string(laketest.Gzipped(t, good+"\n"+broken[6]+"\n"))
	add("noted.tsv.gz", []byte(packed+packed+"\x00\x00"+good+"\n"), 2, 2, 0)
	add("padded.log.GZ", []byte(packed+strings.Repeat("\x00", 512)), 1, 1, 0)
	add("part-00000", []byte(packed), 1, 1, 0)
	add("plain.tsv.zst", []byte(good+"\n"), 1, 0, 0)
	for name, data := range files {
		in.Must(os.MkdirAll(in.Source.String()[len("file://"):]+"/"+hour.Folder(), 0o755))
		in.Must(os.WriteFile(in.Source.String()[len("file://"):]+"/"+hour.Folder()+"/"+name, data, 0o644))
	}

	run, row := in.Silver(hour)
	if row.State != ledger.HourDegraded || row.BadFiles != 2 || row.Files != int64(len(files)) {
		t.Errorf("the ledger says %+v", row)
	}
	events, rejects := map[string]int64{}, map[string]int64{}
	for _, row := range laketest.RowsOf[lake.EventRow](t, in.Lake, lake.BronzeEvents) {
		events[row.FileName]++
	}
	for _, row := range laketest.RowsOf[lake.RejectRow](t, in.Lake, lake.BronzeRejects) {
		rejects[row.FileName]++
		name := row.FileName[strings.LastIndexByte(row.FileName, '/')+1:]
		if n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(name, "broken"), ".tsv")); err == nil {
			want := broken[n]
			if reasons[n] == string(telemetry.ReasonLength) {
				want = want[:telemetry.MaxLine]
			}
			if row.Reason != reasons[n] || row.LineNumber != 1 || row.ByteOffset != 0 || string(row.RawLine) != want ||
				row.ByteLength != int64(len(broken[n]))+min(1, events[row.FileName]) {
				t.Errorf("%.60q: reason %s, not %s; line %d, offset %d, length %d", broken[n], row.Reason, reasons[n],
					row.LineNumber, row.ByteOffset, row.ByteLength)
			}
		}
	}
	rows, err := ledger.Files(t.Context(), in.Lake, hour)
	in.Must(err)
	if len(rows) != len(files) {
		t.Errorf("%d rows in ops.files, of %d files", len(rows), len(files))
	}
	var lines int64
	for _, row := range rows {
		name := row.Key[strings.LastIndexByte(row.Key, '/')+1:]
		if row.Lines != wantLines[name] || row.Events != wantEvents[name] || row.Rejects != wantRejects[name] ||
			row.Blanks != wantBlanks[name] {
			t.Errorf("ops.files says %+v, not %d lines = %d events + %d rejects + %d blanks", row, wantLines[name],
				wantEvents[name], wantRejects[name], wantBlanks[name])
		}
		if row.Events != events[row.Key] || row.Rejects != rejects[row.Key] {
			t.Errorf("%s: %d events and %d rejects in bronze, ops.files says %d and %d", row.Key, events[row.Key],
				rejects[row.Key], row.Events, row.Rejects)
		}
		bad := strings.HasPrefix(name, "torn")
		if (row.Note != "") != strings.HasPrefix(name, "noted") {
			t.Errorf("%s is noted %q", name, row.Note)
		}
		if (row.State == ledger.FileBad) != bad || (row.Error != "") != bad {
			t.Errorf("%s is %s %q", name, row.State, row.Error)
		}
		lines += row.Lines
	}
	if lines != row.Lines || row.Lines != row.Events+row.Rejects+row.Blanks {
		t.Errorf("%d lines in ops.files, the ledger says %+v", lines, row)
	}
	in.Gold(run)

	// A file that is whole again is read.
	in.Must(os.WriteFile(in.Source.String()[len("file://"):]+"/"+hour.Folder()+"/torn.tsv.gz", long, 0o644))
	if _, row := in.Silver(hour); row.BadFiles != 1 || row.Lines != lines+5000 {
		t.Errorf("with a whole file: %+v", row)
	}
}

func TestChunksDoNotMatter(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var lines []string
	for i := range 25 {
		lines = append(lines, laketest.Sighting(fmt.Sprintf("27T05:%02d", i), fmt.Sprintf("s%d", i%7),
			fmt.Sprintf("1.%d", i%5)), "broken "+strconv.Itoa(i), "")
		lines = append(lines, laketest.Login(fmt.Sprintf("27T05:%02d", i), fmt.Sprintf("s%d", i%7),
			fmt.Sprintf("p%d", i%3)))
		lines = append(lines, lines[len(lines)-1]) // a client's retry, perhaps in another chunk
		lines = append(lines,
			fmt.Sprintf("Telemetry 2022-05-27T05:%02d:00Z App s%d 3 \\\r\n{'Name': 'Other', 'N': %d}\r", i, i%7, i))
	}
	want, wantGold := "", ""
	for _, size := range []int64{1 << 20, 4096, 511, 64} {
		in := laketest.NewWorld(t)
		in.ChunkSize = size
		in.Put("27T05/a.tsv", lines...)
		in.Put("27T05/b.tsv", lines[:9]...)
		in.Ingest(laketest.HourAt(t, "2022-05-27T05"))
		rows, gold := laketest.DumpHours(t, in.Lake), laketest.Users(t, in.Lake, "")
		if want == "" {
			want, wantGold = rows, gold
			checks.Gold(t, in)
		}
		if rows != want || gold != wantGold {
			t.Errorf("chunks of %d bytes give other rows", size)
		}
	}
}
