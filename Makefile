# What a newcomer needs: make demo, then make test. Both install what is missing and say so.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS   += --no-print-directory

GO       ?= $(shell command -v go || echo /usr/local/go/bin/go)
TAGS     := libiscsi,sqlite_fts5
FUZZTIME ?= 10s
BENCH    ?= .

VERSION  := $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || \
              echo "$$(cat VERSION)$$(git rev-parse --short=12 HEAD 2>/dev/null | sed 's/^/+/')")
LDFLAGS  := -X main.version=$(VERSION)
BUILD    := -trimpath -buildvcs=false

# The samples lie beside the checkout. Tests that need them skip without them.
TAPECTL_SAMPLES ?= $(abspath $(wildcard ../shared/samples))
ifneq ($(TAPECTL_SAMPLES),)
export TAPECTL_SAMPLES
endif
export GO

RINGS     := check unit portable iscsi kernel
RESULTS   := bin/rings
RING      := bin/ring run -results $(RESULTS)
# Packages with tests against the iSCSI laboratory name its variable.
LIVE       = $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*_test.go' TAPECTL_LAB_ISCSI internal cmd 2>/dev/null))))
END_TO_END = $(addprefix ./,$(wildcard test/e2e))

.PHONY: help build static deps go deps-build demo test $(addprefix test-,$(RINGS)) ring bench fuzz fmt cover clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: go deps-build ## bin/tapectl
	$(GO) build $(BUILD) -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/tapectl ./cmd/tapectl

static: go ## bin/tapectl-static: no shared libraries, for a bare host; without iSCSI
	CGO_ENABLED=1 $(GO) build $(BUILD) -tags 'sqlite_fts5 sqlite_omit_load_extension osusergo netgo' \
	  -ldflags '-s -w -linkmode external -extldflags "-static" $(LDFLAGS)' -o bin/tapectl-static ./cmd/tapectl
	@if readelf -lW bin/tapectl-static | grep -q INTERP; then echo 'static: bin/tapectl-static needs shared libraries' >&2; exit 1; fi
	bin/tapectl-static version

deps: go ## installs what building and testing need and is missing
	@test/lab/deps test
	@test/lab/kernel-vm setup

deps-build:
	@test/lab/deps build

# Go itself is not installed from here: which one, and how, is the user's choice.
go:
	@$(GO) version >/dev/null 2>&1 || { \
	  echo "Go $$(sed -n 's/^go //p' go.mod) or later is needed (https://go.dev/dl/), and '$(GO)' does not run:" >&2; \
	  $(GO) version >&2 || true; exit 1; }

demo: build ## the whole story on a virtual library, in seconds
	bin/tapectl demo

# Every ring runs even when one before it failed; the summary decides.
test: go ## all rings, then a summary
	@rm -rf $(RESULTS)
	@$(MAKE) deps
	@for ring in $(RINGS); do $(MAKE) test-$$ring || true; done; bin/ring summary -results $(RESULTS) -require '$(RINGS)'

ring: go deps-build
	@$(GO) build $(BUILD) -o bin/ring ./test/ring

# A step that fails does not keep the next one from running.
test-check: ring ## gofmt, go vet, staticcheck
	@status=0; \
	$(RING) -ring check -step gofmt -- bash -c 'f=$$(git ls-files -co --exclude-standard "*.go" | xargs gofmt -l); echo -n "$$f"; test -z "$$f"' || status=1; \
	$(RING) -ring check -step vet -- $(GO) vet -tags $(TAGS) ./... || status=1; \
	$(RING) -ring check -step 'vet of the kernel tests' -- $(GO) vet -tags $(TAGS),kernel ./test/kernel || status=1; \
	$(RING) -ring check -step staticcheck -- $(GO) tool staticcheck -tags $(TAGS) ./... || status=1; \
	exit $$status

test-unit: ring ## every package with the race detector, no laboratory
	@$(RING) -ring unit -tests -- $(GO) test -json -race -tags $(TAGS) -timeout 15m \
	  $$($(GO) list ./... | grep -vE '/test/(e2e|lab|kernel)$$')

test-portable: ring ## everything compiles without libiscsi, the tests of the iSCSI stub pass
	@status=0; \
	$(RING) -ring portable -step 'build without libiscsi' -- $(GO) build -tags sqlite_fts5 ./... || status=1; \
	$(RING) -ring portable -step 'vet without libiscsi' -- $(GO) vet -tags sqlite_fts5 ./... || status=1; \
	$(RING) -ring portable -tests -- $(GO) test -json -tags sqlite_fts5 -timeout 5m ./internal/scsi/iscsi || status=1; \
	exit $$status

test-iscsi: export TAPECTL_REQUIRE_LABS = 1
test-iscsi: ring ## drivers and end-to-end tests against tgt over iSCSI
	@test/lab/deps test
	@status=0; \
	$(RING) -ring iscsi -tests -- test/lab/vtl run --tape-mb 48 -- test/lab/vtl run --tapes 0 --chap lab:Kp4Yt7Qw2Zx9 -- \
	  $(GO) test -json -tags $(TAGS) -p 1 -count 1 -timeout 10m ./test/lab $(LIVE) || status=1; \
	if [ -n '$(END_TO_END)' ]; then $(MAKE) build && TAPECTL_BINARY=$(CURDIR)/bin/tapectl $(RING) -ring iscsi -tests -- \
	  $(GO) test -json -tags $(TAGS) -p 1 -count 1 -timeout 15m -skip '^TestKernel$$' $(END_TO_END) || status=1; fi; \
	exit $$status

test-kernel: export TAPECTL_REQUIRE_LABS = 1
test-kernel: ring ## the same under a real Linux kernel with /dev/sg*
	@test/lab/deps test
	@test/lab/kernel-vm setup
	@if [ -d cmd/tapectl ]; then $(MAKE) build; fi
	@$(GO) test -c -tags $(TAGS),kernel -o bin/kernel.test ./test/kernel
	@$(GO) test -c -tags $(TAGS) -o bin/sgio.test ./internal/scsi/sgio
	@if [ -n '$(END_TO_END)' ]; then $(GO) test -c -tags $(TAGS) -o bin/e2e.test $(END_TO_END); fi
	@TAPECTL_BINARY=$(CURDIR)/bin/tapectl TAPECTL_KERNEL_BIN=$(CURDIR)/bin $(RING) -ring kernel -tests -dir test/kernel -- \
	  $(GO) tool test2json -t -p tapectl/test/kernel $(CURDIR)/test/lab/kernel-vm run $(CURDIR)/bin/kernel.test -test.v=test2json

bench: go deps-build ## benchmarks; BENCH=regexp selects
	$(GO) test -tags $(TAGS) -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout 30m ./...

fuzz: go deps-build ## every fuzz target for FUZZTIME (10s)
	test/lab/fuzz $(FUZZTIME) -tags $(TAGS)

fmt: go ## gofmt of everything
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

cover: go deps-build ## statement coverage of the packages
	@mkdir -p bin
	$(GO) test -tags $(TAGS) -coverprofile=bin/coverage.out $$($(GO) list ./internal/... ./cmd/...)
	@$(GO) tool cover -func=bin/coverage.out | tail -n 1

clean: ## removes bin/; the kernel laboratory's cache stays (test/lab/kernel-vm clean)
	rm -rf bin
