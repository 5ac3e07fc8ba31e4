package events

import (
	"context"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/telemetry"
)

// DropBefore takes out the rows that were ingested in hours before one. A day that it cuts is written anew. It says how
// many files there were, and how many there are.
func DropBefore(ctx context.Context, l *lake.Lake, before telemetry.Hour, dryRun bool) (done Compacted, err error) {
	rests := map[string]*lake.DataFile{} // of days that are cut: a commit that is tried again writes them once
	plan := func(loaded *table.Table) (*lake.Change, error) {
		live, err := lake.LiveFiles(ctx, loaded)
		if err != nil {
			return nil, err
		}
		done = Compacted{Before: int64(len(live)), After: int64(len(live))}
		wanted := &lake.Change{Summary: iceberg.Properties{}}
		var added []lake.DataFile
		for _, file := range live {
			low, high := lake.Bounds(file, lake.ResolvedHourField)
			if telemetry.HourOf(time.UnixMicro(low)) >= before {
				continue
			}
			wanted.Remove = append(wanted.Remove, file)
			done.After--
			done.Bytes += file.FileSizeBytes()
			if dryRun || telemetry.HourOf(time.UnixMicro(high)) < before {
				continue
			}
			rest := rests[file.FilePath()]
			if rest == nil {
				t := &turn{lake: l, round: "rest", before: before, progress: func(int64) {}}
				if rest, err = t.rewrite(ctx, file, nil); err != nil {
					return nil, err
				}
				rests[file.FilePath()] = rest
			}
			if rest != nil {
				added = append(added, *rest)
				done.After++
				done.Bytes -= rest.Size
			}
		}
		wanted.Add, err = l.Entries(lake.GoldEvents, added)
		return wanted, err
	}
	if dryRun {
		loaded, err := l.Load(ctx, lake.GoldEvents)
		if err == nil {
			_, err = plan(loaded)
		}
		return done, err
	}
	return done, l.Commit(ctx, lake.GoldEvents, plan)
}
