# Two commands: `make demo` shows what mlspec does, `make test` shows that it works. Needs make and Python 3.11 to 3.13.
SHELL := /bin/sh
VENV ?= .venv
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13; do "$$p" -c "" 2>/dev/null && echo "$$p" && break; done)
BIN := $(abspath $(VENV))/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs docs-release bench clean

help:
	@echo "make demo   install, then build and run the digits project in a temporary folder"
	@echo "make test   install what the tests need, then run them all; ARGS='-m \"not slow\"' goes to pytest"
	@echo "make lint   ruff and mypy"
	@echo "make docs   the documentation as a site, in site/"
	@echo "make bench  the measurements in benchmarks/"
	@echo "make clean  remove $(VENV)"

demo: $(VENV)/.demo
	@folder=$$(mktemp -d "$${TMPDIR:-/tmp}/mlspec-demo.XXXXXX")/digits && export PATH="$(BIN):$$PATH" && set -x && \
	mlspec init "$$folder" --template digits && cd "$$folder" && mlspec build && mlspec apply --yes && { set +x; } 2>/dev/null && \
	echo && echo "The project:  $$folder" && echo "The report:   $$folder/artifacts/report.html"

test: $(VENV)/.test
	PATH="$(BIN):$$PATH" $(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "The site:  $(CURDIR)/site/index.html"

# Run by the release workflow: adds the site of VERSION to the branch gh-pages, and makes it the latest.
docs-release: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mike deploy --push --update-aliases "$${VERSION:?}" latest
	NO_MKDOCS_2_WARNING=1 $(BIN)/mike set-default --push latest

bench: $(VENV)/.test $(VENV)/.bench
	PATH="$(BIN):$$PATH" $(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV)

$(VENV)/.demo: EXTRA = train,monitor
$(VENV)/.test: EXTRA = test
$(VENV)/.docs: EXTRA = docs
$(VENV)/.bench: EXTRA = bench
$(VENV)/.demo $(VENV)/.test $(VENV)/.docs $(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing mlspec[$(EXTRA)] into $(VENV) ..."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRA)]"
	@touch $@

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "mlspec needs Python 3.11, 3.12 or 3.13, and none is on PATH."; \
		echo "  Debian: apt install python3.11 python3.11-venv    macOS: brew install python@3.11"; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments."; \
		echo "  Debian: apt install $$(basename $(PYTHON))-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
