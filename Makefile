# Everything here works from a fresh clone: each target first makes what it needs. `make help` lists the targets.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install quickstart demo paper bench test test-slow test-newest check format clean

# The first of these that is Python 3.11 to 3.13 makes the environment.
PYTHON ?= python3.11 python3.12 python3.13 python3
VENV   ?= .venv
# And the first of these the environment of test-newest.
NEWEST_PYTHON ?= python3.13 $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python) python3.12
# Test processes, on two cores too: most of the time goes into compiling, which uses one core at a time, and a sixth into
# waiting, for SLURM's limits or a server. Each grows to 4 GB.
JOBS   ?= 4

PY  := $(VENV)/bin/python
PIP_INSTALL := -m pip --disable-pip-version-check install -qq --progress-bar off
PIP := $(PY) $(PIP_INSTALL)
# What is installed into VENV: uv takes eight seconds for what takes pip fifty. Where pip is told of another index or of
# none (a mirror, a cluster's wheelhouse), or uv fails, pip does it, and says what is wrong. Python compiles what it
# imports and keeps it, unless told not to, as in many containers: there each command would start four seconds later.
UV := uv==0.13.9
UV_INSTALL := -m uv pip install -q $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
FETCH = { ! $(PY) -m pip config list | grep -qE '\.(index-url|no-index)=' && $(PIP) $(UV) \
          && $(PY) $(UV_INSTALL) --python $(PY) $(1); } 2>/dev/null || $(PIP) $(1)

# Stamps: what is installed is installed again only when the files that ask for it change.
CPU_STAMP  := $(VENV)/.installed
GPU_STAMP  := $(VENV)/.installed-gpu
TEST_STAMP := $(VENV)/.installed-test
PEER_VENV  := .venv-peer
PEER_STAMP := $(PEER_VENV)/.installed
HOST_PEER_VENV  := .venv-host-peers
HOST_PEER_STAMP := $(HOST_PEER_VENV)/.installed
NEWEST_VENV  := .venv-newest
NEWEST_STAMP := $(NEWEST_VENV)/.installed-newest
NEWEST_PIP   := $(NEWEST_VENV)/bin/python $(PIP_INSTALL)
INSTALLED  := $(CPU_STAMP) $(if $(filter-out 0 false no,$(GPU)),$(GPU_STAMP))

CODE := $(wildcard landscapes run_algorithm eval_policy improve_ltp benchmarks)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED)  ## the pinned packages, in .venv (GPU=1: with JAX for CUDA 12)
	@echo "Installed: activate it with 'source $(VENV)/bin/activate'."

quickstart: $(INSTALLED)  ## train, measure and draw something small
	@$(PY) -m landscapes.quickstart $(ARGS)

demo: $(INSTALLED)  ## a minute: a calm and a noisy policy of like mean, measured (nothing is trained)
	@$(PY) -m landscapes.demo $(ARGS)

paper: $(INSTALLED)  ## the published experiment (ARGS="size=laptop tasks=hopper algorithms=td3 dry_run=true")
	@$(PY) -m landscapes.paper $(ARGS)

bench: $(INSTALLED)  ## how fast everything is (ARGS="training --repeats 5": one of it)
	@$(MAKE) --no-print-directory $(PEER_STAMP) || echo "rejax, the peer, cannot be installed; the rest is measured" >&2
	@$(if $(filter hosts policy_gradients,$(ARGS)),$(MAKE) --no-print-directory $(HOST_PEER_STAMP))
	@$(PY) -m benchmarks $(ARGS)

test: $(INSTALLED) $(TEST_STAMP)  ## the fast tests (ARGS="-k name": some of them)
	@$(PY) -m pytest -n $(JOBS) --dist worksteal -q -rfEs $(ARGS)

test-slow: $(INSTALLED) $(TEST_STAMP)  ## the tests that take minutes
	@$(PY) -m pytest -n $(JOBS) --dist worksteal -q -rfEs -m slow -o faulthandler_timeout=3000 $(ARGS)

