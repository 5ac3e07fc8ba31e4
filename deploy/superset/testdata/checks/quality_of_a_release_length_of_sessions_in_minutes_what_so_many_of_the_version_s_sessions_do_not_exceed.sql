SELECT version, p90_seconds / 60, p75_seconds / 60, median_seconds / 60, p25_seconds / 60 FROM session_length
WHERE service = '{service}'
