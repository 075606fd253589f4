# The verbs of the project. `make` alone lists them. Each one builds what it needs first, once.
#
#   make test ARGS="tests/domain -x"    options for the program behind the verb
#   make run PYTHON=/path/to/python     the interpreter to build the environment with
#   make test VENV=.venv-3.13           the folder of the environment
#   make test WORKERS=0                 how many processes share the tests; 0 is none but pytest's own

VENV ?= .venv
PYTHON ?=
ARGS ?=
WORKERS ?= 2

# uv trusts whom the machine trusts, as pip does; networks of companies have authorities of their own.
export UV_SYSTEM_CERTS = 1

BIN = $(VENV)/bin

# The journeys stand near the end and take longest, so the order of the folders is the one to keep; which tests stay
# together says tests/conftest.py. A worker that has died is a failure, not a restart.
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --no-loadscope-reorder --max-worker-restart=0
SETUP = PYTHON="$(PYTHON)" sh infra/local/setup.sh "$(VENV)"

# Three files, so that nobody installs what they do not use: Azure deploys requirements.txt, `make run` adds the
# embedded host, `make test` and `make check` add their tools. The two smaller ones take the versions of the largest.
# Extras stay in the pins, because pip takes `x[extra]` for another package than a pinned `x`.
PIN = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
	--custom-compile-command 'make requirements'
COMPILE = $(PIN) pyproject.toml
COMPILE_ALL = $(COMPILE) --extra local --group dev --output-file requirements-dev.txt $(UPGRADE) \
	&& $(COMPILE) --extra local --constraint requirements-dev.txt --output-file requirements-local.txt \
	&& $(COMPILE) --constraint requirements-dev.txt --output-file requirements.txt \
	&& $(PIN) --group svix-1 --no-deps --output-file $(CLIENTS)/python/svix-1.txt \
	&& $(PIN) --group svix-2 --no-deps --output-file $(CLIENTS)/python/svix-2.txt
CLIENTS = tests/journeys/clients
JAVASCRIPT = $(CLIENTS)/javascript tests/emulators/azurite
REQUIREMENTS = requirements-dev.txt requirements-local.txt requirements.txt \
	$(CLIENTS)/python/svix-1.txt $(CLIENTS)/python/svix-2.txt

.DEFAULT_GOAL := help
.PHONY: help run azure-local test check bench bench-azure coverage fmt requirements clean local-environment dev-environment \
	check-format check-lint check-types check-imports check-requirements check-addresses check-json

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

# A receiver to try it with runs on this machine; `heliograph serve` by itself calls public addresses only.
run: local-environment ## start the service on this machine
	@HELIOGRAPH_ALLOW_SUBNETS="$${HELIOGRAPH_ALLOW_SUBNETS-127.0.0.1/32,::1/128}" exec $(BIN)/heliograph serve $(ARGS)

azure-local: dev-environment ## start the service on local emulators of Cosmos DB, Service Bus and Blob Storage
	@HELIOGRAPH_ALLOW_SUBNETS="$${HELIOGRAPH_ALLOW_SUBNETS-127.0.0.1/32,::1/128}" exec $(BIN)/python -m tests.emulators.azure

test: dev-environment ## run every test
	@$(PYTEST) $(ARGS)

check: check-format check-lint check-types check-imports check-requirements check-addresses check-json ## format, lint, types, architecture, pinned packages

bench: dev-environment ## measure: messages per second, latency, memory, losses
	@$(BIN)/python -m tests.bench $(ARGS)

bench-azure: dev-environment ## measure the same on emulators of Azure, and count what a message asks of them
	@$(BIN)/python -m tests.bench.azure $(ARGS)

coverage: dev-environment ## run every test and say which lines none reaches in its own process
	@$(PYTEST) --cov --cov-report=term $(ARGS)

fmt: dev-environment ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

requirements: UPGRADE = $(ARGS)
requirements: dev-environment ## pin the packages of pyproject.toml; ARGS=--upgrade takes newer ones
	@PATH="$(abspath $(BIN)):$$PATH"; $(COMPILE_ALL)
	@for folder in $(JAVASCRIPT); do \
		(cd $$folder && npm install --package-lock-only --ignore-scripts --no-audit --no-fund --silent) || exit 1; \
	done

clean: ## remove what the verbs built; the database stays
	rm -rf "$(VENV)" build dist *.egg-info .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

local-environment:
	@$(SETUP) local

dev-environment:
	@$(SETUP) dev

check-format: dev-environment
	@$(BIN)/ruff format --check --quiet . || { echo "Some files are not formatted: make fmt"; exit 1; }

check-lint: dev-environment
	@$(BIN)/ruff check --quiet .

check-types: dev-environment
	@$(BIN)/mypy

check-imports: dev-environment
	@$(BIN)/lint-imports --no-logo

# Compiled anew beside the pins that are there, which the resolver keeps as long as pyproject.toml allows them.
check-requirements: dev-environment
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT \
	&& tar -cf - pyproject.toml $(REQUIREMENTS) | tar -xf - -C "$$folder" \
	&& (PATH="$(abspath $(BIN)):$$PATH"; cd "$$folder" && $(COMPILE_ALL)) \
	&& for file in $(REQUIREMENTS); do \
		diff -u $$file "$$folder/$$file" || { echo "$$file does not match pyproject.toml: make requirements"; exit 1; }; \
	done

# Which registry serves the packages is the business of the machine that installs them. (The brackets keep this line
# from finding itself.)
check-addresses:
	@! git grep -nIE 'pypi[.]org|pythonhosted[.]org|registry[.]npmjs[.]org|deb[.]debian[.]org'

check-json: dev-environment
	@for file in host.json local.settings.example.json $(JAVASCRIPT:%=%/package.json) \
		$(JAVASCRIPT:%=%/package-lock.json); do \
		$(BIN)/python -m json.tool $$file /dev/null || { echo "$$file is not JSON"; exit 1; }; \
	done
