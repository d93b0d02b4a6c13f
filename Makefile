# make demo: see it run. make test: the tests. Everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Two of pytest's workers; a file's tests stay together, since they share what they need; long files come first. A
# worker that dies ends the tests with the name of the one that killed it: with another in its place they never end.
TOGETHER := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.DEFAULT_GOAL := help
.PHONY: help demo check test test-all bench docs reproduce dockerfile format browser

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rehash needs Python 3.11 or newer; choose one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	touch $@

.venv/installed-test: requirements-test.txt .venv/installed
	$(BIN)/pip install -q --disable-pip-version-check -r requirements-test.txt
	touch $@

demo: .venv/installed ## train, measure and draw on embedded digits; ends with the report
	@begun=$$(date +%s); $(BIN)/snakemake --cores all && printf '%s\n' "" \
		"Done in $$(( ($$(date +%s) - begun + 30) / 60 )) minutes. Look first at the report, in any browser:" \
		"  $(CURDIR)/results/report.html" \
		"Each figure says what was claimed and what came out. Then, one figure of each paper:" \
		"  results/hash_encoders/mnist5k/phase_chart.html      three regimes of networks; hover over the points" \
		"  results/tgsh/mnist5k/rotation/task_similarity.png   what learned modulations say about how tasks relate" \
		"  results/equihash/databases/small/retrieval.png      what an index of 20,000 fingerprints answers" \
		"Tables (CSV) lie beside the pictures. README.md goes on with your own data and settings."

browser:
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& apt-get update -qq >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
		|| echo "no Chromium: the browser test will be skipped"

test: .venv/installed-test browser ## the tests: the library, the plan, and the whole graph on a small config
	$(BIN)/python -m pytest $(TOGETHER)

test-all: .venv/installed-test browser ## the tests, and those that take longer
	$(BIN)/python -m pytest $(TOGETHER) --long

check: .venv/installed-test ## between two edits: lint, and the unit tests that take no time
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest $(TOGETHER) -m "not slow" tests/unit

bench: .venv/installed-test ## speed against named peers, as a table
	$(BIN)/python tests/bench

docs: .venv/installed ## rewrite the generated tables of the documentation
	$(BIN)/python docs/generate.py

reproduce: .venv/installed ## every published value beside ours, from what is committed; RESULTS=folder adds a run of yours
	@$(BIN)/python docs/reproduce.py $(RESULTS)

dockerfile: .venv/installed-test ## rewrite Dockerfile, after a change of envs/
	PATH="$(CURDIR)/tests/conda/bin:$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake datasets --containerize > .Dockerfile.new
	mv .Dockerfile.new Dockerfile

format: .venv/installed-test ## format Python and Snakemake files
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/snakefmt Snakefile workflow
