# Each target sets up what it needs: a Python from 3.11 to 3.14 with venv is all it asks of the machine.
.DEFAULT_GOAL := help
.PHONY: help setup demo run screenshots test test-fast check coverage audit bench faithful torture format lock clean
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VENV_BENCH := .venv-bench
BENCH_READY := $(VENV_BENCH)/.ready
VENV_AUDIT := .venv-audit
AUDIT_READY := $(VENV_AUDIT)/.ready
# What may run beside the bare mirror; see pyproject.toml.
EXTRAS := otel parquet postgres sentry
SOURCES := service worker mirror tools tests

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-11s %s\n", $$1, $$2}'

setup: $(READY) ## a virtual environment in .venv with everything pinned in requirements-dev.txt

$(READY): requirements-dev.txt
	@! test -h $(VENV) || { echo "make: $(VENV) is a link; setting up would empty what it points to. Remove it." >&2; exit 1; }
	@PYTHON=$$(sh tools/dev/find-python.sh "$$PYTHON") || exit 1; \
	echo "Setting up $(VENV) (once, about a minute) ..."; \
	"$$PYTHON" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(READY) ## the main job end to end on an embedded Redis, then exit
	@$(BIN)/python -m tools.dev demo

run: $(READY) ## web, worker and Redis on port 8080, staying until Ctrl-C; data is kept in data/
	@$(BIN)/python -m tools.dev run

screenshots: $(READY) ## pictures of the console for the documents, from made-up reviews; needs chromium
	@$(BIN)/python -m tools.dev screenshots

test: $(READY) ## the tests
	@$(BIN)/python -m pytest -n auto

test-fast: $(READY) ## the tests that start no program of their own, for while you work
	@$(BIN)/python -m pytest -n auto -m "unit or redis"

check: $(READY) ## what CI runs: format, lint, types, tests with warnings as errors
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

coverage: $(READY) ## the tests once more, with branch coverage, also of the processes that they start
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

audit: $(READY) ## known holes in the locked releases, and whether what is locked is what runs
	-@$(MAKE) --silent $(AUDIT_READY)
	@$(BIN)/python -m tools.dev.audit $(VENV_AUDIT)/bin/pip-audit

$(AUDIT_READY): requirements-audit.txt
	@PYTHON=$$(sh tools/dev/find-python.sh "$$PYTHON") || exit 1; \
	echo "Setting up $(VENV_AUDIT) (once, a few seconds) ..."; \
	"$$PYTHON" -m venv --clear $(VENV_AUDIT)
	@$(VENV_AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-audit.txt
	@touch $@

format: $(READY) ## rewrite the sources in the project's format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

faithful: $(READY) ## how many reviews are wrong in the end, over clean to hostile wires and beside odd APIs: ten minutes
	@$(BIN)/python -m tools.accuracy

bench: $(BENCH_READY) ## measure beside the ceiling and peers: a quarter of an hour; QUICK=1 takes a few minutes
	@$(VENV_BENCH)/bin/python -m tools.bench $(if $(QUICK),--quick)

torture: $(READY) ## everything fails that can, under load, and every delivery is accounted for: five to ten minutes; SHORT=1: half a minute
	@$(BIN)/python -m tools.chaos $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short)

$(BENCH_READY): requirements-bench.txt
	@PYTHON=$$(sh tools/dev/find-python.sh "$$PYTHON") || exit 1; \
	echo "Setting up $(VENV_BENCH) (once, about a minute) ..."; \
	"$$PYTHON" -m venv --clear $(VENV_BENCH)
	@$(VENV_BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.txt
	@touch $@

lock: $(READY) ## compile requirements*.txt from pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		--extra postgres pyproject.toml -o requirements-postgres.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		--extra dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		$(foreach extra,$(EXTRAS),--extra $(extra)) -c requirements-dev.txt pyproject.toml -o requirements-extras.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		--extra bench pyproject.toml -o requirements-bench.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-header --python-version 3.11 \
		--group audit -o requirements-audit.txt

clean: ## remove what make and the tools made; data/ stays
	rm -rf $(VENV) $(VENV_BENCH) $(VENV_AUDIT) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
