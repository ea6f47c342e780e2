# Two commands do everything: `make run` and `make test`. The installing itself is scripts/install.py.

PYTHON ?= python3
VENV := .venv
ARGS ?=
# Some machines forbid bytecode; without it every start of Quadra compiles 400 files anew, and tests start it 300 times.
export PYTHONDONTWRITEBYTECODE :=
# Most tests wait for real servers, so one more process than cores; a handful that was picked by name runs in one.
AT_ONCE := -n 3 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run install test lint format bench clean python

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
	$(VENV)/bin/lint-imports

format: python ## put the code into shape
	@$(PYTHON) scripts/install.py lint
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: python ## measure this machine (ARGS are handed to `quadra bench`)
	@$(PYTHON) scripts/install.py run
	@exec $(VENV)/bin/python scripts/run_benchmarks.py $(ARGS)

clean: ## remove the environment, the fetched libraries and the caches; never the data
	rm -rf $(VENV) node_modules quadra/dashboard/static/vendor *.egg-info
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache

python:
	@command -v $(PYTHON) >/dev/null || { echo "Quadra needs Python 3.11 or newer, and '$(PYTHON)' is not on this machine." >&2; exit 1; }
