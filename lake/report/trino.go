package report

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/versionlake/versionlake/lake"
	"github.com/versionlake/versionlake/lake/releases"
)

// GatherThrough asks a Trino, connected to the schema of the views: for whoever reaches that and not the lake. A login
// that sees ids masked gets the same numbers. Of releases it shows those of versions that somebody ran.
func GatherThrough(ctx context.Context, db *sql.DB, options Options) (*Report, error) {
	return gather(ctx, ofTrino{db}, options)
}

// ofTrino asks in SQL.
type ofTrino struct{ db *sql.DB }

// each hands out the rows of a query, whose values lie in into then.
func (o ofTrino) each(ctx context.Context, query string, into []any, row func()) (err error) {
	rows, err := o.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row()
	}
	return rows.Err()
}

func (o ofTrino) users(ctx context.Context, r *Report, of services) error {
	var end sql.NullTime
	if err := o.each(ctx, "SELECT max(last_seen_at) FROM users", []any{&end}, func() {}); err != nil {
		return fmt.Errorf("ask for the last sighting: %w", err)
	}
	if !end.Valid {
		return unknown("") // nothing was ingested yet
	}
	r.End = end.Time.UTC()
	var service, version, device, oldest, newest string
	var grouped, n int64
	if err := o.each(ctx,
		`SELECT service, coalesce(version, ''), coalesce(device, ''), grouping(version, device), count(DISTINCT user_id)
		FROM active_installations
		WHERE user_kind = 'user'
		GROUP BY GROUPING SETS ((service), (service, version), (service, device))`,
		[]any{&service, &version, &device, &grouped, &n}, func() {
			s := of(service)
			switch {
			case s == nil:
			case grouped == 1:
				s.InUse[version] = n
			case grouped == 2:
				s.Devices[device] = n
			default:
				s.Users = n
			}
		}); err != nil {
		return fmt.Errorf("ask for the users of versions and devices: %w", err)
	}
	if err := o.each(ctx, `SELECT service, oldest, newest, count(*)
		FROM (
			SELECT a.service, a.user_id, min_by(a.version, v.sort_key) AS oldest,
				max_by(a.version, v.sort_key) AS newest
			FROM active_installations AS a
			JOIN versions AS v ON v.service = a.service AND v.version = a.version
			WHERE a.user_kind = 'user' AND v.version_class IS NOT NULL
			GROUP BY a.service, a.user_id
		)
		GROUP BY service, oldest, newest`, []any{&service, &oldest, &newest, &n}, func() {
		if s := of(service); s != nil {
			s.Oldest[oldest] += n
			s.Newest[newest] += n
		}
	}); err != nil {
		return fmt.Errorf("ask for the oldest and newest versions of users: %w", err)
	}
	return nil
}

func (o ofTrino) daily(ctx context.Context, from, to int32, of services) error {
	var service, version, event, name, detail string
	var date int32
	var day Day
	if err := o.each(ctx,
		fmt.Sprintf(
			`SELECT service, coalesce(version, ''), date_diff('day', DATE '1970-01-01', date_utc), sum(service_users),
			sum(version_users), sum(issues), sum(new_installations), sum(upgrades_in), sum(downgrades_in),
			sum(sessions_ended), sum(session_seconds)
		FROM gold.version_daily
		WHERE date_utc BETWEEN %s AND %s
		GROUP BY 1, 2, 3`, sqlDate(from), sqlDate(to)),
		[]any{&service, &version, &date, &day.Users, &day.VersionUsers, &day.Issues, &day.New, &day.Upgrades,
			&day.Downgrades, &day.SessionsEnded, &day.Seconds}, func() {
			if s := of(service); s != nil {
				s.add(version, date, day)
			}
		}); err != nil {
		return fmt.Errorf("ask for days of versions: %w", err)
	}
	var n int64
	if err := o.each(ctx, fmt.Sprintf(`SELECT service, coalesce(version, ''), event_name, coalesce(name, ''),
			IF(event_name = 'Notification', coalesce(detail, ''), ''), sum(events)
		FROM gold.event_daily
		WHERE event_name IN ('Issue', 'FeatureUsed', 'Notification') AND date_utc BETWEEN %s AND %s
		GROUP BY 1, 2, 3, 4, 5`, sqlDate(to-Recent+1), sqlDate(to)),
		[]any{&service, &version, &event, &name, &detail, &n}, func() {
			if s := of(service); s != nil {
				s.happened(Topic{event, name, detail}, version, n)
			}
		}); err != nil {
		return fmt.Errorf("ask for days of events: %w", err)
	}
	return nil
}

func sqlDate(date int32) string { return "DATE '" + lake.FormatDate(date) + "'" }

func (o ofTrino) releases(ctx context.Context) (told []releases.Row, err error) {
	var row releases.Row
	var at time.Time
	if err := o.each(ctx, `SELECT service, version, channel, released_at FROM releases WHERE is_told
		ORDER BY service, released_at, version`, []any{&row.Service, &row.Version, &row.Channel, &at}, func() {
		row.ReleasedAt = at.UnixMicro()
		told = append(told, row)
	}); err != nil {
		return nil, fmt.Errorf("ask for releases: %w", err)
	}
	return told, nil
}
