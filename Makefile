# The developer's and the operator's interface; `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
VENDOR := uws/static/vendor

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check desktop format lock bench chaos catalogues screenshots clean

help: ## list what make can do
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(READY) $(VENDOR)/.ready ## make .venv with the locked dependencies, and fetch the browser files

$(READY): requirements.lock pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Amora needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@# As a plain path: the import hook of the default mode would cost every script 10 ms at its start.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --config-settings editable_mode=compat -e .
	@touch $@

# What the page loads in a browser comes from npm. Without npm all but the sky, the plots and SAMP works.
$(VENDOR)/.ready: package-lock.json deploy/vendor.sh
	@if ! command -v npm >/dev/null; then \
	  echo "npm is not here: the page will ask before it loads the sky from its makers' server, and shows no plots"; \
	elif ! { npm ci --silent && sh deploy/vendor.sh $(VENDOR); }; then \
	  echo "npm could not fetch the browser files: the page does without until the next make setup"; \
	fi

demo: setup ## the main job, from a region to checked products [DATA=folder of PPS files]
	@$(BIN)/amora demo $(if $(DATA),--data "$(DATA)")

serve: setup ## the service, until stopped with Ctrl-C
	@$(BIN)/amora serve

test: setup ## every test that this machine can run [ARGS= TEST_SANDBOX=off]
	$(if $(TEST_SANDBOX),TEST_SANDBOX=$(TEST_SANDBOX) )$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_architecture.py

desktop: $(READY) ## TOPCAT and Aladin on a screen that nobody sees; their pictures go to docs/recipes
	DESKTOP_PICTURES=$(CURDIR)/docs/recipes $(BIN)/python -m pytest tests/interop/test_topcat.py tests/interop/test_recipes.py -k "topcat or aladin or cone"

format: $(READY) ## put the code in its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## the figures, each with its floor measured in the same run [ONLY=part]
	$(BIN)/python -m tests.bench $(ONLY)

chaos: setup ## 500 jobs while everything is killed at random [SEED= SECONDS=]
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

lock: $(READY) ## pin the dependencies again, by version and hash
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --constraint requirements.lock --generate-hashes \
	  --no-header --no-emit-index-url --no-annotate -o deploy/requirements.lock pyproject.toml

catalogues: $(READY) ## bring the texts of the pages into the catalogues of translations
	$(BIN)/pybabel -q extract -F uws/locale/babel.cfg -k t -k tn:1,2 --no-wrap --sort-by-file --add-location=file --omit-header -o uws/locale/messages.pot uws
	for language in uws/locale/*.po; do \
	  $(BIN)/pybabel -q update --no-wrap --no-fuzzy-matching --ignore-obsolete -i uws/locale/messages.pot -o $$language -l $$(basename $$language .po); \
	  sed -i -E '/^"(Project-Id|Report-Msgid|POT-Creation|PO-Revision|Last-Translator|Language-Team|Generated-By)/d' $$language; \
	done
	rm uws/locale/messages.pot

screenshots: setup ## the pictures of README and docs, with chromium
	$(BIN)/python -m tests.web.screenshots

clean: ## remove what setup, tests and the embedded service made here
	rm -rf $(VENV) $(VENDOR) node_modules .amora .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
