# The two commands of the README are `make demo` and `make test`; both create their own environment.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo demo-all test quick pythons slow benchmark benchmark-peers lint clean

$(VENV)/.python: Makefile
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	touch $@

$(VENV)/.nest: $(VENV)/.installed
	$(PIP) --editable '.[nest]'
	touch $@

# Lava needs a Python 3.10 of its own; the tests of the target loihi2 run in it.
.PHONY: loihi
loihi: $(VENV)/.tested
	$(BIN)/salhw setup loihi

demo: $(VENV)/.installed
	$(BIN)/salhw demo --out demo --force

# The demo on all four targets: what the other three need is installed first.
demo-all: $(VENV)/.nest
	$(BIN)/salhw setup loihi
	$(BIN)/salhw demo --out demo --force

# A worker for each core; the tests of one file share what they compute, so a file goes to one worker.
test: $(VENV)/.tested loihi lint
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# What most changes need, in about half a minute.
quick: $(VENV)/.tested
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile tests/unit tests/theory tests/reference tests/test_structure.py

# The wheel in each Python that is promised and that this machine has; nox tells which are missing.
pythons: $(VENV)/.tested loihi
	$(BIN)/nox --session pythons

# The output and the pictures of the guide, by running its code.
.PHONY: guide
guide: $(VENV)/.tested
	$(BIN)/python tests/documents.py docs/guide.md

slow: $(VENV)/.tested
	$(BIN)/python -m pytest -m slow

benchmark: $(VENV)/.tested
	$(BIN)/python -m pytest benchmarks --benchmark-only

# Brian2 wants an older numpy than ours, so it gets an environment of its own.
PEERS := .peers
$(PEERS)/.installed: Makefile
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet "brian2==2.9.*" "numpy<2.4" setuptools
	touch $@

# salhw beside other simulators, in turn: below 20 minutes; below 3 with PEER_OPTIONS=--quick. Wants a quiet machine.
benchmark-peers: $(VENV)/.tested $(PEERS)/.installed
	$(BIN)/python benchmarks/peers $(PEER_OPTIONS)

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(PEERS) .nox demo build dist .pytest_cache .mypy_cache .ruff_cache
