# tidetable: `make demo` shows it, `make test` checks it. Both install what they need.

CARGO ?= cargo
export PATH := $(CURDIR)/.tools:$(PATH)

.PHONY: help demo test test-cluster conformance comparison transcript bench bench-fleet soak fmt lint crd docs pictures image tools

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a day in a minute: sandbox, operator, kubectl, report (flags: ARGS='--help')
	@$(CARGO) run --quiet --release -- demo $(ARGS)

test: tools ## all tests
	$(CARGO) test --all-targets
	$(CARGO) test --doc

test-cluster: tools ## the same end-to-end tests against the cluster that KUBECONFIG names
	@test -n "$(KUBECONFIG)" || { echo 'set KUBECONFIG to the cluster to test against' >&2; exit 2; }
	TIDETABLE_TEST_KUBECONFIG="$(KUBECONFIG)" $(CARGO) test --test it -- cluster --nocapture

conformance: ## every case table under CONFORMANCE_DIR
	@test -n "$(CONFORMANCE_DIR)" || { echo 'set CONFORMANCE_DIR to a directory of case tables' >&2; exit 2; }
	@$(CARGO) run --quiet --example conformance -- "$(CONFORMANCE_DIR)"

comparison: ## docs/comparison.md and its policies, from the recorded traces in TRACES
	@test -n "$(TRACES)" || { echo 'set TRACES to a directory of recorded traces' >&2; exit 2; }
	@$(CARGO) run --quiet --release --example comparison -- "$(TRACES)"

transcript: tools ## replay TRANSCRIPT, a recorded conversation with a real API server, against the sandbox
	@test -n "$(TRANSCRIPT)" || { echo 'set TRANSCRIPT to a recorded conversation' >&2; exit 2; }
	@scripts/transcript "$(TRANSCRIPT)"

bench: ## figures, one line `name value unit` each
	@$(CARGO) bench --quiet --bench figures --bench decisions --bench tuning --bench patterns --bench edges

bench-fleet: ## figures of very many policies, against the sandbox or the cluster that KUBECONFIG names
	@$(CARGO) bench --quiet --bench fleet

soak: ## days of a thousand policies in minutes, with queries that fail: memory has to stay flat
	@$(CARGO) bench --quiet --bench soak

pictures: ## the pictures of scenarios, from the simulator
	@for picture in simulations/web-day.svg simulations/images/*.svg docs/images/shared-database-*.svg; do \
	    $(CARGO) run --quiet -- simulate simulations/$$(basename $$picture .svg).yaml --svg $$picture > /dev/null || exit 1; \
	done

fmt: ## format
	$(CARGO) fmt

lint: ## formatting, clippy, documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --quiet

crd: ## write the CRDs to crds/
	@for crd in scalepolicies scalecalendars; do \
	    $(CARGO) run --quiet -- crd $$crd > crds/$$crd.yaml.part && mv crds/$$crd.yaml.part crds/$$crd.yaml || exit 1; \
	done

docs: ## docs/status.md, from the code
	@$(CARGO) run --quiet --example status-reference > docs/status.md.new && mv docs/status.md.new docs/status.md

image: ## a container image (needs podman or docker)
	@tool=$$(command -v podman || command -v docker) || { echo 'needs podman or docker' >&2; exit 2; }; \
	$$tool build -f deploy/Containerfile -t ghcr.io/tidetable/tidetable:$$($(CARGO) pkgid | sed 's/.*[#@]//') .

tools:
	@scripts/install-test-tools
