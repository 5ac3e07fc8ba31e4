package demo

import (
	"fmt"

	"github.com/versionlake/versionlake/cmd/versionlake/ask"
	"github.com/versionlake/versionlake/cmd/versionlake/output"
)

// sqlQuestion is what a user would ask. at, if any, is a command that must give the same answer.
type sqlQuestion struct {
	what, query string
	at          *ask.At
}

func (d *demo) questions() []sqlQuestion {
	user, moment := d.facts.User, "TIMESTAMP '"+d.facts.Asked.UTC().Format("2006-01-02 15:04:05")+" UTC'"
	before := "hour-" + (d.facts.LateHour - 1).String()
	return []sqlQuestion{
		{"Everything about one user", fmt.Sprintf(`SELECT service, device, version, valid_from, valid_to, sightings
FROM version_intervals
WHERE user_id = '%s'
ORDER BY valid_from`, user), nil},
		{"What ran at " + output.Instant(d.facts.Asked) + ", by what is known today",
			fmt.Sprintf(`SELECT service, device, version, valid_from, valid_to
FROM version_intervals
WHERE user_id = '%s' AND valid_from <= %s AND %[2]s < valid_until`, user, moment),
			&ask.At{User: user, Time: d.facts.Asked}},
		{"And by what was known before the late file",
			fmt.Sprintf(`SELECT h.service, h.device, h.version, h.valid_from, h.valid_to
FROM gold.users FOR VERSION AS OF '%s' AS u
CROSS JOIN UNNEST(u.history) AS h `+
				`(service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)
WHERE u.user_id = '%s' AND h.valid_from <= %s AND (h.valid_to IS NULL OR %[3]s < h.valid_to)`, before, user, moment),
			&ask.At{User: user, Time: d.facts.Asked, AsOf: before}},
		{"The versions of a product, the oldest first, with the users who run each now",
			fmt.Sprintf(`SELECT v.version, v.first_seen_at, count(u.user_id) AS users_now
FROM versions AS v
LEFT JOIN users AS u ON u.current_service = v.service AND u.current_version = v.version AND u.user_kind = 'user'
WHERE v.service = '%s'
GROUP BY v.version, v.version_rank, v.first_seen_at
ORDER BY v.version_rank`, d.facts.Service), nil},
		{"Who would be hit if everything older than " + d.facts.After + " were shut down: a number for each device",
			fmt.Sprintf(`SELECT i.device, count(DISTINCT i.user_id) AS users
FROM version_intervals AS i
JOIN versions AS v ON v.service = i.service AND v.version = i.version
JOIN versions AS kept ON kept.service = i.service AND kept.version_class = v.version_class AND kept.version = '%s'
WHERE i.service = '%s' AND i.user_kind = 'user' AND i.valid_to IS NULL AND v.version_rank < kept.version_rank
GROUP BY i.device
ORDER BY users DESC, i.device`, d.facts.After, d.facts.Service), nil},
		{"The versions day by day: such trends stay when the events themselves are dropped",
			fmt.Sprintf(`SELECT date_utc, version, sum(version_users) AS users, round(sum(share), 2) AS share,
       sum(upgrades_in) AS upgrades_in, round(1000 * sum(issues) / sum(version_users)) AS issues_per_thousand,
       round(sum(session_seconds) / nullif(sum(sessions_ended), 0) / 60) AS minutes_a_session, sum(installed) AS installed
FROM version_trend
WHERE service = '%s'
GROUP BY date_utc, version, version_rank
HAVING sum(version_users) >= 10
ORDER BY date_utc, version_rank`, d.facts.Service), nil},
		{"Why lines were rejected", `SELECT reason, sum(rejects) AS lines
FROM rejects_by_reason
GROUP BY reason
ORDER BY lines DESC, reason`, nil},
	}
}
