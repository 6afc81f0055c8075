"""cuda.py and hip.py over stand-ins of the vendors' libraries (standin.c)."""

import re
from pathlib import Path

import pytest
from conftest import HERE, NAMES, VARIABLES, cc

from opencu import shims
from opencu.drivers import cuda, hip

ROOT = HERE.parents[1]
CORE = ROOT / "opencu/runtime/core"
SOURCES = {"cuda": cuda.SOURCE, "hip": hip.SOURCE}
DEVICES = {"cuda": "9.0,8.6", "hip": "gfx942,gfx1100"}
TARGETS = {"cuda": ["sm_90a", "sm_80"], "hip": ["gfx942", "gfx1100"]}
CALLS = {
    "cuda": {
        "alloc": "cuMemAlloc_v2",
        "sync": "cuStreamSynchronize",
        "launch": "cuLaunchKernel",
        "rows": "cuMemcpy2DAsync_v2",
        "graph": "cuGraphLaunch",
        "wait": "cuStreamWaitEvent",
    },
    "hip": {
        "alloc": "hipMalloc",
        "sync": "hipStreamSynchronize",
        "launch": "hipModuleLaunchKernel",
        "rows": "hipMemcpy2DAsync",
        "graph": "hipGraphLaunch",
        "wait": "hipStreamWaitEvent",
    },
}

START = """
import ctypes, os, struct, time
import numpy as np
from opencu.drivers.VENDOR import driver
from opencu.drivers.status import check, ffi, lib

def refused(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"

def put(array, stream=ffi.NULL):
    there = driver.alloc(0, array.nbytes)
    driver.copy(stream, there, array.ctypes.data, array.nbytes, True)
    return there

def get(there, shape, dtype, stream=ffi.NULL):
    back = np.zeros(shape, dtype)
    driver.copy(stream, back.ctypes.data, there, back.nbytes, True)
    return back

def p(address):
    return ffi.cast("void *", address)
assert driver.devices()
check(lib.ocu_device_set(driver.number(0)))
"""


@pytest.fixture(params=["cuda", "hip"])
def vendor(request):
    return request.param


@pytest.fixture
def on(program, vendor):
    """on("code"): the code's output, on two devices of a stand-in."""
    program.environment["STANDIN_DEVICES"] = DEVICES[vendor]

    def run(code: str, **variables: str | None) -> str:
        return program(START.replace("VENDOR", vendor) + code, **variables)

    run.calls = lambda name: program.calls(CALLS[vendor][name])
    return run


# ---- finding the library and its devices ---------------------------------------------------------


def asked(program, vendor, **variables) -> str:
    """Does the driver have devices, and why not?"""
    code = f"from opencu.drivers.{vendor} import driver; print(driver.devices(), driver.absent())"
    return program(code, **variables)


def test_every_device_gets_the_target_of_its_chip(on, vendor):
    said = on("for i in range(driver.devices()): print(driver.info(i)); print(driver.target(i))")
    for index, name in enumerate(TARGETS[vendor]):
        assert f"name='Stand-in {index}', target='{name}', threads=7, cores=7" in said
        assert f"Target(name='{name}', kind='simt'" in said


@pytest.mark.parametrize(
    "name, chips, targets, others",
    [
        ("cuda", "7.5,8.0,8.9,9.0,10.0,10.3,12.0", "sm_80 sm_80 sm_90a sm_100 sm_100 sm_100",
         "Stand-in 0: there is no code for its compute capability, 7.5"),
        ("hip", "gfx90a,gfx1030,gfx942,gfx1100", "gfx90a gfx942 gfx1100",
         "Stand-in 1: there is no code for a gfx1030"),
    ],
)  # fmt: skip
def test_a_chip_without_a_target_is_absent_with_the_reason(program, name, chips, targets, others):
    code = START.replace("VENDOR", name)
    code += "print(*[driver.info(i).target for i in range(driver.devices())])\n"
    said = program(code + "print(driver.absent())", STANDIN_DEVICES=chips)
    assert said.splitlines() == [targets, others]


