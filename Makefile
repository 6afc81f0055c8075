# make demo   an unmodified cuBLAS program, built and run on this machine's CPU
# make test   every test                     make check  format, types, size, fast tests
# make test-clients  large programs over opencu, unmodified: downloads 1 GB, needs 4 GB
# make bench  speed against the best peers   make size   lines per area, against the budget
# make gpu    on a machine with a GPU: tests and speed on it; see scripts/gpu.py for WHEELS, PACK
# Each sets up .venv when it is missing and reuses it after. PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
SOURCES := $(shell find opencu shims -path opencu/include -prune -o -type f \
  \( -name '*.py' -o -name '*.[ch]' -o -name '*.csv' \) -print)
# Programs that the tests run over opencu, unmodified; what cannot be had is skipped. Exact versions
# without dependencies, which would be the vendor's own libraries.
CLIENTS := nvmath-python==1.0.0 cuda-pathfinder==1.9.0 cuda-bindings==13.5.0 cuda-core==1.2.2 \
  scikit-cuda==0.5.3 mako==1.3.10 nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 \
  nvidia-cuda-runtime-cu12==12.9.79

# The large ones, in an environment of their own, and what they need that is not the vendor's.
LARGE_CLIENTS := torch==2.15.0 onnxruntime-gpu==1.31.1
LARGE_CLIENTS_NEEDS := numpy==2.4.6 onnx==1.23.2 protobuf==7.36.2 ml_dtypes==0.6.0 \
  flatbuffers==25.12.19 packaging==26.3 filelock==4.2.11 fsspec==2026.9.0 jinja2==3.1.6 \
  markupsafe==3.0.4 mpmath==1.3.0 networkx==3.6.1 sympy==1.14.0 typing_extensions==4.16.0

.PHONY: build demo test test-clients check size bench gpu clean
.DEFAULT_GOAL := build

build: .venv/built

.venv/base: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("opencu needs Python 3.10 \
	or newer; name one: make PYTHON=python3.12")'
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PIP) 'setuptools>=77,<81' 'cffi>=1.16' 'numpy>=2.1' 'llvmlite>=0.44'
	touch $@

.venv/ready: .venv/base
	$(PIP) --no-build-isolation --editable '.[test]'
	touch $@

.venv/built: .venv/ready setup.py $(SOURCES)
	$(PY) setup.py --quiet build_ext --inplace
	touch $@

# What an extra of pyproject.toml needs, once.
.venv/%.ready: .venv/ready
	$(PIP) --no-build-isolation --editable '.[$*]'
	touch $@

.venv/clients.ready: .venv/base
	-$(PIP) markupsafe && $(PIP) --no-deps --no-build-isolation $(CLIENTS)
	touch $@

# An OpenCL device for the tests of that driver, without which they are skipped.
.venv/opencl.ready: .venv/base
	-$(PIP) 'intel-opencl-rt>=2025,<2027' 'intel-cmplr-lib-rt>=2025,<2027'
	touch $@

# In the files' order, not the longest list of tests first: that leaves those with few long ones last.
TESTS := $(PY) -m pytest -n auto --dist loadscope --no-loadscope-reorder

test:
	@$(MAKE) --no-print-directory -j3 build .venv/clients.ready .venv/opencl.ready
	$(TESTS)

.venv-clients/ready: Makefile
	test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  $(LARGE_CLIENTS) $(LARGE_CLIENTS_NEEDS)
	touch $@

# Debian's own programs, unpacked and not installed, which needs no root. The list is of what is
# not installed: apt-get knows it.
DEBIAN_CLIENTS := libblas-test octave python3-numpy python3-pytest python3-hypothesis

.venv-clients/debian/ready: Makefile
	mkdir -p $(@D)/packages
	-cd $(@D)/packages && apt-get download --quiet=2 $$(apt-get install --simulate \
	  --no-install-recommends $(DEBIAN_CLIENTS) | awk '/^Inst/ {print $$2}') && \
	  for package in *.deb; do dpkg-deb --extract $$package .. || exit; done && touch ../ready
	rm -rf $(@D)/packages

test-clients: build .venv/clients.ready .venv-clients/ready .venv-clients/debian/ready
	$(PY) -m pytest tests/clients -m clients -rsx

demo: build
	$(PY) scripts/demo.py

size:
	@$(PYTHON) scripts/size.py

check: build .venv/dev.ready
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	@$(PYTHON) scripts/size.py --check
	$(TESTS) -m "not slow"

bench: build .venv/bench.ready
	$(PY) -m opencu bench gemm
	$(PY) -m opencu bench latency

gpu:
	$(if $(wildcard .venv/ready),$(PY),$(PYTHON)) scripts/gpu.py $(GPU)

clean:
	rm -rf build opencu/lib opencu/include opencu/_core.* .venv/built
