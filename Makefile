# Chairside. It needs Python 3.11 or newer and make, and nothing else.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
SEEDS ?= 1000
FIRST ?= 0
DATA ?= ./var
JOBS ?= 3
IMAGES ?= build/screenshots
BUILT := api/pages/built/.built
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

# Modules are compiled once, not at every start of a process.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run cluster test test-long simulate web screenshots check format lock bench bench-booking bench-cluster bench-fanout power-cuts histories clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

run: $(VENV)/.installed $(BUILT) ## the demo clinic on http://127.0.0.1:8080 (PORT=…, DATA=…); Ctrl-C stops it
	@exec $(BIN)/chairside demo --data $(DATA) --port $(PORT)

cluster: $(VENV)/.installed-dev ## the demo clinic on three nodes, PostgreSQL and Valkey (PORT=…); Ctrl-C stops it
	@exec $(BIN)/python -m tools.cluster --data $(DATA)/cluster --port $(PORT)

test: $(VENV)/.installed-dev $(BUILT) ## all tests except the long ones
	@$(BIN)/python tools/node.py install tests/node
	@$(BIN)/python tools/node.py run web test
	@$(BIN)/python -m tools.chromium
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

test-long: $(VENV)/.installed-dev $(BUILT) ## all tests, also the long ones: more examples, rounds and crashes
	@$(BIN)/python tools/node.py install tests/node
	@$(BIN)/python tools/node.py install tests/node/suites
	$(BIN)/python -m pytest -n $(JOBS) -m 'long or not long' $(ARGS)

simulate: $(VENV)/.installed-dev ## whole clusters in simulated time, from seeds (SEEDS=1000, FIRST=0), with every invariant
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

power-cuts: $(VENV)/.installed-dev ## power cuts at every synchronisation of a busy run on SQLite: 5,000 images
	$(BIN)/python -m pytest -m 'long or not long' tests/faults/test_power_cuts.py $(ARGS)

histories: $(VENV)/.installed-dev ## histories of real hubs with faults, judged by two checkers (40 runs of each fault)
	$(BIN)/python -m pytest -n $(JOBS) -m 'long or not long' tests/histories $(ARGS)

web: $(BUILT) ## build the screens of web/ into the package; run and test do that, too

screenshots: $(VENV)/.installed-dev $(BUILT) ## screenshots of every screen, with Chromium (IMAGES=build/screenshots)
	$(BIN)/python -m tools.screenshots $(IMAGES)

check: $(VENV)/.installed-dev ## style, types and the direction of the imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python tools/node.py run web check

format: $(VENV)/.installed-dev ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.installed-dev ## renew deploy/requirements.txt, the packages of the image, from constraints.txt
	@$(PIP) uv
	@sed -n '/^#/!q;p' deploy/requirements.txt > $(VENV)/requirements.txt
	@echo 'setuptools>=77' | $(BIN)/uv pip compile pyproject.toml - --constraint constraints.txt --quiet \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url \
		>> $(VENV)/requirements.txt
	@mv $(VENV)/requirements.txt deploy/requirements.txt

bench: $(VENV)/.installed-dev ## run the benchmarks; their figures are meaningful only on an idle machine
	@for name in $(notdir $(basename $(wildcard tests/benchmarks/bench_*.py))); do \
		echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

bench-booking: $(VENV)/.installed-dev ## bookings beside a common FastAPI design and an empty server, and as docs/booking.svg
	$(BIN)/python -m tests.benchmarks.bench_booking --plot docs/booking.svg --json docs/booking.json $(ARGS)

bench-cluster: $(VENV)/.installed-dev ## bookings per second and p99 with 1, 2 and 3 nodes, and the cost of one hop
	$(BIN)/python -m tests.benchmarks.bench_cluster

bench-fanout: $(VENV)/.installed-dev ## fan-out compared with other servers, as a table and as docs/fanout.svg
	$(BIN)/python -m tests.benchmarks.bench_fanout --plot docs/fanout.svg --json docs/fanout.json $(ARGS)

clean: ## remove the virtual environment and generated files; the data of the demo stay
	rm -rf $(VENV) build dist api/pages/built web/node_modules web/openapi.json web/sdk/openapi.d.ts web/sdk/dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The types of the screens come from the API document, so a changed schema rebuilds them.
$(BUILT): $(VENV)/.installed $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -name 'openapi.*') \
		$(wildcard api/openapi*.py api/rest/*.py api/schemas/*.py)
	@echo "Building the screens …"
	@$(BIN)/python -c 'from api.openapi import openapi_json; print(openapi_json().decode())' > web/openapi.json
	@$(BIN)/python tools/node.py run web build
	@touch $@

# The stamp is written last, so that an interrupted installation is repeated.

$(VENV)/.installed: pyproject.toml constraints.txt hub/__init__.py
	@$(venv)
	@echo "Installing Chairside into $(VENV) …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt hub/__init__.py
	@$(venv)
	@echo "Installing Chairside and its tools for tests into $(VENV) …"
	@$(PIP) --editable '.[dev]'
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --upgrade --no-deps \
		--target $(VENV)/realtime-2.30 realtime==2.30.0
	@touch $@ $(VENV)/.installed

define venv
if [ -z "$(PYTHON)" ]; then \
	echo "Chairside needs Python 3.11 or newer: install it, or set PYTHON=/path/to/python3"; exit 1; \
fi; \
if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	echo "Chairside needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1)"; exit 1; \
fi; \
if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	$(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make a virtual environment: install its venv and pip (on Debian: python3-venv)"; exit 1; }; \
fi
endef