def test_without_the_library_the_driver_is_absent(program, vendor, tmp_path):
    variable, missing = VARIABLES[vendor], tmp_path / "none.so"
    said = asked(program, vendor, **{variable: str(missing)})
    assert said == f"0 {variable}={missing} is not the absolute path of a vendor's library"
    said = asked(program, vendor, **{variable: None})
    assert re.fullmatch(rf"0 there is no lib\w+\.so\.\d \({variable} can name .*\)", said)


def test_a_file_that_is_no_library_is_told(program, vendor, tmp_path):
    file = tmp_path / "text.so"
    file.write_text("hello")
    said = asked(program, vendor, **{VARIABLES[vendor]: str(file)})
    assert said.startswith("0 ") and "text.so" in said and "file too short" in said


@pytest.mark.parametrize(
    "name, version, words",
    [
        ("cuda", "11080", "is a driver for CUDA 11.8; needed is one for CUDA 12.0 or newer"),
        ("hip", "50732830", "is HIP 5.7; needed is HIP 6.0 or newer"),
    ],
)
def test_an_old_version_is_absent_with_both_versions(program, name, version, words):
    said = asked(program, name, STANDIN_VERSION=version)
    assert said.startswith("0 /") and said.endswith(f"{NAMES[name]} {words}")


@pytest.mark.parametrize(
    "name, symbol, version",
    [("cuda", "cuGraphExecDestroy", "CUDA 12.4"), ("hip", "hipLaunchHostFunc", "HIP 6.4")],
)
def test_a_missing_function_is_absent_with_its_name(program, name, symbol, version, tmp_path):
    library = tmp_path / NAMES[name]
    options = ["-DHIP"] if name == "hip" else []
    options += ["-shared", "-fPIC", "-pthread", f"-D{symbol}=renamed"]
    cc(*options, "-o", library, HERE / "standin.c")
    said = asked(program, name, **{VARIABLES[name]: str(library)})
    assert said.startswith("0 ") and f"{version} and has no {symbol}; needed is" in said


def test_a_driver_that_does_not_start_is_absent_with_its_error(program, vendor):
    name = {"cuda": "cuInit", "hip": "hipInit"}[vendor]
    said = asked(program, vendor, STANDIN_FAIL=f"{name}=100")
    assert re.match(r"0 /.* \((CUDA 12|HIP 6)\.4\): (CUDA_ERROR_NO_DEVICE|hipErrorSaid)$", said)


def test_the_library_is_found_on_the_librarys_path(program, vendor, a_copy):
    folder = a_copy(vendor, "vendor").parent
    paths = f"/nowhere:{folder}"
    said = asked(program, vendor, **{VARIABLES[vendor]: None, "LD_LIBRARY_PATH": paths})
    assert said == "1"


def test_our_own_shim_is_never_taken_for_the_vendors_library(program, a_copy):
    """It has the same soname, and `LD_LIBRARY_PATH=$(opencu shims --lib)` is a way to use it."""
    ours, variable = shims.lib_dir(), VARIABLES["cuda"]
    assert Path(ours, "libcuda.so.1").exists()
    said = asked(program, "cuda", **{variable: None, "LD_LIBRARY_PATH": str(ours)})
    assert said.startswith("0 there is no libcuda.so.1")
    said = asked(program, "cuda", **{variable: f"{ours}/libcuda.so.1"})
    assert said.endswith("is not the absolute path of a vendor's library")
    paths = f"{ours}:{a_copy('cuda', 'vendor').parent}"
    assert asked(program, "cuda", **{variable: None, "LD_LIBRARY_PATH": paths}) == "1"


def test_the_audit_library_does_not_redirect_the_vendors_own(program, vendor):
    audit = str(shims.audit_path())
    assert asked(program, vendor, LD_AUDIT=audit) == "1"