test-newest: $(NEWEST_STAMP)  ## the fast tests with the newest Python and packages, in .venv-newest
	@$(NEWEST_VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal -q -rfEs $(ARGS)

check: $(CPU_STAMP) $(TEST_STAMP)  ## format, lint, types, layering, spelling
	@echo "format";   $(PY) -m ruff format --quiet --check --output-format concise . || { echo "run 'make format'" >&2; exit 1; }
	@echo "lint";     $(PY) -m ruff check --quiet .
	@echo "types";    $(PY) -m mypy --no-error-summary $(CODE)
	@echo "layering"; $(PY) -m pytest -q --no-header -rs tests/test_layering.py tests/test_requirements.py
	@echo "spelling"; $(PY) -m codespell_lib

format: $(TEST_STAMP)  ## lay the code out, and mend what lint can mend
	@$(PY) -m ruff check --quiet --fix-only .
	@$(PY) -m ruff format .

clean:  ## remove .venv*, caches and build output; results stay
	rm -rf $(VENV) $(PEER_VENV) $(HOST_PEER_VENV) $(NEWEST_VENV) .cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@for python in $(PYTHON); do \
	    if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then \
	        echo "Making $(VENV) with $$($$python --version)"; \
	        $$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; \
	        exit 0; \
	    fi; \
	done; \
	echo "Python 3.11, 3.12 or 3.13 is needed; none of '$(PYTHON)' is one. Name yours: make PYTHON=/path/to/python" >&2; \
	exit 1

# The order-only $(PY) keeps the interpreter's own timestamp out of it.
$(CPU_STAMP): requirements.txt constraints.txt pyproject.toml setup.py | $(PY)
	@echo "Installing requirements.txt into $(VENV) (a minute or two the first time)"
	@$(call FETCH,-r requirements.txt)
	@touch $@

$(GPU_STAMP): $(CPU_STAMP)
	@echo "Installing JAX for CUDA 12 into $(VENV) (some gigabytes)"
	@$(call FETCH,-c constraints.txt "jax[cuda12]")
	@touch $@

$(TEST_STAMP): test_requirements.txt search_requirements.txt atari_requirements.txt gymnasium_requirements.txt playground_requirements.txt constraints.txt | $(PY)
	@echo "Installing test_requirements.txt into $(VENV)"
	@$(call FETCH,-r test_requirements.txt)
	@touch $@

# An environment that is only half made is none.
$(PEER_STAMP): benchmarks/peer_requirements.txt constraints.txt | $(PY)
	@echo "Installing the peer of the benchmarks into $(PEER_VENV)"
	@$(PY) -m venv $(PEER_VENV) && grep -v '^gymnax==' constraints.txt > $(PEER_VENV)/constraints.txt \
	    && $(PEER_VENV)/bin/python $(PIP_INSTALL) -c $(PEER_VENV)/constraints.txt -r benchmarks/peer_requirements.txt \
	    || { rm -rf $(PEER_VENV); exit 1; }
	@touch $@

$(HOST_PEER_STAMP): benchmarks/host_peer_requirements.txt | $(PY)
	@echo "Installing the peers of host simulators into $(HOST_PEER_VENV) (torch among them)"
	@$(PY) -m venv $(HOST_PEER_VENV) && $(HOST_PEER_VENV)/bin/python $(PIP_INSTALL) -r benchmarks/host_peer_requirements.txt \
	    || { rm -rf $(HOST_PEER_VENV); exit 1; }
	@touch $@

# The newest of everything, beyond the ranges of pyproject.toml too, but for mujoco (requirements.txt says why) and what wants
# that one.
$(NEWEST_STAMP): requirements.txt test_requirements.txt atari_requirements.txt gymnasium_requirements.txt playground_requirements.txt search_requirements.txt pyproject.toml setup.py
	@$(MAKE) -s --no-print-directory VENV=$(NEWEST_VENV) PYTHON="$(NEWEST_PYTHON)" $(NEWEST_VENV)/bin/python
	@echo "Installing the newest packages into $(NEWEST_VENV)"
	@sed -E '/^-/d; /^gymnax/s/.*/gymnasium\nseaborn/; /^(mujoco|playground)/!s/==.*//' requirements.txt test_requirements.txt \
	        atari_requirements.txt gymnasium_requirements.txt playground_requirements.txt search_requirements.txt \
	    | $(NEWEST_PIP) --upgrade --upgrade-strategy eager -r /dev/stdin
	@$(NEWEST_PIP) --no-deps gymnax  # which would hold JAX back
	@$(NEWEST_PIP) --no-deps -e .
	@touch $@
