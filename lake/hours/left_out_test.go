package hours_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/laketest"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/status"
	"github.com/versionlake/versionlake/lake/verify"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

// refusing is a source of which one file can't be read: never, or only from some byte on.
type refusing struct {
	source.Source
	name string
	from int64
}

func (s refusing) Open(ctx context.Context, file source.File, offset, length int64) (io.ReadCloser, error) {
	r, err := s.Source.Open(ctx, file, offset, length)
	if err != nil || !strings.HasSuffix(file.Key, "/"+s.name) {
		return r, err
	}
	if s.from == 0 {
		return nil, fmt.Errorf("open %s: %w; restore it", file.Key, source.ErrUnreadable)
	}
	return refused{io.LimitReader(r, s.from), r}, nil
}

type refused struct {
	io.Reader
	io.Closer
}

func (r refused) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = fmt.Errorf("read on: %w", source.ErrUnreadable)
	}
	return n, err
}

// TestOneBadFile: what can't be opened is left out whole and named, whether that is seen when the hour is listed,
// when the file is opened, or while it is read. The rest of the hour is in, and doing it again changes nothing.
//
//nolint:cyclop // a story that is told step by step reads best in one piece
func TestOneBadFile(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	in.Put("27T05/archived.tsv", laketest.Sighting("27T05:11", "s2", "2.0"))
	in.Put("27T05/z.log", laketest.Sighting("27T05:12", "s3", "3.0"))
	in.Put("27T05/notes.pdf", "no telemetry")
	in.Put("27T05/region=eu/e.tsv", laketest.Sighting("27T05:13", "s4", "4.0"))
	folder := filepath.Join(strings.TrimPrefix(in.Source.String(), "file://"), filepath.FromSlash(hour.Folder()))
	in.Must(os.Symlink("gone", filepath.Join(folder, "link.tsv")))
	in.Must(os.Mkdir(filepath.Join(folder, "d.tsv"), 0o755))
	for name, from := range map[string]int64{"never": 0, "in its middle": 20} {
		plain := in.Source
		in.Source = refusing{plain, "archived.tsv", from}
		run, row := in.Silver(hour)
		if row.State != ledger.HourDegraded || row.Files != 5 || row.BadFiles != 3 || row.PassedOver != 2 ||
			row.Lines != 2 {
			t.Errorf("%s: the ledger says %+v", name, row)
		}
		in.Gold(run)
		left, err := ledger.LeftOutFiles(t.Context(), in.Lake, hour, hour+1)
		in.Must(err)
		var told []string
		for _, file := range left {
			told = append(told, file.State+" "+strings.TrimPrefix(file.Key, hour.Folder()+"/"))
			if file.Error == "" {
				t.Errorf("%s: no reason for %s", name, file.Key)
			}
		}
		want := []string{"bad archived.tsv", "bad d.tsv/", "bad link.tsv", "passed notes.pdf", "passed region=eu/e.tsv"}
		if !slices.Equal(told, want) {
			t.Errorf("%s: left out are %q, want %q", name, told, want)
		}
		if _, again := in.Silver(hour); again.Changed {
			t.Errorf("%s: the same files changed silver: %+v", name, again)
		}
		listing, err := in.Source.List(t.Context(), hour)
		in.Must(err)
		known, err := ledger.FilesBetween(t.Context(), in.Lake, hour, hour+1)
		in.Must(err)
		if finding, differs := ledger.CompareFiles(known[hour], listing, false); differs {
			t.Errorf("%s: an unchanged hour differs: %+v", name, finding)
		}
		in.Source = plain
	}
	_, err := verify.Run(t.Context(), in.Lake, verify.Options{},
		func(d verify.Difference) error { t.Errorf("difference: %+v", d); return nil })
	in.Must(err)
	status, err := status.Read(t.Context(), in.Lake)
	in.Must(err)
	if status.BadFiles != 3 || status.PassedOver != 2 || len(status.LeftOut) != 5 {
		t.Errorf("the status is %+v", status)
	}

	// What is put right comes in, and what is passed over no more is forgotten.
	in.Must(os.Remove(filepath.Join(folder, "link.tsv")))
	in.Must(os.Remove(filepath.Join(folder, "d.tsv")))
	in.Must(os.Remove(filepath.Join(folder, "notes.pdf")))
	_, row := in.Silver(hour)
	if row.State != ledger.HourComplete || row.Files != 3 || row.PassedOver != 1 || row.Lines != 3 {
		t.Errorf("put right, the ledger says %+v", row)
	}
	files, err := ledger.Files(t.Context(), in.Lake, hour)
	in.Must(err)
	if slices.ContainsFunc(files, func(f ledger.File) bool { return strings.HasSuffix(f.Key, ".pdf") }) {
		t.Errorf("files are %+v", files)
	}
	_, err = verify.Run(t.Context(), in.Lake, verify.Options{},
		func(d verify.Difference) error { t.Errorf("difference: %+v", d); return nil })
	in.Must(err)
}

// A cut file of which a piece can't be read any more is listed again: other pieces of it may be in.
func TestCutFileTurnsUnreadable(t *testing.T) {
	in := laketest.NewWorld(t)
	hour := laketest.HourAt(t, "2022-05-27T05")
	in.Put("27T05/a.tsv", laketest.Sighting("27T05:10", "s1", "1.0"))
	listing, err := in.Source.List(t.Context(), hour)
	in.Must(err)
	file := listing.Files[0]
	run := lake.Run{Hour: hour, ID: "cut"}
	plan, err := hours.StagePlan(t.Context(), in.Lake, run, hours.Listed{Listing: listing,
		Chunks: []hours.Chunk{{Pieces: []hours.Piece{{File: file, Length: file.Size, Line: 1}}}}})
	in.Must(err)
	parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
	in.Must(err)
	_, err = hours.StageChunk(t.Context(), in.Lake, run, plan, 0, refusing{in.Source, "a.tsv", 0}, parser,
		func(hours.ChunkCounts) {})
	if err == nil || !strings.Contains(err.Error(), source.ErrChanged.Error()) {
		t.Errorf("a cut file that can't be read: %v", err)
	}
}