# ---- memory ------------------------------------------------------------------------------------


def test_copies_come_back_whole(on):
    on("""
for size in (1, 3, 255, 4097, 1 << 20):
    source = np.random.default_rng(size).integers(0, 255, size, np.uint8)
    there = put(source)
    other = driver.alloc(0, size)
    driver.copy(ffi.NULL, other, there, size, True)
    assert (get(other, size, np.uint8) == source).all()
    driver.free(there)
    driver.free(other)
""")


def test_rows_are_copied_between_pitches(on):
    on("""
source = np.random.default_rng(0).integers(0, 255, (7, 40), np.uint8)
there, back = put(source), np.zeros((7, 29), np.uint8)
check(lib.ocu_copy_2d(ffi.NULL, p(back.ctypes.data), 29, p(there + 3), 40, 13, 7, 1))
assert (back[:, :13] == source[:, 3:16]).all() and not back[:, 13:].any()
""")
    assert on.calls("rows")[-1].endswith("7 x 13")


def test_fills_of_one_two_and_four_bytes_write_what_they_say(on):
    on("""
for unit, value in ((1, 0xab), (2, 0x1234), (4, 0x89abcdef), (4, 0x07070707), (2, 0x0505)):
    for rows, width, pitch in ((1, 12, 12), (5, 12, 32), (3, 4, 4)):
        expected = np.full((9, 32), 1, np.uint8)
        there = put(expected)
        check(lib.ocu_fill_units(ffi.NULL, p(there + 8), pitch, value, unit, width, rows, 1))
        word = np.frombuffer(value.to_bytes(unit, "little"), np.uint8)
        flat = expected.reshape(-1)
        for row in range(rows):
            start = 8 + row * pitch
            flat[start:start + width] = np.tile(word, width // unit)
        assert (get(there, (9, 32), np.uint8) == expected).all(), (unit, value, rows)
""")


def test_too_much_memory_is_a_memory_error_in_the_vendors_words(on, vendor):
    said = on("print(refused(lambda: driver.alloc(0, 1 << 40)))")
    assert said.startswith("MemoryError: ") and "out of memory" in said
    assert f"{vendor}:0" in said and CALLS[vendor]["alloc"] in said
    on("there = driver.alloc(0, 1000); driver.free(there); driver.synchronize(0)")


def test_the_callers_own_device_is_left_as_it_was(on, vendor):
    get = {"cuda": "cuCtxGetCurrent", "hip": "hipGetDevice"}[vendor]
    set_ = {"cuda": "lambda i: s.cuCtxPushCurrent_v2(100 + i)", "hip": "s.hipSetDevice"}[vendor]
    said = on(f"""
s, now = ctypes.CDLL(os.environ["{VARIABLES[vendor]}"]), ctypes.c_size_t(0)
({set_})(1)
put(np.ones(10))
s.{get}(ctypes.byref(now))
print(now.value)
""")
    assert said == {"cuda": "101", "hip": "1"}[vendor]


# ---- streams, events, host calls ----------------------------------------------------------------


def test_work_is_in_the_order_of_its_stream_and_asynchronous(on):
    on("""
stream, event = driver.stream(0, 1), driver.event(0, 0)
there, back = driver.alloc(0, 1 << 20), np.zeros(1 << 20, np.uint8)
began = time.perf_counter()
for byte in range(1, 30):
    driver.fill(stream, there, byte, 1 << 20, False)
check(lib.ocu_event_record(event, stream))
assert lib.ocu_event_query(event) == lib.OCU_NOT_READY
assert lib.ocu_stream_query(stream) == lib.OCU_NOT_READY
check(lib.ocu_event_sync(event))
assert lib.ocu_event_query(event) == 0 == lib.ocu_stream_query(stream)
driver.copy(stream, back.ctypes.data, there, 1 << 20, True)
assert (back == 29).all()
""")


