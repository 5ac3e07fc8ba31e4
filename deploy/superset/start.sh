#!/usr/bin/env bash
# Starts Superset with our dashboards, and makes it ready before where that is needed. Its settings are the variables that
# superset_config.py and load.py name, and
#
#   SUPERSET_BIND   the address that it listens on, such as 127.0.0.1:8088
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1 # nothing of Superset's in the folder of the dashboards
export PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} FLASK_APP="superset.app:create_app()" SUPERSET_HOME=${SUPERSET_HOME:?}
superset db upgrade
superset init
python "$here/load.py"
exec gunicorn --bind "${SUPERSET_BIND:-127.0.0.1:8088}" --workers "${SUPERSET_WORKERS:-1}" --worker-class gthread \
	--threads 20 --timeout 300 --worker-tmp-dir "${TMPDIR:-/tmp}" "$FLASK_APP"
