-- Does behaviour go with the version? Correlation of a session's version, by its rank, with what happened in it: -1 to 1, 0 is none.
-- Only versions that begin with a number count.
--
-- service: Service or product.
-- sessions: Pairs of session and version with an event of a known user.
-- rank_and_features: Pearson's correlation of version_rank with the FeatureUsed events of the pair; NULL where either never varies.
-- rank_and_issues: The same with its Issue events.
-- sessions_ended: Of these pairs, those whose SessionEnd tells a duration.
-- rank_and_seconds: Pearson's correlation of version_rank with that duration, over sessions_ended.
WITH pairs AS (
  SELECT service, version, session_id, count_if(event_name = 'FeatureUsed') AS features, count_if(event_name = 'Issue') AS issues,
         max(duration_seconds) AS seconds
  FROM events
  WHERE user_kind = 'user' AND version IS NOT NULL
  GROUP BY 1, 2, 3
)
SELECT p.service, count(*) AS sessions, corr(CAST(v.version_rank AS double), CAST(p.features AS double)) AS rank_and_features,
       corr(CAST(v.version_rank AS double), CAST(p.issues AS double)) AS rank_and_issues, count(p.seconds) AS sessions_ended,
       corr(CAST(v.version_rank AS double), p.seconds) AS rank_and_seconds
FROM pairs AS p
JOIN versions AS v ON v.service = p.service AND v.version = p.version
WHERE v.version_class = '#'
GROUP BY 1
