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

# Every type that NumPy has, through cublasGemmEx and its strided batches, on memory of NumPy's own.
NVMATH_TYPES = """
import ctypes, sys
import numpy as np
from nvmath.bindings import cublas
rng = np.random.default_rng(1)
handle = cublas.create()
N, T, C = cublas.Operation.N, cublas.Operation.T, cublas.Operation.C
F32, F64, I32, F16 = (cublas.ComputeType["COMPUTE_" + n] for n in "32F 64F 32I 16F".split())
# dtype of A and B, of C, of alpha; cudaDataType of A, of C; how it is computed
KINDS = [
    ("float32", "float32", "float32", 0, 0, F32), ("float64", "float64", "float64", 1, 1, F64),
    ("complex64", "complex64", "complex64", 4, 4, F32),
    ("complex128", "complex128", "complex128", 5, 5, F64),
    ("float16", "float16", "float32", 2, 2, F32), ("float16", "float32", "float32", 2, 0, F32),
    ("float16", "float16", "float16", 2, 2, F16), ("int8", "int32", "int32", 3, 10, I32),
]
def random(shape, dtype):
    x = rng.integers(-127, 128, shape)
    x = x if dtype == "int8" else (x + 1j * x[::-1] * ("complex" in dtype)) / 128
    return np.asfortranarray(x.real if np.dtype(dtype).kind != "c" else x).astype(dtype)
for ab, c, scale, a_type, c_type, compute in KINDS:
    a, b = random((21, 33), ab), random((21, 17), ab)
    out = np.zeros((33, 17), c, order="F")
    one, zero = np.ones(1, scale), np.zeros(1, scale)
    try:
        cublas.gemm_ex(handle, C, N, 33, 17, 21, one.ctypes.data, a.ctypes.data, a_type, 21,
                       b.ctypes.data, a_type, 21, zero.ctypes.data, out.ctypes.data, c_type, 33,
                       compute, -1)
    except cublas.cuBLASError as error:
        assert "NOT_SUPPORTED" in str(error)
        sys.exit(77)
    ctypes.CDLL("libcudart.so.13").cudaDeviceSynchronize()
    wide = np.complex128
    want = a.astype(wide).conj().T @ b.astype(wide)
    bound = 0 if c == "int32" else 50 * np.finfo(c).eps
    np.testing.assert_allclose(out.astype(wide), want, rtol=0, atol=bound)
cublas.destroy(handle)
print("ok")
"""

