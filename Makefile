# Everything a developer does. `make` alone lists it. Needs make 3.81 or newer and a Python 3.11 or newer with venv.

.DEFAULT_GOAL := help
.PHONY: help demo up test faults check bench openapi migration compose-check lock clean

# A stamp is as new as the last installation from its lock. Who has the developers' environment needs no other.
DEV := .venv/.dev
DEMO := $(if $(wildcard $(DEV)),$(DEV),.venv/.demo)
BIN := .venv/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO) ## Start everything, fine-tune on the lighthouse and show it (FILE=my.jsonl, EXIT=1 ends after the tour)
	@$(BIN)/tuneplane dev demo $(if $(FILE),--file "$(FILE)") $(if $(EXIT),--exit)

up: $(DEMO) ## Start everything and leave it running until Ctrl-C
	@$(BIN)/tuneplane dev up

test: $(DEV) ## Run the tests (ARGS="-k budget" passes words on to pytest)
	$(BIN)/pytest -q -n 2 --dist loadfile --durations=10 $(ARGS)

faults: $(DEV) ## Break everything in every way of docs/faults.md, within 45 minutes (ARGS="--only 12,13 --seeds 3")
	@$(BIN)/python -m tests.faults $(ARGS)

check: $(DEV) ## Run every guard: format, lint, import contracts, types, migrations, OpenAPI
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/tuneplane dev check-migrations
	$(BIN)/tuneplane dev openapi --check

bench: $(DEV) ## Measure what the promises rest on (ONLY=name runs one)
	@$(BIN)/python -m bench $(if $(ONLY),--only "$(ONLY)")

openapi: $(DEV) ## Write openapi/ anew from the code
	@$(BIN)/tuneplane dev openapi

migration: $(DEV) ## Draft a migration from the models: make migration NAME="add jobs.priority"
	@$(if $(NAME),,$(error say what it does: make migration NAME="add jobs.priority"))
	@$(BIN)/tuneplane dev migration "$(NAME)"

compose-check: ## Bring docker compose up, look at it from outside and take it down
	@sh tests/compose/check.sh

# No address of a package index is ever written: the same lock serves every mirror.
COMPILE = .tools/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate -q

lock: $(DEV) ## Compile requirements/*.lock anew from pyproject.toml (ARGS=--upgrade moves to newer versions)
	$(COMPILE) $(ARGS) pyproject.toml -o requirements/app.lock
	$(COMPILE) $(ARGS) pyproject.toml --extra embedded --group build -o requirements/demo.lock
	$(COMPILE) $(ARGS) pyproject.toml --all-extras --group dev -o requirements/dev.lock
	echo uv==0.13.8 | $(COMPILE) - -o requirements/tools.lock

clean: ## Remove environments and caches; your data in .tuneplane/ stay
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.dev: requirements/dev.lock requirements/tools.lock
	@sh requirements/install.sh dev

.venv/.demo: requirements/demo.lock requirements/tools.lock
	@sh requirements/install.sh demo
