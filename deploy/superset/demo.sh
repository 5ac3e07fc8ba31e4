#!/usr/bin/env bash
# Six weeks of made-up telemetry, a Trino over them and a Superset with the dashboards, in a temporary folder, until Ctrl-C.
# `make demo-superset` runs this; it needs bin/versionlake, and the tools temporal, jdk, trino and superset.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d "${TMPDIR:-/tmp}/versionlake-superset.XXXXXX")
lake=(bin/versionlake --dir "$folder/lake" --source "$folder/telemetry")

finish() {
	trap - EXIT INT TERM
	[ -z "${superset:-}" ] || { kill "$superset" && wait "$superset"; } 2>/dev/null || true
	[ ! -e "$folder/lake/trino" ] || "${lake[@]}" trino down || true
	rm -rf "$folder"
}
trap finish EXIT
trap 'exit 0' INT TERM

echo "Making up six weeks of telemetry, and reading them into a lake: a minute"
"${lake[@]}" generate "$folder/telemetry" --hours 1008 --users 400 --lines 240 --files 1 >"$folder/log" 2>&1
"${lake[@]}" reprocess --all >>"$folder/log" 2>&1 </dev/null || { tail -20 "$folder/log" >&2; exit 1; }
"${lake[@]}" releases import deploy/superset/demo/releases.yaml
"${lake[@]}" trino up --memory 2G

# Ports: the one that people look at first, or any that is free.
free_port() {
	python3 - "$@" <<-'END'
		import socket, sys
		for port in [*map(int, sys.argv[1:]), 0]:
		    with socket.socket() as s:
		        try:
		            s.bind(("127.0.0.1", port))
		        except OSError:
		            continue
		        print(s.getsockname()[1])
		        break
	END
}
port=$(free_port "${SUPERSET_PORT:-8088}")
trino=$("${lake[@]}" trino status | sed -n 's|^Trino *http://||p')
export SUPERSET_HOME=$folder/superset SUPERSET_BIND=127.0.0.1:$port
export SUPERSET_SECRET_KEY SUPERSET_ADMIN_PASSWORD SUPERSET_VIEWER
SUPERSET_SECRET_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(42))')
SUPERSET_ADMIN_PASSWORD=${SUPERSET_ADMIN_PASSWORD:-$(python3 -c 'import secrets; print(secrets.token_urlsafe(9))')}
SUPERSET_VIEWER=ann:$(python3 -c 'import secrets; print(secrets.token_urlsafe(9))')
export VERSIONLAKE_TRINO_URI=trino://superset@$trino/versionlake/views
mkdir "$SUPERSET_HOME"
echo "Starting Superset: a minute"
PATH=$PWD/.tools/superset/bin:$PATH deploy/superset/start.sh >"$folder/superset.log" 2>&1 &
superset=$!
until python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/health')" 2>/dev/null; do
	kill -0 "$superset" 2>/dev/null || { tail -20 "$folder/superset.log" >&2; exit 1; }
	sleep 0.5
done
cat <<END

Superset    http://127.0.0.1:$port/superset/dashboard/versionlake-adoption/
login       admin, password $SUPERSET_ADMIN_PASSWORD; or ${SUPERSET_VIEWER%%:*}, who may look, password ${SUPERSET_VIEWER#*:}
Trino       http://$trino
Ctrl-C stops all of it, and removes $folder
END
wait "$superset"
