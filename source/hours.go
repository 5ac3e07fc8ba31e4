package source

import (
	"context"
	"path"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/versionlake/versionlake/telemetry"
)

// listings is how many folders are listed at the same time.
const listings = 16

// The levels of a source's tree, with the span of time that a folder of the level stands for.
var levels = []struct {
	layout              string
	years, months, days int
	hours               time.Duration
}{
	{layout: "2006", years: 1},
	{layout: "2006/01", months: 1},
	{layout: "2006/01/02", days: 1},
	{layout: "2006/01/02/15", hours: time.Hour},
}

// tree is what finding hours needs from a backend.
type tree interface {
	// folders names the folders directly in a folder, "" being the root; none if it does not exist.
	folders(ctx context.Context, folder string) ([]string, error)
	// holdsTelemetry tells whether at least one telemetry file lies directly in a folder.
	holdsTelemetry(ctx context.Context, folder string) (bool, error)
}

// findHours goes down the tree level by level, only into folders that exist and that the range touches. Folders whose names are
// no dates are not ours.
func findHours(ctx context.Context, t tree, from, to telemetry.Hour) ([]telemetry.Hour, error) {
	if from >= to {
		return nil, nil
	}
	folders := []string{""}
	for _, level := range levels {
		found, err := gather(ctx, folders, func(ctx context.Context, parent string) ([]string, error) {
			names, err := t.folders(ctx, parent)
			if err != nil {
				return nil, err
			}
			var inRange []string
			for _, name := range names {
				folder := path.Join(parent, name)
				start, err := time.Parse(level.layout, folder)
				// The hour is the only number that time.Parse takes with one digit, too.
				if err != nil || start.Format(level.layout) != folder {
					continue
				}
				end := start.AddDate(level.years, level.months, level.days).Add(level.hours)
				if start.Before(to.Start()) && end.After(from.Start()) {
					inRange = append(inRange, folder)
				}
			}
			return inRange, nil
		})
		if err != nil {
			return nil, err
		}
		folders = found
	}
	hours, err := gather(ctx, folders, func(ctx context.Context, folder string) ([]telemetry.Hour, error) {
		holds, err := t.holdsTelemetry(ctx, folder)
		if err != nil || !holds {
			return nil, err
		}
		start, err := time.Parse("2006/01/02/15", folder)
		return []telemetry.Hour{telemetry.HourOf(start)}, err
	})
	slices.Sort(hours)
	return hours, err
}

// gather joins what each of the folders gives, asking for several at a time.
func gather[T any](ctx context.Context, folders []string, give func(context.Context, string) ([]T, error)) ([]T, error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listings)
	given := make([][]T, len(folders))
	for i, folder := range folders {
		group.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				given[i], err = give(ctx, folder)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(given...), nil
}
