package commit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/hours"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// RecordFiles writes the hours' files into ops.files. Versions read earlier stay, as gone, replaced or removed.
func (c *Commit) RecordFiles(ctx context.Context) error {
	if err := c.leaveMet(ctx); err != nil {
		return err
	}
	hours := c.of(lake.OpsFiles)
	if len(hours) == 0 {
		return nil
	}
	return c.lake.Commit(ctx, lake.OpsFiles, func(loaded *table.Table) (*lake.Change, error) {
		c.seen[lake.OpsFiles.Name] = lake.HeadOf(loaded)
		live, err := FilesOf(ctx, c.lake, lake.OpsFiles, loaded, hours)
		if err != nil {
			return nil, err
		}
		merged := map[telemetry.Hour][]lake.FileRow{}
		for _, hour := range hours {
			known, err := lake.ReadRows[lake.FileRow](ctx, c.lake, live[hour.Run.Hour])
			if err != nil {
				return nil, err
			}
			rows := hour.result.fileRows(hour.Run)
			if hour.result.plan.Noted != nil {
				keepCounts(known, rows)
			}
			merged[hour.Run.Hour] = mergeFileRows(known, rows)
		}
		written, err := ledger.WriteParts(ctx, c.lake, lake.OpsFiles, merged, lake.OpsFiles.At, lake.AttemptName(c.id))
		if err != nil {
			return nil, err
		}
		replaced := c.Replacement(lake.OpsFiles)
		for _, hour := range hours {
			files := written[hour.Run.Hour]
			same, err := c.lake.SameContents(live[hour.Run.Hour], files)
			if err != nil {
				return nil, err
			}
			switch {
			case same:
			case hour.overtaken:
				c.left[hour.Run.Hour] = errOvertaken(hour.Run)
			default:
				hour.Changed[lake.OpsFiles.Name] = true
				if err := replaced.Hour(hour.Run.Hour, live[hour.Run.Hour], files); err != nil {
					return nil, err
				}
			}
		}
		return replaced.Change(ctx)
	})
}

// RecordHours appends the runs to the ledger, once. ErrInterfered: look at the tables again.
func (c *Commit) RecordHours(ctx context.Context) error {
	going := c.going()
	if len(going) == 0 {
		return nil
	}
	if err := c.refreshNoted(ctx); err != nil {
		return err
	}
	finished, err := c.end(ctx)
	if err != nil {
		return err
	}
	rows := make([]ledger.Hour, len(going))
	days := map[int32][]lake.HourRow{}
	hours := make([]telemetry.Hour, len(going))
	for i, hour := range going {
		row := hour.result.row(hour.Run, hour.Silver)
		for _, definition := range [...]lake.TableDefinition{lake.SilverEvents, lake.SilverSightings,
			lake.SilverBindings} {
			row.Changed = row.Changed || hour.Changed[definition.Name]
		}
		row.StartedAt = hour.StartedAt.UTC().Truncate(time.Microsecond)
		row.FinishedAt = finished
		if row.StartedAt.After(finished) { // by Temporal's clock
			row.StartedAt = finished
		}
		rows[i], hours[i] = row, hour.Run.Hour
		days[hour.Run.Hour.Date()] = append(days[hour.Run.Hour.Date()], row.Stored())
	}
	files, err := ledger.WriteDays(ctx, c.lake, lake.OpsHours, days, lake.AttemptName(c.id))
	if err != nil {
		return err
	}
	var ledger *table.Table
	err = c.lake.Commit(ctx, lake.OpsHours, func(loaded *table.Table) (*lake.Change, error) {
		ledger = loaded
		if _, done := lake.RunSnapshot(loaded, going[0].Run); done {
			return nil, nil
		}
		if met, err := c.interfered(ctx); err != nil {
			return nil, err
		} else if met {
			return nil, ErrInterfered
		}
		entries, err := c.lake.Entries(lake.OpsHours, files)
		return &lake.Change{Add: entries, Fresh: true, Summary: lake.RunSummary(c.id, hours...),
			NotBefore: finished}, err
	})
	if err != nil {
		return err
	}
	c.rows = rows
	// Each is whole. But of two runs that met, the one that ended last may have listed first.
	for _, hour := range going {
		wrote := slices.Contains(slices.Collect(maps.Values(hour.Changed)), true)
		if wrote && overtaken(ledger, hour.StagedHour) {
			c.left[hour.Run.Hour] = errOvertaken(hour.Run)
		}
	}
	return nil
}

// end is when the runs end. Of an hour's runs the newest counts, and what was committed before one ended is over: so it
// is later than all that the ledger and silver have, though our clock may be behind those that they are of.
func (c *Commit) end(ctx context.Context) (time.Time, error) {
	end := time.Now()
	last, err := ledger.LastChange(ctx, c.lake, append(lake.SilverTables[:], lake.OpsHours)...)
	if last.After(end) {
		end = last.Add(time.Millisecond)
	}
	return end.UTC().Truncate(time.Microsecond), err
}

// ledgerRows reads the rows that runs wrote before, if they did. Their snapshot tells, unless they began so long
// ago that it may have been expired.
func ledgerRows(ctx context.Context, l *lake.Lake, ledgerTable *table.Table,
	staged []hours.StagedHour) (rows []ledger.Hour, err error) {
	const clocks = time.Hour // by which those of two machines may differ
	known := ledger.KnownSince(ledgerTable)
	found := map[telemetry.Hour]bool{} // whether the ledger must have the row
	for _, hour := range staged {
		if _, committed := lake.RunSnapshot(ledgerTable, hour.Run); committed {
			found[hour.Run.Hour] = true
		} else if hour.StartedAt.Add(-clocks).UnixMilli() <= known {
			found[hour.Run.Hour] = false
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	all, err := ledger.RunsOf(ctx, l, ledgerTable, staged[0].Run.Hour, staged[len(staged)-1].Run.Hour+1)
	if err != nil {
		return nil, err
	}
	for _, row := range all {
		if _, asked := found[row.Hour]; asked && row.RunID == staged[0].Run.ID {
			rows = append(rows, row)
			delete(found, row.Hour)
		}
	}
	for hour, must := range found {
		if must {
			return nil, fmt.Errorf("the ledger lost the row of run %s, hour %s", staged[0].Run.ID, hour)
		}
	}
	return rows, nil
}
