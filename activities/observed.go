package activities

import (
	"context"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/maintain"
	"github.com/versionlake/versionlake/observe"
)

// metered is the lake as a step sees it whose bytes are counted; the lake itself where nobody counts.
func metered(ctx context.Context, l *lake.Lake) *lake.Lake {
	store := l.Objects.Metered(ctx)
	if store == l.Objects {
		return l
	}
	counted := *l
	counted.Objects = store
	return &counted
}

// recordSavings counts what maintenance took away.
func recordSavings(r *observe.Recorder, dryRun bool, savings ...maintain.Saving) {
	if dryRun {
		return
	}
	for _, s := range savings {
		r.Maintained(s.Table, s.Step, s.What, s.Before-s.After, s.Bytes)
	}
}
