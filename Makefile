# Each target prepares what it needs in .venv; nothing but Python 3.11+ is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo test check bench built clean

demo: $(VENV)/.demo
	$(BIN)/andon demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python tests/prepare.py
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/acceptance --ignore tests/interop \
		--ignore tests/sdk_examples --ignore tests/fuzz $(ARGS)
	$(BIN)/python -m pytest tests/acceptance tests/interop tests/sdk_examples tests/fuzz $(ARGS)

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
