package report

import (
	"context"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

// readDaily sums the daily aggregates of some dates up, over devices.
func readDaily(ctx context.Context, l *lake.Lake, from, to int32, of func(string) *Service) error {
	if err := scan(ctx, l, lake.GoldVersionDaily, from, func(row *lake.VersionDailyRow) {
		if row.Date < from || row.Date > to {
			return
		}
		if s := of(row.Service); s != nil {
			s.add(row)
		}
	}); err != nil {
		return err
	}
	return scan(ctx, l, lake.GoldEventDaily, from, func(row *lake.EventDailyRow) {
		if row.Date <= to-Recent || row.Date > to {
			return
		}
		switch row.EventName {
		case "Issue", "FeatureUsed", "Notification":
		default:
			return
		}
		s := of(row.Service)
		if s == nil {
			return
		}
		topic := Topic{strings.Clone(row.EventName), strings.Clone(row.Name), ""}
		if row.EventName == "Notification" {
			topic.Detail = strings.Clone(row.Detail)
		}
		if s.Events[topic] == nil {
			s.Events[topic] = map[string]int64{}
		}
		s.Events[topic][strings.Clone(row.Version)] += row.Events
	})
}

func scan[T any](ctx context.Context, l *lake.Lake, definition lake.TableDefinition, from int32, each func(*T)) error {
	loaded, err := l.Load(ctx, definition)
	if err != nil {
		return err
	}
	files, err := lake.LiveFiles(ctx, loaded, table.WithRowFilter(
		iceberg.GreaterThanEqual(iceberg.Reference("date_utc"), iceberg.Date(from))))
	if err != nil {
		return err
	}
	return lake.EachRow(ctx, l, files, func(row *T) error { each(row); return nil })
}

func (s *Service) add(row *lake.VersionDailyRow) {
	days := s.Days[row.Version]
	if days == nil {
		days = map[int32]*Day{}
		s.Days[strings.Clone(row.Version)] = days
	}
	d := days[row.Date]
	if d == nil {
		d = &Day{}
		days[row.Date] = d
	}
	d.Add(Day{Users: row.ServiceUsers, VersionUsers: row.VersionUsers, Issues: row.Issues, New: row.NewInstallations,
		Upgrades: row.UpgradesIn, Downgrades: row.DowngradesIn, SessionsEnded: row.SessionsEnded,
		Seconds: row.SessionSeconds})
}
