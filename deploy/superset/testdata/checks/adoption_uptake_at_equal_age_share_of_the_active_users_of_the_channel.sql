SELECT u.day, u.version, u.share FROM uptake AS u JOIN releases AS r ON r.service = u.service
AND r.version = u.version WHERE u.service = '{service}' AND r.releases_behind <= 5
