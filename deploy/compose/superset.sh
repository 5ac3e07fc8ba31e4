#!/bin/bash
# Starts Superset as deploy/superset/start.sh does. The image has neither the driver of Trino nor that of Postgres: they are
# installed at each start, from PyPI, into a folder of the container.
set -euo pipefail
target=/tmp/drivers
python -m pip install --quiet --target "$target" trino==0.340.0 psycopg2-binary==2.9.13
export PYTHONPATH=$target:${PYTHONPATH:-}
exec bash /app/dashboards/start.sh
