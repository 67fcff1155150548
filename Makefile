# Targets for development; `make` lists them. None needs root, Docker or an account.

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
PYTHON := .venv/bin/python
BENCHMARKS := $(filter-out %/parse_time.py,$(wildcard benchmarks/[a-z]*.py))

# All tests of a file run in the same worker, so that they share an Airflow.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# The providers that parse_time.py compares with; in uv.lock they would hold back other packages.
OTHERS := --with apache-airflow-providers-databricks --with apache-airflow-providers-cncf-kubernetes

# Always use .venv, even when the calling shell has activated another environment.
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

# Compile once, instead of in each of the many processes of Airflow and of the tests.
export UV_COMPILE_BYTECODE := 1

# The oldest supported Airflow, with the dependencies from the time of its release: later releases break it. The
# compatibility provider is current, as users of an old Airflow would install it, and so are the test tools. The FAB
# provider contains the form classes that Airflow 3.1 builds connection forms with.
CURRENT := apache-airflow-providers-common-compat pytest pytest-asyncio
OLDEST := --exclude-newer 2025-10-05 $(foreach package,$(CURRENT),--exclude-newer-package $(package)=2026-11-01) \
	apache-airflow==3.1.0 apache-airflow-providers-fab \
	hypothesis jsonschema pytest pytest-asyncio pytest-timeout pytest-xdist trustme
OLDEST_TESTS := $(wildcard $(addprefix tests/,decorators fs hooks operators sensors triggers skaha test_*.py))

.PHONY: help setup setup-demo demo up test long browser reliability oldest check bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1@\2/p' Makefile | awk -F@ '{ printf "%-12s %s\n", $$1, $$2 }'

setup: | $(filter .uv/%,$(UV)) ## create .venv with everything for development
	$(UV) sync --quiet --locked --extra emulator --group dev

demo: setup-demo ## find stars in M13 with eight sessions and a real Airflow, then stop everything
	$(PYTHON) -m dev.demo

up: setup-demo ## the same, but keep Airflow running, without a login, until Ctrl-C
	$(PYTHON) -m dev.demo --stay

test: setup ## run all tests except the long ones, including those on a real Airflow
	$(PYTHON) -m pytest $(IN_PARALLEL) -m "not long"

long: setup ## run the long tests: the demo and every example on a real Airflow; 15 minutes
	$(PYTHON) -m pytest -m long

browser: setup ## test the pages of Airflow and the emulator in a headless Chromium
	$(UV) sync --quiet --locked --inexact --extra emulator --group browser
	$(PYTHON) -m pytest tests/browser

reliability: setup ## kill workers and triggerers, drop responses, check that each replica runs once; 20 minutes
	$(PYTHON) -m pytest tests/reliability

oldest: | $(filter .uv/%,$(UV)) ## run the unit tests on the oldest supported Airflow
	$(UV) venv --quiet --allow-existing .venv-oldest
	$(UV) pip install --quiet --python .venv-oldest $(OLDEST) --editable '.[emulator]'
	.venv-oldest/bin/python -m pytest $(IN_PARALLEL) -m "not airflow" $(OLDEST_TESTS)

check: setup ## check lint, format, types and the lock file
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(UV) lock --check

bench: setup ## run the benchmarks; each prints a table
	@set -e; for benchmark in $(BENCHMARKS); do echo "$$benchmark"; $(PYTHON) $$benchmark; done
	@echo benchmarks/parse_time.py
	@$(UV) run --quiet --frozen --no-sync $(OTHERS) python benchmarks/parse_time.py

# Inexact: keep what `make setup` has installed.
setup-demo: | $(filter .uv/%,$(UV))
	$(UV) sync --quiet --locked --inexact --no-default-groups --extra emulator --group demo

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv
