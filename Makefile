# Everything runs in .venv, which the first command makes. PYTHON chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint site licences dist release-check benchmarks clean

demo: .venv/installed
	$(BIN)/rcl demo --output demo

# A core for each test worker, rather than all cores for each test; a worker that is done takes tests of another one.
test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documents as pages that need no network: build/site/index.html.
site: .venv/installed
	$(BIN)/sphinx-build --quiet --fail-on-warning --fresh-env --conf-dir docs --builder html . build/site

# What each package that users install is licensed under.
licences:
	$(PYTHON) -m venv build/licences
	build/licences/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		'.[video,onnx,export,appearance,serve,watch,signals,cluster,loggers]'
	build/licences/bin/python docs/make_licences.py

# The wheel and the sdist, which is built first and the wheel from it.
dist: .venv/installed
	rm -rf dist
	$(BIN)/python -m build

# What a user does: install the wheel and its dependencies from the package index, and use it. This takes minutes and
# 6 GB, since torch comes with CUDA there. Then what was installed, as a bill of materials (CycloneDX).
release-check: dist
	rm -rf build/clean
	$(PYTHON) -m venv build/clean
	build/clean/bin/pip install --quiet --disable-pip-version-check "$$(echo dist/*.whl)[serve]"
	build/clean/bin/python tests/installed.py
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 twine==7.0.0
	build/tools/bin/twine check --strict dist/*.whl dist/*.tar.gz
	build/tools/bin/cyclonedx-py environment --output-reproducible --output-file dist/rcl_tad.cdx.json build/clean/bin/python

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
	rm -rf .venv demo build dist
