SELECT source, campaign, installs, users, share, active_users, active_share FROM installation_sources
WHERE service = '{service}'
