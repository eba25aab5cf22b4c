# `make demo`, `make test` and `make docs`. Each makes the virtual environment first, once.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint docs coverage

demo: $(INSTALLED)
	$(BIN)/genotools demo -o demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

coverage: $(INSTALLED)
	$(BIN)/python tools/coverage_by_room.py

docs: $(INSTALLED)
	$(BIN)/python tools/build_docs.py
	$(BIN)/mkdocs build --strict -f tools/site/mkdocs.yml

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[draw,io,plots,ray,docs,dev]'
	touch $@
