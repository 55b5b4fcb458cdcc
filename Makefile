# The book from a clone, with Python 3.11 and nothing else: `make book`, `make test`. `make help` lists the rest.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Targets share the environment and two cores: one at a time. Work inside them runs side by side.
.NOTPARALLEL:

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
PORT ?= 8000
NB ?=
CHAPTER ?=

py := .venv/bin/python
installed := .venv/installed
site := _build/html
built := $(site)/.built
# Everything that a page is made from: equation marks link to lines of gmlib and of the tests.
sources := $(wildcard $(shell git ls-files --cached --others --exclude-standard -- \
	_config.yml _toc.yml equations.toml CITATION.cff book notebooks gmlib tests tools))
# After a change of one of these every page is read again; after any other, those that changed.
everywhere := _config.yml _toc.yml .venv/installed $(filter book/_ext/%,$(sources))
took = echo "$(1): $$(( SECONDS / 60 )) min $$(( SECONDS % 60 )) s"

.PHONY: help book test serve notebooks colab assignments address clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 22

book: $(built)  ## build the site into _build/html (1 minute; warnings are errors)
	@echo "The site is in $(site); 'make serve' shows it."

test: $(installed)  ## run every test (about 25 minutes; builds the site first), or CHAPTER=vae for one chapter's
	@echo "Running $(if $(CHAPTER),the tests of $(CHAPTER): 2 to 3 minutes,all tests: about 25 minutes) on two idle cores."
	@$(py) -m $(if $(CHAPTER),tools.run_chapter $(CHAPTER),tools.run_tests)

serve: $(built)  ## show the built site on a port of this machine (PORT=8000)
	@echo "The book is at http://127.0.0.1:$(PORT)/ until Ctrl-C."
	@$(py) -m http.server $(PORT) --bind 127.0.0.1 --directory $(site)

notebooks: $(installed)  ## run all notebooks and store their outputs (NB=notebooks/vae/vae.ipynb for one)
	@echo "Running $(or $(NB),every notebook) from top to bottom: up to 1 minute each."
	@$(py) -m tools.run_notebooks $(NB)

colab: $(installed)  ## run the notebooks with Colab's versions, away from the repository (NB=... for one; 2 GB once)
	@$(py) -m tools.colab $(NB)

assignments: $(installed)  ## write the students' exercise notebooks, without solutions, to _build/assignments
	@$(py) -m tools.assignments

address: $(installed)  ## after a change of address in _config.yml or of version in gmlib: rewrite all that follows
	@$(py) -m tools.address

clean:  ## remove what was built, and keep .venv
	rm -rf _build build dist *.egg-info

$(built): $(installed) $(sources)
	@echo "Building the site into $(site): up to 1 minute."
	@SECONDS=0; mkdir -p _build && touch _build/begun \
		&& $(py) -m tools.build_site $(if $(filter $(everywhere),$?),--anew) \
		&& rm -rf $(site)/assignments && $(py) -m tools.assignments notebooks/exercises $(site)/assignments \
		&& mv _build/begun $@ && $(call took,Built)

$(installed): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 is needed, and '$(PYTHON)' is not it. Install it (Debian: apt-get install python3.11 python3.11-venv)" ; \
		echo "or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's own venv is missing. On Debian and Ubuntu: apt-get install python3.11-venv" >&2; exit 1; }
	@echo "Installing requirements.txt into .venv: 2 to 5 minutes and 2 GB, once."
	@SECONDS=0; $(PYTHON) -m venv .venv \
		&& $(py) -m pip install --quiet --disable-pip-version-check -r requirements.txt \
		&& $(py) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . \
		&& touch $@ && $(call took,Installed)