def test_a_stream_waits_for_anothers_event(on):
    on("""
one, two, event = driver.stream(0, 1), driver.stream(0, 1), driver.event(0, 0)
a, b, back = driver.alloc(0, 4096), driver.alloc(0, 4096), np.zeros(4096, np.uint8)
for byte in range(1, 9):
    driver.fill(one, a, byte, 4096, False)
check(lib.ocu_event_record(event, one))
check(lib.ocu_stream_wait(two, event))
driver.copy(two, b, a, 4096, False)
driver.copy(two, back.ctypes.data, b, 4096, True)
assert (back == 8).all()
""")
    assert on.calls("wait")


def test_blocking_streams_and_the_default_one_are_in_order(on):
    on("""
stream, a, back = driver.stream(0, 0), driver.alloc(0, 4096), np.zeros(4096, np.uint8)
for byte in range(1, 9):
    driver.fill(stream, a, byte, 4096, False)
driver.fill(ffi.NULL, a, 50, 1024, False)
driver.copy(stream, back.ctypes.data, a, 4096, True)
assert (back[:1024] == 50).all() and (back[1024:] == 8).all()
""")


def test_elapsed_time_is_between_two_events(on):
    on("""
one, two = driver.event(0, 0), driver.event(0, 0)
check(lib.ocu_event_record(one, ffi.NULL))
there = put(np.ones(1000))
check(lib.ocu_event_record(two, ffi.NULL))
check(lib.ocu_event_sync(two))
ms = ffi.new("float *")
check(lib.ocu_event_elapsed(one, two, ms))
assert 0 <= ms[0] < 10000
""")


def test_a_host_function_runs_behind_the_work_before_it(on):
    on("""
stream, there, seen = driver.stream(0, 1), driver.alloc(0, 4096), []
back = ffi.new("char[]", 4096)
@ffi.callback("void(void *)")
def called(argument):
    seen.append((int(ffi.cast("intptr_t", argument)), back[0]))
driver.fill(stream, there, 5, 4096, False)
check(lib.ocu_stream_host_call(stream, called, p(77)))
driver.fill(stream, there, 6, 4096, False)
check(lib.ocu_stream_sync(stream))
assert [number for number, _ in seen] == [77]
""")


# ---- code ----------------------------------------------------------------------------------------

KERNEL = """
from opencu.compiler import Code
from opencu.runtime.plan import Launch, Plan, Slots, write
PTX = b".visible .entry opencu_kernel(.param .u64 a, .param .u64 b, .param .u64 n, .param .u64 x)"
ELF = struct.pack("<4s36xQ12xH2x", b"\\x7fELF", 64, 0) + b".value_kind " * 4
def plan(code=None, threads=96, target=None):
    if code is None:
        code = PTX + b"\\0" if driver.name == "cuda" else ELF
        code = code[:40] + struct.pack("<Q", len(code)) + code[48:] if code[0] == 127 else code
    head = struct.pack("<QII4Q", len(code), threads, 0, 3, 0, 0, 0)
    slots = Slots(4)
    launch = Launch(Code(head + code, 0, 0, 4), slots.arg(2), slots.const(1000),
                    [slots.arg(i) for i in range(4)])
    made = write(Plan(slots, [launch]), SPEC, target or driver.target(0))
    driver.load(made)
SPEC = b"\\xff" + b"a test's".ljust(15, b"\\0")
"""


def test_a_launch_passes_grid_threads_and_every_word(on):
    said = on(
        KERNEL
        + """
plan()
a, b = put(np.arange(10.0)), put(np.zeros(10))
stream = driver.stream(0, 1)
driver.launch(stream, SPEC, [a, b + 16, 11, -5])
check(lib.ocu_stream_sync(stream))
print(hex(a), hex(b + 16))
"""
    )
    assert on.calls("launch") == [f"grid 11 block 96 params {said} 0xb 0xfffffffffffffffb"]


