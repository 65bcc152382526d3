# Few words, each says what it does. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
# The build of torch that needs no GPU, and nothing newer than what was tried: see constraints.txt.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs check clean

help:  ## list the words
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/pip:
	@echo "making the environment in .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

.venv/base: .venv/pip pyproject.toml constraints.txt
	@echo "installing what the demo needs (a minute or two)"
	@$(PIP) --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/full: .venv/pip pyproject.toml constraints.txt
	@echo "installing everything that the tests need (some minutes)"
	@$(PIP) --editable '.[all]' --group test
	@touch $@ .venv/base

.venv/tools: .venv/base
	@echo "installing the linters"
	@$(PIP) --group lint --group docs
	@touch $@

demo: .venv/base  ## install, then train, judge and explain a model of 336,776 real flights
	@test -f demo/treadle.yaml || $(BIN)/treadle init demo --example flights
	@$(BIN)/treadle --project demo run
	@echo "the report is demo/.treadle/runs/*/report.html; the newest: $$(ls -td demo/.treadle/runs/*/ | head -1)report.html"

test: .venv/full  ## install everything, then run the tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/tools  ## style, layers, spelling
	@$(BIN)/ruff format --check src tests benchmarks
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/lint-imports
	@$(BIN)/codespell src docs benchmarks README.md CONTRIBUTING.md

types: .venv/tools  ## mypy, strict
	@$(BIN)/mypy

docs: .venv/tools  ## build the documentation into site/
	@$(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

check: lint types docs test  ## all of it

clean:  ## remove what the words above have made
	rm -rf .venv site demo
