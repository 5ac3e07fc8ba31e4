package maintain

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// manifestsKept is how many manifests a table without dates may have before they are written anew as few.
const manifestsKept = 8

// DaysApart is how many of a table's newest days have a manifest of their own: a commit looks for the files of its
// hour in that of its day, and would read all hours of the month in that of its month.
const DaysApart = 7

// rewriteManifests gives each month of a table one manifest (more if it is large), each of its newest days
// likewise, and a table without dates few: planning a read opens those of the dates in question, and a commit that
// replaces an hour writes those anew, not all.
func rewriteManifests(ctx context.Context, l *lake.Lake, definition lake.TableDefinition,
	dryRun bool) (saving Saving, err error) {
	saving = Saving{Table: definition.Name, Step: StepManifests, What: "manifests"}
	err = change(ctx, l, definition, dryRun, func(loaded *table.Table) (*lake.Change, error) {
		head := loaded.CurrentSnapshot()
		if head == nil {
			return nil, nil
		}
		manifests, err := head.Manifests(l.Objects.IO)
		if err != nil {
			return nil, fmt.Errorf("read the list of manifests of %s: %w", definition.Name, err)
		}
		saving.Before, saving.After = int64(len(manifests)), int64(len(manifests))
		scattered, periods := scatteredManifests(definition, manifests)
		if len(scattered) == 0 {
			return nil, nil
		}
		saving.After += int64(periods - len(scattered))
		options := []table.RewriteManifestsOpt{
			table.WithRewriteManifestPredicate(func(m iceberg.ManifestFile) bool { return scattered[m.FilePath()] })}
		if len(definition.Partition) > 0 {
			newest := newestDay(manifests)
			options = append(options, table.WithRewriteManifestClusterBy(func(file iceberg.DataFile) any {
				day, _ := file.Partition()[lake.PartitionFieldID].(iceberg.Date)
				return periodOf(day, newest)
			}))
		}
		return &lake.Change{Manifests: options}, nil
	})
	return saving, err
}

// scatteredManifests are those to be written anew, and the number of periods in them, as far as their bounds tell.
func scatteredManifests(definition lake.TableDefinition,
	manifests []iceberg.ManifestFile) (scattered map[string]bool, periods int) {
	scattered = map[string]bool{}
	if len(definition.Partition) == 0 {
		if len(manifests) > manifestsKept {
			for _, m := range manifests {
				scattered[m.FilePath()] = true
			}
		}
		return scattered, 1
	}
	newest := newestDay(manifests)
	small := map[period][]iceberg.ManifestFile{}
	mixed := map[period]bool{}
	for _, m := range manifests {
		first, last := DaysOf(m)
		if from, to := periodOf(first, newest), periodOf(last, newest); from != to {
			// What a period has in one of several goes to what it has by itself.
			scattered[m.FilePath()] = true
			for day := first; day <= last; day++ {
				mixed[periodOf(day, newest)] = true
			}
		} else if m.Length() < table.ManifestTargetSizeBytesDefault/2 {
			small[from] = append(small[from], m)
		}
	}
	for at, of := range small {
		if len(of) > 1 || mixed[at] {
			mixed[at] = true
			for _, m := range of {
				scattered[m.FilePath()] = true
			}
		}
	}
	return scattered, len(mixed)
}

// period is a day or a month, by its first day.
type period struct {
	first iceberg.Date
	month bool
}

// periodOf is the period that has a manifest of its own, in a table whose newest day is this.
func periodOf(day, newest iceberg.Date) period {
	if day > newest-DaysApart {
		return period{first: day}
	}
	at := time.Unix(int64(day)*24*3600, 0).UTC()
	return period{first: day - iceberg.Date(at.Day()-1), month: true}
}

func newestDay(manifests []iceberg.ManifestFile) (newest iceberg.Date) {
	for _, m := range manifests {
		_, last := DaysOf(m)
		newest = max(newest, last)
	}
	return newest
}

// DaysOf are the first and the last day whose files a manifest names.
func DaysOf(m iceberg.ManifestFile) (first, last iceberg.Date) {
	bound := func(bytes *[]byte) iceberg.Date {
		if bytes == nil || len(*bytes) != 4 {
			return 0
		}
		return iceberg.Date(binary.LittleEndian.Uint32(*bytes))
	}
	fields := m.Partitions()
	if len(fields) == 0 {
		return 0, 0
	}
	return bound(fields[0].LowerBound), bound(fields[0].UpperBound)
}
