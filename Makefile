.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
RECIPE ?= mnist
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help
help:             ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  RECIPE=seed trains the classic network; PYTHON=/path/to/python3.11 names the interpreter."

.PHONY: demo
demo: $(READY)    ## train on real MNIST, gate, publish, serve on a real tritonserver, classify
	$(BIN)/slipway demo --recipe $(RECIPE)

.PHONY: train
train: $(READY)   ## train RECIPE and publish the next version
	$(BIN)/slipway train --recipe $(RECIPE)

.PHONY: serve
serve: $(READY)   ## serve model_repository/ on a real tritonserver until Ctrl-C
	$(BIN)/slipway serve

.PHONY: test
test: check       ## everything: check, then all test tiers
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=85

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

.PHONY: bench-serving
bench-serving: $(READY) ## bare ONNX Runtime, tritonserver and slipway.client side by side
	$(BIN)/python benchmarks/serving.py

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
	$(COMPILE) pyproject.toml --extra training --extra serve --extra loadtest --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra training --extra serve -c requirements/dev.txt -o requirements/training.txt
	$(COMPILE) pyproject.toml --extra loadtest -c requirements/dev.txt -o requirements/loadtest.txt
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/client.txt

.PHONY: clean
clean:            ## remove what make built; published versions and the data cache stay
	rm -rf $(VENV) runs dist build .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.PHONY: setup
setup: $(READY)   ## create .venv and install everything from the hashed locks
$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
	  { echo "expected Python 3.11 or 3.12, got $$($(PYTHON) -V) at $(PYTHON); name another: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) from the hashed locks (about 2 GB, a few minutes at most)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@
