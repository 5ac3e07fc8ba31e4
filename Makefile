# What is needed: Go, Python 3 with pip, Java and Maven, make, git. tools/install.sh puts all else into .tools/ here.

INSTALL := tools/install.sh
BIN     := .tools/bin
# The race detector needs a C compiler; without one, Go turns cgo off and the tests run without it.
RACE    := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)
# What runs in several goroutines or must be free of them, and is quick.
RACED   := ./telemetry/... ./history/... ./source/... ./workflows/...
PKG     ?= ./...
BENCH   ?= .
VERSION ?= $(shell git describe --tags --always --dirty)

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## see all of it on made-up data, in a temporary folder
	@tools/first.sh temporal
	@PATH="$(CURDIR)/$(BIN):$$PATH" bin/versionlake demo

.PHONY: demo-trino
demo-trino: build ## the demo, and then the same and more in SQL, through a real Trino
	$(INSTALL) temporal jdk trino
	PATH="$(CURDIR)/$(BIN):$$PATH" bin/versionlake demo --trino

.PHONY: demo-superset
demo-superset: build ## six weeks of made-up data in dashboards: a Trino, and a Superset, until Ctrl-C
	$(INSTALL) temporal jdk trino superset
	PATH="$(CURDIR)/$(BIN):$$PATH" deploy/superset/demo.sh

.PHONY: build
build: ## build bin/versionlake
	go build -trimpath -ldflags "-s -w" -o bin/versionlake ./cmd/versionlake

.PHONY: check
check: lint ## what to run before a commit: static checks and the quick tests
	go test -short ./...
	go -C tools test ./...
	go -C tools/ship test ./...

.PHONY: test
test: tools lint ## everything, with real servers: what CI runs
	go test -timeout 30m ./...
	go -C tools test ./...
	go -C tools/ship test ./...
	$(if $(RACE),go test $(RACE) -short -timeout 30m $(RACED))

.PHONY: lint
lint: ## static checks alone, and the ratchets of size
	$(INSTALL) golangci-lint workflowcheck
	$(BIN)/golangci-lint run ./...
	cd tools && ../$(BIN)/golangci-lint run ./...
	cd tools/ship && ../../$(BIN)/golangci-lint run ./...
	$(BIN)/workflowcheck ./workflows/...
	go -C tools run ./house ..

.PHONY: bench
bench: build ## time hours beside Polars, DuckDB and PySpark, into docs/BENCHMARKS.md; BENCHED='--hours 2 --rounds 1' for less
	$(INSTALL) temporal engines
	bench/bench.py --into docs/BENCHMARKS.md $(BENCHED)

.PHONY: gobench
gobench: ## measure parts of it; PKG=./telemetry BENCH=Parse to choose
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: tools
tools: ## install all tools that tests and checks run
	$(INSTALL)

.PHONY: release
release: ## build bin/release/: programs, checksums, SBOM, licences; VERSION=v1.0.0 names it
	rm -rf bin/release
	tools/release.sh "$(VERSION)" bin/release

.PHONY: clean
clean: ## remove what was built; the tools stay (rm -rf .tools)
	rm -rf bin
