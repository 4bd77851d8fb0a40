# repro: the whole pipeline · test: everything that guards the project · check: lint, types, contracts, dvc.yaml
# ui: MLflow and Prefect on loopback · bench: speed beside rivals (ONLY=camera for a part)
.PHONY: help repro test check format ui bench clean
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

help:
	@sed -n '1,2s/^# //p' Makefile

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
	@touch $(READY)

repro: $(READY)
	@$(BIN)/rawline repro

check: $(READY)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/rawline check

test: $(READY)
	@$(MAKE) --no-print-directory check
	@OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

ui: $(READY)
	@$(BIN)/rawline ui

bench: $(READY)
	@$(BIN)/python -m tests.bench $(ONLY)

format: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .rawline .mypy_cache .ruff_cache
