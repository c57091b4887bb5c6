# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/runtime
INSTALLED := $(VENV)/installed
INSTALLED_FULL := $(VENV)/installed-full
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

# Compiled modules are kept within the environment, even where PYTHONDONTWRITEBYTECODE is set: each
# process that the tests and the demo start would compile PyTorch again, which takes seconds.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/pycache

.PHONY: demo test test-full lint format install dist clean

demo: $(RUNTIME)
	$(BIN)/fcnkit demo --output demo --force

# The tests write thousands of small files: into memory, where 2 GB are free and programs may run.
IN_MEMORY = test -w /dev/shm && ! grep -q ' /dev/shm .*noexec' /proc/mounts && df -Pk /dev/shm
TMPDIR ?= $(shell $(IN_MEMORY) | awk 'NR == 2 && $$4 > 2000000 { print "/dev/shm" }')

# One process per core, so PyTorch gets one thread in each.
test: export OMP_NUM_THREADS := 1
test: export TMPDIR := $(TMPDIR)
test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist worksteal -o tmp_path_retention_policy=failed

test-full: $(INSTALLED_FULL)
	$(BIN)/python -m pytest --full

# Scripts need no types, but names that exist: nothing else runs most of the benchmarks.
UNTYPED := --allow-untyped-defs --allow-incomplete-defs --allow-any-generics --no-warn-unused-ignores \
  --disable-error-code=var-annotated --disable-error-code=union-attr --disable-error-code=operator \
  --disable-error-code=arg-type --disable-error-code=assignment --ignore-missing-imports

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p caffeformat -p torchcaffe -p fcnkit
	$(BIN)/mypy $(UNTYPED) benchmarks
	$(BIN)/python docs/make_pb_stub.py --check
	$(BIN)/python docs/make_layers.py --check
	$(BIN)/python docs/make_commands.py --check
	$(BIN)/python docs/make_api.py --check
	$(BIN)/python docs/make_rest.py --check
	$(BIN)/python -m fcnkit.zoo --check

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(INSTALLED)

# Installed again whenever what is needed changes: what the commands need, and what developers need.
$(RUNTIME): setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	touch $@

$(INSTALLED): $(RUNTIME)
	$(PIP_INSTALL) -e '.[test,web]' -e ./digits_plugin
	touch $@

# The full tier converts the networks of other packages, which nothing else needs.
$(INSTALLED_FULL): $(INSTALLED)
	$(PIP_INSTALL) -e '.[full]'
	touch $@

# A source distribution, and the wheel that is built from it. What an earlier build left would be
# packed again, deleted modules too.
dist: $(INSTALLED)
	rm -rf build
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist *.egg-info demo
