# The verbs of the course. `make help` lists them.
# Each first brings .venv to what pyproject.toml says; the first time that downloads, afterwards it takes no time.

SHELL := /bin/bash
COURSE := .venv/bin/python -m course
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
WEEK ?=
PROFILE ?= cpu
JOBS ?= 1
.DEFAULT_GOAL := help
.PHONY: help instructors install start lab notebooks run grade report formgrader publish site test browser bench clean

help: ## what each verb does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

instructors: # comes before `install`: nothing is downloaded for a verb that cannot work
	@test -d solutions || { echo "This verb needs solutions/ and tests/, which a student's tree does not have. See: make help"; exit 1; }

install:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed. On Debian or Ubuntu: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install $$($(PYTHON) -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"; exit 1; }
	@$(PYTHON) course/install.py $(EXTRAS)

start: install ## install, then release, execute and grade week 1; in a student's tree: open it
	@$(COURSE) start

lab: install ## JupyterLab with nbgrader's buttons on work/ [WEEK=1]
	@$(COURSE) lab $(WEEK)

notebooks: EXTRAS = dev
notebooks: instructors install ## strip solutions/ into notebooks/ [WEEK=1]
	@$(COURSE) release $(WEEK)
	@.venv/bin/python -m tests.sample_class

run: instructors install ## execute solutions, table every checkpoint [WEEK=1] [PROFILE=gpu] [JOBS=2]
	@$(COURSE) run $(WEEK) --profile $(PROFILE) --jobs $(JOBS)

grade: instructors install ## grade what lies in .grading/submitted WEEK=1 [JOBS=2]
	@test -n "$(WEEK)" || { echo "Say which week: make grade WEEK=1"; exit 1; }
	@$(COURSE) grade $(WEEK) --jobs $(JOBS)

report: instructors install ## after grading by hand: report, CSV and changed feedback again WEEK=1 [JOBS=2]
	@test -n "$(WEEK)" || { echo "Say which week: make report WEEK=1"; exit 1; }
	@$(COURSE) report $(WEEK) --jobs $(JOBS)

formgrader: instructors install ## grade written answers by hand, in the browser
	@$(COURSE) formgrader

publish: instructors install ## build the student's tree FOLDER=… [WEEK=1, the last week that students get]
	@test -n "$(FOLDER)" || { echo "Say where to, an empty folder: make publish FOLDER=../student"; exit 1; }
	@$(COURSE) publish "$(FOLDER)" $(if $(WEEK),--last-week $(WEEK))

site: EXTRAS = dev
site: instructors install ## build the website, in build/site
	@$(COURSE) site

test: EXTRAS = dev
test: instructors install ## run all checks of the project
	@.venv/bin/python -m pytest

browser: EXTRAS = dev
browser: instructors install ## only the checks in chromium: JupyterLab, explorers, the website; screenshots in build/screenshots
	@.venv/bin/python -m pytest -m browser

bench: EXTRAS = dev
bench: instructors install ## time and memory, as ratios against a peer in the same run
	@.venv/bin/python -m tests.bench

clean: ## remove what can be made again; never work/ or .grading/
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