def test_a_launch_runs_in_stream_order(on, vendor):
    on(
        KERNEL
        + f"""
standin = ctypes.CDLL(os.environ["{VARIABLES[vendor]}"])
standin.standin_real.restype = ctypes.c_void_p
standin.standin_real.argtypes = [ctypes.c_void_p]
seen = []
KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_int,
                          ctypes.POINTER(ctypes.c_uint64), ctypes.c_void_p)
@KERNEL
def run(grid, block, n, words, image):
    views = [np.ctypeslib.as_array(ctypes.cast(standin.standin_real(words[i]),
             ctypes.POINTER(ctypes.c_double)), (10,)) for i in range(2)]
    views[1][:] = views[0] * words[3]
standin.standin_kernel(run)
plan()
a, b = put(np.arange(10.0)), put(np.zeros(10))
driver.launch(ffi.NULL, SPEC, [a, b, 1, 3])
driver.launch(ffi.NULL, SPEC, [b, a, 1, 2])
assert (get(a, 10, float) == np.arange(10.0) * 6).all()
driver.launch(ffi.NULL, SPEC, [a, b, 0, 3])
"""
    )
    assert len(on.calls("launch")) == 2  # no programs, no launch


def test_code_that_the_driver_does_not_take_is_told_in_its_words(on, vendor):
    said = on(
        KERNEL
        + """
plan(b".visible .entry other()" + bytes(50))
a = put(np.arange(10.0))
print(refused(lambda: driver.launch(ffi.NULL, SPEC, [a, a, 1, 0])))
"""
    )
    words = {"cuda": "cuda:0 does not take the code: line 1: there is no kernel",
             "hip": "hip:0: hipModuleLoadData returned hipErrorSaid (as told)"}  # fmt: skip
    assert said == f"NotImplementedError: {words[vendor]}"


def test_more_programs_than_a_grid_has_are_refused(on, vendor):
    said = on(
        KERNEL + "plan(); a = put(np.ones(3))\n"
        "print(refused(lambda: driver.launch(ffi.NULL, SPEC, [a, a, 1 << 40, 0])))"
    )
    assert re.search(rf"{vendor}:0 takes \d+ programs of 256 words, not {1 << 40} of 4", said)
    assert not on.calls("launch")


# ---- a device that fails -------------------------------------------------------------------------


def test_a_lost_device_fails_from_then_on_and_nothing_hangs(on, vendor):
    name = CALLS[vendor]["sync"]
    said = on(
        """
stream, there = driver.stream(0, 1), driver.alloc(0, 64)
driver.fill(stream, there, 1, 64, False)
for call in (lambda: check(lib.ocu_stream_sync(stream)), lambda: check(lib.ocu_stream_sync(stream)),
             lambda: driver.alloc(0, 64), lambda: driver.fill(stream, there, 1, 64, True),
             lambda: driver.synchronize(0), lambda: driver.stream(0, 0)):
    print(refused(call))
""",
        STANDIN_FAIL=f"{name}=719",
    ).splitlines()
    first, *later = said
    assert f"{vendor}:0: {name} returned" in first
    assert len(later) == 5 and all(f"({vendor}:0) failed before: it is lost" in x for x in later)


def test_an_error_of_a_call_names_the_call_and_costs_no_more(on, vendor):
    name = CALLS[vendor]["rows"]
    said = on(
        """
there, back = put(np.ones((4, 16), np.uint8)), np.zeros((4, 8), np.uint8)
rows = lambda: check(lib.ocu_copy_2d(ffi.NULL, p(back.ctypes.data), 8, p(there), 16, 8, 4, 1))
print(refused(rows))
assert (get(there, 64, np.uint8) == 1).all()
""",
        STANDIN_FAIL=f"{name}=1",
    )
    assert said.startswith(f"ValueError: {vendor}:0: {name} returned")


# ---- without the core, and programs of their own ------------------------------------------------


