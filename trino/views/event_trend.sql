-- How do features, issues, notifications and the like go over time? One row per day, version and what events are about, from the daily aggregates.
--
-- date_utc: Day of UTC, by the events' own time.
-- service: Service or product.
-- version: Version that was running, NULL where no sighting tells.
-- version_rank: Place of the version among those of its service, 1 is the oldest.
-- event_name: Event of the catalogue.
-- name: FeatureUsed: feature. Issue: code. Notification: target version. Install: source. Experiment: experiment.
--   DeviceInfo: operating system. Else NULL.
-- detail: Issue: severity. Notification: status. Install: campaign. Experiment: variant. DeviceInfo: model. Else NULL.
-- events: Such events on the day, those of anonymous users included.
SELECT d.date_utc, d.service, d.version, v.version_rank, d.event_name, d.name, d.detail, d.events
FROM (
  SELECT date_utc, service, version, event_name, name, detail, sum(events) AS events FROM gold.event_daily GROUP BY 1, 2, 3, 4, 5, 6
) AS d
LEFT JOIN versions AS v ON v.service = d.service AND v.version = d.version
