SELECT version, feature, share FROM feature_use WHERE service = '{service}'
