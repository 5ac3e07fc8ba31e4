#!/bin/sh
# build.sh FILE VERSION: builds versionlake as it is released, static, stripped, and the same bytes wherever it is built.
# GOOS and GOARCH choose for which system. VERSION may be empty: then Go's own stamp of the checkout counts.
set -eu
file=$1 version=${2:-}
cd "$(dirname "$0")/.."
CGO_ENABLED=0 exec go build -trimpath -o "$file" \
	-ldflags "-s -w -buildid= -X github.com/versionlake/versionlake/cmd/versionlake/program.release=$version" \
	./cmd/versionlake
