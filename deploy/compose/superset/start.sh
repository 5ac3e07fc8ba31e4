#!/bin/bash
# Starts Superset with Trino as its database `versionlake`. The image has neither driver: they are installed at each start,
# from PyPI, into a folder of the container.
set -euo pipefail
target=/tmp/drivers
python -m pip install --quiet --target "$target" trino==0.340.0 psycopg2-binary==2.9.13
export PYTHONPATH=$target:${PYTHONPATH:-/app/pythonpath}
superset db upgrade
# A later start finds the user there.
superset fab create-admin --username admin --firstname admin --lastname admin --email admin@localhost \
	--password "$SUPERSET_ADMIN_PASSWORD" || true
superset init
superset set-database-uri --database_name versionlake --uri trino://superset@trino:8080/versionlake/views
exec superset run --host 0.0.0.0 --port 8088 --with-threads
