# What a newcomer runs. Each step says what it does, and does nothing when it is done already.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run test check demo bench sim chaos lock asterisk asterisk-events prompts clean

VAR := $(or $(CALLCENTER_VAR),var)
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$python; break; }; done)

# What is installed is named after the lock's content: another lock, another stamp.
stamp = $(VENV)/.installed-$(shell sha256sum $(1) | cut -c 1-16)
RUN_STAMP := $(call stamp,requirements.lock)
DEV_STAMP := $(call stamp,requirements-dev.lock)

help: ## What you can do here
	@echo "make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: $(RUN_STAMP) asterisk ## Set up what is missing, then run the hotline until Ctrl-C
	@exec $(BIN)/python -m api.cli run

test: $(DEV_STAMP) asterisk ## All tests, with real Asterisk, PostgreSQL and SIPp
	@asterisk-config/packages.sh sip-tester espeak-ng sox
	@echo "test: unit, property, contract and integration tests"
	@$(BIN)/pytest $(PYTEST_ARGS)

check: $(DEV_STAMP) ## Format, lint, types, import contracts, house rules, fast tests: about three minutes
	@echo "check: format"
	@$(BIN)/ruff format --check --quiet .
	@echo "check: lint"
	@$(BIN)/ruff check --quiet .
	@echo "check: types"
	@$(BIN)/mypy
	@echo "check: import contracts"
	@$(BIN)/lint-imports
	@echo "check: fast tests"
	@$(BIN)/pytest --quiet tests/unit tests/property tests/tidy

demo: $(RUN_STAMP) asterisk ## Simulated callers and agents on the real system, with a live table
	@asterisk-config/packages.sh sip-tester
	@exec $(BIN)/python -m api.cli demo

bench: $(RUN_STAMP) asterisk ## Measure calls, delay and CPU against Asterisk's own queue; results in bench/results
	@asterisk-config/packages.sh sip-tester
	@exec $(BIN)/python -m bench

chaos: $(DEV_STAMP) asterisk ## SEED=1 [MINUTES=5]: kill, hang, cut and fill real parts under calls, then a soak; a checker judges
	@asterisk-config/packages.sh sip-tester
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),5)
	@echo "chaos: two minutes in which nothing fails"
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --minutes 2 --kinds --result bench/results/soak.json

sim: $(DEV_STAMP) ## SEEDS=1000 [FROM=0]: the real shell on virtual time; a failing seed is shrunk and its schedule printed
	@$(BIN)/python -m tests.sim --seeds $(or $(SEEDS),200) --from $(or $(FROM),0)

asterisk: ## An Asterisk for this checkout: the machine's own, or one in a root under var/
	@asterisk-config/provision.sh $(VAR)

asterisk-events: $(DEV_STAMP) asterisk ## Generate the typed ARI events from Asterisk's own API description
	@$(BIN)/python -m callcenter.asterisk.generate --root "$$(cat $(VAR)/asterisk/chosen)"

prompts: $(RUN_STAMP) ## Render the demo site's prompts with espeak-ng
	@asterisk-config/packages.sh espeak-ng sox
	@$(BIN)/python -m callcenter.prompts_render callcenter/config/demo_site --again

lock: ## Resolve the dependencies anew into the two lock files
	@[ -x $(VAR)/lock/bin/uv ] || { echo "lock: installing uv"; $(PYTHON) -m venv $(VAR)/lock; \
		$(VAR)/lock/bin/python -m pip install --quiet uv; }
	@echo "lock: resolving"
	@$(VAR)/lock/bin/uv pip compile $(LOCK_OPTIONS) --output-file requirements.lock pyproject.toml
	@$(VAR)/lock/bin/uv pip compile $(LOCK_OPTIONS) --constraints requirements.lock --group dev \
		--output-file requirements-dev.lock pyproject.toml
LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"

clean: ## Remove the virtual environment and caches; var/ (Asterisk, database, recordings) stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

# ---- The virtual environment ----

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "venv: Python 3.11 or later is needed. fix: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || asterisk-config/packages.sh python3-venv
	@echo "venv: making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@$(call install,requirements.lock)
	@touch $@

# The developer's lock holds everything of the other one, at the same versions.
$(DEV_STAMP): | $(BIN)/python
	@$(call install,requirements-dev.lock)
	@touch $@ $(RUN_STAMP)

install = echo "venv: installing $(1)"; $(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(1) \
	| sed -u -n 's/^ *\(Downloading\|Using cached\|Building\|Installing\|Successfully\)/  &/p' | cut -c 1-120
