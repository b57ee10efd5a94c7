# make demo   set up, then train on a real table with five repeats
# make test   set up, then check and test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-dev
# Everything, also what needs the peers or is slow: make test ORACLES=1
ORACLES ?=
CORES ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test quick check format bench matrix lock clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "epochal needs Python 3.11 or later: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(STAMP): $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

$(VENV)/.installed-oracles: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[oracles]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/epochal train example:breast-cancer --repeats 5

test: check $(if $(ORACLES),$(VENV)/.installed-oracles)
	$(if $(ORACLES),EPOCHAL_ORACLES=1) $(BIN)/python -m pytest -q -n $(CORES) --dist worksteal $(if $(ORACLES),,--ignore tests/oracles -m 'not slow')
	$(BIN)/python -m pytest -q --doctest-modules src/epochal -p no:cacheprovider

# make quick  the fastest laws and golden tests, and a smoke of each command, in under 90 s
quick: $(STAMP)
	$(BIN)/python tools/quick.py

# make check  format, lint, types, import direction
check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/laws/test_api_surface.py

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# make bench  the peers side by side; needs: pip install -e '.[bench]'
bench: $(VENV)/.installed-oracles
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[bench]'
	$(BIN)/python -m benchmarks

# make matrix  every declared Python with the lowest and the newest packages; CELLS='3.12-newest ...' for some
matrix:
	$(PYTHON) tools/matrix.py $(CELLS)

# make lock   pin the versions that are tested
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --extra dev --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
