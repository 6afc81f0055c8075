"""opencu.h for ctypes, and plans made by hand: what the core's Python tests share."""

import ctypes
import os
import struct
import subprocess
from ctypes import POINTER, byref, c_char, c_int, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORE = ROOT / "opencu/runtime/core"
WARN = ["-std=gnu11", "-pthread", "-Wall", "-Wextra", "-Werror"]


def cc(*arguments: str | Path) -> None:
    """Run the C compiler."""
    command = [os.environ.get("CC", "cc"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


NAMES = (
    "OK INVALID_VALUE OUT_OF_MEMORY INVALID_DEVICE INVALID_HANDLE INVALID_POINTER ILLEGAL_ADDRESS"
    " NOT_READY FORKED NO_PLAN UNSUPPORTED SYSTEM LOST"
).split()
DEVICE, HOST, MANAGED = 1, 2, 3
CONST, THREADS, ADD, SUB, MUL, DIV, CDIV, ALIGN, MIN, MAX = range(10)
NO_PLANNER, SYNC = 1, 2


class DeviceInfo(ctypes.Structure):
    _fields_ = [("name", c_char * 96), ("target", c_char * 32)]
    _fields_ += [("threads", c_int), ("cores", c_int)]
    _fields_ += [(name, c_int64) for name in ("memory_total", "memory_free", "l1", "l2", "l3")]


class PointerInfo(ctypes.Structure):
    _fields_ = [("base", c_void_p), ("bytes", c_size_t)]
    _fields_ += [("device", c_int), ("kind", c_int), ("freed", c_int), ("handle", c_void_p)]


class Core:
    """The library; a status comes back as its name ("OK", "OUT_OF_MEMORY", ...)."""

    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(str(path))
        lib.ocu_error.restype = ctypes.c_char_p
        lib.ocu_checksum.restype = c_uint64
        lib.ocu_checksum.argtypes = [c_void_p, c_size_t]
        lib.ocu_build_id.restype = POINTER(ctypes.c_ubyte * 16)
        lib.ocu_counter.restype = c_int64
        lib.ocu_store_path.restype = ctypes.c_char_p
        self.target = self.info().target

    def __getattr__(self, name):
        function = getattr(self.lib, f"ocu_{name}")
        return lambda *arguments: NAMES[function(*arguments)]

    def error(self) -> str:
        return self.lib.ocu_error().decode()

    def counter(self, name: str) -> int:
        return self.lib.ocu_counter(name.encode())

    def info(self) -> DeviceInfo:
        info = DeviceInfo()
        assert self.device_query(0, byref(info)) == "OK"
        return info

    def alloc_to(self, size: int, kind: int = DEVICE) -> tuple[str, int]:
        pointer = c_void_p()
        status = NAMES[self.lib.ocu_alloc(0, c_size_t(size), kind, byref(pointer))]
        return status, pointer.value or 0

    def new(self, size: int, kind: int = DEVICE) -> int:
        status, pointer = self.alloc_to(size, kind)
        assert status == "OK", self.error()
        return pointer

    def drop(self, pointer: int) -> str:
        return NAMES[self.lib.ocu_free(c_void_p(pointer))]

    def accessible(self, pointer: int, size: int, write: bool = False) -> str:
        return NAMES[self.lib.ocu_check(c_void_p(pointer), c_size_t(size), int(write))]

    def query(self, pointer: int) -> PointerInfo:
        info = PointerInfo()
        assert NAMES[self.lib.ocu_pointer_query(c_void_p(pointer), byref(info))] == "OK"
        return info

    def call(self, spec: bytes, arguments: list[int], flags: int = NO_PLANNER | SYNC) -> str:
        array = (c_int64 * max(1, len(arguments)))(*arguments)
        return NAMES[self.lib.ocu_call(None, spec, array, len(arguments), flags)]

    def plan(self, spec: bytes, n_args: int, exprs=(), launches=(), code=b"\xc3" * 64, **header):
        """The bytes of a plan. exprs: (op, a, b, value); launches: (entry, grid, scratch, cost,
        params). The code is a row of `ret` if nothing else is given."""
        target = header.get("target") or self.target
        body = b"".join(struct.pack("<BBHHHq", op, 0, a, b, 0, value) for op, a, b, value in exprs)
        for entry, grid, scratch, cost, params in launches:
            body += struct.pack("<IHHHHI", entry, grid, scratch, cost, len(params), 0)
            body += struct.pack(f"<{len(params)}H", *params)
            body += bytes(-len(body) % 8)
        offset = (112 + len(body) + 63) // 64 * 64
        body = body.ljust(offset - 112, b"\0") + code
        counts = (n_args, len(exprs), len(launches), 0)
        fields = struct.pack(
            "<Q32s16sHHHHIIQ", 112 + len(body), target, spec, *counts, offset, len(code), 0
        )
        build = header.get("build") or bytes(self.lib.ocu_build_id().contents)
        return self.seal(b"OCUPLAN1" + build + bytes(8) + fields + body)

    def seal(self, plan: bytes) -> bytes:
        """The same plan with a right checksum."""
        checksum = self.lib.ocu_checksum(plan[32:], len(plan) - 32)
        return plan[:24] + struct.pack("<Q", checksum) + plan[32:]


def spec(name: str) -> bytes:
    return (b"\xff" + name.encode()).ljust(16, b"\0")
