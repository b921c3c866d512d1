# `make` alone prints the targets. Each of them sets the project up first, if that is still to do.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export UV_PYTHON := $(CURDIR)/.venv/bin/python
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

.PHONY: help
help:  ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/.ready  ## create .venv and install the pinned lock

.venv/.ready: requirements.lock requirements/set-up.lock pyproject.toml
	@[ -e .git ] || { echo "No git repository here: creating one, which DVC works on"; git init --quiet; }
	@.ci/merge-driver install
	@echo "Setting up .venv (a minute or two, once)"
	@$(PYTHON) -m venv --clear .venv
	@pip install --quiet --require-hashes -r requirements/set-up.lock
	@# uv is several times faster; pip takes over where uv can't reach the index that pip is configured for.
	@uv pip install --quiet --compile-bytecode --require-hashes --no-build-isolation -r requirements.lock \
	  || pip install --quiet --progress-bar on --require-hashes --no-build-isolation -r requirements.lock
	@pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: setup  ## reproduce the pipeline, package the model; swap with ARGS="model=linear"
	@accord run $(ARGS)

.PHONY: serve
serve: setup  ## serve the model on http://127.0.0.1:3000
	@accord serve $(ARGS)

.PHONY: replay
replay: setup  ## send later rows to the running service: ARGS="--from 2013-07-01 --to 2013-08-01"
	@accord replay $(ARGS)

.PHONY: monitor
monitor: setup  ## has the traffic changed, do the models still hold; exit code 3 tells of alarms
	@accord monitor $(ARGS)

.PHONY: monitor-ui
monitor-ui: setup  ## the reports of all windows on http://127.0.0.1:8000, by Evidently
	@DO_NOT_TRACK=1 evidently ui --workspace .evidently --host 127.0.0.1 --port 8000

.PHONY: tradeoff
tradeoff: setup  ## who wins and who loses as the policy's weights move; reports/tradeoff.html
	@accord tradeoff $(ARGS)

.PHONY: retrain
retrain: setup  ## train anew if the rule says so, promote if better
	@accord retrain $(ARGS)

.PHONY: simulate
simulate: setup  ## months of retraining rules side by side; reports/simulation.html
	@accord simulate $(ARGS)

.PHONY: test
test: setup  ## the quick tests
	@pytest -n 2 --dist loadfile $(ARGS)

.PHONY: test-all
test-all: setup  ## all tests, the slow ones too
	@pytest -m 'slow or not slow' $(ARGS)

.PHONY: lint
lint: setup  ## style and types
	@ruff check
	@ruff format --check
	@lint-imports --no-logo --no-cache
	@mypy

.PHONY: deps
deps: setup  ## put what each stage imports among its deps in dvc.yaml
	@python -m accord.code

.PHONY: docs
docs: setup  ## write docs/commands.md from the commands' help
	@python docs/commands.py

.PHONY: schema
schema: setup  ## write docs/schema/, by which editors know the keys of conf/
	@python docs/schema.py

.PHONY: bench
bench: setup  ## measure against the peers; the figures for docs/benchmarks.md and docs/drift.md
	@python benchmarks/pipeline.py
	@python benchmarks/serving.py
	@python benchmarks/drift.py
	@python benchmarks/monitoring.py

.PHONY: lock
lock: setup  ## resolve the pinned locks afresh
	uv pip compile --quiet pyproject.toml --all-extras $(LOCK) -o requirements.lock
	uv pip compile --quiet requirements/serving.in -c requirements.lock $(LOCK) -o requirements/serving.lock
	uv pip compile --quiet requirements/serving.in requirements/serving-catboost.in -c requirements.lock $(LOCK) -o requirements/serving-catboost.lock
	uv pip compile --quiet requirements/set-up.in -c requirements.lock --allow-unsafe $(LOCK) -o requirements/set-up.lock
LOCK = --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.PHONY: clean
clean:  ## remove what a run made; DVC's cache, releases and .venv stay
	@rm -rf data/rows data/valid data/quarantine data/splits data/features data/predictions
	@rm -rf models/trained models/bundle reports/* .bentoml .evidently
