# Front door: each target does what is missing and no more. CUDA=OFF sets up and builds the small CPU-only program.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build test test-long models-table test-asan test-tsan quickstart bench lint format lock bundle clean

CUDA ?= ON
PYTHON ?= python3
BUILD := build
VENV := .venv/bin/python
CMAKE_OPTIONS := -DMETALOOM_CUDA=$(CUDA) -DMETALOOM_WERROR=$(if $(filter true,$(CI)),ON,OFF)
export CUDA PYTHON

# In CI a warning is an error, and nothing draws progress bars.
ifeq ($(CI),true)
  export TQDM_DISABLE = 1
  export HF_HUB_DISABLE_PROGRESS_BARS = 1
endif

# Open MPI refuses to run as root unless told twice: containers and CI have nobody else.
ifeq ($(shell id -u),0)
  export OMPI_ALLOW_RUN_AS_ROOT = 1
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1
  ROOT_NOTE = @echo "make: running as root, so mpirun is told OMPI_ALLOW_RUN_AS_ROOT=1"
endif

# $(call configure,PRESET,FOLDER,OPTIONS): quiet unless it fails.
configure = mkdir -p $(2) && { cmake --preset $(1) $(3) >$(2)/configure.log 2>&1 || { cat $(2)/configure.log; exit 1; }; }

help:  ## list these targets
	@echo "make TARGET [CUDA=OFF]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | sort | \
	  while IFS=$$'\t' read -r target text; do printf '  %-12s %s\n' "$$target" "$$text"; done

setup:  ## Debian packages and .venv (pinned); PACKAGES=skip leaves the system alone
	@tools/setup.sh

build: setup  ## the program, build/metaloom
	@$(call configure,release,$(BUILD),$(CMAKE_OPTIONS))
	@cmake --build $(BUILD) --target metaloom

test: setup  ## everything CI checks: unit, law, golden, property, mpirun, sanitizers, format, tidy
	$(ROOT_NOTE)
	@$(call configure,release,$(BUILD),$(CMAKE_OPTIONS) -DMETALOOM_CHECKS=ON)
	@cmake --build $(BUILD)
	@$(call configure,sanitize,$(BUILD)-sanitize)
	@cmake --build --preset sanitize
	@ctest --test-dir $(BUILD) --output-on-failure --parallel 2

test-long: setup  ## what make test samples, in full: parity of 40 configurations, 100,000 texts, all kinds (an hour)
	$(ROOT_NOTE)
	@$(call configure,release,$(BUILD),$(CMAKE_OPTIONS))
	@cmake --build $(BUILD)
	@METALOOM_CONFIGURATIONS=40 METALOOM_TEXTS=100000 METALOOM_KINDS=all \
	  ctest --test-dir $(BUILD) --output-on-failure --parallel 2 --timeout 7200 \
	  --tests-regex '^(golden|tools.(export|import_model)|system.kinds)'

models-table: setup  ## the table of docs/models.md, by running the tests of every kind (20 minutes)
	$(ROOT_NOTE)
	@$(call configure,release,$(BUILD),$(CMAKE_OPTIONS))
	@cmake --build $(BUILD)
	@$(VENV) -m tests.models_table --build $(BUILD)

test-asan: setup  ## AddressSanitizer and UBSan on archive, parsers, sampler, checkpoints, comm
	$(ROOT_NOTE)
	@$(call configure,sanitize,$(BUILD)-sanitize) && cmake --build --preset sanitize && ctest --preset sanitize

test-tsan: setup  ## ThreadSanitizer on the same parts
	$(ROOT_NOTE)
	@$(call configure,tsan,$(BUILD)-tsan) && cmake --build --preset tsan && ctest --preset tsan

quickstart: build  ## three chained stages on real data over two MPI ranks, ending with a table and a report
	$(ROOT_NOTE)
	@tools/quickstart.sh

bench: build  ## our speed against PyTorch's on the same work; how long stores take to open and plan
	$(ROOT_NOTE)
	@cmake --build $(BUILD) --target bench
	@tools/prepare.sh
	@$(VENV) -m bench.run --build $(BUILD)
	@$(VENV) -m bench.stores --build $(BUILD)

lint: setup  ## clang-format and clang-tidy on the whole tree
	@$(call configure,release,$(BUILD),$(CMAKE_OPTIONS))
	@cmake --build $(BUILD)
	@$(VENV) -m tools.lint format && $(VENV) -m tools.lint tidy-all

format: setup  ## rewrite the C++ files as clang-format wants them
	@$(VENV) -m tools.lint format-write

lock:  ## write requirements.lock anew from requirements.txt
	@tools/lock.sh

bundle: build  ## build/metaloom-bundle.tar.gz: program and libraries, for nodes with nothing but a Python with torch
	@tools/bundle.sh $(BUILD)

clean:  ## remove what was built (not .venv, runs or .cache)
	rm -rf $(BUILD) $(BUILD)-sanitize $(BUILD)-tsan
