#!/usr/bin/env bash
# licences.sh VERSION PLATFORM...: prints the licences of all modules that a program for one of these is linked from, word by word.
set -euo pipefail
version=$1
shift
cd "$(dirname "$0")/.."
export GOFLAGS=-buildvcs=false CGO_ENABLED=0

# Options of protobuf, by the makers of go.temporal.io/api, which links it and is under the MIT licence.
without=github.com/nexus-rpc/nexus-proto-annotations
modules=$(echo "std $(go env GOVERSION) $(go env GOROOT)" && for platform; do
	GOOS=${platform%/*} GOARCH=${platform#*/} \
		go list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}' ./cmd/versionlake
done)
# Some modules have several texts, such as those of what they took over from elsewhere.
sort -u <<<"$modules" | while read -r module modversion dir; do
	[ -n "$module" ] || continue # a package of the standard library
	[ -n "$dir" ] || { dir=$modversion modversion=$version; } # our own
	texts=$(find "$dir" -maxdepth 1 -type f -iregex '.*/\(\(un\)?licen[sc]e\|copying\|notice\|patents\)[^/]*' ! -name '*.go' | sort)
	printf '================ %s %s\n\n' "$module" "$modversion"
	if [ -z "$texts" ]; then
		case " $without " in *" $module "*) ;; *)
			echo "licences: $module $modversion has no licence in $dir: see what it says elsewhere" >&2
			exit 1
			;;
		esac
		printf 'comes without the text of a licence\n\n'
		continue
	fi
	while read -r text; do cat "$text"; echo; done <<<"$texts"
done
