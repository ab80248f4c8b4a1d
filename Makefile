# `make` alone prints what there is. Needed: Go and make; everything else is
# installed into .tools by the targets that want it.

SHELL   := /bin/bash
GO      ?= go
BIN     := bin/packhouse
TOOLS   := $(CURDIR)/.tools/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# More flags for the tests: make test TESTFLAGS=-v
TESTFLAGS ?=
# How long the soaks of the end-to-end tests load the server.
SOAK ?= 30s
# More flags for the benchmark: make bench BENCHFLAGS="-only 's3|wizard'"
BENCHFLAGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 10s

# Fetches the modules. A proxy that has the hiccups is asked again.
FETCH = for pause in 5 15 45; do \
		$(GO) mod download && break; \
		echo "make: go mod download failed, once more in $$pause s"; sleep $$pause; \
	done; $(GO) mod download

# What tests make below TMPDIR are sockets, whose paths have to be short, and
# files that other users look at.
ROOM = umask 022; if [ "$${\#TMPDIR}" -gt 40 ]; then export TMPDIR=/tmp; fi

.DEFAULT_GOAL := help
.PHONY: help build run test e2e e2e-full bench lint audit fmt fuzz pictures clean

help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/packhouse, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/packhouse

# On a terminal the wizard asks, and where ./run is installed the manager offers to start the server:
# Enter serves. Without a terminal, setup takes detected answers and defaults.
run: build ## build, install into ./run and serve: the wizard, or without a terminal the defaults
	@if [ -t 0 ] && [ -t 1 ] && [ -e run/myconfig.yml ]; then \
		exec $(BIN) --dir run; \
	elif [ -t 0 ] && [ -t 1 ]; then \
		exec $(BIN) setup --serve --dir run --storage filesystem --storage-path "$(CURDIR)/run/data"; \
	else \
		exec $(BIN) setup --yes --serve --dir run --storage filesystem --storage-path "$(CURDIR)/run/data" </dev/null; \
	fi

# Packages whose tests run fewer cases with the race detector: those that import racetest.
SAMPLED = $(GO) list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | sed -n '/[[ ]packhouse\/racetest[] ]/s/ .*//p'

# The race detector needs cgo, and so a C compiler. The modules are fetched
# first and the proxy is off afterwards: no test may reach for the network. With
# the detector every program would sleep for a second at its end, and bcrypt,
# which shares no memory, would be ten times as slow. The second run shares its
# compiled packages with `make build`.
test: ## run every test of the module; with a C compiler, also with the race detector
	@$(FETCH)
	@set -o pipefail; $(ROOM); export GOPROXY=off GORACE="$${GORACE:-atexit_sleep_ms=20}"; \
	if ! [ "$$($(GO) env CGO_ENABLED)" = 1 ] || ! command -v "$$($(GO) env CC | cut -d' ' -f1)" >/dev/null; then \
		echo 'no C compiler here: testing without the race detector'; \
		set -x; exec $(GO) test -timeout 15m $(TESTFLAGS) ./...; \
	fi; \
	failed=0; \
	(set -x; $(GO) test -race -gcflags=golang.org/x/crypto/blowfish=-race=false -timeout 15m $(TESTFLAGS) ./...) || failed=1; \
	echo 'make: without the race detector, the tests that run fewer cases with it:'; \
	sampled=$$($(SAMPLED)) && \
	(set -x; CGO_ENABLED=0 $(GO) test -trimpath -timeout 15m $(TESTFLAGS) $$sampled) || failed=1; \
	exit $$failed

e2e: build ## run real clients against the built binary (installs them into .tools first)
	bash test/e2e/tools.sh
	@cd test/e2e && $(FETCH)
	cd test/e2e && $(ROOM); PACKHOUSE_BIN="$(CURDIR)/$(BIN)" SOAK=$(SOAK) $(GO) test -count=1 -timeout 75m $(TESTFLAGS) ./...

e2e-full: build ## the same with what takes long to build (helm; minio as a second S3 engine), and longer soaks
	bash test/e2e/tools.sh
	bash test/e2e/tools.sh helm minio
	@cd test/e2e && $(FETCH)
	cd test/e2e && $(ROOM); PACKHOUSE_BIN="$(CURDIR)/$(BIN)" PACKHOUSE_S3_ENGINES='versitygw minio' SOAK=5m $(GO) test -count=1 -timeout 90m $(TESTFLAGS) ./...

bench: build ## measure beside other registries, a bucket and the wizard too (docs/performance.md)
	bash test/e2e/tools.sh registry olareg versitygw
	cd test/bench && $(GO) test ./... && $(GO) run . -packhouse "$(CURDIR)/$(BIN)" -tools "$(TOOLS)" $(BENCHFLAGS)

lint: ## go vet, go mod tidy, formatting and golangci-lint
	bash test/e2e/tools.sh golangci-lint gofumpt
	@unformatted=$$("$(TOOLS)/gofumpt" -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, make fmt does it: $$unformatted"; exit 1; fi
	@set -e; for module in . test/e2e test/bench; do (set -x; cd $$module && $(GO) mod tidy -diff); done
	$(GO) vet ./...
	"$(TOOLS)/golangci-lint" run ./...
	cd test/e2e && $(GO) vet ./... && "$(TOOLS)/golangci-lint" run --config ../../.golangci.yml ./...
	cd test/bench && $(GO) vet ./... && "$(TOOLS)/golangci-lint" run --config ../../.golangci.yml ./...

audit: ## list module versions; run go vet, staticcheck, gosec and govulncheck
	GO="$(GO)" bash test/audit.sh

fmt: ## format every Go file with gofumpt
	bash test/e2e/tools.sh gofumpt
	"$(TOOLS)/gofumpt" -w $$(git ls-files -co --exclude-standard '*.go')

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@set -e; grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | while IFS=: read -r file target; do \
		echo "== $$(dirname $$file) $${target#func }"; \
		$(GO) test -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) "./$$(dirname $$file)" </dev/null; \
	done

pictures: build ## take the pictures of the documentation again (as root, with tmux and rsvg-convert)
	$(GO) run ./tui/screenshot -scenes docs/images/scenes.txt -out docs/images -- docs/images/machine.sh $(BIN) setup
	$(GO) run ./tui/screenshot -scenes docs/images/manager.txt -out docs/images -- docs/images/machine.sh docs/images/installed.sh "$(CURDIR)/$(BIN)"
	$(GO) run ./tui/screenshot -scenes docs/images/repair.txt -out docs/images -- docs/images/machine.sh docs/images/broken.sh "$(CURDIR)/$(BIN)"

clean: ## remove what make built; ./run stays, it holds a registry's data
	rm -rf bin .cache .tools
