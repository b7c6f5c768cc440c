# Everything runs in .venv, which the first command makes. PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint benchmarks clean

demo: .venv/installed
	$(BIN)/rcl demo --output demo

# A core for each test worker, rather than all cores for each test; a worker that is done takes tests of another one.
test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmarks: .venv/installed
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/detection.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/bmn.py
	$(BIN)/python benchmarks/gtad.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo
