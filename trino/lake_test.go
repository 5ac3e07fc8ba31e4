package trino_test

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/generate"
	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/commit"
	"github.com/versionlake/versionlake/lake/daily"
	"github.com/versionlake/versionlake/lake/events"
	"github.com/versionlake/versionlake/lake/gold"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/published"
	"github.com/versionlake/versionlake/source"
	"github.com/versionlake/versionlake/telemetry"
	"github.com/versionlake/versionlake/testserver"
	"github.com/versionlake/versionlake/trino"
)

// world is a lake, the telemetry that it is made from, and Trino over it.
type world struct {
	*lake.Lake
	config trino.Lake
	source source.Source
	folder string // of the source
	trino  *sql.DB
	runs   int
}

// newWorld makes an empty lake, in a folder, with Trino over it.
func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	return newWorldIn(t, trino.Lake{Catalog: "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse"})
}

func newWorldIn(t testing.TB, config trino.Lake) *world {
	t.Helper()
	w := &world{config: config, folder: t.TempDir()}
	var err error
	w.Lake, err = lake.Open(t.Context(), lake.Config{Catalog: w.config.Catalog, Warehouse: w.config.Warehouse})
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	w.source, err = source.Open(t.Context(), w.folder)
	require.NoError(t, err)
	w.trino = testserver.TrinoDB(t, w.config)
	return w
}

// generate makes up telemetry and ingests it, an hour after the other.
func (w *world) generate(t testing.TB, options generate.Options) {
	t.Helper()
	_, err := generate.Write(t.Context(), w.folder, options)
	require.NoError(t, err)
	for hour := options.From; hour < options.From+telemetry.Hour(options.Hours); hour++ {
		require.NoError(t, w.ingest(t.Context(), hour))
	}
}

// ingest takes hours all the way to gold, as the workflows do, in this process.
func (w *world) ingest(ctx context.Context, hours ...telemetry.Hour) error {
	runs, err := w.silver(ctx, hours...)
	if err != nil {
		return fmt.Errorf("ingest %s: %w", hours[0], err)
	}
	if err := w.gold(ctx, runs...); err != nil {
		return fmt.Errorf("bring gold to %s: %w", hours[0], err)
	}
	return nil
}

// silver ingests hours into bronze and silver, with one commit a table.
func (w *world) silver(ctx context.Context, all ...telemetry.Hour) ([]lake.Run, error) {
	w.runs++
	runs, staged := make([]lake.Run, len(all)), make([]hours.StagedHour, len(all))
	work, working := errgroup.WithContext(ctx)
	work.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, hour := range all {
		runs[i] = lake.Run{Hour: hour, ID: fmt.Sprintf("run%05d", w.runs)}
		work.Go(func() (err error) {
			staged[i], err = w.stage(working, runs[i])
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	_, left, err := commit.Hours(ctx, w.Lake, staged)
	if err != nil {
		return nil, err
	}
	for hour, why := range left {
		return nil, fmt.Errorf("commit %s: %w", hour, why)
	}
	for _, run := range runs {
		if err := hours.DropStaging(ctx, w.Lake, run); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

func (w *world) stage(ctx context.Context, run lake.Run) (staged hours.StagedHour, err error) {
	started := time.Now()
	listing, err := w.source.List(ctx, run.Hour)
	if err != nil {
		return staged, err
	}
	var chunks []hours.Chunk
	for _, file := range listing.Files {
		chunks = append(chunks, hours.Chunk{Pieces: []hours.Piece{{File: file, Length: -1, Line: 1}}})
	}
	plan, err := hours.StagePlan(ctx, w.Lake,
		run, hours.Listed{Source: w.source.String(), Listing: listing, Chunks: chunks})
	if err != nil {
		return staged, err
	}
	parser, err := telemetry.NewParser(telemetry.Options{Hour: run.Hour})
	if err != nil {
		return staged, err
	}
	staged = hours.StagedHour{Run: run, Plan: plan, Chunks: make([]hours.StagedChunk, len(chunks)), StartedAt: started}
	for n := range chunks {
		if staged.Chunks[n], err = hours.StageChunk(ctx, w.Lake, run, plan, n, w.source,
			parser, func(hours.ChunkCounts) {}); err != nil {
			return staged, err
		}
	}
	for _, sections := range hours.GroupSections(staged.Chunks, 1<<20) {
		each, err := hours.StageSilver(ctx, w.Lake, run, plan, staged.Chunks, sections, func(int) {})
		if err != nil {
			return staged, err
		}
		staged.Silver = append(staged.Silver, each)
	}
	return staged, nil
}

func (w *world) gold(ctx context.Context, runs ...lake.Run) error {
	w.runs++
	plan, err := gold.PlanUsers(ctx, w.Lake, fmt.Sprintf("round%05d", w.runs), gold.Scope{}, func(int64) {})
	if err != nil {
		return err
	}
	var merged []gold.Merged
	late := int64(0)
	for _, group := range plan.Groups {
		each, err := gold.MergeUsers(ctx, w.Lake, plan, group, func(int64) {})
		if err != nil {
			return err
		}
		merged, late = append(merged, each), late+each.Late
	}
	if late > 0 {
		each, err := gold.RebuildUsers(ctx, w.Lake, plan, merged, func(int64) {})
		if err != nil {
			return err
		}
		merged = append(merged, each)
	}
	if _, err := gold.CommitUsers(ctx, w.Lake, plan, merged, runs); err != nil {
		return err
	}
	if _, err := events.Follow(ctx, w.Lake, fmt.Sprintf("events%05d", w.runs), nil, func(int64) {}); err != nil {
		return err
	}
	return gold.DropRound(ctx, w.Lake, plan)
}

// daily brings the daily aggregates up to date.
func (w *world) daily(ctx context.Context) error {
	w.runs++
	plan, err := daily.PlanDaily(ctx, w.Lake, fmt.Sprintf("daily%05d", w.runs), func(int64) {})
	if err != nil {
		return err
	}
	var counted []daily.CountedDates
	for _, group := range plan.Groups {
		each, err := daily.CountDates(ctx, w.Lake, plan, group, func(int64) {})
		if err != nil {
			return err
		}
		counted = append(counted, each)
	}
	if _, err := daily.CommitDaily(ctx, w.Lake, plan, counted); err != nil {
		return err
	}
	if _, err := published.Publish(ctx, w.Lake, published.Options{Now: time.Now()}); err != nil {
		return err
	}
	return daily.DropDaily(ctx, w.Lake, plan)
}

// rows asks Trino, and gives what it answers as text, "–" for NULL.
func (w *world) rows(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	rows, err := w.trino.QueryContext(t.Context(), query, args...)
	require.NoError(t, err, query)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var found [][]string
	for rows.Next() {
		cells, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		require.NoError(t, rows.Scan(into...))
		row := make([]string, len(cells))
		for i, cell := range cells {
			switch value := cell.(type) {
			case nil:
				row[i] = "–"
			case time.Time:
				row[i] = value.UTC().Format(time.RFC3339Nano)
			default:
				row[i] = fmt.Sprint(value)
			}
		}
		found = append(found, row)
	}
	require.NoError(t, rows.Err(), query)
	return found
}

// skipShort skips what starts Trino.
func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a Trino")
	}
}
