#!/usr/bin/env bash
# keep.sh PROGRAM COMMIT: makes lake-COMMIT.tar.zst of a small lake that the program, built from the commit, writes.
# Its tables hold absolute paths, so it lies where tests unpack it.
#
#   lake/     the lake: six hours of three days, a late one, an erasure, daily aggregates
#   source/   the telemetry that it was made from, the forgotten user's with it
#   later/    an hour that it has not read
#   answers/  what `history --all` says as of each tag; now.jsonl without one; forgotten: who is
set -euo pipefail
program=$(realpath "$1") name=$2
here=$(cd "$(dirname "$0")" && pwd)
kept=/tmp/versionlake-lakes/$name
exec 9>"$(dirname "$kept")/$name.lock"
flock 9
rm -rf "$kept"
mkdir -p "$kept/answers"
cd "$kept"
unset TEMPORAL_ADDRESS
ask() { "$program" "$@" --dir "$kept/lake" --output json; }

"$program" generate source --from 2022-05-26T22 --hours 28 --users 150 --lines 120 --files 2 --seed 15
mkdir -p keep later/2022/05/28
mv source/2022/05/28/01 later/2022/05/28/
hours="2022-05-26T22 2022-05-26T23 2022-05-27T01 2022-05-27T12 2022-05-28T00 2022-05-27T00"
for hour in $hours; do
	day=${hour%T*} of=${hour#*T}
	mkdir -p "keep/${day//-//}"
	mv "source/${day//-//}/$of" "keep/${day//-//}/"
done
rm -r source && mv keep source
for hour in $hours; do
	ask ingest "$hour" --source "$kept/source" >/dev/null
done
user=$(ask history --all | grep '"user_kind":"user"' | grep -o '"user_id":"[^"]*"' | cut -d'"' -f4 | sed -n 3p)
echo "$user" >answers/forgotten
ask forget "$user" --yes >/dev/null
"$program" daily --refresh --dir "$kept/lake" >/dev/null
for tag in $("$program" status --versions --dir "$kept/lake" | grep -o 'hour-[0-9T.-]*' | sort -u); do
	ask history --all --as-of "$tag" >"answers/$tag.jsonl"
done
ask history --all >answers/now.jsonl
if grep -q "\"$user\"" answers/*.jsonl; then
	echo "keep.sh: $user was not forgotten" >&2
	exit 1
fi
rm -f lake/temporal* lake/*.log lake/dev* lake/*.db-shm lake/*.db-wal
tar --sort=name --owner=0 --group=0 -cf - lake source later answers | zstd -19 -q -f -o "$here/lake-$name.tar.zst"
rm -rf "$kept"
ls -l "$here/lake-$name.tar.zst"
