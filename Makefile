SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
QUARTER ?= 2026Q3
DATA ?= data/sample
OUT ?= runs
UV_VERSION := $(shell sed -n 's/^uv==\([^ ;\\]*\).*/\1/p' requirements.lock)

REVOPS := $(BIN)/revops

.PHONY: help setup quarter site test whole lint truth bench lab notebooks sample generated lock browser clean
help:  ## what each target does
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: $(VENV)/.ready  ## create .venv with the pinned packages

# Bytecode is compiled at install: without it every kernel recompiles its libraries and starts three times slower.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	if $(BIN)/pip install --quiet uv==$(UV_VERSION); then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock; \
	else \
	  $(BIN)/pip install --quiet --require-hashes -r requirements.lock; \
	fi
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q revops_lib
	touch $@

quarter: setup  ## run the notebooks of QUARTER on DATA into OUT and build the site
	$(REVOPS) run $(QUARTER) --data $(DATA) --out $(OUT)
	$(REVOPS) site --runs $(OUT)

site: setup  ## build the site from the runs that are there
	$(REVOPS) site --runs $(OUT)

test: setup browser lint  ## what must hold at every change: style, types, tests
	$(BIN)/pytest -m 'not truth and not whole' -n 2 --dist loadfile --doctest-modules tests revops_lib

whole: setup browser  ## the main job end to end, killed and starved runs, stored notebooks; CI runs it after `make test`
	$(BIN)/pytest -m 'whole and not truth' -n 2 --dist loadfile tests
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --nbval --nbval-cell-timeout=300 -n 2 --dist loadfile notebooks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python .ci/escaping.py

truth: setup  ## the statistical claims over many seeds (minutes), and the flow of logs beside pm4py
	PYTHON=$(PYTHON) bash .ci/peer
	$(BIN)/pytest -m truth -n 2 --dist loadfile -rP tests

bench: setup  ## ratios against a peer measured in the same run
	PYTHON=$(PYTHON) bash .ci/peer
	$(BIN)/python benchmarks/quarter.py
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/forecast.py
	$(BIN)/python benchmarks/snapshots.py
	$(BIN)/python benchmarks/eventlogs.py
	$(BIN)/python benchmarks/pay.py

lab: setup  ## open JupyterLab in this environment
	$(BIN)/jupyter lab notebooks

notebooks: setup  ## execute the stored notebooks again, on the sample
	$(BIN)/python -c "from revops_lib import runs; runs.refresh()"

sample: setup  ## make the sample company again
	$(REVOPS) sample --to data/sample

generated: setup  ## write environment.yml and the data dictionary again
	$(BIN)/python .ci/generated.py

lock: setup  ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --upgrade pyproject.toml -o requirements.lock
	$(BIN)/python .ci/generated.py

browser:  # the tests of the site need Chromium, and axe-core for what a screen reader finds
	bash .ci/chromium
	PYTHON=$(PYTHON) bash .ci/axe

clean:
	rm -rf $(VENV) runs site preview _build
