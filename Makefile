# Two commands to know: `make demo` and `make test`.

VENV := .venv
# The first Python that will do; `make demo PYTHON=...` chooses another.
WILL_DO := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))
PYTHON ?= $(firstword $(foreach p,python3 python3.12 python3.11 python3.10,$(shell $(p) -c '$(WILL_DO)' 2>/dev/null && echo $(p))))
FOUND = $(or $(PYTHON),python3)
# Stands in a .venv that `make clean` may remove.
MARK := .made-by-make
RUN := runs/demo
DATA := edgeunet/samples/road
CLIP := edgeunet/samples/clip/highway.mp4
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# No whole path: pip takes a blank in it for the beginning of another file's name.
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A process for each core; one that is done takes over tests of another.
PYTEST := python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

# NVIDIA's parser and builder from PyPI: TensorRT-RTX builds ahead of time, without a GPU. 147 MB, x86-64 Linux.
TENSORRT := .venv-tensorrt
TENSORRT_PACKAGES := onnxruntime-ep-nv-tensorrt-rtx-cu13==0.5.0 tensorrt-rtx-cu13-bindings==1.7.1.116
TENSORRT_FILES := runs/tensorrt
TENSORRT_PYTHON = PYTHONPATH=export \
	LD_LIBRARY_PATH=$$(echo $(TENSORRT)/lib/python3*/site-packages/onnxruntime_ep_nv_tensorrt_rtx) $(TENSORRT)/bin/python
# NVIDIA's run-time compiler, which makes the kernels' PTX: 12.6 for the driver of JetPack 6.1. And pycuda's source, with
# what building it needs: CUDA's headers and Python packages, no nvcc. x86-64 Linux.
CUDA := .venv-cuda
PYCUDA := pycuda==2026.1
CUDA_PACKAGES := nvidia-cuda-nvrtc-cu12==12.6.85 nvidia-cuda-runtime==13.0.96 nvidia-cuda-profiler-api==13.0.85 \
	nvidia-cuda-crt==13.0.88 setuptools wheel packaging pytools siphash24 platformdirs mako markupsafe
# Packages of other networks, next to those of $(VENV), whose torch they use; pip's torchvision is for CUDA, so --no-deps.
NETWORKS_VENV := .venv-networks
NETWORKS_PACKAGES := segmentation-models-pytorch==0.6.0 timm==1.0.31 transformers==5.24.0 onnxscript==0.7.2
# Under AGPL-3.0: run in a Python of its own, for the ONNX file that it writes.
YOLO_VENV := .venv-yolo
YOLO_PACKAGES := ultralytics==8.4.190 ultralytics-thop polars requests urllib3 idna certifi charset_normalizer scipy matplotlib psutil pyyaml
NETWORKS_FILES := runs/networks
ARM_FILES := runs/arm
# Those to check, by the names in tests/networks/sources.py; all if there are none.
NETWORKS :=

# What `make test-gpu` measures with: tensorrt, or tensorrt_rtx on a desktop that has only that.
PROVIDER := tensorrt

.PHONY: help setup demo test test-all check guard check-tensorrt check-cuda check-networks check-arm kernels test-gpu clean

help:
	@echo "make demo    train, export, calibrate, segment a clip, measure, report (4 minutes on 2 cores)"
	@echo "make test    the quick tests: every feature once (5 minutes on 2 cores; no network, no GPU)"
	@echo "make test-all        all tests, as CI runs them"
	@echo "make check   ruff and mypy"
	@echo "make guard   whether this tree is slower than the last release: inference and camera loop (2 minutes)"
	@echo "make check-tensorrt  NVIDIA's own parser and builder on every kind of model file (5 minutes; no GPU)"
	@echo "make check-cuda      the real pycuda, and ctypes in its place, on a fake driver (6 minutes; PyPI and g++, no GPU)"
	@echo "make check-networks  imports networks of other packages, and exports them in every precision (long; needs PyPI)"
	@echo "make check-arm       commands, masks and tests on emulated 64-bit ARM (9 minutes; x86-64 Debian, root, PyPI)"
	@echo "make test-gpu        what needs an NVIDIA GPU, and its benchmark; skips, saying why, what the machine lacks"
	@echo "make kernels         the CUDA kernels' PTX again, after a change to a .cu file (needs PyPI)"
	@echo "make clean   remove what make has made: $(VENV), the other .venv-* and its folders in runs/, no other"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(WILL_DO)' 2>/dev/null || { echo "error: Python 3.10, 3.11 or 3.12 is needed, and $(FOUND) is" \
		"$$("$(FOUND)" --version 2>/dev/null || echo missing): apt install python3.12-venv, where apt has it; else" \
		"'uv python install 3.12' or 'pyenv install 3.12', and give its path: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv: apt install $$("$(PYTHON)" -c \
		'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; exit 1; }
	@command -v nvidia-smi >/dev/null || test -n "$$PIP_EXTRA_INDEX_URL$$PIP_FIND_LINKS" || \
		echo "note: on Linux PyPI's PyTorch brings CUDA, several GB; without it: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo"
	@echo "installing edgeunet and what it needs into $(VENV) ..."
	@test -e $(VENV) || { mkdir $(VENV) && touch $(VENV)/$(MARK); }
	@"$(PYTHON)" -m venv $(VENV)
	@python -m pip install --quiet torch==2.13.0
	@python -m pip install --quiet --editable '.[all,dev]'
	@edgeunet doctor
	@touch $@

