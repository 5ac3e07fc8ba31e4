SELECT e.experiment, e.variant, e.version, e.is_active, e.users, e.share, coalesce((SELECT is_mismatch FROM
sample_ratio AS s WHERE s.service = e.service AND s.experiment = e.experiment AND s.variant = e.variant), false),
e.issues_per_thousand_users, e.mean_session_seconds, e.last_met_at FROM experiment_variants AS e WHERE e.service = '{service}'
