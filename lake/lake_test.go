package lake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/versionlake/versionlake/history"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
)

const (
	seedExample   = "../shared/data/seed-example"
	realTelemetry = "../shared/data/telemetry"
)

// inCheckout is a path relative to the go.mod above the test's folder.
func inCheckout(t testing.TB, path string) string {
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

// shared skips a test where the shared data is absent.
func shared(t *testing.T, folder string) string {
	t.Helper()
	path := inCheckout(t, folder)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here", folder)
	}
	return path
}

func newLake(t testing.TB) *Lake {
	t.Helper()
	dir := t.TempDir()
	l, err := Open(t.Context(), Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Buckets: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// ingester drives the steps of the hour's workflow in one process.
type ingester struct {
	tb        testing.TB
	lake      *Lake
	source    source.Source
	chunkSize int64
	// sectionBytes is about how much of an hour a step gathers for silver.
	sectionBytes int64
	parsing      telemetry.Options
	runs         int
	noteGone     bool        // where all files are gone, nothing but the ledger changes
	removeGone   bool        // rows of files that are gone or bad go, as somebody asked for
	failed       func(error) // is told of a step that fails, and lets it be done again; nil: no step may fail
}

// do takes a step, until it succeeds if steps may fail.
func (in *ingester) do(step func() error) {
	in.tb.Helper()
	in.must(in.try(step))
}

// try is do of a step that no repetition helps where a user was forgotten meanwhile, or bronze lacks the hour.
func (in *ingester) try(step func() error) error {
	in.tb.Helper()
	err := step()
	for ; err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrNoBronze) && in.failed != nil; err = step() {
		in.failed(err)
	}
	return err
}

func newIngester(t testing.TB, l *Lake, location string) *ingester {
	t.Helper()
	src, err := source.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	return &ingester{tb: t, lake: l, source: src, chunkSize: 1 << 20, sectionBytes: 4 << 10}
}

// stagedHour is a run of an hour before its commit.
type stagedHour struct {
	run    Run
	plan   HourPlan
	chunks []StagedChunk
	silver []StagedSilver
}

func (s stagedHour) ready() StagedHour {
	return StagedHour{Run: s.run, Plan: s.plan, Chunks: s.chunks, Silver: s.silver, StartedAt: time.Now()}
}

// stage takes an hour as far as it is written but not committed.
func (in *ingester) stage(hour telemetry.Hour) stagedHour {
	in.tb.Helper()
	return in.stageRun(Run{Hour: hour, ID: in.newRun()})
}

// stageTogether does the same for hours that are to be committed together.
func (in *ingester) stageTogether(hours ...telemetry.Hour) (staged []StagedHour) {
	in.tb.Helper()
	id := in.newRun()
	for _, hour := range hours {
		staged = append(staged, in.stageRun(Run{Hour: hour, ID: id}).ready())
	}
	return staged
}

func (in *ingester) newRun() string {
	in.runs++
	return fmt.Sprintf("run%05d-%d", in.runs, time.Now().UnixNano())
}

func (in *ingester) stageRun(run Run) stagedHour {
	in.tb.Helper()
	s, err := in.tryStage(run)
	in.must(err)
	return s
}

func (in *ingester) tryStage(run Run) (s stagedHour, err error) {
	in.tb.Helper()
	ctx := in.tb.Context()
	s.run = run
	hour := run.Hour
	var ledger int64
	in.do(func() (err error) { ledger, err = in.lake.LedgerNow(ctx); return err })
	var listing source.Listing
	in.do(func() (err error) { listing, err = in.source.List(ctx, hour); return err })
	chunks := in.cut(listing.Files)
	plan := in.lake.StagePlan
	switch {
	case in.removeGone:
		plan = in.lake.StageRemoval
	case in.noteGone:
		plan = in.lake.StageNote
	}
	in.do(func() (err error) {
		s.plan, err = plan(ctx, s.run, in.source.String(), listing, chunks)
		s.plan.Ledger = ledger
		return err
	})
	err = in.stageChunks(&s, in.source, s.plan.Chunks, in.parsing)
	return s, err
}

// stageChunks takes the steps of an hour between its plan and its commit.
func (in *ingester) stageChunks(s *stagedHour, source source.Source, chunks int, parsing telemetry.Options) error {
	in.tb.Helper()
	ctx := in.tb.Context()
	parsing.Hour = s.run.Hour
	parser, err := telemetry.NewParser(parsing)
	in.must(err)
	for n := range chunks {
		if err := in.try(func() error {
			chunk, err := in.lake.StageChunk(ctx, s.run, s.plan, n, source, parser, func(ChunkCounts) {})
			if err == nil {
				s.chunks = append(s.chunks, chunk)
			}
			return err
		}); err != nil {
			return err
		}
	}
	for _, sections := range GroupSections(s.chunks, in.sectionBytes) {
		if err := in.try(func() error {
			each, err := in.lake.StageSilver(ctx, s.run, s.plan, s.chunks, sections, func(int) {})
			if err == nil {
				s.silver = append(s.silver, each)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// commitHour commits a staged hour; it may be called again, and by several at once.
func (in *ingester) commitHour(s stagedHour) (HourRow, error) {
	return in.lake.CommitHour(in.tb.Context(), s.run, s.plan, s.chunks, s.silver, time.Now())
}

// silver takes an hour as far as the ledger.
func (in *ingester) silver(hour telemetry.Hour) (Run, HourRow) {
	in.tb.Helper()
	s := in.stage(hour)
	var row HourRow
	in.do(func() (err error) { row, err = in.commitHour(s); return err })
	in.do(func() error { return in.lake.DropStaging(in.tb.Context(), s.run) })
	return s.run, row
}

// cut makes a chunk of each file, or of each piece of a large plain one.
func (in *ingester) cut(files []source.File) []Chunk {
	in.tb.Helper()
	ctx := in.tb.Context()
	var chunks []Chunk
	for _, file := range files {
		starts := []telemetry.Position{{Line: 1}}
		if !telemetry.Compressed(file.Key) && file.Size > in.chunkSize {
			in.do(func() error {
				r, err := in.source.Open(ctx, file, 0, -1)
				if err != nil {
					return err
				}
				starts, err = telemetry.Split(r, in.chunkSize, func(int64) {})
				return errors.Join(err, r.Close())
			})
		}
		for i, start := range starts {
			length := int64(-1)
			if i+1 < len(starts) {
				length = starts[i+1].Offset - start.Offset
			}
			chunks = append(chunks, Chunk{Pieces: []Piece{{File: file, Offset: start.Offset, Length: length, Line: start.Line}}})
		}
	}
	return chunks
}

// mergeGold takes a round of gold as far as its commit.
func (in *ingester) mergeGold() (UsersPlan, []MergedUsers) {
	in.tb.Helper()
	return in.mergeAgain(Again{})
}

// mergeAgain does so with users that are made anew.
func (in *ingester) mergeAgain(again Again) (UsersPlan, []MergedUsers) {
	in.tb.Helper()
	ctx := in.tb.Context()
	var plan UsersPlan
	in.do(func() (err error) {
		in.runs++ // a round is one attempt
		plan, err = in.lake.PlanUsers(ctx, fmt.Sprintf("round%05d-%d", in.runs, time.Now().UnixNano()), again, func(int64) {})
		return err
	})
	var merged []MergedUsers
	late := int64(0)
	var each MergedUsers
	for _, group := range plan.Groups {
		in.do(func() (err error) { each, err = in.lake.MergeUsers(ctx, plan, group, func(int64) {}); return err })
		merged = append(merged, each)
		late += each.Late
	}
	if late > 0 {
		in.do(func() (err error) { each, err = in.lake.RebuildUsers(ctx, plan, merged, func(int64) {}); return err })
		merged = append(merged, each)
	}
	return plan, merged
}

// gold lets gold follow.
func (in *ingester) gold(runs ...Run) UsersCommit {
	in.tb.Helper()
	plan, merged := in.mergeGold()
	return in.commitGold(plan, merged, runs...)
}

func (in *ingester) commitGold(plan UsersPlan, merged []MergedUsers, runs ...Run) UsersCommit {
	in.tb.Helper()
	var commit UsersCommit
	in.do(func() (err error) { commit, err = in.lake.CommitUsers(in.tb.Context(), plan, merged, runs); return err })
	in.do(func() error { return in.lake.DropRound(in.tb.Context(), plan) })
	return commit
}

func (in *ingester) ingest(hour telemetry.Hour) UsersCommit {
	in.tb.Helper()
	run, _ := in.silver(hour)
	return in.gold(run)
}

func (in *ingester) must(err error) {
	in.tb.Helper()
	if err != nil {
		in.tb.Fatal(err)
	}
}

func (in *ingester) hours() []telemetry.Hour {
	in.tb.Helper()
	from, _ := telemetry.ParseHour("2000-01-01T00")
	to, _ := telemetry.ParseHour("2100-01-01T00")
	hours, err := in.source.Hours(in.tb.Context(), from, to)
	in.must(err)
	return hours
}

// users dumps gold, for comparison.
func users(t testing.TB, l *Lake, version string) string {
	t.Helper()
	at, err := l.Version(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	last := ""
	for user, err := range l.Users(t.Context(), at) {
		if err != nil {
			t.Fatal(err)
		}
		if user.ID <= last && last != "" {
			t.Fatalf("user %q comes after %q", user.ID, last)
		}
		last = user.ID
		line, err := json.Marshal(user)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	return text.String()
}

func TestSeedExample(t *testing.T) {
	in := newIngester(t, newLake(t), shared(t, seedExample))
	hours := in.hours()
	if len(hours) != 1 || hours[0].String() != "2021-12-24T11" {
		t.Fatalf("hours = %v", hours)
	}
	commit := in.ingest(hours[0])
	if !slices.Equal(commit.Tags, []string{"hour-2021-12-24T11"}) {
		t.Errorf("tags = %v", commit.Tags)
	}
	now, err := in.lake.Version(t.Context(), "")
	in.must(err)
	user, found, err := in.lake.User(t.Context(), now, "session:28E93968461E0CF4CBB8429D25B213A0")
	in.must(err)
	since := time.Date(2021, 12, 24, 11, 31, 19, 459e6, time.UTC).UnixMicro()
	want := []history.Interval{{
		Service: "ClientApp", Device: "Gameboy", HasDevice: true, Version: "1.22.03", ValidFrom: since, Open: true, LastSeenAt: since, Sightings: 1,
	}}
	if !found || !slices.Equal(user.History, want) {
		t.Errorf("user = %+v, %v", user, found)
	}
}

func TestOrderOfHoursDoesNotMatter(t *testing.T) {
	location := shared(t, realTelemetry)
	for _, variant := range []struct {
		name  string
		order func([]telemetry.Hour)
		chunk int64
		every int // hours to a round of gold
	}{
		{"backwards", slices.Reverse[[]telemetry.Hour], 1 << 20, 5},
		{"shuffled", shuffler(7), 2 << 10, 13},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			in := newIngester(t, newLake(t), location)
			in.chunkSize = variant.chunk
			hours := in.hours()
			variant.order(hours)
			for i, hour := range hours {
				run, _ := in.silver(hour)
				if i%variant.every == variant.every-1 || i == len(hours)-1 {
					in.gold(run)
				}
			}
			if got, want := users(t, in.lake, ""), naiveSource(t, in); got != want || len(got) < 1000 {
				t.Errorf("%d bytes of users differ from the %d that the source says", len(got), len(want))
			}
		})
	}
}

func shuffler(seed uint64) func([]telemetry.Hour) {
	return func(hours []telemetry.Hour) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(hours), func(i, j int) { hours[i], hours[j] = hours[j], hours[i] })
	}
}
