# The only orchestrator: from data to every figure and table. `make help` lists what it can do.

PROFILE     ?= demo
PYTHON      ?= .venv/bin/python
BASE_PYTHON ?= python3

BUILD    := $(or $(ASTROLIB_BUILD),build)/$(PROFILE)
SETTINGS := astrolib/profiles/$(PROFILE).toml
LIBRARY  := $(shell find astrolib -name '*.py' -o -name '*.csv')
DONE     := $(BUILD)/notebooks
EXECUTED := $(patsubst notebooks/%,$(DONE)/%,$(sort $(wildcard notebooks/[0-9]*.ipynb)))

ifeq ($(wildcard $(SETTINGS)),)
$(error PROFILE=$(PROFILE) is not a profile. Choose one of: $(basename $(notdir $(wildcard astrolib/profiles/*.toml))))
endif

# Waiting threads spin for some microseconds and then sleep: to wake them at every operation would cost a
# training on a CPU, to let them spin on would cost whatever else runs on the machine, and `make -j`.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 20000
# The kernel `python3` of a notebook is that of PYTHON, whatever kernels the user has installed elsewhere.
export JUPYTER_PREFER_ENV_PATH := 1
unexport JUPYTER_PATH

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help all env activated fetch notebooks nb figures test lab bench clean

help: ## list the targets
	@echo "make TARGET [PROFILE=demo|sample|paper] [PYTHON=python]"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "One notebook by its path:  make $(firstword $(EXECUTED))"
	@echo "Inside an activated environment add PYTHON=python; no .venv is made then."
	@echo "PROFILE is $(PROFILE), PYTHON is $(PYTHON)."

all: env notebooks ## the environment, then every notebook: all figures and tables of PROFILE
	@echo "Profile $(PROFILE): executed notebooks in $(DONE), figures and tables in figures/$(PROFILE)"

# ---------------------------------------------------------------------------------------- environment

env: $(if $(filter .venv/bin/python,$(PYTHON)),.venv/installed,activated) ## create or update .venv from requirements.lock

new_enough = $(1) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "astrolib needs Python 3.11 or newer, and $(1) is not: install one and name it, as in make env $(2)"; exit 1; }

.venv/installed: requirements.lock
	@$(call new_enough,$(BASE_PYTHON),BASE_PYTHON=python3.12)
	$(BASE_PYTHON) -m venv .venv
	.venv/bin/python -m pip install --require-hashes -r requirements.lock
	.venv/bin/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

# `-P` keeps the working directory off the path: the question is whether this checkout is installed.
activated:
	@$(call new_enough,$(PYTHON),PYTHON=python3.12)
	@$(PYTHON) -P -c "import os, astrolib; assert os.path.samefile(os.path.dirname(astrolib.__file__), 'astrolib')" \
		2>/dev/null || $(PYTHON) -m pip install --no-deps --no-build-isolation -e .

# ------------------------------------------------------------------------------------------ notebooks

fetch: | env ## list what PROFILE downloads and how large it is, then download it
	$(PYTHON) -m astrolib.fetch --profile $(PROFILE)

notebooks: $(EXECUTED) ## execute the notebooks that are out of date

nb: $(if $(N),$(filter $(DONE)/$(N)%,$(EXECUTED))) ## one notebook and what it needs: make nb N=10
	@test -n "$^" || { echo "Say which notebook by its number, as in make nb N=10: $(notdir $(EXECUTED))"; exit 1; }
	@echo "See $^"

# An executed copy is older than whatever it should be made from again; a failed one goes to $(BUILD)/failed.
$(DONE)/%.ipynb: notebooks/%.ipynb $(SETTINGS) $(LIBRARY) | env
	@$(PYTHON) -m astrolib.notebooks $< $@ $(PROFILE)

# What a notebook reads of another: the survey, the pretrained encoders, the shared runs, every result.
$(DONE)/01_data.ipynb: $(wildcard data_manifest/*)
$(DONE)/10_astromae_pretrain.ipynb: $(DONE)/01_data.ipynb
$(DONE)/11_astromae_redshift.ipynb: $(DONE)/10_astromae_pretrain.ipynb
$(DONE)/12_astromae_full_data.ipynb: $(DONE)/11_astromae_redshift.ipynb
$(DONE)/20_astrom3_pretrain.ipynb: $(wildcard data_manifest/*)
$(DONE)/21_astrom3_classify.ipynb: $(DONE)/20_astrom3_pretrain.ipynb
$(DONE)/22_astrom3_discover.ipynb: $(DONE)/21_astrom3_classify.ipynb
$(DONE)/30_barlow_twins.ipynb: $(DONE)/01_data.ipynb
$(DONE)/31_barlow_twins_ablations.ipynb: $(DONE)/30_barlow_twins.ipynb
$(DONE)/40_radial_masking.ipynb: $(DONE)/01_data.ipynb
$(DONE)/90_paper_vs_ours.ipynb: $(filter-out $(DONE)/90%,$(EXECUTED))

figures: | env ## redraw figures and tables from results on disk, without training
	$(PYTHON) -m astrolib.report.astromae --profile $(PROFILE)
	$(PYTHON) -m astrolib.report.astrom3 --profile $(PROFILE)
	$(PYTHON) -m astrolib.report.barlow --profile $(PROFILE)
	$(PYTHON) -m astrolib.report.radial --profile $(PROFILE)
	$(PYTHON) -m astrolib.report.anchor --profile $(PROFILE)
	$(PYTHON) -m astrolib.report.dual --profile $(PROFILE)

# ----------------------------------------------------------------------------------------- day to day

test: | env ## run the tests
	$(PYTHON) -m pytest -n 2 --dist loadfile

lab: | env ## open the notebooks in JupyterLab
	$(PYTHON) -m jupyterlab --notebook-dir=notebooks

bench: | env ## measure every stage against a plain loop, into figures/bench: make bench DEVICE=cuda
	$(PYTHON) -m astrolib.bench $(if $(DEVICE),--device $(DEVICE))

clean: ## list and remove what PROFILE built: runs, results, executed notebooks (downloads and figures stay)
	@if test -d $(BUILD); then du -h -d 1 $(BUILD) && rm -rf $(BUILD) && echo "Removed $(BUILD)"; \
	else echo "Nothing to remove: there is no $(BUILD)"; fi
