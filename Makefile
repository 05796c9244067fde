# Thin: each target is one line of the real tool. `make demo` and `make test` need Python 3.11 and nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
# two processes at a time, in the order that tests/conftest.py gives
WORKERS := --numprocesses 2 --no-loadscope-reorder

# Images of Python often forbid it to keep what it compiled: then each start of dbt compiles its thousands of files again.
unexport PYTHONDONTWRITEBYTECODE

PEERS := dlt target-duckdb pyairbyte

.DEFAULT_GOAL := help
.PHONY: help install install-scale demo test test-scale lint format up dashboard soak lock bench bench-usage bench-landing bench-peers

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

# The stamp is newer than both locks once everything they name is installed.
.venv/installed: requirements.lock requirements-bootstrap.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, or say make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

install: .venv/installed ## install everything from the hashed lock into .venv

# Spark and what it needs are half a gigabyte that a laptop's warehouse never opens.
.venv/installed-scale: .venv/installed requirements-scale.lock
	@command -v java >/dev/null || { echo "java not found: the target spark needs a Java 17 runtime (Debian: openjdk-17-jre-headless)"; exit 1; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-scale.lock
	@touch $@

install-scale: .venv/installed-scale ## what the target spark needs besides

demo: .venv/installed ## a sandbox company, the whole road, and a comparison with its truth
	$(BIN)/warehouse sandbox create
	$(BIN)/warehouse run
	$(BIN)/warehouse verify

test: .venv/installed ## the whole test suite
	$(BIN)/python -m pytest -m "not soak and not scale" --durations=15 $(WORKERS)

test-scale: .venv/installed-scale ## the whole project on a Spark cluster of two executor processes, beside DuckDB
	$(BIN)/python -m pytest -m scale --durations=15 -s tests/scale

soak: .venv/installed ## thirty days in a loop, ninety replayed, random kills, clean days and faults for the alerts, and what else takes long
	$(BIN)/python -m pytest -m soak -s

bench: .venv/installed ## what the revenue models cost: 100,000 subscriptions over 3 years, and one more day
	$(BIN)/python -m benchmarks.revenue

bench-usage: .venv/installed ## what a day of 100,000 calls costs on 2 million calls of history, and on 20 million
	$(BIN)/python -m benchmarks.usage

bench-landing: .venv/installed ## what landing costs, beside DuckDB's own reading and other tools
	$(BIN)/python -m benchmarks.landing

bench-peers: .venv/installed ## the other tools of bench-landing, each in an environment below .peers
	@for peer in $(PEERS); do \
		$(BIN)/uv venv --quiet --clear --python $(BIN)/python .peers/$$peer && \
		$(BIN)/uv pip install --quiet --python .peers/$$peer/bin/python -r benchmarks/peers/$$peer.txt || exit 1; \
	done

lint: .venv/installed ## ruff, sqlfluff, dbt parse
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd dbt_project && WAREHOUSE_DB=:memory: DBT_PROFILES_DIR=. ../$(BIN)/dbt --quiet parse --target gold
	cd dbt_project && WAREHOUSE_DB=:memory: ../$(BIN)/sqlfluff lint --processes 2 models

format: .venv/installed ## let ruff format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

up: .venv/installed ## Airflow with the DAGs on the sandbox, until Ctrl-C
	$(BIN)/warehouse up

dashboard: .venv/installed ## the dashboards on the published edition, until Ctrl-C
	$(BIN)/warehouse dashboard

lock: .venv/installed ## resolve the dependencies again
	$(BIN)/uv pip compile --quiet --generate-hashes --extra dev --python-version 3.11 --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --extra server --constraint requirements.lock --python-version 3.11 --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements-server.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --extra spark --constraint requirements.lock --python-version 3.11 --no-header --no-annotate --no-emit-index-url pyproject.toml -o requirements-scale.lock
	echo uv | $(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --no-header --no-annotate --no-emit-index-url - -o requirements-bootstrap.lock
