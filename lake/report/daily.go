package report

import (
	"context"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/versionlake/versionlake/lake"
)

func (o ofLake) daily(ctx context.Context, from, to int32, of services) error {
	if err := scan(ctx, o.lake, lake.GoldVersionDaily, from, func(row *lake.VersionDailyRow) {
		if row.Date < from || row.Date > to {
			return
		}
		if s := of(row.Service); s != nil {
			s.add(row.Version, row.Date, Day{Users: row.ServiceUsers, VersionUsers: row.VersionUsers,
				Issues: row.Issues, New: row.NewInstallations, Upgrades: row.UpgradesIn,
				Downgrades: row.DowngradesIn, SessionsEnded: row.SessionsEnded, Seconds: row.SessionSeconds})
		}
	}); err != nil {
		return err
	}
	return scan(ctx, o.lake, lake.GoldEventDaily, to-Recent+1, func(row *lake.EventDailyRow) {
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
		s.happened(topic, strings.Clone(row.Version), row.Events)
	})
}

func (s *Service) happened(topic Topic, version string, events int64) {
	if s.Events[topic] == nil {
		s.Events[topic] = map[string]int64{}
	}
	s.Events[topic][version] += events
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

func (s *Service) add(version string, date int32, day Day) {
	days := s.Days[version]
	if days == nil {
		days = map[int32]*Day{}
		s.Days[strings.Clone(version)] = days
	}
	if days[date] == nil {
		days[date] = &Day{}
	}
	days[date].Add(day)
}
