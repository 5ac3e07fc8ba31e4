SELECT date_utc, events, late_events, late_hours, age_hours, expected_share, is_final FROM completeness
