# What people do here; `make` by itself lists it. Nothing needs root, Docker or an account.

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
PYTHON := .venv/bin/python
BENCHMARKS := $(filter-out %/parse_time.py,$(wildcard benchmarks/[a-z]*.py))

# Whole files go to a worker, so that those of one file share its Airflow.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# What parse_time.py compares with is not in uv.lock, where it would hold back other packages.
OTHERS := --with apache-airflow-providers-databricks --with apache-airflow-providers-cncf-kubernetes

# The environment is always ours, whatever the shell we were called from has activated.
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

# Once, and not by each of the many processes of an Airflow and of its tests as it starts.
export UV_COMPILE_BYTECODE := 1

# The oldest Airflow that is supported, with what there was to install when it was new: later releases of what
# it depends on break it. The compatibility package is of today, as users of an old Airflow would have it, and so
# is what runs the tests. The FAB provider brings what that Airflow makes a connection's form with.
OF_TODAY := apache-airflow-providers-common-compat pytest pytest-asyncio
OLDEST := --exclude-newer 2025-10-05 $(foreach package,$(OF_TODAY),--exclude-newer-package $(package)=2026-11-01) \
	apache-airflow==3.1.0 apache-airflow-providers-fab \
	hypothesis jsonschema pytest pytest-asyncio pytest-timeout pytest-xdist trustme
OLDEST_TESTS := $(wildcard $(addprefix tests/,decorators hooks operators sensors triggers skaha test_*.py))

.PHONY: help setup setup-demo demo up test long browser reliability oldest check bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1@\2/p' Makefile | awk -F@ '{ printf "%-12s %s\n", $$1, $$2 }'

setup: | $(filter .uv/%,$(UV)) ## make .venv with everything that development needs
	$(UV) sync --quiet --locked --extra emulator --group dev

demo: setup-demo ## find stars in M13: eight sessions, a real Airflow; then stop everything
	$(PYTHON) -m dev.demo

up: setup-demo ## the same, and leave Airflow running, with its pages and no login, until Ctrl-C
	$(PYTHON) -m dev.demo --stay

test: setup ## run all tests but the long ones, on a real Airflow too
	$(PYTHON) -m pytest $(IN_PARALLEL) -m "not long"

long: setup ## run the demo, every example and every building block on a real Airflow; 15 minutes
	$(PYTHON) -m pytest -m long

browser: setup ## click through Airflow's pages and the emulator's in a headless Chromium
	$(UV) sync --quiet --locked --inexact --extra emulator --group browser
	$(PYTHON) -m pytest tests/browser

reliability: setup ## kill workers and triggerers, lose answers, and see that each replica runs once; 20 minutes
	$(PYTHON) -m pytest tests/reliability

oldest: | $(filter .uv/%,$(UV)) ## run the unit tests on the oldest Airflow
	$(UV) venv --quiet --allow-existing .venv-oldest
	$(UV) pip install --quiet --python .venv-oldest $(OLDEST) --editable '.[emulator]'
	.venv-oldest/bin/python -m pytest $(IN_PARALLEL) -m "not airflow" $(OLDEST_TESTS)

check: setup ## lint, format, types, lock file
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(UV) lock --check

bench: setup ## run the benchmarks; each prints its table
	@set -e; for benchmark in $(BENCHMARKS); do echo "$$benchmark"; $(PYTHON) $$benchmark; done
	@echo benchmarks/parse_time.py
	@$(UV) run --quiet --frozen --no-sync $(OTHERS) python benchmarks/parse_time.py

# Inexact: what `make setup` has installed beside it stays.
setup-demo: | $(filter .uv/%,$(UV))
	$(UV) sync --quiet --locked --inexact --no-default-groups --extra emulator --group demo

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv
