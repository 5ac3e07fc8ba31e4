#!/usr/bin/env bash
# first.sh TOOL...: builds bin/versionlake and installs tools meanwhile, and says what it waits for. The first time,
# that takes minutes; later it says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# begin NAME COMMAND...: in the background. How it ended goes into a file: after minutes, its number may be another's.
begin() {
	local name=$1 code=0
	shift
	(
		"$@" >"$logs/$name" 2>&1 || code=$?
		echo "$code" >"$logs/$name.new"
		mv "$logs/$name.new" "$logs/$name.code"
	) &
}

# await NAME WHAT: says what it waits for after two seconds, and that it still does every quarter of a minute.
await() {
	local turns=0
	until [ -e "$logs/$1.code" ]; do
		sleep 0.5
		turns=$((turns + 1))
		if [ "$turns" -eq 4 ]; then
			echo "$2"
		elif [ $((turns % 30)) -eq 0 ]; then
			echo "  … after $SECONDS seconds"
		fi
	done
	if [ "$(cat "$logs/$1.code")" -ne 0 ]; then
		cat "$logs/$1" >&2
		exit 1
	fi
}

begin tools tools/install.sh "$@"
begin build make --no-print-directory --silent build
await build "Fetching and compiling versionlake and the libraries it is made of: once, some three minutes on two
processors. The demo itself takes ten seconds."
await tools "Fetching Temporal's program, 45 MB: once."
