# Each target prepares what it needs in .venv; nothing but Python 3.11+ is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests that say how soon something happens, and so have the machine to themselves; all others run two at a time.
ALONE := tests/acceptance/test_crash.py tests/acceptance/test_pipeline.py

.PHONY: demo test check bench built clean

demo: $(VENV)/.demo
	$(BIN)/andon demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python tests/prepare.py
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ALONE:%=--ignore %) $(ARGS)
	$(BIN)/python -m pytest $(ALONE) $(ARGS)

# What needs Helm, the loader of Compose files and a collector, which are built first.
built: $(VENV)/.dev
	$(BIN)/python tests/prepare.py built
	$(BIN)/python -m pytest tests/deploy tests/sdk_examples $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/docs $(ARGS)

bench: $(VENV)/.dev $(VENV)/peers/rotel
	$(BIN)/andon bench ingest --peer rotel --json $(ARGS)

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.demo

# A collector in Rust, to measure beside; in an environment of its own, since nothing of ours needs it.
$(VENV)/peers/rotel:
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check 'rotel>=0.0.1a15,<0.1' || { rm -rf $@; exit 1; }

clean:
	rm -rf $(VENV) build dist *.egg-info
