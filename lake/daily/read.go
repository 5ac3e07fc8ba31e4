package daily

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/daycounts"
)

// Version is gold.version_daily, summed over devices (docs/METRICS.md).
type Version struct {
	Date             string `json:"date"` // UTC: 2022-05-27
	Service          string `json:"service"`
	Version          string `json:"version"` // empty: unknown
	Users            int64  `json:"users"`
	NewInstallations int64  `json:"new_installations"`
	UpgradesIn       int64  `json:"upgrades_in"`
	UpgradesOut      int64  `json:"upgrades_out"`
	DowngradesIn     int64  `json:"downgrades_in"`
	DowngradesOut    int64  `json:"downgrades_out"`
	OtherMovesIn     int64  `json:"other_moves_in"`
	OtherMovesOut    int64  `json:"other_moves_out"`
	Sessions         int64  `json:"sessions"`
	SessionSeconds   int64  `json:"session_seconds"`
	Issues           int64  `json:"issues"`
}

// Versions reads the dates in [from, to), in days since 1970, ordered by date, service and version.
func Versions(ctx context.Context, l *lake.Lake, from, to int32) ([]Version, error) {
	loaded, err := l.Load(ctx, lake.GoldVersionDaily)
	if err != nil {
		return nil, err
	}
	date := iceberg.Reference("date_utc")
	files, err := lake.LiveFiles(ctx, loaded, table.WithRowFilter(iceberg.NewAnd(
		iceberg.GreaterThanEqual(date, iceberg.Date(from)), iceberg.LessThan(date, iceberg.Date(to)))))
	if err != nil {
		return nil, err
	}
	sums := map[[3]string]*Version{}
	if err := lake.EachRow(ctx, l, files, func(row *lake.VersionDailyRow) error {
		if row.Date >= from && row.Date < to {
			addDaily(sums, row)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	all := make([]Version, 0, len(sums))
	for _, sum := range sums {
		all = append(all, *sum)
	}
	slices.SortFunc(all, func(a, b Version) int {
		return cmp.Or(strings.Compare(a.Date, b.Date), strings.Compare(a.Service, b.Service),
			strings.Compare(a.Version, b.Version))
	})
	return all, nil
}

func addDaily(sums map[[3]string]*Version, row *lake.VersionDailyRow) {
	key := [3]string{lake.FormatDate(row.Date), row.Service, row.Version}
	sum := sums[key]
	if sum == nil {
		sum = &Version{Date: key[0], Service: strings.Clone(row.Service), Version: strings.Clone(row.Version)}
		sums[[3]string{sum.Date, sum.Service, sum.Version}] = sum
	}
	sum.Users += row.VersionUsers
	sum.NewInstallations += row.NewInstallations
	sum.UpgradesIn += row.UpgradesIn
	sum.UpgradesOut += row.UpgradesOut
	sum.DowngradesIn += row.DowngradesIn
	sum.DowngradesOut += row.DowngradesOut
	_, counts := daycounts.OfVersionRow(row)
	sum.OtherMovesIn += counts[lake.CountOtherMovesIn]
	sum.OtherMovesOut += counts[lake.CountOtherMovesOut]
	sum.Sessions += row.Sessions
	sum.SessionSeconds += row.SessionSeconds
	sum.Issues += row.Issues
}
