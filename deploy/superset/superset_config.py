"""Superset's settings. It reads this file because its folder is on its PYTHONPATH.

SUPERSET_SECRET_KEY     keeps logins, and the passwords of databases: openssl rand -base64 42. It must not change.
SUPERSET_HOME           a folder for the cache, and for the SQLite of a Superset on one machine.
SUPERSET_DATABASE_URI   where Superset keeps its own things; that SQLite where it is not set.
"""

import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
DATA_DIR = os.environ["SUPERSET_HOME"]
SQLALCHEMY_DATABASE_URI = os.environ.get("SUPERSET_DATABASE_URI", f"sqlite:///{DATA_DIR}/superset.db")

# What charts found is kept for five minutes: the lake follows an hour within one or two.
DATA_CACHE_CONFIG = CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": f"{DATA_DIR}/cache",
    "CACHE_DEFAULT_TIMEOUT": 300,
}

# A page waits so many seconds for a chart; start.sh lets its server wait as long.
SUPERSET_WEBSERVER_TIMEOUT = 300

# More rows than any chart of ours asks for.
ROW_LIMIT = 50_000

FEATURE_FLAGS = {"ALERT_REPORTS": False}

# Nobody is asked for news of Superset's makers.
CHECK_FOR_UPDATES = False
