PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up down test search chaos lint format bench clean

help: ## show what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED) ## set up .venv with the pinned set

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=" if sys.version_info < (3, 11) else 0)'
	@echo "installing into $(VENV)" >&2
	@began=$$(date +%s) \
	  && $(PYTHON) -m venv $(VENV) \
	  && PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' \
	  && echo $$(( $$(date +%s) - began )) > $(VENV)/.seconds
	@touch $@

demo: $(INSTALLED) ## play four rollouts on real flights, on the embedded default
	@SLUICEWAY_INSTALL_SECONDS=$$(cat $(VENV)/.seconds 2>/dev/null) $(BIN)/python -m examples.flights.demo
	@rm -f $(VENV)/.seconds

up: $(INSTALLED) ## start servers, worker, receiver and gateway on this machine
	@$(BIN)/sluiceway up

down: $(INSTALLED) ## end what `make up` started
	@$(BIN)/sluiceway down

test: $(INSTALLED) ## run the tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

search: $(INSTALLED) ## look for new counter-examples: the property tests, with many random ones
	@HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -n 2 --dist loadfile -m hypothesis

chaos: $(INSTALLED) ## kill and break what runs, at many points of rollouts; one JSON object
	@$(BIN)/python -m bench.chaos

lint: $(INSTALLED) ## formatting, lint, types and layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(INSTALLED) ## format and sort imports
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED) ## measure replay against its floor; one JSON object
	@$(BIN)/python -m bench replay

clean: ## remove .venv and everything that was made
	@rm -rf $(VENV) .sluiceway .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
