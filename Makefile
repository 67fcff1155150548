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

# The releases of Airflow that are tested, oldest first. Each has the dependencies from the time of its release, as
# later ones break it; a pre-release has the newest. 3.1 has the lowest versions that pyproject.toml allows, too, as
# far as Airflow itself allows them, newer test tools, and the FAB provider, which contains the form classes that it
# builds connection forms with.
RELEASES := 3.1.0 3.2.2 3.3.2 3.4.0b2
TIME_OF_3.1.0 := 2025-10-05
TIME_OF_3.2.2 := 2026-06-01
TIME_OF_3.3.2 := 2026-10-01
OLDEST := $(firstword $(RELEASES))
LOWEST := $(shell sed -n '/^dependencies/,/entry-points/s/^    "\([a-z0-9-]*\)>=\([0-9.]*\)",$$/\1==\2/p' pyproject.toml | grep -v '^apache-airflow')
WITH_$(OLDEST) := apache-airflow-providers-fab $(LOWEST)
NEWER_$(OLDEST) := $(foreach package,pytest pytest-asyncio pytest-xdist,--exclude-newer-package $(package)=2026-11-01)
COMPAT_TESTS := $(wildcard $(addprefix tests/,decorators fs hooks operators sensors triggers skaha test_*.py))

.PHONY: help setup setup-demo demo up clean test long browser reliability oldest compat check audit licences bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1@\2/p' Makefile | awk -F@ '{ printf "%-12s %s\n", $$1, $$2 }'

setup: | $(filter .uv/%,$(UV)) ## create .venv with everything for development
	$(UV) sync --quiet --locked --extra emulator --group dev

demo: setup-demo ## find stars in M13 with eight sessions and a real Airflow, then stop everything
	$(PYTHON) -m dev.demo

up: setup-demo ## the same with your own DAGs in dags/, and keep Airflow running until Ctrl-C
	$(PYTHON) -m dev.demo --stay

clean: ## delete what demo and up leave: database, logs, connections and results; dags/ stays
	python3 -m dev.demo_home .airflow .airflow-canfar

test: setup ## run all tests except the long ones, including those on a real Airflow
	$(PYTHON) -m pytest $(IN_PARALLEL) -m "not long"

long: setup ## run the long tests: the demo and every example on a real Airflow; 15 minutes
	$(PYTHON) -m pytest -m long

browser: setup ## test the pages of Airflow and the emulator in a headless Chromium
	$(UV) sync --quiet --locked --inexact --extra emulator --group browser
	$(PYTHON) -m pytest tests/browser

reliability: setup ## kill workers and triggerers, drop responses, check that each replica runs once; 20 minutes
	$(PYTHON) -m pytest tests/reliability

oldest: compat-$(OLDEST) ## run the unit tests, and kill tasks, on the oldest supported Airflow

compat: $(addprefix compat-,$(RELEASES)) ## do the same on each release of Airflow that is supported, and the next

compat-%: | $(filter .uv/%,$(UV))
	$(UV) venv --quiet --allow-existing .venv-$*
	$(UV) pip install --quiet --python .venv-$* $(TIME_OF_$*:%=--exclude-newer %) $(NEWER_$*) apache-airflow==$* $(WITH_$*) \
	hypothesis jsonschema psutil pytest pytest-asyncio pytest-timeout pytest-xdist trustme --editable '.[emulator]'
	for list in hooks triggers links; do .venv-$*/bin/airflow providers $$list | grep -q canfar; done
	.venv-$*/bin/python -m pytest $(IN_PARALLEL) -m "not airflow" $(COMPAT_TESTS)
	.venv-$*/bin/python -m pytest tests/reliability/test_people.py

check: setup ## check lint, format, types and the lock file
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	$(UV) lock --check

audit: | $(filter .uv/%,$(UV)) ## look for known vulnerabilities of all locked packages, at osv.dev
	@$(UV) audit --locked --preview-features audit-command $(if $(OSV_URL),--service-url $(OSV_URL)) || \
		{ code=$$?; [ $$code -eq 1 ] || echo "NOTHING WAS CHECKED: this network or this uv cannot reach the \
	advisories of api.osv.dev. Set OSV_URL to a mirror of that service, or run it on another network." >&2; exit $$code; }

licences: setup ## list the licence of each installed package, and which are not permissive
	$(PYTHON) -m dev.licences

bench: setup ## run the benchmarks; each prints a table
	@set -e; for benchmark in $(BENCHMARKS); do echo "$$benchmark"; $(PYTHON) $$benchmark; done
	@echo benchmarks/parse_time.py
	@$(UV) run --quiet --frozen --no-sync $(OTHERS) python benchmarks/parse_time.py

# Inexact: keep what `make setup` has installed.
setup-demo: | $(filter .uv/%,$(UV))
	$(UV) sync --quiet --locked --inexact --no-default-groups --extra emulator --group demo

# A version that we have chosen, and wheels that have not changed since then.
.uv/bin/uv: dev/requirements-uv.txt
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement $<
	touch $@
