"""The libraries that are not there yet: sonames, version nodes, and that every name refuses."""

import csv
import re
import sys
from pathlib import Path

import pytest

from opencu import shims

TABLES = Path(__file__).parents[2] / "shims/tables"


def rows(name):
    with open(TABLES / name, newline="") as file:
        return list(csv.DictReader(file))


LIBRARIES = [row for row in rows("libraries.csv") if row["status"]]
by_library = pytest.mark.parametrize("library", LIBRARIES, ids=[row["file"] for row in LIBRARIES])


def exports(library):
    return {row["symbol"]: row["returns"] for row in rows(f"exports/{library['library']}.csv")}


@by_library
def test_soname_names_and_version_node_are_the_vendors(lib, library, run):
    text = run(f"readelf -W -d --dyn-syms {lib / library['file']}").stdout
    defined = re.findall(r" (?:FUNC|OBJECT) +GLOBAL +DEFAULT +\d+ (\w+)(?:@@(\S+))?$", text, re.M)
    assert f"Library soname: [{library['file']}]" in text
    assert {name for name, _ in defined} == set(exports(library))
    assert {node for _, node in defined} == {library["node"]}


CALL_ALL = """
import ctypes, sys
library, names = ctypes.CDLL(sys.argv[1]), {names!r}
types = {{"void": None, "string": ctypes.c_char_p, "text": None, "size_t": ctypes.c_size_t,
         "minus": ctypes.c_long, "pointer": ctypes.c_void_p}}
for name, kind in names.items():
    function = library[name]
    function.restype = types.get(kind, ctypes.c_int)
    print(name, function(None, None, None))
"""
ANSWERS = {"void": "None", "text": "None", "pointer": "None", "string": "b'not supported'"}
ANSWERS |= {"size_t": "0", "int": "0", "minus": "-1", "team": "0"}


@by_library
def test_every_name_refuses_by_name_and_with_the_librarys_own_status(lib, library, tmp_path, run):
    exported = exports(library).items()
    names = {name: kind for name, kind in exported if kind not in ("hand", "variable")}
    script = tmp_path / "call_all.py"
    script.write_text(CALL_ALL.format(names=names))
    result = run(f"{sys.executable} -I {script} {lib / library['file']}")
    said = re.findall(r"^opencu: (\w+): not implemented yet; refused$", result.stderr, re.M)
    assert sorted(said) == sorted(names)
    answers = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    status = library["status"]
    assert answers == {name: ANSWERS.get(kind, status) for name, kind in names.items()}


STRINGS = """
import ctypes, sys
cudnn = ctypes.CDLL(f"{sys.argv[1]}/libcudnn.so.9")
cupti = ctypes.CDLL(f"{sys.argv[1]}/libcupti.so.13")
text, name = ctypes.create_string_buffer(b"?" * 20), ctypes.c_char_p()
cudnn.cudnnGetLastErrorString(text, ctypes.c_size_t(6))
assert text.value == b"not s"
assert cupti.cuptiGetResultString(5, ctypes.byref(name)) == 27 and name.value == b"not supported"
name = ctypes.c_char_p()
assert cupti.cuptiGetCallbackName(1, 2, ctypes.byref(name)) == 27 and name.value
"""


def test_a_name_that_hands_back_a_string_always_does(lib, tmp_path, run):
    (tmp_path / "strings.py").write_text(STRINGS)
    run(f"{sys.executable} -I {tmp_path / 'strings.py'} {lib}")


CUDNN = """
import ctypes, sys
cudnn = ctypes.CDLL(f"{sys.argv[1]}/libcudnn.so.9")
cudnn.cudnnGetVersion.restype = ctypes.c_size_t
cudnn.cudnnGetErrorString.restype = ctypes.c_char_p
handle, stream, part = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
assert cudnn.cudnnCreate(None) == 2000
assert cudnn.cudnnCreate(ctypes.byref(handle)) == 0 and handle.value
assert cudnn.cudnnSetStream(handle, ctypes.c_void_p(64)) == 0
assert cudnn.cudnnGetStream(handle, ctypes.byref(stream)) == 0 and stream.value == 64
parts = []
for i in range(3):
    assert cudnn.cudnnGetProperty(i, ctypes.byref(part)) == 0
    parts.append(part.value)
assert parts[0] * 10000 + parts[1] * 100 + parts[2] == cudnn.cudnnGetVersion()
assert cudnn.cudnnGetProperty(3, ctypes.byref(part)) == 2000
assert cudnn.cudnnGetErrorString(3000) == b"CUDNN_STATUS_NOT_SUPPORTED"
assert cudnn.cudnnDestroy(handle) == 0
assert cudnn.cudnnSetStream(None, None) == cudnn.cudnnDestroy(ctypes.c_void_p(8)) == 2000
"""


def test_a_cudnn_handle_keeps_its_stream_and_a_wrong_one_is_refused(lib, tmp_path, run):
    (tmp_path / "cudnn.py").write_text(CUDNN)
    run(f"{sys.executable} -I {tmp_path / 'cudnn.py'} {lib}")


OPEN = """
import ctypes, sys
opened = [ctypes.CDLL(name) for name in sys.argv[1:]]
print(open("/proc/self/maps").read())
"""


def test_the_audit_route_maps_every_soname_longer_versions_and_bare_names(tmp_path, run):
    (tmp_path / "open.py").write_text(OPEN)
    files = [library["file"] for library in LIBRARIES]
    bare = sorted({file.rpartition(".")[0] for file in files})
    names = [*files, *bare, *(f"/usr/lib/cuda/{file}.4.2" for file in files)]
    maps = run(
        f"{sys.executable} -I {tmp_path / 'open.py'} {' '.join(names)}", LD_AUDIT=shims.audit_path()
    ).stdout
    assert all(f"{shims.lib_dir()}/{file}\n" in maps for file in files)
