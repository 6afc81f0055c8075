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

# Device.sync and pci_bus_id would enter NVIDIA's static runtime inside cuda.bindings.
CUDA_CORE = """
import numpy as np
from cuda.bindings import driver
from cuda.core import (Device, DeviceMemoryResource, DeviceMemoryResourceOptions, EventOptions,
                       LegacyPinnedMemoryResource, ManagedMemoryResource, PinnedMemoryResource,
                       StreamOptions)
device = Device()
device.set_current()
assert device.compute_capability == (8, 0) and device.properties.max_threads_per_block == 1024
assert device.properties.memory_pools_supported
stream = device.create_stream(options=StreamOptions(nonblocking=True, priority=-1))
assert stream.priority == -1 and stream.is_nonblocking and stream.device.device_id == 0
assert stream.context.handle == device.context.handle

pool = DeviceMemoryResource(device, DeviceMemoryResourceOptions(max_size=1 << 20))
host, back = np.arange(250, dtype=np.float32), np.zeros(250, np.float32)
a, b = (pool.allocate(1000, stream=stream) for _ in range(2))
assert pool.attributes.used_mem_current == 2000 and a.is_device_accessible
timed = EventOptions(timing_enabled=True)
start = stream.record(options=timed)
ok = (driver.CUresult.CUDA_SUCCESS,)
assert driver.cuMemcpyHtoDAsync(int(a.handle), host.ctypes.data, 1000, stream.handle) == ok
a.copy_to(b, stream=stream)
assert driver.cuMemcpyDtoHAsync(back.ctypes.data, int(b.handle), 1000, stream.handle) == ok
end = stream.record(options=timed)
other = device.create_stream()
other.wait(stream)
other.sync()
end.sync()
assert end.is_done and end - start >= 0 and (back == host).all()
try:
    pool.allocate(1 << 21, stream=stream)
except Exception as error:
    assert "CUDA_ERROR_OUT_OF_MEMORY" in str(error)
else:
    raise AssertionError("max_size was passed")
a.close(stream), b.close(stream)
assert pool.attributes.used_mem_current == 0 and pool.attributes.used_mem_high == 2000
pool.close()

buffers = [device.allocate(4096, stream=stream), LegacyPinnedMemoryResource().allocate(4096)]
for kind in (PinnedMemoryResource, ManagedMemoryResource):
    buffers.append(kind().allocate(4096, stream=stream))
for buffer in buffers:
    for value in (b"\\7", b"\\1\\2", b"\\1\\2\\3\\4"):
        buffer.fill(value, stream=stream)
        stream.sync()
        if buffer.is_host_accessible:
            assert bytes(np.from_dlpack(buffer).view(np.uint8)) == value * (4096 // len(value))
    buffer.close(stream)
print("ok")
"""

# module: the script, and what its tests need from PyPI (installed with --no-deps)
NVMATH_NEEDS = "nvmath-python==1.0.0 cuda-pathfinder==1.9.0 cuda-bindings==13.5.0 cuda-core==1.2.2"
CLIENTS = {
    "nvmath": (NVMATH, NVMATH_NEEDS),
    "cuda.core": (CUDA_CORE, "cuda-bindings==13.5.0 cuda-core==1.2.2 cuda-pathfinder==1.9.0"),
    "skcuda": (SKCUDA, "scikit-cuda==0.5.3 mako markupsafe 'setuptools<81'"),
}

# scikit-cuda asks pkg_resources for a `pycuda` distribution, of which it uses nothing here.
PYCUDA = "Metadata-Version: 2.1\nName: pycuda\nVersion: 2026.1\n"


def is_here(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


@pytest.fixture
def client(request, tmp_path):
    script, needs = CLIENTS[request.param]
    if not is_here(request.param):
        pytest.skip(f"{request.param} is not here: pip install --no-deps {needs}")
    (tmp_path / "client.py").write_text(script)
    metadata = tmp_path / "pycuda-2026.1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(PYCUDA)
    return tmp_path / "client.py"


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
@pytest.mark.parametrize("way", ["LD_LIBRARY_PATH", "LD_AUDIT"])
def test_a_python_binding_runs_unmodified(client, way, run):
    value = {"LD_LIBRARY_PATH": shims.lib_dir(), "LD_AUDIT": shims.audit_path()}[way]
    done = run(f"{sys.executable} {client}", PYTHONPATH=client.parent, **{way: value})
    assert done.stdout.endswith("ok\n")


@pytest.mark.parametrize("client", ["cuda.core"], indirect=True)
def test_cuda_python_runs_with_a_default_stream_for_each_thread(client, run):
    own = {"CUDA_PYTHON_CUDA_PER_THREAD_DEFAULT_STREAM": 1}
    done = run(f"{sys.executable} {client}", LD_LIBRARY_PATH=shims.lib_dir(), **own)
    assert done.stdout.endswith("ok\n")


@pytest.mark.parametrize("client", ["cuda.core"], indirect=True)
def test_cuda_python_runs_under_opencu_run(client, run):
    assert run(f"{sys.executable} -m opencu run -- {sys.executable} {client}").stdout == "ok\n"
