"""The compiler: tile IR to code objects.

    simplify.py     constants, common values, dead code
    complex.py      complex values as pairs of real ones
    expressions.py  what a value is computed from
    vector.py       one program = one sequential function
    chunks.py       loops over the chunks of a tile, and what is fetched meanwhile
    held.py         tiles that are computed where they stand, into scratch
    carried.py      loops: what travels from trip to trip, and where
    reduction.py    reductions and scans
    elements.py     scatter and atomics
    points.py       a tile expression at the points that a loop asks for
    memory.py       points that are read from memory and written to it
    dot.py          the nest that a dot becomes; its parts: packing.py, register_block.py,
                    multiply.py
    simt.py         one program = one work-group: points dealt to threads, shared memory, barriers;
                    its roots: group_reduction.py, group_dot.py, group_elements.py
    work_group.py   what threads have: numbers, barriers, shuffles, vectors to and from memory
    llvm.py         LLVM IR as text, optimised and emitted through llvmlite
    blob.py         an object file laid out as one position-independent blob
    elf.py          an AMD object linked into a code object
    spirv.py        SPIR-V, emitted by processes of their own

OPENCU_DEBUG=ir,llvm,asm prints the stages on standard error.
"""

import os
import sys
from typing import NamedTuple

from opencu.compiler import blob, elf, llvm, simt, spirv, vector
from opencu.compiler.dot import Blocks
from opencu.drivers.interface import Target
from opencu.tile.ir import Function

__all__ = ["Blocks", "Code", "compile"]


class Code(NamedTuple):
    """Machine code for one kernel, as a plan carries it."""

    blob: bytes
    entry: int  # offset of the entry point in the blob
    scratch: int  # bytes that a thread needs
    params: int  # 64-bit words of the parameter array


def compile(function: Function, target: Target, blocks: Blocks | None = None) -> Code:
    """Machine code of a kernel for a target; KernelError if the target cannot hold it."""
    show = os.environ.get("OPENCU_DEBUG", "").split(",")
    lowering = vector if target.kind == "vector" else simt
    lowered = lowering.lower(function, target, blocks)
    for stage, text in (("ir", str(function)), ("llvm", lowered.text)):
        if stage in show:
            print(text, file=sys.stderr)
    module = llvm.optimise(lowered.text, target)
    if "asm" in show:
        print(llvm.emit(module.clone(), target, assembly=True), file=sys.stderr)
    if target.kind == "simt":
        code = _group_code(module, target, function)
        return Code(lowered.header(len(code)) + code, 0, 0, lowered.params)
    code, entry = blob.link(llvm.emit(module, target), function.name)
    if target.format == "program":  # for another driver: it begins with the kernel
        assert entry == 0
        code = lowered.header(len(code)) + code
    return Code(code, entry, lowered.memory, lowered.params)


def _group_code(module, target: Target, function: Function) -> bytes:
    """A module as its driver takes it."""
    if target.format == "ptx":
        return llvm.emit(module, target, assembly=True).encode() + b"\0"
    if target.format == "spirv":
        return spirv.emit(str(module), function.loc)
    return elf.link(llvm.emit(module, target))
