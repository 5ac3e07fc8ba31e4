-- How much of a day has come, and is it final? One row per day on which an event of the catalogue happened, of those that are kept.
-- How late events come is measured: the hour that they were ingested with, against their own time, on 28 days that are at least two weeks past.
--
-- date_utc: Day of UTC, by the events' own time.
-- events: Events of the catalogue that have come so far.
-- late_events: Of them, those that came with an hour after the day.
-- late_hours: How many hours after the end of the day the hour ended that brought the last of them, 0: none was late.
-- age_hours: How many hours after the end of the day the newest hour ended that was ingested, 0: the day is not over.
-- expected_share: Of the events of days at least two weeks past, the part that had come at this age. NULL: there is no such day yet.
-- is_final: Whether that is at least 999 of 1000, and the day is over: numbers of the day will not change by much any more.
WITH counted AS (
  SELECT CAST(floor(to_unixtime(event_time) / 86400) AS bigint) AS day,
         greatest(0, CAST(floor(to_unixtime(ingest_hour_utc) / 3600) AS bigint) + 1
                     - 24 * (CAST(floor(to_unixtime(event_time) / 86400) AS bigint) + 1)) AS late,
         count(*) AS events
  FROM gold.events
  GROUP BY 1, 2
), newest AS (
  SELECT CAST(floor(to_unixtime(max(hour_utc)) / 3600) AS bigint) + 1 AS ended FROM ops.hours
), dated AS (
  SELECT c.day, sum(c.events) AS events, sum(IF(c.late > 0, c.events, 0)) AS late_events, max(c.late) AS late_hours,
         greatest(0, max(n.ended) - 24 * (c.day + 1)) AS age_hours
  FROM counted AS c CROSS JOIN newest AS n
  GROUP BY c.day
), past AS (
  SELECT c.late, sum(c.events) AS events
  FROM counted AS c
  JOIN (SELECT day FROM dated WHERE age_hours >= 336 ORDER BY day DESC LIMIT 28) AS p ON p.day = c.day
  GROUP BY c.late
), expected AS (
  SELECT d.day, CAST(sum(p.events) FILTER (WHERE p.late <= d.age_hours) AS double) / sum(p.events) AS share
  FROM dated AS d LEFT JOIN past AS p ON true
  GROUP BY d.day
)
SELECT date_add('day', d.day, DATE '1970-01-01') AS date_utc, d.events, d.late_events, d.late_hours, d.age_hours, e.share AS expected_share,
       d.age_hours > 0 AND coalesce(e.share >= 0.999, false) AS is_final
FROM dated AS d JOIN expected AS e ON e.day = d.day
