"""Run SPIR-V kernels on Intel's OpenCL runtime for the CPU, through ctypes: no part of opencu."""

import ctypes
import functools
import os
import struct
import sys
from pathlib import Path

from opencu.compiler import Code

HEADER = struct.Struct("<QII4Q")
_void, _size = ctypes.c_void_p, ctypes.c_size_t


def call(cl, name: str, *args) -> None:
    status = getattr(cl, name)(*args)
    if status:
        raise OSError(f"{name}: {status}")


def make(cl, name: str, *args):
    function = getattr(cl, name)
    function.restype = _void
    return _void(function(*args, ctypes.byref(ctypes.c_int())))


@functools.cache
def device():
    """The library, context, device and queue; or why there is none."""
    folder = Path(sys.prefix) / "lib"
    library = folder / "libintelocl.so"
    if not library.exists():
        folder = Path(sys.base_prefix) / "lib"
        library = next(
            (p for p in map(Path, sys.path) if (p / "../../libintelocl.so").exists()), None
        )
        if library is None:
            return "intel-opencl-rt is not installed (pip install opencu[opencl-cpu])"
        folder = (library / "../..").resolve()
    os.environ["OCL_ICD_FILENAMES"] = str(folder / "libintelocl.so")
    os.environ["CL_CONFIG_CPU_VECTORIZER_MODE"] = "1"  # scalar code: half the time to build it
    for name in ("libirc.so", "libintlc.so.5", "libimf.so", "libsvml.so", "libirng.so"):
        if (folder / name).exists():
            ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)
    cl = ctypes.CDLL(str(folder / "libOpenCL.so.1"))
    platforms, count = (_void * 8)(), ctypes.c_uint()
    call(cl, "clGetPlatformIDs", 8, platforms, ctypes.byref(count))
    found = _void()
    all_types = ctypes.c_uint64(0xFFFFFFFF)
    call(cl, "clGetDeviceIDs", _void(platforms[0]), all_types, 1, ctypes.byref(found), None)
    context = make(cl, "clCreateContext", None, 1, ctypes.byref(found), None, None)
    queue = make(cl, "clCreateCommandQueueWithProperties", context, found, None)
    return cl, context, found, queue


class Kernel:
    def __init__(self, code: Code):
        self.cl, context, found, self.queue = device()
        _, self.threads, _, *masks = HEADER.unpack_from(code.blob)
        self.pointers = sum(mask << 64 * i for i, mask in enumerate(masks))
        data = code.blob[HEADER.size :]
        program = make(self.cl, "clCreateProgramWithIL", context, data, _size(len(data)))
        try:
            # A third of the time to build; the driver's own tests run optimised code.
            options = b"-cl-opt-disable -cl-fp32-correctly-rounded-divide-sqrt"
            call(self.cl, "clBuildProgram", program, 1, ctypes.byref(found), options, None, None)
        except OSError as failed:
            log = ctypes.create_string_buffer(1 << 16)
            call(
                self.cl, "clGetProgramBuildInfo", program, found, 0x1183, _size(len(log)), log, None
            )
            raise OSError(log.value.decode()) from failed
        self.kernel = make(self.cl, "clCreateKernel", program, b"opencu_kernel")

    def __call__(self, words: list[int], programs: int) -> None:
        at = 0
        for i, word in enumerate(words):
            if self.pointers >> i & 1:
                call(self.cl, "clSetKernelArgSVMPointer", self.kernel, at, _void(word or None))
                at, word = at + 1, 0
            word = ctypes.byref(ctypes.c_uint64(word))
            call(self.cl, "clSetKernelArg", self.kernel, at, _size(8), word)
            at += 1
        if programs:
            sizes = (_size * 1)(programs * self.threads), (_size * 1)(self.threads)
            launch = self.queue, self.kernel, 1, None, *sizes, 0, None, None
            call(self.cl, "clEnqueueNDRangeKernel", *launch)
        call(self.cl, "clFinish", self.queue)
