"""Scatter and atomics of a work-group: an element for each thread at a time.

Of equal indices in a scatter the last element stays: a thread that finds its address among those of
the threads behind it does not write.
"""

import math

from opencu.compiler import elements
from opencu.compiler.llvm import Lanes, type_of
from opencu.compiler.memory import Point
from opencu.compiler.work_group import GLOBAL
from opencu.tile.dtypes import DType, i32, i64
from opencu.tile.ir import Op, Tile


def lower(state, op: Op) -> None:
    """Emit a scatter or an atomic; an atomic's result goes to shared memory, a number's too."""
    f, operands = state.f, op.operands[1:]
    tile = operands[0].type if isinstance(operands[0].type, Tile) else None
    dtype = operands[-1].type.dtype
    for v in operands if tile else ():
        if elements.reads(v, op.operands[0], state.points.access):
            state.hold(v)
    memory = state.memory(Tile(tile.shape if tile else (1,), dtype)) if op.results else None
    if tile and op.name == "scatter":
        _scatter(state, op, tile)
        return
    read = {s for v in operands for s in state.spaces_of(v)}
    state.touch(read, {GLOBAL, *([f.spaces[memory.pointer]] if memory else [])})

    def one(values: list[str], p: Point) -> None:
        old = elements.touch(state, op, values, 0, 1, "true")
        if memory:
            state.points.store(memory, dtype, old, p)

    def some(points: list[Point]) -> None:
        for p in points:
            memo: dict = {}
            one([state.points.at(v, [p], memo)[0] for v in operands], p)

    if tile:
        state.deal(tile.shape, len(tile.shape) - 1, 1, some, checked=True)
        if memory:
            state.points.access[op.result] = memory
        return
    zero = Point(("0",), 0, 1)
    numbers = [state.scalars[v] for v in operands]
    f.when(f.let(f"icmp eq i64 {f.thread}, 0"), lambda: one(numbers, zero))
    if memory:
        state.touch([f.spaces[memory.pointer]], [])
        state.scalars[op.result] = state.points.load(memory, dtype, zero)


def _scatter(state, op: Op, tile: Tile) -> None:
    f, view, threads = state.f, state.views[op.operands[0]], state.target.threads
    n, total, dtype = 1 + len(view.sizes), math.prod(tile.shape), op.operands[-1].type.dtype
    index, values = op.operands[1:n], op.operands[n:]  # two values: the parts of a complex one
    slots = state.memory(Tile((threads,), i64))
    mine = Point((f.thread,), 0, 1)

    def round(base: str) -> None:
        c = f.add(base, f.thread)
        p = state.point(c, tile.shape, len(tile.shape) - 1, 1, True)
        memo: dict = {}
        state.sync(op.operands[1:])
        places = [state.points.at(v, [p], memo)[0] for v in index]
        bytes = op.operands[0].type.dtype.bytes
        inside, pointer = state.points.element(view, places, bytes, 0, 1)
        inside = f.all_of((inside, f.less(c, str(total))))
        key = f.let(f"ptrtoint {f.ptr(pointer)} to i64")
        space = f.spaces[slots.pointer]
        state.touch([], [space])
        state.points.store(slots, i64, f.select(inside, key, "-1"), mine)
        state.touch([space], [GLOBAL])

        def look(other: str, found: list[str]) -> list[str]:
            theirs = state.points.load(slots, i64, Point((other,), 0, 1))
            same = f.let(f"icmp eq i64 {theirs}, {key}")
            return [f.let(f"or i1 {found[0]}, {same}")]

        start, behind = [("i1", "false")], f.add(f.thread, "1")
        (again,) = f.loop(behind, str(min(threads, total)), "1", start, look)
        write = f.let(f"and i1 {inside}, {f.let(f'xor i1 {again}, true')}")
        found = [state.points.at(v, [p], memo)[0] for v in values]

        def put() -> None:
            for i, x in enumerate(found):
                f.store(type_of(dtype), x, f.offset(pointer, str(i), dtype.bytes), dtype.bytes)

        f.when(write, put)

    if total <= threads:
        round("0")
    else:
        state.each("0", str(total), str(threads), round)


def atomic(state, op: Op, dtype: DType, pointer: str, values: list[str]) -> str:
    """A number orders what comes before and after it, in other programs; a tile does not."""
    f, fn, spirv = state.f, op.attrs["fn"], state.target.format == "spirv"
    order = "monotonic" if isinstance(op.operands[1].type, Tile) else "acq_rel"
    how = f'syncscope("{f.machine.scopes[op.attrs["scope"]]}") {order}'
    if not (spirv and dtype.kind == "f"):
        return elements.atomic(f, fn, dtype, pointer, values, how)
    bits = i32 if dtype.bits == 32 else i64
    words, floats = Lanes(f, bits, 1), Lanes(f, dtype, 1)

    def attempt(carried: list[str]) -> list[str]:
        new = values[0]
        if fn != "exchange":
            new = state.points.binary(fn, floats, words.to("bitcast", carried[0], dtype), new)
        new = floats.to("bitcast", new, bits)
        return elements.swap(f, words.type, dtype.bytes, pointer, carried[0], new, how)

    start = [(words.type, f.load(words.type, pointer, dtype.bytes)), ("i1", "false")]
    old = f.repeat(start, lambda v: f.let(f"xor i1 {v[1]}, true"), attempt)[0]
    return words.to("bitcast", old, dtype)
