# Debatewatch: `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SERVE ?= 1
PORT ?= 8001

.DEFAULT_GOAL := help
.PHONY: help install demo test lint lock bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## install the locked dependencies into .venv

# pip installs exactly what the lock names, checked by hash; --no-deps because BERTopic would pull in torch otherwise.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Debatewatch needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## crawl the built-in sample, analyse it and open Datasette over it (SERVE=0 ends instead; PORT=8001)
	$(BIN)/debatewatch demo --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve)

test: $(STAMP) ## lint, types, layers and all tests, with branch coverage
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term --cov-fail-under=90 $(ARGS)

lint: $(STAMP) ## ruff, mypy and import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: ## write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra dev pyproject.toml --output-file requirements.lock $(ARGS)

bench: $(STAMP) ## time each step on the sample, a crawl killed twenty times, and one of 10,000 sources
	$(BIN)/python -m tests.bench

clean: ## remove what was built (the environment, the demo, caches)
	rm -rf $(VENV) debatewatch-demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
