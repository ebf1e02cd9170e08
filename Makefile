# Each target is one command on a machine with Python 3.11, make and git; the first call makes .venv.
# Other interpreter: make PYTHON=/path/to/python3.11. A torch wheel in wheels/ is preferred (wheels/README.md).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO ?= demo
TORCH := torch==2.13.0
export PYTHONUNBUFFERED := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help .venv demo images test coverage lint docs benchmark clean distclean

help: ## this list
	@grep -hE '^[.a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv: .venv/.complete ## the environment, by the lock file

.venv/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "installing into .venv by requirements.lock; this takes some minutes, and pip says nothing meanwhile"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --find-links wheels $(TORCH)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "compiling loops, which the first calls would else wait for"
	$(BIN)/python -m inference.runs.warm_up & \
	  $(BIN)/python -m training.scanner.warm_up && $(BIN)/python -m evaluation.metrics.warm_up && wait $$!
	@touch $@

# Status 1 of the demo's programs means that some case failed, which the leaderboard is there to show; 2 ends it.
GO_ON := || [ $$? -eq 1 ]

demo: .venv/.complete ## simulate three sites, run three rivals, score, rank, report
	@echo "== 1 of 4 · a small cohort: three sites, its truth known"
	$(BIN)/feta-train data simulate $(DEMO)/cohort --sites 3 --cases 2 --seed 7 --voxel 1
	@echo "== 2 of 4 · three rivals: test-time augmentation, one pass, one pass on blurred volumes without ages"
	$(BIN)/feta-infer $(DEMO)/cohort/input $(DEMO)/submissions/mirrored --tta $(GO_ON)
	$(BIN)/feta-infer $(DEMO)/cohort/input $(DEMO)/submissions/one-pass --fast $(GO_ON)
	$(BIN)/feta-train data degrade $(DEMO)/cohort/input $(DEMO)/blurred
	$(BIN)/feta-infer $(DEMO)/blurred $(DEMO)/submissions/blurred --fast $(GO_ON)
	@echo "== 3 of 4 · scores and ranks"
	$(BIN)/feta-evaluate score $(DEMO)/cohort/truth $(DEMO)/submissions $(DEMO)/report $(GO_ON)
	@echo "== 4 of 4 · look at $(abspath $(DEMO))/report/report.html"
	@echo "   label maps, lengths and pictures: $(abspath $(DEMO))/submissions"

# As many processes as the machine has cores; each shares them out (tests/conftest.py). Files stay together as far as
# possible, so that what they share is made once.
ON_ALL_CORES := --numprocesses logical --dist loadfile

test: .venv/.complete ## the tests, except those of the containers (tools/check)
	$(BIN)/python -m pytest $(ON_ALL_CORES)

coverage: .venv/.complete ## the same with lines and branches counted: .coverage, coverage.html/
	$(BIN)/python -m pytest $(ON_ALL_CORES) --cov --cov-report=term:skip-covered --cov-report=html:coverage.html

lint: .venv/.complete ## style and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/python -m pre_commit validate-config

# A page or an anchor that a link misses ends it. Nothing is fetched, neither here nor by who reads the pages.
docs: .venv/.complete ## the documentation, all its links checked: build/docs/site/index.html
	$(BIN)/python -m tools.site build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --config-file build/docs/mkdocs.yml
	@echo "look at $(abspath build/docs/site)/index.html"

# BuildKit is asked for, since engines before 23 build without it unless told.
TORCH_BUILD ?= gpu
TARGETS ?= inference evaluation training
# What the images say of themselves. The version stands in one place, feta/__init__.py.
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' feta/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null)
images: ## the images feta-inference, feta-evaluation, feta-training; TORCH_BUILD=cpu: smaller, without CUDA
	for target in $(TARGETS); do \
	  DOCKER_BUILDKIT=1 docker build -t feta-$$target --target $$target --build-arg TORCH_BUILD=$(TORCH_BUILD) \
	    --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) . || exit 1; \
	done

benchmark: .venv/.complete ## the evaluator's seconds and memory beside its peers
	$(BIN)/python -m benchmarks.evaluator

clean: ## remove the demo and all caches
	rm -rf $(DEMO) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage* coverage.html
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf .venv
