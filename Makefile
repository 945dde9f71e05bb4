# `make train` and `make test` need nothing but Python 3.11 or later: each makes .venv when it is absent.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.assay-installed

.DEFAULT_GOAL := help
.PHONY: help train test browser-test torture fuzz lint format tensorboard benchmarks clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

train: $(READY) ## train the quickstart: 100 generated signs, minutes on two cores
	$(BIN)/python train.py experiment=quickstart

test: $(READY) ## run all tests, on all cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

browser-test: $(READY) ## TensorBoard in headless Chromium; SHOTS=DIR keeps the screenshots
	$(BIN)/python -c "import playwright" 2>/dev/null || $(BIN)/python -m pip install --quiet -e ".[browser]"
	ASSAY_BROWSER=1 ASSAY_SCREENSHOTS="$(SHOTS)" OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/browser

lint: $(READY) ## ruff check and format check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torture: $(READY) ## kills, signals, corruptions and many jobs in full
	ASSAY_TORTURE=full CORRUPTIONS=40 $(BIN)/python -m pytest tests/experiment/test_kills.py tests/experiment/checkpoints/test_corrupt_checkpoints.py tests/experiment/checkpoints/test_hostile_checkpoints.py tests/experiment/test_full_disk.py tests/experiment/sweeps/test_many_jobs.py tests/test_corrupt_stores_and_configs.py

fuzz: $(READY) ## 10,000 damaged files of each format
	FUZZ_EXAMPLES=10000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -k test_fuzz_ tests/datamodules

tensorboard: $(READY) ## open the dashboard of the newest run or sweep; DIR=logs for all
	$(BIN)/python dashboard.py $(if $(DIR),"$(DIR)")

benchmarks: $(READY) ## every benchmark, and a table of what is met; an idle machine; MARKDOWN=PATH keeps the table
	$(BIN)/python benchmarks/run_all.py $(if $(DATA),--data "$(DATA)") $(if $(MARKDOWN),--markdown "$(MARKDOWN)") $(if $(HOTPP),--hotpp "$(HOTPP)")

clean: ## remove the environment (runs and data stay)
	rm -rf .venv

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	# torch first: with it in place nothing else pulls another build of it
	$(BIN)/python -m pip install --quiet "torch>=2.9,<2.14"
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@