demo: setup
	rm -rf $(RUN)
	edgeunet train $(DATA) -o $(RUN) --model nano --recipe quick
	edgeunet export onnx $(RUN)/best.pt -o $(RUN)/fp32.onnx
	edgeunet export int8 $(RUN)/fp32.onnx --data $(DATA) --target openvino -o $(RUN)/int8.onnx
	edgeunet evaluate $(RUN)/fp32.onnx $(DATA) -o $(RUN)/fp32.scores.json
	edgeunet evaluate $(RUN)/int8.onnx $(DATA) -o $(RUN)/int8.scores.json --report $(RUN)/mistakes.html
	edgeunet camera $(RUN)/int8.onnx --source $(CLIP) --record $(RUN)/overlay.mp4
	edgeunet bench run $(RUN)/fp32.onnx --seconds 14 -o $(RUN)/fp32.latency.json
	edgeunet bench run $(RUN)/int8.onnx --seconds 20 -o $(RUN)/int8.latency.json
	edgeunet bench report $(RUN)/fp32.latency.json $(RUN)/int8.latency.json \
		--scores $(RUN)/fp32.scores.json --scores $(RUN)/int8.scores.json -o $(RUN)/report.html
	@echo "video   $(RUN)/overlay.mp4"
	@echo "report  $(RUN)/report.html"
	@echo "errors  $(RUN)/mistakes.html"

test: setup
	$(PYTEST) -m "not slow"
	@echo "make test-all runs the slow tests too"

test-all: setup
	$(PYTEST)

# The tests start hundreds of processes, which would compile the same files each time.
test test-all: export PYTHONDONTWRITEBYTECODE :=

check: setup
	ruff check .
	ruff format --check .
	mypy

guard: setup
	python -m benchmarks.studies.self_guard -o runs/guard --force

PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
# A line in a .pth file that begins with import is run: it adds the packages of $(VENV) to another.
with_venv = echo "import site; site.addsitedir('$$(python $(PURELIB))')" > "$$($(1)/bin/python $(PURELIB))/edgeunet.pth"

$(TENSORRT)/.ready: Makefile $(VENV)/.ready
	@echo "installing NVIDIA's TensorRT-RTX into $(TENSORRT) ..."
	@"$(PYTHON)" -m venv $(TENSORRT)
	@$(call with_venv,$(TENSORRT))
	@$(TENSORRT)/bin/python -m pip install --quiet --no-deps $(TENSORRT_PACKAGES)
	@cd $(TENSORRT)/lib/python3*/site-packages/onnxruntime_ep_nv_tensorrt_rtx && \
		for library in libtensorrt_rtx libtensorrt_onnxparser_rtx; do ln -sf $$library.so.1.*.* $$library.so.1; done
	@touch $@

check-tensorrt: setup $(TENSORRT)/.ready
	@rm -rf $(TENSORRT_FILES)
	OMP_NUM_THREADS=1 python -m tests.tensorrt_rtx.make_files $(TENSORRT_FILES)
	$(TENSORRT_PYTHON) -m tests.tensorrt_rtx.build_files $(TENSORRT_FILES)
	$(TENSORRT_PYTHON) -m tests.tensorrt_rtx.load_engines $(TENSORRT_FILES)
	@rm -rf $(TENSORRT_FILES)

$(CUDA)/.ready: Makefile $(VENV)/.ready
	@echo "installing NVIDIA's compiler and headers, and pycuda's source, into $(CUDA) ..."
	@"$(PYTHON)" -m venv $(CUDA)
	@$(call with_venv,$(CUDA))
	@$(CUDA)/bin/python -m pip install --quiet --no-deps $(CUDA_PACKAGES)
	@$(CUDA)/bin/python -m pip download --quiet --no-deps --no-build-isolation --no-binary pycuda -d $(CUDA) $(PYCUDA)
	@touch $@

