package laketest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	SeedExample   = "../shared/data/seed-example"
	RealTelemetry = "../shared/data/telemetry"
)

// InCheckout is a path relative to the go.mod above the test's folder.
func InCheckout(t testing.TB, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, filepath.FromSlash(path))
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working folder of the test")
		}
	}
}

// Shared skips a test where the shared data is absent.
func Shared(t *testing.T, folder string) string {
	t.Helper()
	path := InCheckout(t, folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here", folder)
	}
	return path
}

func NewLake(t testing.TB) *lake.Lake {
	t.Helper()
	dir := t.TempDir()
	l, err := lake.Open(t.Context(),
		lake.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Ingester drives the steps of the hour's workflow in one process.
type Ingester struct {
	TB        testing.TB
	Lake      *lake.Lake
	Source    source.Source
	ChunkSize int64
	// sectionBytes is about how much of an hour a step gathers for silver.
	SectionBytes int64
	Parsing      telemetry.Options
	runs         int
	NoteGone     bool        // where all files are gone, nothing but the ledger changes
	RemoveGone   bool        // rows of files that are gone or bad go, as somebody asked for
	Failed       func(error) // is told of a step that fails, and lets it be done again; nil: no step may fail
}

// Do takes a step, until it succeeds if steps may fail.
func (in *Ingester) Do(step func() error) {
	in.TB.Helper()
	in.Must(in.Try(step))
}

// Try is do of a step that no repetition helps where a user was forgotten meanwhile, or bronze lacks the hour.
func (in *Ingester) Try(step func() error) error {
	in.TB.Helper()
	err := step()
	for ; err != nil && !errors.Is(err, lake.ErrStale) && !errors.Is(err, hours.ErrNoBronze) &&
		in.Failed != nil; err = step() {
		in.Failed(err)
	}
	return err
}

func NewIngester(t testing.TB, l *lake.Lake, location string) *Ingester {
	t.Helper()
	src, err := source.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	return &Ingester{TB: t, Lake: l, Source: src, ChunkSize: 1 << 20, SectionBytes: 4 << 10}
}

// StagedHour is a run of an hour before its commit.
type StagedHour struct {
	Run    lake.Run
	Plan   hours.Plan
	Chunks []hours.StagedChunk
	Silver []hours.StagedSilver
}

func (s StagedHour) Ready() hours.StagedHour {
	return hours.StagedHour{Run: s.Run, Plan: s.Plan, Chunks: s.Chunks, Silver: s.Silver, StartedAt: time.Now()}
}

// Stage takes an hour as far as it is written but not committed.
func (in *Ingester) Stage(hour telemetry.Hour) StagedHour {
	in.TB.Helper()
	return in.stageRun(lake.Run{Hour: hour, ID: in.NewRun()})
}

// StageTogether does the same for hours that are to be committed together.
func (in *Ingester) StageTogether(hours ...telemetry.Hour) (staged []hours.StagedHour) {
	in.TB.Helper()
	id := in.NewRun()
	for _, hour := range hours {
		staged = append(staged, in.stageRun(lake.Run{Hour: hour, ID: id}).Ready())
	}
	return staged
}

func (in *Ingester) NewRun() string {
	in.runs++
	return fmt.Sprintf("run%05d-%d", in.runs, time.Now().UnixNano())
}

func (in *Ingester) stageRun(run lake.Run) StagedHour {
	in.TB.Helper()
	s, err := in.TryStage(run)
	in.Must(err)
	return s
}

func (in *Ingester) TryStage(run lake.Run) (s StagedHour, err error) {
	in.TB.Helper()
	ctx := in.TB.Context()
	s.Run = run
	hour := run.Hour
	var ledger int64
	in.Do(func() (err error) { ledger, err = hours.LedgerNow(ctx, in.Lake); return err })
	var listing source.Listing
	in.Do(func() (err error) { listing, err = in.Source.List(ctx, hour); return err })
	listed := hours.Listed{Source: in.Source.String(), Listing: listing, Chunks: in.Cut(listing.Files)}
	switch {
	case in.RemoveGone:
		listed.Gone = hours.RemoveGone
	case in.NoteGone:
		listed.Gone = hours.NoteGone
	}
	// An erasure may take the run's folder away while the plan is written to it: whoever calls begins again.
	if err := in.Try(func() (err error) {
		s.Plan, err = hours.StagePlan(ctx, in.Lake, s.Run, listed)
		s.Plan.Ledger = ledger
		return err
	}); err != nil {
		return s, err
	}
	return s, in.stageChunks(&s, in.Source, s.Plan.Chunks, in.Parsing)
}

// stageChunks takes the steps of an hour between its plan and its commit.
func (in *Ingester) stageChunks(s *StagedHour, source source.Source, chunks int, parsing telemetry.Options) error {
	in.TB.Helper()
	ctx := in.TB.Context()
	parsing.Hour = s.Run.Hour
	parser, err := telemetry.NewParser(parsing)
	in.Must(err)
	for n := range chunks {
		if err := in.Try(func() error {
			chunk, err := hours.StageChunk(ctx, in.Lake, s.Run, s.Plan, n, source, parser, func(hours.ChunkCounts) {})
			if err == nil {
				s.Chunks = append(s.Chunks, chunk)
			}
			return err
		}); err != nil {
			return err
		}
	}
	for _, sections := range hours.GroupSections(s.Chunks, in.SectionBytes) {
		if err := in.Try(func() error {
			each, err := hours.StageSilver(ctx, in.Lake, s.Run, s.Plan, s.Chunks, sections, func(int) {})
			if err == nil {
				s.Silver = append(s.Silver, each)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// CommitHour commits a staged hour; it may be called again, and by several at once.
func (in *Ingester) CommitHour(s StagedHour) (ledger.Hour, error) {
	return commit.Hour(in.TB.Context(), in.Lake, s.Ready())
}

// Silver takes an hour as far as the ledger.
func (in *Ingester) Silver(hour telemetry.Hour) (lake.Run, ledger.Hour) {
	in.TB.Helper()
	s := in.Stage(hour)
	var row ledger.Hour
	in.Do(func() (err error) { row, err = in.CommitHour(s); return err })
	in.Do(func() error { return hours.DropStaging(in.TB.Context(), in.Lake, s.Run) })
	return s.Run, row
}

// Cut makes a chunk of each file, or of each piece of a large plain one.
func (in *Ingester) Cut(files []source.File) []hours.Chunk {
	in.TB.Helper()
	ctx := in.TB.Context()
	var chunks []hours.Chunk
	for _, file := range files {
		starts := []telemetry.Position{{Line: 1}}
		if !telemetry.Compressed(file.Key) && file.Size > in.ChunkSize {
			in.Do(func() error {
				r, err := in.Source.Open(ctx, file, 0, -1)
				if err != nil {
					return err
				}
				starts, err = telemetry.Split(r, in.ChunkSize, func(int64) {})
				return errors.Join(err, r.Close())
			})
		}
		for i, start := range starts {
			length := int64(-1)
			if i+1 < len(starts) {
				length = starts[i+1].Offset - start.Offset
			}
			chunks = append(chunks,
				hours.Chunk{Pieces: []hours.Piece{
					{File: file, Offset: start.Offset, Length: length, Line: start.Line}}})
		}
	}
	return chunks
}

func (in *Ingester) Ingest(hour telemetry.Hour) gold.Committed {
	in.TB.Helper()
	run, _ := in.Silver(hour)
	return in.Gold(run)
}

func (in *Ingester) Must(err error) {
	in.TB.Helper()
	if err != nil {
		in.TB.Fatal(err)
	}
}

func (in *Ingester) Hours() []telemetry.Hour {
	in.TB.Helper()
	from, _ := telemetry.ParseHour("2000-01-01T00")
	to, _ := telemetry.ParseHour("2100-01-01T00")
	hours, err := in.Source.Hours(in.TB.Context(), from, to)
	in.Must(err)
	return hours
}
