# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
#   make demo [INPUT=folder-or-bag]   set up .venv and run the demonstration
#   make test [ARGS='-k name']        set up .venv and run every test
#   make venv                         set up .venv only
#   make lint                         ruff and mypy
#   make clean                        remove .venv and what was built
#
# Choose the build of torch: make demo TORCH='torch torchvision --index-url URL'
# or another Python:         make demo PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch torchvision
ROS_WHEELS ?= ros-rclpy ros-rmw-fastrtps-cpp ros-common-interfaces ros-wheels-bootstrapper
EXTRAS ?= bags,crf,demo,onnx,openvino,synth,test
INPUT ?=
ARGS ?=

# A Python of the ROS 2 wheels leaves these behind; they break the Python of another environment.
ifdef _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport LD_LIBRARY_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif

PREFIX := $(abspath $(VENV))
BIN := $(PREFIX)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export AMENT_PREFIX_PATH := $(PREFIX)$(if $(AMENT_PREFIX_PATH),:$(AMENT_PREFIX_PATH))

# What was installed is remembered by the content of what says it, so that a second run does nothing.
KEY := $(shell { cat setup.py Makefile scripts/create_venv.sh scripts/install.sh; \
         echo '$(PYTHON) $(TORCH) $(ROS_WHEELS) $(EXTRAS)'; } | cksum | cut -d ' ' -f 1)
READY := $(VENV)/.ready-$(KEY)

# More threads than this make small networks slower; processes of the demo and the tests share the CPU.
THREADS := $(shell n=$$(nproc 2>/dev/null || echo 2); [ "$$n" -gt 4 ] && n=4; echo "$$n")

.PHONY: help demo test venv lint clean
help:
	@sed -n '4,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(READY)
	$(BIN)/seg_ros demo $(if $(INPUT),--input '$(INPUT)') $(ARGS)

test: $(READY)
	ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST OMP_NUM_THREADS=$${OMP_NUM_THREADS:-$(THREADS)} \
	  $(BIN)/python -m pytest $(ARGS)

venv: $(READY)

lint: $(READY)
	@$(BIN)/python -c 'import ruff, mypy' 2>/dev/null || $(PIP) install --editable '.[dev]'
	$(BIN)/ruff check seg_ros test launch setup.py
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist seg_ros.egg-info demo_output

$(READY):
	@sh scripts/create_venv.sh '$(PYTHON)' '$(VENV)'
	@sh scripts/install.sh '$(BIN)/python' '$(TORCH)' '$(ROS_WHEELS)' '$(EXTRAS)'
	@rm -f $(VENV)/.ready-* && touch $@