NVMATH_LT = """
import ctypes
import numpy as np
from nvmath.bindings import cublasLt as lt
rng = np.random.default_rng(1)
assert lt.get_version() == 131000 and lt.get_status_name(7) == "CUBLAS_STATUS_INVALID_VALUE"
handle = lt.create()
a, b = (np.asfortranarray(rng.uniform(-1, 1, s).astype("f4")) for s in ((33, 21), (21, 17)))
bias = rng.uniform(-1, 1, 33).astype("f4")
d = np.zeros((33, 17), "f4", order="F")
desc = lt.matmul_desc_create(68, 0)
pref = lt.matmul_preference_create()
layouts = [lt.matrix_layout_create(0, *x.shape, x.shape[0]) for x in (a, b, d)]
algo = np.zeros((), lt.matmul_algo_dtype)
lt.matmul_algo_init(handle, 68, 0, 0, 0, 0, 0, 0, algo.ctypes.data)

# Every attribute has the size that the binding gives it.
def sizes(enum, dtype_of, get, *object):
    for attribute in enum:
        written = np.zeros((), np.uint64)
        try:
            get(*object, attribute, 0, 0, written.ctypes.data)
        except lt.cuBLASLtError:
            yield attribute.name
            continue
        # A pointer, of which the binding has 32 bits; and what it has no type, or no size for.
        unknown = enum is lt.MatmulPreferenceAttribute and attribute.name.startswith("GROUPED")
        if attribute.name != "EMULATION_DESCRIPTOR" and not unknown:
            assert written == np.dtype(dtype_of(attribute)).itemsize, attribute
missing = [
    *sizes(lt.MatmulDescAttribute, lt.get_matmul_desc_attribute_dtype,
           lt.matmul_desc_get_attribute, desc),
    *sizes(lt.MatrixLayoutAttribute, lt.get_matrix_layout_attribute_dtype,
           lt.matrix_layout_get_attribute, layouts[0]),
    *sizes(lt.MatmulPreferenceAttribute, lt.get_matmul_preference_attribute_dtype,
           lt.matmul_preference_get_attribute, pref),
    *sizes(lt.MatmulAlgoCapAttribute, lt.get_matmul_algo_cap_attribute_dtype,
           lt.matmul_algo_cap_get_attribute, algo.ctypes.data),
    *sizes(lt.MatmulAlgoConfigAttribute, lt.get_matmul_algo_config_attribute_dtype,
           lt.matmul_algo_config_get_attribute, algo.ctypes.data),
]
gone = "ATOMIC_SYNC GROUPED MATH GAUSSIAN POINTER_MODE_MASK EPILOGUE_MASK".split()  # or not yet
assert all(any(name.startswith(word) for word in gone) for name in missing), missing

def set(name, value):
    attribute = getattr(lt.MatmulDescAttribute, name)
    value = np.asarray(value, lt.get_matmul_desc_attribute_dtype(attribute))
    lt.matmul_desc_set_attribute(desc, attribute, value.ctypes.data, value.itemsize)
set("EPILOGUE", lt.Epilogue.RELU_BIAS)
set("BIAS_POINTER", bias.ctypes.data)
found, count = np.zeros(4, lt.matmul_heuristic_result_dtype), np.zeros((), np.int32)
shape = (desc, layouts[0], layouts[1], layouts[2], layouts[2])
lt.matmul_algo_get_heuristic(handle, *shape, pref, 4, found.ctypes.data, count.ctypes.data)
assert count == 1
one, zero = np.ones(1, "f4"), np.zeros(1, "f4")
lt.matmul(handle, desc, one.ctypes.data, a.ctypes.data, layouts[0], b.ctypes.data, layouts[1],
          zero.ctypes.data, d.ctypes.data, layouts[2], d.ctypes.data, layouts[2],
          found.ctypes.data, 0, 0, 0)
ctypes.CDLL("libcudart.so.13").cudaDeviceSynchronize()
want = np.maximum(a.astype(float) @ b + bias[:, None], 0)
np.testing.assert_allclose(d, want, rtol=0, atol=23 * np.finfo("f4").eps)
set("FILL_MODE", 0)
try:
    lt.matmul_algo_get_heuristic(handle, *shape, pref, 4, found.ctypes.data, count.ctypes.data)
except lt.cuBLASLtError as error:
    assert "NOT_SUPPORTED" in str(error) and count == 0
else:
    raise AssertionError("half a matrix was taken")
for layout in layouts:
    lt.matrix_layout_destroy(layout)
lt.matmul_preference_destroy(pref)
lt.matmul_desc_destroy(desc)
lt.destroy(handle)
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

# name: the module, the script, and what it needs from PyPI (installed with --no-deps)
NVMATH_NEEDS = "nvmath-python==1.0.0 cuda-pathfinder==1.9.0 cuda-bindings==13.5.0 cuda-core==1.2.2"
CLIENTS = {
    "nvmath": ("nvmath", NVMATH, NVMATH_NEEDS),
    "nvmath types": ("nvmath", NVMATH_TYPES, NVMATH_NEEDS),
    "nvmath cublasLt": ("nvmath", NVMATH_LT, NVMATH_NEEDS),
    "cuda.core": (
        *("cuda.core", CUDA_CORE, "cuda-bindings==13.5.0 cuda-core==1.2.2 cuda-pathfinder==1.9.0"),
    ),
    "skcuda": ("skcuda", SKCUDA, "scikit-cuda==0.5.3 mako markupsafe 'setuptools<81'"),
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
    module, script, needs = CLIENTS[request.param]
    if not is_here(module):
        pytest.skip(f"{module} is not here: pip install --no-deps {needs}")
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
