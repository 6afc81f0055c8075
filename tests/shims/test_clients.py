"""Unmodified Python programs from PyPI over the shims."""

import importlib.util
import sys

import pytest

from opencu import shims

NVMATH = """
import ctypes
import numpy as np
from nvmath.bindings import cublas
rng = np.random.default_rng(1)
handle = cublas.create()
assert cublas.get_version(handle) == 131000
for dtype, gemm in ((np.float32, cublas.sgemm), (np.float64, cublas.dgemm)):
    a, b = (np.asfortranarray(rng.uniform(-1, 1, s).astype(dtype)) for s in ((33, 21), (21, 17)))
    c = np.full((33, 17), np.nan, dtype, order="F")
    one, zero = np.ones(1, dtype), np.zeros(1, dtype)
    gemm(handle, cublas.Operation.N, cublas.Operation.N, 33, 17, 21, one.ctypes.data,
         a.ctypes.data, 33, b.ctypes.data, 21, zero.ctypes.data, c.ctypes.data, 33)
    ctypes.CDLL("libcudart.so.13").cudaDeviceSynchronize()
    np.testing.assert_allclose(c, a.astype(float) @ b, rtol=0, atol=21 * np.finfo(dtype).eps)
try:
    cublas.sgemm(handle, 0, 0, -1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1)
except cublas.cuBLASError as error:
    assert "CUBLAS_STATUS_INVALID_VALUE" in str(error)
else:
    raise AssertionError("m = -1 was taken")
cublas.destroy(handle)
print("ok")
"""

SKCUDA = """
import numpy as np
from skcuda import cublas, cudart
rng = np.random.default_rng(1)
handle = cublas.cublasCreate()
for dtype, gemm in ((np.float32, cublas.cublasSgemm), (np.float64, cublas.cublasDgemm)):
    a, b = (np.asfortranarray(rng.uniform(-1, 1, s).astype(dtype)) for s in ((33, 21), (21, 17)))
    c = np.full((33, 17), np.nan, dtype, order="F")
    on_device = []
    for x in (a, b, c):
        on_device.append(cudart.cudaMalloc(x.nbytes).value)
        cudart.cudaMemcpy_htod(on_device[-1], x.ctypes.data, x.nbytes)
    pa, pb, pc = on_device
    gemm(handle, "n", "n", 33, 17, 21, 1.0, pa, 33, pb, 21, 0.0, pc, 33)
    cudart.cudaMemcpy_dtoh(c.ctypes.data, pc, c.nbytes)
    np.testing.assert_allclose(c, a.astype(float) @ b, rtol=0, atol=21 * np.finfo(dtype).eps)
    for p in on_device:
        cudart.cudaFree(p)
try:
    cublas.cublasSgemm(handle, "n", "n", -1, 1, 1, 1.0, 0, 1, 0, 1, 0.0, 0, 1)
except cublas.cublasInvalidValue:
    pass
else:
    raise AssertionError("m = -1 was taken")
cublas.cublasDestroy(handle)
print("ok")
"""

# module: the script, and what its tests need from PyPI (installed with --no-deps)
NVMATH_NEEDS = "nvmath-python==1.0.0 cuda-pathfinder==1.9.0 cuda-bindings==13.5.0 cuda-core==1.2.2"
CLIENTS = {
    "nvmath": (NVMATH, NVMATH_NEEDS),
    "skcuda": (SKCUDA, "scikit-cuda==0.5.3 mako markupsafe 'setuptools<81'"),
}

# scikit-cuda asks pkg_resources for a `pycuda` distribution, of which it uses nothing here.
PYCUDA = "Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n"


@pytest.fixture
def client(request, tmp_path):
    script, needs = CLIENTS[request.param]
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not here: pip install --no-deps {needs}")
    (tmp_path / "client.py").write_text(script)
    metadata = tmp_path / "pycuda-2026.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(PYCUDA)
    return tmp_path / "client.py"


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
@pytest.mark.parametrize("way", ["LD_LIBRARY_PATH", "LD_AUDIT"])
def test_a_python_binding_multiplies_unmodified(client, way, run):
    value = {"LD_LIBRARY_PATH": shims.lib_dir(), "LD_AUDIT": shims.audit_path()}[way]
    done = run(f"{sys.executable} {client}", PYTHONPATH=client.parent, **{way: value})
    assert done.stdout.endswith("ok\n")
