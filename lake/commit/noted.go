package commit

import (
	"context"
	"slices"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
)

// Hours of which nothing but the ledger changes, since all their files are gone.

// met tells whether another run touched an hour since its plan was made, of which nothing but the ledger changes.
func (c *Commit) met(ctx context.Context, hour *committingHour) (bool, error) {
	for _, definition := range append(slices.Clone(lake.HourTables), lake.OpsFiles) {
		loaded, err := c.lake.Load(ctx, definition)
		if err != nil {
			return false, err
		}
		entries, _ := ledger.Since(loaded, hour.result.plan.Heads[definition.Name])
		for _, entry := range entries {
			if slices.ContainsFunc(entry.Runs,
				func(run lake.Run) bool { return run.ID != c.id && run.Hour == hour.Run.Hour }) {
				return true, nil
			}
		}
	}
	return false, nil
}

// refreshNoted reads again what the ledger says of hours that stay as they are: an erasure may have corrected it
// since they were planned.
func (c *Commit) refreshNoted(ctx context.Context) error {
	for _, hour := range c.going() {
		if hour.result.plan.Noted == nil {
			continue
		}
		rows, err := ledger.Hours(ctx, c.lake, hour.Run.Hour, hour.Run.Hour+1)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			hour.result.plan.Noted = &rows[0]
		}
	}
	return nil
}

// keepCounts does the same for the rows of files.
func keepCounts(known []lake.FileRow, rows []ledger.File) {
	for i := range rows {
		for _, now := range known {
			if now.FileName == rows[i].Key && now.ETag == rows[i].ETag {
				rows[i].Events, rows[i].Rejects, rows[i].Erased = now.Events, now.Rejects, now.Erased
			}
		}
	}
}

// leaveMet leaves out the hours of which nothing but the ledger changes, where another run touched them meanwhile.
func (c *Commit) leaveMet(ctx context.Context) error {
	for _, hour := range c.going() {
		if hour.result.plan.Noted == nil {
			continue
		}
		met, err := c.met(ctx, hour)
		if err != nil {
			return err
		}
		if met {
			c.left[hour.Run.Hour] = errOvertaken(hour.Run)
		}
	}
	return nil
}
