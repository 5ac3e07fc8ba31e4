-- Can an experiment be trusted? One row per experiment and variant: whether its users fell into the variants evenly, as most experiments want it.
-- Known users, over all events; those who met several variants are left out, and counted. Uneven variants say that somebody is lost on the way.
--
-- service: Service or product.
-- experiment: Experiment.
-- variant: Variant.
-- users: Known users with an Experiment event of this variant and of no other one of the experiment in the service.
-- share: Of such users of all variants, the part that users are.
-- share_low: Lower end of the share's 95 % interval, by Wilson.
-- share_high: Its upper end.
-- expected_share: One part of as many as there are variants.
-- users_in_several: Known users of the variant that met another one, too.
-- chi_square: Sum, over the variants, of the squared difference from the expected users, per expected user.
-- p_value: How likely such a difference or a larger one is where users do fall evenly; of four variants or more by the approximation of
--   Wilson and Hilferty. NULL: there is one variant.
-- is_mismatch: Whether p_value is below 0.001: do not trust the experiment before it is known why.
-- is_small: Whether a variant may expect fewer than 30 users: the check says little.
WITH met AS (
  SELECT service, experiment, user_id, min(variant) AS variant, count(DISTINCT variant) AS variants
  FROM events
  WHERE event_name = 'Experiment' AND user_kind = 'user' AND experiment IS NOT NULL AND variant IS NOT NULL
  GROUP BY 1, 2, 3
), arms AS (
  SELECT service, experiment, variant, count(DISTINCT user_id) AS everyone
  FROM events
  WHERE event_name = 'Experiment' AND user_kind = 'user' AND experiment IS NOT NULL AND variant IS NOT NULL
  GROUP BY 1, 2, 3
), counted AS (
  SELECT a.service, a.experiment, a.variant, a.everyone, count(m.user_id) AS users
  FROM arms AS a
  LEFT JOIN met AS m ON m.service = a.service AND m.experiment = a.experiment AND m.variant = a.variant AND m.variants = 1
  GROUP BY 1, 2, 3, 4
), totals AS (
  SELECT *, sum(users) OVER of_all AS all_users, count(*) OVER of_all AS arms, sum(users * users) OVER of_all AS squares
  FROM counted
  WINDOW of_all AS (PARTITION BY service, experiment)
), tested AS ( -- the sum of (users - n/k)² / (n/k) is k/n times the sum of squares, less n
  SELECT *, CAST(arms * squares AS double) / nullif(all_users, 0) - all_users AS chi_square FROM totals
), judged AS (
  SELECT *, CASE arms WHEN 1 THEN NULL
                      WHEN 2 THEN 2 * (1 - normal_cdf(0, 1, sqrt(greatest(chi_square, 0))))
                      WHEN 3 THEN exp(-chi_square / 2)
                      ELSE 1 - normal_cdf(0, 1, (cbrt(greatest(chi_square, 0) / (arms - 1)) - (1 - 2e0 / (9 * (arms - 1)))) / sqrt(2e0 / (9 * (arms - 1)))) END AS p_value
  FROM tested
)
SELECT service, experiment, variant, users, CAST(users AS double) / nullif(all_users, 0) AS share,
       IF(all_users > 0, 0e0 + round(wilson_interval_lower(users, all_users, 1.96e0), 6)) AS share_low,
       IF(all_users > 0, round(wilson_interval_upper(users, all_users, 1.96e0), 6)) AS share_high,
       1e0 / arms AS expected_share, everyone - users AS users_in_several, round(chi_square, 6) AS chi_square, round(p_value, 6) AS p_value,
       coalesce(p_value < 0.001, false) AS is_mismatch, all_users < 30 * arms AS is_small
FROM judged
