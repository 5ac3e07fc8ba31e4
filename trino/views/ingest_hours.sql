-- One row per hour that was ingested: what its last run found. lines = events + rejects + blanks + erased.
--
-- hour_utc: The hour: its first moment, UTC.
-- state: complete, empty (no file), or degraded (a file was left out whole).
-- runs: How often the hour was ingested.
-- files: Files listed.
-- bad_files: Files left out whole.
-- bytes: Size of the files, as stored.
-- lines: Lines read.
-- events: Lines accepted.
-- rejects: Lines rejected.
-- blanks: Blank lines.
-- erased: Lines left out because they are of a forgotten user.
-- silver_events: Events of the catalogue.
-- sightings: Sightings of versions.
-- started_at: Start of the run, UTC.
-- finished_at: End of the run, UTC.
SELECT hour_utc, state, runs, files, bad_files, bytes, lines, events, rejects, blanks, erased, silver_events, sightings, started_at, finished_at
FROM (
  SELECT *, count(*) OVER (PARTITION BY hour_utc) AS runs,
         row_number() OVER (PARTITION BY hour_utc ORDER BY finished_at DESC, run_id DESC) AS age
  FROM ops.hours
)
WHERE age = 1
