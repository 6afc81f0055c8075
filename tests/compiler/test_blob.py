"""Code objects stand alone: no undefined symbols, no relocations but their own."""

import pytest
from execute import AVX2, SSE2

from opencu import tile
from opencu.compiler import blob, compile, llvm
from opencu.tile import View

LIBRARY_CALL = """
target triple = "x86_64-unknown-linux-gnu"
declare double @sin(double)
define void @entry(ptr %p) {
  %x = load double, ptr %p
  %y = call double @sin(double %x)
  store double %y, ptr %p
  ret void
}
"""
CONSTANTS = """
target triple = "x86_64-unknown-linux-gnu"
define void @entry(ptr %p) {
  %x = load <4 x double>, ptr %p
  %y = fadd <4 x double> %x, <double 1.5, double 2.5, double 3.5, double 4.5>
  store <4 x double> %y, ptr %p
  ret void
}
"""


def elf(text):
    return llvm.emit(llvm.optimise(text, SSE2), SSE2)


def test_a_library_call_is_refused_by_name():
    with pytest.raises(ValueError, match="the code calls sin, which no code object may"):
        blob.link(elf(LIBRARY_CALL), "entry")


def test_constants_travel_with_the_code():
    linked = blob.link(elf(CONSTANTS), "entry")
    assert b"\x00\x00\x00\x00\x00\x00\xf8\x3f" in linked.code and 0 <= linked.entry < len(
        linked.code
    )


def test_an_unknown_entry_or_another_file_is_refused():
    with pytest.raises(ValueError, match="no symbol other"):
        blob.link(elf(CONSTANTS), "other")
    with pytest.raises(ValueError, match="expected an x86-64 object file"):
        blob.link(b"MZ" + bytes(100), "entry")


def test_the_target_is_part_of_the_code():
    wide = llvm.emit(llvm.optimise(CONSTANTS, AVX2), AVX2, assembly=True)
    narrow = llvm.emit(llvm.optimise(CONSTANTS, SSE2), SSE2, assembly=True)
    assert "%ymm" in wide and "%ymm" not in narrow


@tile.kernel
def doubled(x, N: int):
    tile.store(x, tile.pid(0), 2 * tile.load(x, tile.pid(0), N))


def test_showing_the_assembly_changes_no_code(monkeypatch, capfd):
    function = doubled.trace({"x": View(tile.f32, (1,))}, {"N": 16})
    quiet = compile(function, AVX2)
    monkeypatch.setenv("OPENCU_DEBUG", "asm")
    assert compile(function, AVX2) == quiet
    assert capfd.readouterr().err.count("doubled:") == 1
