#!/usr/bin/env bash
# release.sh VERSION FOLDER: builds what is released into FOLDER. RELEASE_PLATFORMS chooses for what, such as "linux/amd64".
#
#   versionlake-VERSION-OS-ARCH      the programs
#   ….cdx.json                       what each is made of, as CycloneDX, read from the program itself
#   LICENSES                         the licences of all modules that are linked, word by word
#   SHA256SUMS                       of all of these
set -euo pipefail
version=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
platforms=${RELEASE_PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
export GOFLAGS=-buildvcs=false

# First, since it takes seconds and builds take half an hour.
# shellcheck disable=SC2086 # several words
tools/licences.sh "$version" $platforms >"$folder/LICENSES"

sbom=$folder/.cyclonedx-gomod
trap 'rm -f "$sbom"' EXIT
GOOS='' GOARCH='' go -C tools/ship build -trimpath -o "$sbom" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
for platform in $platforms; do
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	file=$folder/versionlake-$version-$GOOS-$GOARCH
	tools/build.sh "$file" "$version"
	# Neither a serial number nor a time: the same release is the same file.
	"$sbom" bin -json -noserial -notimestamp -std -version "$version" -output "$file.cdx.json" "$file"
	# A module that a folder of ours stands in for goes by its own name: who looks for vulnerabilities knows no folder.
	sed -n 's/^replace \(.*\) => \(\.\/.*\)/\1 \2/p' go.mod | while read -r module place; do
		of=$(go list -m -f '{{.Version}}' "$module")
		sed -i -e "s|golang/$place@(devel)|golang/$module@$of|" \
			-e "\|\"name\": \"$place\"|{s|$place|$module|;n;s|(devel)|$of|}" "$file.cdx.json"
	done
done
(cd "$folder" && sha256sum -- versionlake-* LICENSES >SHA256SUMS)
du -h "$folder"/*
