# Everything a developer needs. Nothing here needs a vendor's system.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME   ?= 20s

.PHONY: test check fmt vet lint tidy gen bench fuzz cover doc testtools

## test: every test, with the race detector and in random order
test: testtools
	go test -race -shuffle=on -timeout 20m ./...

## check: what a change has to pass
check:
	@scripts/check

## fmt: gofmt has nothing to change
fmt:
	@out="$$(gofmt -l .)"; test -z "$$out" || { echo "gofmt -w these:"; echo "$$out"; exit 1; }

vet:
	go vet ./...

## lint: staticcheck, loudly skipped where it can be neither found nor fetched
lint:
	@if go run $(STATICCHECK) -version >/dev/null 2>&1; then \
		echo "staticcheck ./..."; go run $(STATICCHECK) ./...; \
	else echo "SKIPPED: staticcheck cannot be fetched here"; fi

tidy:
	go mod tidy -diff

## gen: generate all tables again; it must change nothing that is committed
gen:
	@scripts/generate

## bench: every benchmark, with allocations; BENCH selects
bench:
	go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...

## fuzz: every fuzz target for FUZZTIME
fuzz:
	@scripts/fuzz $(FUZZTIME)

## cover: coverage by package, details in coverage.out
cover:
	go test -coverprofile=coverage.out -coverpkg=./... ./...
	go tool cover -func=coverage.out | tail -1

## doc: browse the documentation of this module
doc:
	go doc -http

## testtools: third-party programs for the interoperability tests, where possible
testtools:
	@scripts/testtools
