# `make` lists the targets. Each works on a fresh clone with nothing but Python 3.11.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types layers tests explore soak bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: .venv/.run ## a running shop in a minute: certificates, database, two campaigns, service and worker (ARGS="--host ADDRESS" for phones in your network)
	@$(BIN)/passerelle demo $(ARGS)

test: .venv/.dev ## every check: ruff, djlint, mypy --strict, import-linter, tests with branch coverage, browser tests
	@.ci/system-packages
	@$(MAKE) --no-print-directory lint types layers tests

lint: .venv/.dev ## style of Python and of the page templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --check --lint --quiet app

types: .venv/.dev ## mypy --strict
	$(BIN)/mypy

layers: .venv/.dev ## the import contracts of the architecture
	$(BIN)/lint-imports

tests: .venv/.dev ## the tests alone, with branch coverage of 94 % at least (ARGS="-k name" to choose)
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term $(if $(ARGS),,--cov-fail-under=94) $(ARGS)

explore: .venv/.dev ## the tests that draw their cases, at random and for longer (EXAMPLES=n)
	TESTS_PROFILE=explore TESTS_EXAMPLES=$(or $(EXAMPLES),150) \
		$(BIN)/pytest -n $(WORKERS) --timeout 0 $$(grep -rlE "hypothesis|schemathesis" tests --include="test_*.py") $(ARGS)

soak: .venv/.dev ## 10,000 iPhones, 2,000 Android phones, every misfortune (PHONES=n, ANDROIDS=n, SEED=n, ARGS="-k sqlite")
	SOAK_PHONES=$(or $(PHONES),10000) SOAK_SEED=$(or $(SEED),7) \
		$(if $(ANDROIDS),SOAK_ANDROIDS=$(ANDROIDS)) \
		$(BIN)/pytest -s --timeout 0 tests/delivery/test_soak.py $(ARGS)

bench: .venv/.dev ## the benchmarks, one line each (ONLY=name for one)
	$(BIN)/python -m tests.benchmarks $(ONLY)

clean: ## remove what the targets made
	rm -rf .venv var .coverage* .hypothesis .mypy_cache .ruff_cache .import_linter_cache *.egg-info

.venv/bin/python:
	@echo "Creating .venv ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.11")'
	@$(PYTHON) -m venv .venv

.venv/.run: .venv/bin/python pyproject.toml .ci/constraints.txt
	@echo "Installing what the service needs ..."
	@$(PIP) --editable .
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml .ci/constraints.txt
	@echo "Installing what the tests need ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ .venv/.run
