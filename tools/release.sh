#!/usr/bin/env bash
# release.sh VERSION FOLDER: builds what is released into FOLDER. RELEASE_PLATFORMS chooses for what, such as "linux/amd64".
#
#   versionlake-VERSION-OS-ARCH      the programs
#   ….cdx.json                       what each is made of, as CycloneDX, with licences
#   LICENSES                         the licences of all modules that are linked, word by word
#   SHA256SUMS                       of all of these
set -euo pipefail
version=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
platforms=${RELEASE_PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64}
export GOFLAGS=-buildvcs=false

sbom=$folder/.cyclonedx-gomod
trap 'rm -f "$sbom"' EXIT
GOOS='' GOARCH='' go -C tools/ship build -trimpath -o "$sbom" github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

: >"$folder/modules"
for platform in $platforms; do
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	file=$folder/versionlake-$version-$GOOS-$GOARCH
	tools/build.sh "$file" "$version"
	# Neither a serial number nor a time: the same release is the same file.
	CGO_ENABLED=0 "$sbom" app -json -noserial -notimestamp -std -licenses -main cmd/versionlake -output "$file.cdx.json" .
	CGO_ENABLED=0 go list -deps -f '{{with .Module}}{{.Path}} {{.Version}} {{.Dir}}{{end}}' ./cmd/versionlake >>"$folder/modules"
done
unset GOOS GOARCH

# Options of protobuf, by the makers of go.temporal.io/api, which links it and is under the MIT licence.
without=github.com/nexus-rpc/nexus-proto-annotations
# Some modules have several texts, such as those of what they took over from elsewhere.
sort -u "$folder/modules" | while read -r module modversion dir; do
	[ -n "$dir" ] || { dir=$modversion modversion=$version; } # our own
	texts=$(find "$dir" -maxdepth 1 -type f -iregex '.*/\(\(un\)?licen[sc]e\|copying\|notice\|patents\)[^/]*' ! -name '*.go' | sort)
	printf '================ %s %s\n\n' "$module" "$modversion"
	if [ -z "$texts" ]; then
		case " $without " in *" $module "*) ;; *)
			echo "release: $module $modversion has no licence in $dir: see what it says elsewhere" >&2
			exit 1
			;;
		esac
		printf 'comes without the text of a licence\n\n'
		continue
	fi
	while read -r text; do cat "$text"; echo; done <<<"$texts"
done >"$folder/LICENSES"
rm "$folder/modules"
(cd "$folder" && sha256sum -- versionlake-* LICENSES >SHA256SUMS)
du -h "$folder"/*
