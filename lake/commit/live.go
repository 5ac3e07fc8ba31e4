package commit

import (
	"context"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/ledger"
	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// brokenFile is a file that a table names and that can't be read: it may hold rows of the hours from first to last.
type brokenFile struct {
	file        iceberg.DataFile
	first, last telemetry.Hour
	damage      error
}

func (b brokenFile) mayHold(hour telemetry.Hour) bool { return b.first <= hour && hour <= b.last }

// FilesOf are the live files of hours, or their parts that are of one.
func FilesOf(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, loaded *table.Table,
	hours []*committingHour) (map[telemetry.Hour][]iceberg.DataFile, error) {
	live, broken, err := liveFiles(ctx, l, definition, loaded, hours)
	if err == nil && len(broken) > 0 {
		err = l.Catalog.Lost(ctx, loaded, broken[0].file.FilePath(), broken[0].damage)
	}
	return live, err
}

// liveFiles is FilesOf that goes on behind files which can't be read.
func liveFiles(ctx context.Context, l *lake.Lake, definition lake.TableDefinition, loaded *table.Table,
	hours []*committingHour) (live map[telemetry.Hour][]iceberg.DataFile, broken []brokenFile, err error) {
	live = map[telemetry.Hour][]iceberg.DataFile{}
	first, last := hours[0].Run.Hour, hours[0].Run.Hour
	for _, hour := range hours {
		live[hour.Run.Hour] = nil
		first, last = min(first, hour.Run.Hour), max(last, hour.Run.Hour)
	}
	chosen := lake.HoursBetween(first, last+1)
	if first == last {
		chosen = lake.OfHour(first)
	}
	files, err := lake.LiveFiles(ctx, loaded, chosen)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		parts, err := l.ByHour(ctx, definition, file)
		if objects.Unreadable(err) {
			from, to, err2 := definition.HoursOf(file)
			if err2 != nil {
				return nil, nil, err2
			}
			broken = append(broken, brokenFile{file, from, to, err})
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, part := range parts {
			if _, ours := live[part.Hour]; ours {
				live[part.Hour] = append(live[part.Hour], part.File)
			}
		}
	}
	return live, broken, nil
}

// lose notes that files which can't be read go, if one of the hours may have rows in them; then the hour is not what it
// was.
func (r *replacement) lose(hour telemetry.Hour, broken []brokenFile) (lost bool) {
	for _, each := range broken {
		if each.mayHold(hour) {
			r.broken[each.file.FilePath()], lost = each, true
		}
	}
	return lost
}

// whole tells whether the files of an hour, which have the names that they should have, are there and whole; contents:
// whether their bytes are. What is not is noted. found keeps what was found of each file.
func (r *replacement) whole(live []iceberg.DataFile, contents bool, found map[string]error) (bool, error) {
	whole := true
	for _, file := range live {
		err, looked := found[file.FilePath()]
		if !looked {
			err = r.lake.CheckFile(file, contents)
			found[file.FilePath()] = err
		}
		if err == nil {
			continue
		}
		if !objects.Unreadable(err) {
			return false, err
		}
		whole = false
		if part, ok := file.(*lake.PartOfFile); ok {
			first, last, bounding := r.definition.HoursOf(part.DataFile)
			if bounding != nil {
				return false, bounding
			}
			r.broken[file.FilePath()] = brokenFile{part.DataFile, first, last, err}
		}
	}
	return whole, nil
}

// losers are the hours that lose rows with a file that can't be read, besides those that are committed. The snapshot
// names them as hours of its run. So they are half committed, and gold waits, until each of them is ingested again.
func (r *replacement) losers(ctx context.Context, broken brokenFile) (losers []telemetry.Hour, err error) {
	if broken.first == broken.last {
		return nil, nil
	}
	rows, err := ledger.Hours(ctx, r.lake, broken.first, broken.last+1)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.State != ledger.HourEmpty && !slices.Contains(r.hours, row.Hour) {
			losers = append(losers, row.Hour)
		}
	}
	return losers, nil
}
