# repro: the whole pipeline · test: what guards every change · test-long: whole runs, kills, two of everything
# check: lint, types, contracts, dvc.yaml · format: mends what it can
# ui: MLflow and Prefect on loopback · bench: speed beside rivals (ONLY=camera for a part)
.PHONY: help repro test test-long check format ui bench clean
.DEFAULT_GOAL := help

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Nothing here phones home.
export NO_ALBUMENTATIONS_UPDATE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The scripts of an environment name the folder in which they were installed; this one was moved or copied.
ifneq ($(wildcard $(READY)),)
ifneq ($(shell cat $(READY)),$(CURDIR))
$(shell $(BIN)/python -I pipelines/relocate.py '$(CURDIR)')
endif
endif

help:
	@sed -n '1,3s/^# //p' Makefile

# Written last, so that an interrupted installation is not taken for a whole one.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "rawline needs Python 3.11 or newer; found $$($(PYTHON) --version). Name another: make repro PYTHON=python3.11"; exit 1; }
	@echo "Installing the pinned packages into .venv (about 5 GB, some minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt --editable '.[dev]' | awk \
		'/^Collecting/ {printf "\r  %d packages found", ++n; fflush()} /^Installing coll/ {print "\n  unpacking ..."; fflush()}'
	@echo "Compiling the camera's kernels ..."
	@$(BIN)/python -m pipelines.warm
	@printf '%s' '$(CURDIR)' > $(READY)

repro: $(READY)
	@$(BIN)/rawline repro

check: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/rawline check

# Three at a time on two cores: much of what whole programs take is waiting.
test: $(READY)
	@$(MAKE) --no-print-directory check
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/pytest -m long --numprocesses 3 --dist loadfile --no-loadscope-reorder

ui: $(READY)
	@$(BIN)/rawline ui

bench: $(READY)
	@$(BIN)/python -m tests.bench $(ONLY)

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .rawline .mypy_cache .ruff_cache
