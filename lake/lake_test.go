package lake

import (
	"bytes"
	"encoding/json"
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
	seedExample   = "../../shared/data/seed-example"
	realTelemetry = "../../shared/data/telemetry"
)

// shared skips a test where the shared data is absent.
func shared(t *testing.T, folder string) string {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("%s is not here", folder)
	}
	path, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
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
	runs      int
}

func newIngester(t testing.TB, l *Lake, location string) *ingester {
	t.Helper()
	src, err := source.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	return &ingester{tb: t, lake: l, source: src, chunkSize: 1 << 20}
}

// silver takes an hour as far as the ledger.
func (in *ingester) silver(hour telemetry.Hour) (Run, HourRow) {
	in.tb.Helper()
	ctx := in.tb.Context()
	in.runs++
	run := Run{Hour: hour, ID: fmt.Sprintf("run%05d-%d", in.runs, time.Now().UnixNano())}
	files, err := in.source.Files(ctx, hour)
	in.must(err)
	chunks := in.cut(files)
	plan, err := in.lake.StagePlan(ctx, run, in.source.String(), files, chunks)
	in.must(err)
	parser, err := telemetry.NewParser(telemetry.Options{Hour: hour})
	in.must(err)
	var staged []StagedChunk
	for n := range chunks {
		chunk, err := in.lake.StageChunk(ctx, run, plan, n, in.source, parser, func(ChunkCounts) {})
		in.must(err)
		staged = append(staged, chunk)
	}
	var silver []StagedSilver
	for _, sections := range GroupSections(staged, 4<<10) {
		each, err := in.lake.StageSilver(ctx, run, plan, staged, sections, func(int) {})
		in.must(err)
		silver = append(silver, each)
	}
	row, err := in.lake.CommitHour(ctx, run, plan, staged, silver, time.Now())
	in.must(err)
	in.must(in.lake.DropStaging(ctx, run))
	return run, row
}

// cut makes a chunk of each file, or of each piece of a large plain one.
func (in *ingester) cut(files []source.File) []Chunk {
	in.tb.Helper()
	ctx := in.tb.Context()
	var chunks []Chunk
	for _, file := range files {
		starts := []telemetry.Position{{Line: 1}}
		if !telemetry.Compressed(file.Key) && file.Size > in.chunkSize {
			r, err := in.source.Open(ctx, file, 0, -1)
			in.must(err)
			starts, err = telemetry.Split(r, in.chunkSize, func(int64) {})
			in.must(err)
			r.Close()
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

// gold lets gold follow.
func (in *ingester) gold(runs ...Run) UsersCommit {
	in.tb.Helper()
	ctx := in.tb.Context()
	in.runs++
	plan, err := in.lake.PlanUsers(ctx, fmt.Sprintf("round%05d-%d", in.runs, time.Now().UnixNano()), func(int64) {})
	in.must(err)
	var merged []MergedUsers
	late := int64(0)
	for _, group := range plan.Groups {
		each, err := in.lake.MergeUsers(ctx, plan, group, func(int64) {})
		in.must(err)
		merged = append(merged, each)
		late += each.Late
	}
	if late > 0 {
		each, err := in.lake.RebuildUsers(ctx, plan, merged, func(int64) {})
		in.must(err)
		merged = append(merged, each)
	}
	commit, err := in.lake.CommitUsers(ctx, plan, merged, runs)
	in.must(err)
	in.must(in.lake.DropRound(ctx, plan))
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
	dump := func(order func([]telemetry.Hour), chunk int64, every int) string {
		in := newIngester(t, newLake(t), location)
		in.chunkSize = chunk
		hours := in.hours()
		order(hours)
		for i, hour := range hours {
			run, _ := in.silver(hour)
			if i%every == every-1 || i == len(hours)-1 {
				in.gold(run)
			}
		}
		return users(t, in.lake, "")
	}
	plain := dump(func([]telemetry.Hour) {}, 1<<20, 1)
	if len(plain) < 1000 {
		t.Fatalf("only %d bytes of users", len(plain))
	}
	for _, variant := range []struct {
		name  string
		order func([]telemetry.Hour)
		chunk int64
		every int
	}{
		{"backwards", slices.Reverse[[]telemetry.Hour], 4 << 10, 1},
		{"shuffled", shuffler(7), 512, 3},
		{"one round of gold", shuffler(8), 1 << 20, 1000},
	} {
		t.Run(variant.name, func(t *testing.T) {
			if got := dump(variant.order, variant.chunk, variant.every); got != plain {
				t.Errorf("differs from the plain order")
			}
		})
	}
}

func shuffler(seed uint64) func([]telemetry.Hour) {
	return func(hours []telemetry.Hour) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(hours), func(i, j int) { hours[i], hours[j] = hours[j], hours[i] })
	}
}
