# `make demo` sets everything up, trains, analyzes and serves; `make test` proves it. See README.md.
.PHONY: demo test lint types unit soak bench clean help
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MI := $(BIN)/mi
# demo: SERVE=0 ends instead of serving; without a terminal on standard input it ends too.
SERVE ?= $(shell [ -t 0 ] && echo 1 || echo 0)
PORT ?= 5006
# bench: BENCH= for a try of minutes that writes nothing
BENCH ?= --full
DEMO_FAMILY := modular_addition_1layer
DEMO_SET := --set prime=59 --set train_fraction=0.5
DEMO_TRAIN := --epochs 3000 --checkpoints 0:3000:50 --threads 1 --resume
DEMO_VARIANTS := p59_seed999_frac0.5 p59_seed485_frac0.5
DEMO_REPORT := results/$(DEMO_FAMILY)/report.html

help:
	@echo "make demo    set up, train two variants through grokking, analyze, serve (SERVE=0: end instead)"
	@echo "make test    set up, then lint, types and all tests, those in a real Chromium included"
	@echo "make soak    long kill, soak and scale tests; writes benchmarks/soak.md"
	@echo "make bench   the benchmarks behind every figure; writes benchmarks/README.md (BENCH=: a short try)"

$(VENV)/.installed: pyproject.toml $(wildcard plugins/*/pyproject.toml examples/*/pyproject.toml) constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "mi needs Python 3.11 or newer; name one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev \
		--editable . --editable plugins/fourier_library --editable plugins/geometry_library \
		--editable plugins/modular_arithmetic --editable plugins/transformer_library \
		--editable examples/mi_induction
	touch $@

# Two variants at a time, a thread each: at this size two processes finish sooner than two threads. The first
# tells nothing until it is done, so that two progress bars do not share a terminal.
demo: $(VENV)/.installed
	@echo "Training two variants side by side; the bar is the second's."
	@$(MI) train $(DEMO_FAMILY) $(DEMO_SET) --set seed=999 $(DEMO_TRAIN) 2>results/.first.log & first=$$!; \
	trap 'kill $$first; wait $$first' INT TERM; \
	$(MI) train $(DEMO_FAMILY) $(DEMO_SET) --set seed=485 $(DEMO_TRAIN); second=$$?; \
	wait $$first || { cat results/.first.log >&2; exit 2; }; exit $$second
	$(MI) analyze $(DEMO_VARIANTS)
	$(MI) report build default $(word 1,$(DEMO_VARIANTS)) --to $(DEMO_REPORT)
ifeq ($(SERVE),1)
	$(MI) serve --port $(PORT)
else
	@echo "Look: $(MI) serve, or open $(DEMO_REPORT)"
endif

test: lint types unit

lint: $(VENV)/.installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed
	$(BIN)/mypy

# A worker a core, a thread a worker: more threads than cores wait for one another.
unit: $(VENV)/.installed
	@MI_CHROMIUM=$$($(BIN)/python tests/chromium.py) && export MI_CHROMIUM && \
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

soak: $(VENV)/.installed
	$(BIN)/python benchmarks/soak.py

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/training.py
	for one in engine analyzers analyses reading growth stacking keeping grid; do $(BIN)/python benchmarks/$$one.py $(BENCH) || exit; done
	$(BIN)/python benchmarks/app.py
	$(BIN)/python benchmarks/startup.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
