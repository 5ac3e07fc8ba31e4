#!/bin/sh
# Brings the tables of Temporal's two databases to what this version of the server needs; those that are new are made.
set -eu
for database in temporal:temporal temporal_visibility:visibility; do
	schema=/etc/temporal/schema/postgresql/v12/${database#*:}/versioned
	tool() {
		temporal-sql-tool --plugin postgres12 --ep postgres --port 5432 --user versionlake --db "${database%:*}" "$@"
	}
	# The table of versions is made first, and only then can it be asked.
	tool setup-schema --version 0.0 || echo "it has tables already: they are updated"
	tool update-schema --schema-dir "$schema"
done
