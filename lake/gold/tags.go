package gold

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/telemetry"
)

// redone are the runs of hours that had one before whose tag may have expired: the ledger knows.
func redone(ctx context.Context, l *lake.Lake, runs []lake.Run) (map[lake.Run]bool, error) {
	gold, err := l.Load(ctx, lake.GoldUsers)
	if err != nil {
		return nil, err
	}
	old := slices.DeleteFunc(slices.Clone(runs),
		func(run lake.Run) bool { return time.Since(run.Hour.End()) < l.TagAge(TagOf(run)) })
	if len(old) == 0 || ledger.KnownSince(gold) == 0 {
		return nil, nil
	}
	byHour := func(a, b lake.Run) int { return int(a.Hour - b.Hour) }
	rows, err := ledger.Runs(ctx, l, slices.MinFunc(old, byHour).Hour, slices.MaxFunc(old, byHour).Hour+1)
	if err != nil {
		return nil, err
	}
	first := map[telemetry.Hour]ledger.Hour{}
	for _, row := range rows {
		if before, ok := first[row.Hour]; !ok || row.FinishedAt.Before(before.FinishedAt) {
			first[row.Hour] = row
		}
	}
	redone := map[lake.Run]bool{}
	for _, run := range old {
		row, ok := first[run.Hour]
		redone[run] = ok && row.RunID != run.ID
	}
	return redone, nil
}

// newTags names the hours that a commit shows. An hour keeps its first tag; a rerun that moved rows gets the next
// number, one that moved none gets nothing: a reader could not tell the difference. A first tag that expired does
// not come back: it would say that today's was known then.
func (c *roundCommit) newTags(loaded *table.Table, visible []lake.Run) []string {
	taken := map[string]bool{}
	for name := range loaded.Metadata().Refs() {
		taken[name] = true
	}
	var tags []string
	for _, run := range visible {
		tag := TagOf(run)
		if taken[tag] || c.redone[run] {
			if !c.changed[run] {
				continue
			}
			for n := 2; tag == TagOf(run) || taken[tag]; n++ {
				tag = fmt.Sprintf("%s.%d", TagOf(run), n)
			}
		}
		taken[tag] = true
		tags = append(tags, tag)
	}
	return tags
}

// unnamed are the runs whose hour the head has no tag of.
func unnamed(loaded *table.Table, runs []lake.Run) []lake.Run {
	head := loaded.CurrentSnapshot()
	if head == nil {
		return runs
	}
	return slices.DeleteFunc(slices.Clone(runs), func(run lake.Run) bool {
		return len(tagsOf(loaded, head.SnapshotID, []lake.Run{run})) > 0
	})
}

// TagOf is the first tag of a run's hour.
func TagOf(run lake.Run) string { return "hour-" + run.Hour.String() }

// tagsOf finds the tags that a snapshot has for the hours of runs.
func tagsOf(loaded *table.Table, snapshot int64, runs []lake.Run) []string {
	tags := []string{}
	for name, ref := range loaded.Metadata().Refs() {
		if ref.SnapshotID == snapshot && slices.ContainsFunc(runs, func(run lake.Run) bool {
			return name == TagOf(run) || strings.HasPrefix(name, TagOf(run)+".")
		}) {
			tags = append(tags, name)
		}
	}
	slices.Sort(tags)
	return tags
}