kernels: setup $(CUDA)/.ready
	python -m tests.runtime.gpu.make_ptx

CUDA_PURELIB = $$($(CUDA)/bin/python $(PURELIB))
$(CUDA)/.pycuda: tests/gpu/real_pycuda.sh $(CUDA)/.ready
	@command -v g++ >/dev/null || { echo "error: g++ builds pycuda and is missing: apt install g++" >&2; exit 1; }
	@echo "building pycuda in $(CUDA) ..."
	@PYTHON=$(CUDA)/bin/python CFLAGS="-O0 -g0" CXXFLAGS="-O0 -g0" tests/gpu/real_pycuda.sh build $(CUDA)/pycuda-*.tar.gz \
		"$(CUDA_PURELIB)/nvidia/cu13" "$(CUDA_PURELIB)" >$(CUDA)/build.log 2>&1 || \
		{ tail -5 $(CUDA)/build.log; echo "error: pycuda cannot be built: $(CUDA)/build.log says why" >&2; exit 1; }
	@touch $@

# Without pycuda or a driver the tests would be skipped: here the import fails.
check-cuda: setup $(CUDA)/.pycuda
	@tests/gpu/real_pycuda.sh driver "$(CUDA_PURELIB)" $(CUDA)/driver
	@LD_LIBRARY_PATH=$(CUDA)/driver $(CUDA)/bin/python -c 'from pycuda import driver, VERSION_TEXT; driver.init(); print("pycuda", VERSION_TEXT)'
	LD_LIBRARY_PATH=$(CUDA)/driver $(CUDA)/bin/python -m pytest tests/gpu/test_kernels.py tests/gpu/test_buffers.py

$(NETWORKS_VENV)/.ready $(YOLO_VENV)/.ready: %/.ready: Makefile $(VENV)/.ready
	@echo "installing other networks' packages into $* ..."
	@"$(PYTHON)" -m venv $*
	@$(call with_venv,$*)
	@$*/bin/python -m pip install --quiet --no-deps torchvision==0.28.0
	@$*/bin/python -m pip install --quiet $(if $(filter $(YOLO_VENV),$*),--no-deps $(YOLO_PACKAGES),$(NETWORKS_PACKAGES))
	@touch $@

check-networks: setup $(NETWORKS_VENV)/.ready
ifneq ($(or $(findstring yolo,$(NETWORKS)),$(if $(NETWORKS),,all)),)
	@$(MAKE) --no-print-directory $(YOLO_VENV)/.ready || echo "ultralytics cannot be had here"
endif
	@rm -rf $(NETWORKS_FILES)
	$(NETWORKS_VENV)/bin/python -m tests.networks.check $(NETWORKS_FILES) $(NETWORKS)

check-arm: setup
	@rm -rf $(ARM_FILES)
	tests/arm/arm.sh $(ARM_FILES)
	@rm -rf $(ARM_FILES)

# A machine with a GPU may have a PyTorch of its own and no network: then its python3 serves as it is.
test-gpu: export PYTHONPATH := $(CURDIR):$(CURDIR)/export:$(CURDIR)/benchmarks
test-gpu:
	@if test ! -e $(VENV) && python3 -m pytest --collect-only -q tests/gpu >/dev/null 2>&1; \
		then echo "$$(command -v python3) has what the tests import, and is taken as it is"; \
		else $(MAKE) --no-print-directory setup; fi
	python3 -m pytest tests/gpu
	@if python3 -c 'import sys; from benchmarks.studies import gpu; sys.exit(gpu.console.run(lambda: gpu.require("$(PROVIDER)")))'; then \
		python3 -m edgeunet train $(DATA) -o runs/gpu --model small --recipe quick --force && \
		python3 -m benchmarks.studies.gpu runs/gpu/best.pt $(DATA) --provider $(PROVIDER); \
	else echo "no benchmark on this machine, for that reason"; fi

clean:
	rm -rf $(TENSORRT) $(CUDA) $(NETWORKS_VENV) $(YOLO_VENV) $(RUN) $(TENSORRT_FILES) $(NETWORKS_FILES) $(ARM_FILES) runs/guard runs/gpu
	@rmdir runs 2>/dev/null || true
	@if test -e $(VENV)/$(MARK); then echo "rm -rf $(VENV)"; rm -rf $(VENV); \
	elif test -e $(VENV); then echo "$(VENV) stays: make has not made it"; fi
