# Targets for development; `make` lists them. None needs root, Docker or an account.

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
PYTHON := .venv/bin/python
BENCHMARKS := $(filter-out %/parse_time.py %/wal.py,$(wildcard benchmarks/[a-z]*.py))

# All tests of a file run in the same worker, so that they share an Airflow.
IN_PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# The providers that parse_time.py compares with; in uv.lock they would hold back other packages.
OTHERS := --with apache-airflow-providers-databricks --with apache-airflow-providers-cncf-kubernetes

# Always use .venv, even when the calling shell has activated another environment.
export UV_PROJECT_ENVIRONMENT := .venv
unexport VIRTUAL_ENV

# Compile once, instead of in each of the many processes of Airflow and of the tests.
export UV_COMPILE_BYTECODE := 1

# Each Airflow has the package versions of its own time, as its constraints do: later ones break it. The newest
# pre-release, or release where there is none, has today's.
AIRFLOWS := 3.1 3.2 3.3 next
# The lowest versions that pyproject.toml allows, as far as Airflow itself allows them.
LOWEST := $(shell sed -n '/^dependencies/,/entry-points/s/^    "\([a-z0-9-]*\)>=\([0-9.]*\)",$$/\1==\2/p' pyproject.toml | grep -v '^apache-airflow')
# The FAB provider contains the form classes that Airflow 3.1.0 builds connection forms with. The pytest-asyncio of that
# time leaves event loops open, which the tests do not let pass.
CURRENT := $(foreach package,pytest pytest-asyncio,--exclude-newer-package $(package)=2026-11-01)
RELEASE_3.1 := --exclude-newer 2025-10-05 $(CURRENT) apache-airflow==3.1.0 apache-airflow-providers-fab $(LOWEST)
RELEASE_3.2 := --exclude-newer 2026-06-05 apache-airflow==3.2.2
RELEASE_3.3 := --exclude-newer 2026-09-24 apache-airflow==3.3.2
# Named one by one: uv takes no pre-release of any other package.
RELEASE_next := 'apache-airflow>=3.4.0b1' 'apache-airflow-core>=3.4.0b1' 'apache-airflow-task-sdk>=1.4.0b1'
UNIT_TESTS := $(wildcard $(addprefix tests/,decorators fs hooks operators plugin sensors triggers skaha test_*.py))

.PHONY: help setup setup-demo demo up clean test long browser reliability cluster compat check audit licences bench wal docs release

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

long: setup ## run the long tests: the demo and every example on a real Airflow, and the cluster; 40 minutes
	$(PYTHON) -m pytest -m long
	$(MAKE) cluster

browser: setup ## test the pages of Airflow and the emulator in a headless Chromium
	$(UV) sync --quiet --locked --inexact --extra emulator --group browser
	$(PYTHON) -m pytest tests/browser

reliability: setup ## kill workers and triggerers, drop responses, check that each replica runs once; 35 minutes
	$(PYTHON) -m pytest tests/reliability

# In an environment of its own: Celery holds back other packages, and `make test` would remove it.
cluster: export UV_PROJECT_ENVIRONMENT := .venv-cluster
cluster: | $(filter .uv/%,$(UV)) ## kill parts of an Airflow on PostgreSQL, Redis and Celery; 20 minutes, with SHORT=1 three
	$(UV) sync --quiet --locked --no-default-groups --extra emulator --group cluster
	.venv-cluster/bin/python -m pytest tests/cluster $(if $(SHORT),-m short)

compat: $(addprefix compat-,$(or $(AIRFLOW),$(AIRFLOWS))) ## test on Airflow 3.1, 3.2, 3.3 and the next; on one with AIRFLOW=3.2

.PHONY: $(addprefix compat-,$(AIRFLOWS))
$(addprefix compat-,$(AIRFLOWS)): compat-%: | $(filter .uv/%,$(UV))
	$(UV) venv --quiet --clear .venv-$@
	$(UV) pip install --quiet --python .venv-$@ $(RELEASE_$*) --editable '.[emulator]' \
		hypothesis jsonschema psutil pytest pytest-asyncio pytest-timeout pytest-xdist statsd trustme
	.venv-$@/bin/python -m pytest $(IN_PARALLEL) -m "not airflow" $(UNIT_TESTS)
	.venv-$@/bin/python -m pytest tests/e2e/test_provider_listings.py tests/e2e/test_first_light.py -k "not m13"
	.venv-$@/bin/python -m pytest tests/reliability/test_people.py

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

wal: export UV_PROJECT_ENVIRONMENT := .venv-cluster
wal: | $(filter .uv/%,$(UV)) ## measure what a rolling task makes PostgreSQL write, in an Airflow of its own; 30 minutes
	$(UV) sync --quiet --locked --no-default-groups --extra emulator --group cluster
	.venv-cluster/bin/python benchmarks/wal.py

docs: setup ## build the docs site into build/docs; a warning or a dead link is an error
	$(UV) sync --quiet --locked --inexact --extra emulator --group docs
	$(PYTHON) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

release: setup ## build and check a release, and say the two commands that publish it
	$(UV) sync --quiet --locked --inexact --extra emulator --group release
	$(PYTHON) -m dev.release $(UV)

# Inexact: keep what `make setup` has installed.
setup-demo: | $(filter .uv/%,$(UV))
	$(UV) sync --quiet --locked --inexact --no-default-groups --extra emulator --group demo

# A version that we have chosen, and wheels that have not changed since then.
.uv/bin/uv: dev/requirements-uv.txt
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement $<
	touch $@
