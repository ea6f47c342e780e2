# Two commands do everything: `make run` and `make test`. The installing itself is scripts/install.py.

PYTHON ?= python3
VENV := .venv
MUTATE := .venv-mutate
ARGS ?=
# One lock for every Python that is allowed, every system and processor, with the hashes of all files of each package.
LOCK := $(VENV)/bin/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make requirements"
# Some machines forbid bytecode; without it every start of Quadra compiles 400 files anew, and tests start it 300 times.
export PYTHONDONTWRITEBYTECODE :=
# Most tests wait for real servers, so one more process than cores; a handful that was picked by name runs in one.
AT_ONCE := -n 3 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run install test lint format bench mutate requirements audit sbom clean python

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/make \1#\2/p' $(MAKEFILE_LIST) | awk -F'#' '{printf "  %-14s %s\n", $$1, $$2}'

run: python ## set everything up and start Quadra (QUADRA_PORT, QUADRA_DATA_DIR and DATABASE_URL are honoured)
	@$(PYTHON) scripts/install.py run
	@exec $(VENV)/bin/quadra serve $(ARGS)

install: python ## set everything up without starting
	@$(PYTHON) scripts/install.py run

test: python ## install what the tests need, then run them (ARGS="-k name" picks some)
	@$(PYTHON) scripts/install.py test
	@exec $(VENV)/bin/python -m pytest $(or $(ARGS),$(AT_ONCE))

lint: python ## check format, style, types and the staircase of rooms
	@$(PYTHON) scripts/install.py lint
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --config-file tests/mypy.ini
	$(VENV)/bin/lint-imports

format: python ## put the code into shape
	@$(PYTHON) scripts/install.py lint
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: python ## measure this machine (ARGS are handed to `quadra bench`)
	@$(PYTHON) scripts/install.py run
	@exec $(VENV)/bin/python scripts/run_benchmarks.py $(ARGS)

mutate: python ## put small faults into the code and see whether the tests notice (ARGS="quadra/jobs --faults 40")
	@$(PYTHON) scripts/install.py test
	@cmp -s requirements-mutate.txt $(MUTATE)/made-from || { $(PYTHON) -m venv $(MUTATE) \
		&& $(MUTATE)/bin/pip install --quiet --require-hashes -r requirements-mutate.txt \
		&& cp requirements-mutate.txt $(MUTATE)/made-from; }
	@exec $(MUTATE)/bin/python scripts/mutate.py $(or $(ARGS),--help)

requirements: python ## lock requirements*.in with hashes (ARGS="--upgrade-package flask" raises one, ARGS=--upgrade all)
	@$(PYTHON) scripts/install.py lint
	@$(LOCK) requirements.in -o requirements.txt $(ARGS)
	@$(LOCK) requirements-dev.in -c requirements.txt -o requirements-dev.txt $(ARGS)
	@$(LOCK) requirements-pip.in -c requirements-dev.txt -o requirements-pip.txt $(ARGS)
	@$(LOCK) requirements-mutate.in -o requirements-mutate.txt $(ARGS)
	@$(LOCK) requirements-node.in -o requirements-node.txt $(ARGS)
	@$(LOCK) --no-deps requirements-servers.in -o requirements-servers.txt $(ARGS)

audit: python ## look for known vulnerabilities in what requirements.txt pins
	@$(PYTHON) scripts/install.py lint
	@exec $(VENV)/bin/python scripts/audit.py $(ARGS)

sbom: python ## write a CycloneDX list of what Quadra runs on to build/
	@$(PYTHON) scripts/install.py lint
	@exec $(VENV)/bin/python scripts/sbom.py $(ARGS)

clean: ## remove the environment, the fetched libraries and the caches; never the data
	rm -rf $(VENV) $(MUTATE) node_modules quadra/dashboard/static/vendor quadra/dashboard/built quadra/ingest/countries.mmdb quadra/ingest/static/min *.egg-info
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache

python:
	@command -v $(PYTHON) >/dev/null || { echo "Quadra needs Python 3.11 or newer, and '$(PYTHON)' is not on this machine." >&2; exit 1; }