def test_graphs_peers_and_memory_of_other_processes(program, vendor, tmp_path):
    source = tmp_path / "driver.c"
    source.write_text(SOURCES[vendor])
    include = [f"-I{CORE}", f"-I{ROOT / 'opencu/drivers'}"]
    options = [f"-DDRIVER=ocu_{vendor}_driver", *include, HERE / "table.c", source]
    libraries = [f"-L{shims.lib_dir()}", f"-Wl,-rpath,{shims.lib_dir()}", "-lopencu", "-pthread"]
    cc(*options, "-o", tmp_path / "table", *libraries)
    said = program.run([tmp_path / "table"], STANDIN_DEVICES=DEVICES[vendor])
    assert said.splitlines() == [
        "replayed 0 times: 0",
        "replayed 1 times: 7",
        "replayed 2 times: 7",
        "peer 1",
        "opened 64 bytes: 7",
    ]
    assert len(program.calls(CALLS[vendor]["graph"])) == 3


@pytest.mark.parametrize("audited", [False, True], ids=["linked", "audited"])
def test_a_cuda_program_runs_on_the_vendors_device(program, vendor, audited, tmp_path):
    """Its libcudart is ours; the driver under it is the vendor's own, also behind the audit."""
    options = [f"-I{shims.include_dir()}", HERE / "copies.c", f"-L{shims.lib_dir()}", "-lcudart"]
    cc(*options, "-o", tmp_path / "copies")
    loader = {"LD_AUDIT": str(shims.audit_path())} if audited else {}
    loader = loader or {"LD_LIBRARY_PATH": str(shims.lib_dir())}
    said = program.run([tmp_path / "copies"], OPENCU_DEVICE=vendor, **loader)
    assert said == "1 devices, Stand-in 0, right"
    assert program.calls(CALLS[vendor]["alloc"])


@pytest.mark.parametrize("peers", ["1", "0"])
def test_a_program_uses_peers_and_memory_of_another_process(program, vendor, peers, tmp_path):
    options = [f"-I{shims.include_dir()}", HERE / "peers.c", f"-L{shims.lib_dir()}", "-lcudart"]
    cc(*options, "-o", tmp_path / "peers")
    variables = {"LD_LIBRARY_PATH": str(shims.lib_dir()), "OPENCU_DEVICE": vendor}
    variables |= {"STANDIN_DEVICES": DEVICES[vendor], "STANDIN_PEERS": peers}
    said = program.run([tmp_path / "peers"], **variables).splitlines()
    enabled = (
        ["enable 0", "enable again 704"] if peers == "1" else ["enable 217", "enable again 217"]
    )
    assert said == [
        *["peers 0", f"can {peers}", *enabled, "copy 0", "back 0", "copied 7"],
        *["handle 0", "of the host's 1", "own 1"],
        *["open 0", "read 0", "found 7", "beyond 1", "free 1", "close 0", "close again 1"],
        *["open nothing 1", "then 9"],
    ]


@pytest.mark.parametrize("peers", ["1", "0"])
def test_a_kernel_reaches_memory_of_peers_only(on, vendor, peers):
    said = on(
        """
one = ffi.new("float *", 1)
x, y = driver.alloc(0, 64), driver.alloc(1, 64)
g = ffi.new("ocu_product *")
g.kind = (lib.OCU_F32, lib.OCU_F32, lib.OCU_F32, 0, 0, 0, 0)
g.batch, g.m, g.n, g.k, g.alpha, g.beta = 1, 4, 4, 4, one, one
g.a = g.c = g.d = (p(x), 0, 4, 1)
g.b = (p(y), 0, 4, 1)
print(lib.ocu_multiply(ffi.NULL, g, lib.OCU_CALL_NO_PLANNER) == lib.OCU_NO_PLAN)
print(ffi.string(lib.ocu_error()).decode())
""",
        STANDIN_PEERS=peers,
    ).splitlines()
    assert said[0] == str(peers == "1")
    refused = f"is memory of {vendor}:1, which {vendor}:0 does not reach: copy it"
    assert (refused in said[1]) == (peers == "0")
