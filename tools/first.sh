#!/usr/bin/env bash
# first.sh TOOL...: builds bin/versionlake and installs tools meanwhile, and says what it waits for. The first time,
# that takes minutes; later it says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=$(mktemp -d)
running=()
end() {
	[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true
	rm -rf "$logs"
}
trap end EXIT

tools/install.sh "$@" >"$logs/install" 2>&1 &
installing=$!
make --no-print-directory --silent build >"$logs/build" 2>&1 &
building=$!
running=("$installing" "$building")

# await PID WHAT LOG: says now and then that it still waits.
await() {
	local waited=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 0.5
		waited=$((waited + 1))
		if [ "$waited" -eq 4 ]; then
			echo "$2"
		elif [ $((waited % 30)) -eq 0 ]; then
			echo "  … after $((SECONDS)) seconds"
		fi
	done
	wait "$1" || {
		cat "$3" >&2
		exit 1
	}
}
await "$building" "Fetching and compiling versionlake and the libraries it is made of: once, some three minutes on two
processors. The demo itself takes ten seconds." "$logs/build"
await "$installing" "Fetching Temporal's program, 170 MB: once." "$logs/install"
running=()
