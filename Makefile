# The developer's and the operator's interface; `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check format lock bench chaos clean

help: ## list what make can do
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY) ## make .venv with the locked dependencies

$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Amora needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# As a plain path: the import hook of the default mode would cost every script 10 ms at its start.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --config-settings editable_mode=compat -e .
	@touch $@

demo: $(READY) ## the main job, from a region to checked products [DATA=folder of PPS files]
	@$(BIN)/amora demo $(if $(DATA),--data "$(DATA)")

serve: $(READY) ## the service, until stopped with Ctrl-C
	@$(BIN)/amora serve

test: $(READY) ## every test that this machine can run
	$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_architecture.py

format: $(READY) ## put the code in its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## the figures, each with its floor measured in the same run [ONLY=part]
	$(BIN)/python -m tests.bench $(ONLY)

chaos: $(READY) ## 500 jobs while everything is killed at random [SEED= SECONDS=]
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

lock: $(READY) ## pin the dependencies again, by version and hash
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --constraint requirements.lock --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -o deploy/requirements.lock pyproject.toml

clean: ## remove what setup, tests and the embedded service made here
	rm -rf $(VENV) .amora .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
