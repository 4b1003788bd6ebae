# Everything runs in a local environment, made by the first command that needs it.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
export MESSAGE
# One more than cores: tests of schedulers and of processes mostly wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
LOWEST := build/lowest
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

.PHONY: demo test types suite test-slow test-lowest quantize fuzz lint docs ledger dist clean

demo: $(VENV)/.run
	$(BIN)/moe-cosim reproduce cxl-ndp

# Beside the tests, which wait for much of their time, as mypy does not.
test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(MAKE) --no-print-directory --jobs=2 types suite

types: $(VENV)/.dev
	$(BIN)/mypy

# The run compiles the engine, once: otherwise every worker would. Files keep the order of tests/conftest.py.
PYTEST := -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
suite: $(VENV)/.dev
	$(BIN)/moe-cosim run hobbit-mixtral-8x7b --json >/dev/null
	$(BIN)/python $(PYTEST)

# What `make test` leaves out: minutes.
test-slow: $(VENV)/.dev
	$(BIN)/python $(PYTEST) -m slow

# The tests with the lowest versions that pyproject.toml allows; PYTHON=python3.11 for the lowest Python, too.
test-lowest: $(LOWEST)/.made
	$(LOWEST)/bin/python $(PYTEST)

# Tests that need PyTorch (extra quantize, gigabytes), which `make test` skips where it is not installed.
quantize: $(VENV)/.quantize
	$(BIN)/python -m pytest -m quantize

# Thousands of changed inputs (half an hour on two cores); CASES="--kind trace --cases 500" for some of them.
fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz $(CASES)

lint: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Renews the tables that docs/ prints from the code, and builds the site in build/site; a warning is an error.
docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs_tables
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# Computes every number of the ledger anew (minutes); MESSAGE="which change moved what" where some moved.
ledger: $(VENV)/.dev
	$(BIN)/python -m ledger --message "$$MESSAGE"

# What is published, in build/dist.
dist: $(VENV)/.dev
	rm -rf build/dist
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build twine
	$(BIN)/python -m build --outdir build/dist
	$(BIN)/twine check --strict build/dist/*

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "moe-cosim needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml
	$(PIP) .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(PIP) '.[dev]'
	touch $@

$(VENV)/.quantize: $(VENV)/.dev
	$(PIP) '.[quantize]'
	touch $@

$(LOWEST)/.made: pyproject.toml
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--editable '.[ilp,test-suite]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
