# Everything runs in the virtual environment that is active, or else in .venv, which is made when it is missing.
# `make` alone lists the targets.

PYTHON3 ?= python3
VENV ?= $(or $(VIRTUAL_ENV),.venv)
PYTHON := $(VENV)/bin/python
PALM := "$(PYTHON)" -m palm
# What `make install` installs in addition to PALM itself: see [project.optional-dependencies] in pyproject.toml.
EXTRAS ?= test,dev
# The build of Paddle: cpu or gpu.
PADDLE ?= cpu
PYTEST_ARGS ?=
PADDLE26 := .venv-paddle26
PADDLE26_TESTS := tests/unit $(addprefix tests/integration/test_,checkpoints.py embed.py export.py heads.py inference.py \
  prompt_encoders.py prompt_parameters.py prompts.py resume.py run_model_commands.py without_paddle.py)
COMMA := ,

.DEFAULT_GOAL := help
.PHONY: help install ready installed site-tools quickstart quickstart_zh demo test check format coverage audit lowest test-paddle26 bench peers speed docs messages data

help:  ## list the targets
	@sed -n 's/^\([a-z0-9_-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install:  ## install PALM and the tools for tests and checks (EXTRAS=test,dev,parity for the comparisons with PyTorch)
	test -x "$(PYTHON)" || $(PYTHON3) -m venv "$(VENV)"
	"$(PYTHON)" -m pip install --editable ".[$(PADDLE),$(EXTRAS)]"

# True where this clone's PALM and Paddle are installed in the virtual environment, together with the modules in $(1).
has = (cd / && "$(abspath $(VENV))/bin/python" -c "import palm$(1); from importlib.util import find_spec; \
  raise SystemExit(not (palm.__file__.startswith('$(CURDIR)/') and find_spec('paddle')))" 2>/dev/null)

# For development: PALM with the tools for tests and checks, unless they are installed already.
ready:
	@$(call has,$(COMMA) pytest$(COMMA) xdist$(COMMA) coverage) || $(MAKE) --no-print-directory -C "$(CURDIR)" install

# For users: PALM with Paddle, unless they are installed already.
installed:
	@$(call has) || { test -x "$(PYTHON)" || $(PYTHON3) -m venv "$(VENV)"; "$(PYTHON)" -m pip install --editable ".[$(PADDLE)]"; }

quickstart: installed  ## train three tasks on MiniLM and show predictions: about 3 minutes on 2 cores after installation
	PYTHON="$(abspath $(PYTHON))" bash examples/quickstart/run.sh

quickstart_zh: installed  ## the same in Chinese, on a multilingual encoder: about 3 minutes after its download
	PYTHON="$(abspath $(PYTHON))" bash examples/quickstart_zh/run.sh

demo: installed  ## run the three demos of the manual on a small random encoder
	PYTHON="$(abspath $(PYTHON))" bash examples/demo1/run.sh
	PYTHON="$(abspath $(PYTHON))" bash examples/demo2/run.sh
	PYTHON="$(abspath $(PYTHON))" bash examples/demo3/run.sh

# Processes with one thread each (tests/conftest.py says how many): the pools of threads of two would wait for each other.
# A module is run by one of them, in the order of `testpaths`: the quick ones at the end fill what is left of each.
test: ready  ## pass the tests (PYTEST_ARGS="-m 'not slow'" for a quick round)
	OMP_NUM_THREADS=1 "$(PYTHON)" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

check: ready  ## formatting, lint, types, import directions, insecure calls
	"$(PYTHON)" -m ruff format --check
	"$(PYTHON)" -m ruff check
	"$(PYTHON)" -m mypy
	"$(VENV)/bin/lint-imports"
	"$(PYTHON)" -m bandit --quiet --recursive --skip B105 palm

format: ready  ## fix what the linter can fix, and format the code
	"$(PYTHON)" -m ruff check --fix
	"$(PYTHON)" -m ruff format

coverage: ready  ## pass the tests and report which lines of palm/ they run, subprocesses included (htmlcov/index.html)
	"$(PYTHON)" -m coverage erase
	"$(PYTHON)" -m coverage run -m pytest $(PYTEST_ARGS)
	"$(PYTHON)" -m coverage combine --quiet
	"$(PYTHON)" -m coverage html --quiet
	"$(PYTHON)" -m coverage report --skip-covered --sort=cover

audit: ready  ## look for known vulnerabilities of the installed packages (asks the advisory service of the package index)
	"$(PYTHON)" -m pip install --quiet "pip-audit>=2.7"
	"$(PYTHON)" -m pip_audit --skip-editable --progress-spinner off

lowest:  ## pass the tests with the lowest versions that pyproject.toml names, in .venv-lowest
	$(PYTHON3) -m venv .venv-lowest
	.venv-lowest/bin/python tests/lowest_versions.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --requirement .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install --no-deps --editable .
	.venv-lowest/bin/python -m pytest -W ignore $(PYTEST_ARGS)  # old releases warn of what newer ones have mended

test-paddle26:  ## pass the unit tests, and train, resume, predict and evaluate, with Paddle 2.6.2 in .venv-paddle26
	test -x $(PADDLE26)/bin/python || $(PYTHON3) -m venv $(PADDLE26)
	$(PADDLE26)/bin/python -m pip install --editable ".[test,onnx]" paddlepaddle==2.6.2
	OMP_NUM_THREADS=1 $(PADDLE26)/bin/python -m pytest -W ignore --numprocesses auto --dist loadfile $(PADDLE26_TESTS) $(PYTEST_ARGS)

bench: installed  ## measure quality: make bench NAME=sst2 DATA=<its folder> MODEL=pretrain/minilm-l6-en
	"$(PYTHON)" benchmarks/quality.py "$(NAME)" --data "$(DATA)" --model "$(MODEL)"

peers: installed  ## install PyTorch and transformers, which speed is measured against, into .peers (PIP_ARGS="--index-url …")
	"$(PYTHON)" -m benchmarks.speed.make_peers .peers $(PIP_ARGS)

speed: installed  ## measure speed: make speed NAME=fixed_shape ARGS="--rounds 3" (docs/benchmarks.md lists the names)
	"$(PYTHON)" -m benchmarks.speed.$(NAME) $(ARGS)

# For the documentation site: PALM with MkDocs, unless they are installed already.
site-tools:
	@$(call has,$(COMMA) mkdocs$(COMMA) material$(COMMA) jieba) || { test -x "$(PYTHON)" || $(PYTHON3) -m venv "$(VENV)"; "$(PYTHON)" -m pip install --editable ".[$(PADDLE),docs]"; }

docs: site-tools  ## write docs/configuration.md and docs/api-reference.md from the code, and the documentation site into site/
	"$(PYTHON)" docs/write_configuration.py
	"$(PYTHON)" docs/write_api_reference.py
	"$(PYTHON)" docs/build_site.py

messages: ready  ## add new messages to the Chinese catalog with empty translations, and list what is to be done
	"$(PYTHON)" docs/write_messages.py

data: installed  ## write data/ and its vocabularies anew
	"$(PYTHON)" data/generate.py
