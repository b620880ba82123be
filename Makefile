# `make run` and `make test` set up what they need. Python 3.11 or later: make PYTHON=python3.12 run
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
STYLED := astrojax tests experiments benchmarks docs
# Most tests and tutorials spend their time compiling, which these flags cut.
QUICK := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1
PYTEST := XLA_FLAGS="$$XLA_FLAGS $(QUICK)" $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: help setup run reproduce test test-slow coverage check docs build bounds bench bench-check bench-gpu smoke clean
help:           ## show this
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: .venv/dev        ## virtual environment with everything for development

run: .venv/base         ## the main job: the paper's benchmark and real digits, a few minutes
	@$(BIN)/python experiments/main_job.py

reproduce: .venv/base   ## every figure and claim of the paper, into docs/reproduction.html: within half an hour
	@$(BIN)/python experiments/reproduce.py

test: .venv/dev         ## the tests of every change
	@$(PYTEST) -m "not slow"

test-slow: .venv/dev    ## tests that kill processes, start clusters, browsers or several devices, or take long
	@$(PYTEST) -m slow

coverage: .venv/dev     ## lines of the package that the tests of every change reach
	@$(PYTEST) -m "not slow" --cov=astrojax --cov-report=term:skip-covered

check: .venv/dev        ## style, and types as the oldest Python has them and each newer one that is here
	@$(BIN)/ruff check $(STYLED)
	@$(BIN)/ruff format --check $(STYLED)
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/mypy
	@for python in 3.12 3.13; do \
	  if python$$python -c '' 2> /dev/null; then $(BIN)/mypy --python-version $$python || exit 1; fi; done

docs: .venv/dev         ## the documentation, its tutorials executed: build/docs/index.html
	@XLA_FLAGS="$$XLA_FLAGS $(QUICK)" $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo "open build/docs/index.html"

build: .venv/dev        ## wheel and source distribution, into dist
	@$(BIN)/python -m build

bounds:         ## the lowest and the newest dependencies: installed below build/bounds, and worked through; some minutes
	@$(PYTHON) tests/bounds.py

bench: .venv/dev        ## speed beside peers and the machine's limits, about half an hour; peers that are installed take part
	@$(PIP) --editable '.[bench]'
	@for name in peers engine scaling large gradients training; do echo "## $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

bench-check: .venv/base ## whether speed was lost: ratios with generous bounds, half a minute
	@$(BIN)/python benchmarks/regression.py

bench-gpu:      ## all about an accelerator in under 8 minutes, into build/gpu; with the python that has JAX for it: make PYTHON=python bench-gpu
	@PYTHONPATH=. $(PYTHON) benchmarks/gpu.py

smoke: .venv/base       ## a small sweep, seconds
	@$(BIN)/astrojax run configs/smoke/fig4.yaml

clean:          ## remove the environment and caches, keep runs
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/base: pyproject.toml constraints.txt
	@echo "setting up .venv (once, a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

.venv/dev: .venv/base
	@$(PIP) --editable '.[dev]'
	@touch $@
