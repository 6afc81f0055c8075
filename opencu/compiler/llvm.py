"""LLVM IR as text: a small function builder, and the way from text to an object file."""

import functools
import operator
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from opencu.drivers.interface import Target
from opencu.tile import dtypes
from opencu.tile.dtypes import DType, bool_, i32

# Storage types are their bits: no LLVM operation on them can turn into a call of a library.
SCALAR = {"f32": "float", "f64": "double", "i32": "i32", "i64": "i64", "bool": "i1"}
i16 = DType("i16", "i", 16)  # inside the compiler only
SCALAR |= {"f16": "i16", "bf16": "i16", "i16": "i16"}
SCALAR |= dict.fromkeys(("e4m3", "e5m2", "i8", "u8"), "i8")


def type_of(dtype: DType, width: int = 1) -> str:
    return SCALAR[dtype.name] if width == 1 else f"<{width} x {SCALAR[dtype.name]}>"


def suffix(dtype: DType, width: int = 1) -> str:
    """The type's name inside an intrinsic's."""
    one = dtype.name if dtype in (dtypes.f32, dtypes.f64) else SCALAR[dtype.name]
    return one if width == 1 else f"v{width}{one}"


def constant(dtype: DType, value: bool | int | float) -> str:
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.storage:
        return str(int.from_bytes(dtypes.narrow(float(value), dtype).tobytes(), "little"))
    if dtype.kind == "f":
        double = np.float64(dtypes.narrow(float(value), dtype))  # LLVM writes floats as doubles
        return f"0x{double.view(np.uint64):016X}"
    return str(int(value))


WORDS = 256  # of the parameters, at most, whose pointers are marked by bits


class Lowered(NamedTuple):
    """A kernel as LLVM IR."""

    text: str
    threads: int  # of a program
    memory: int  # bytes: shared by a work-group's threads, or the scratch of one
    params: int  # 64-bit words of the parameter array
    pointers: int  # bit i: word i is a pointer

    def header(self, bytes: int) -> bytes:
        """ocu_group_code (driver.h), which lies before the code."""
        masks = [self.pointers >> at & (1 << 64) - 1 for at in range(0, WORDS, 64)]
        return struct.pack("<QII4Q", bytes, self.threads, self.memory, *masks)


class Space(NamedTuple):
    """Where a pointer may point: an address space, and there to some bytes of lo .. hi."""

    number: int
    lo: int
    hi: int


Start = Sequence[tuple[str, str]]  # what a loop carries: types, and what they begin with
Side = Callable[[], Sequence[str] | None]  # of a branch


class Function:
    """The body of one LLVM function. Operands are their text: '%t3', '42'; blocks end by `goto`."""

    fused = "fmuladd"  # the intrinsic for a b + c, fused if that is fast

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self.products: dict[tuple[str, str], str] = {}  # made ahead of a loop, known in it
        self.spaces: dict[str, Space] = {}  # of pointers that are not plain addresses
        self.stack: dict[str, int] = {}  # bytes of each piece
        self.count = 0
        self.current = "entry"

    def name(self, stem: str = "t") -> str:
        self.count += 1
        return f"%{stem}{self.count}"

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def let(self, text: str) -> str:
        out = self.name()
        self.do(f"{out} = {text}")
        return out

    def call(self, type: str, intrinsic: str, *args: tuple[str, str]) -> str:
        """Call llvm.<intrinsic> on (type, operand) pairs; '' if it returns nothing."""
        self.declared.add(f"declare {type} @llvm.{intrinsic}({', '.join(t for t, _ in args)})")
        text = f"call {type} @llvm.{intrinsic}({', '.join(f'{t} {v}' for t, v in args)})"
        if type == "void":
            self.do(text)
            return ""
        return self.let(text)

    def pointer_type(self, pointer: str) -> str:
        space = self.spaces.get(pointer)
        return f"ptr addrspace({space.number})" if space else "ptr"

    def ptr(self, pointer: str) -> str:
        """A pointer with its type."""
        return f"{self.pointer_type(pointer)} {pointer}"

    def points_like(self, pointer: str, *others: str) -> str:
        """`pointer`, which points to where one of the others does."""
        if spaces := [self.spaces[p] for p in others if p in self.spaces]:
            lo, hi = min(s.lo for s in spaces), max(s.hi for s in spaces)
            self.spaces[pointer] = Space(spaces[0].number, lo, hi)
        return pointer

    def load(self, type: str, pointer: str, align: int) -> str:
        return self.let(f"load {type}, {self.ptr(pointer)}, align {align}")

    def store(self, type: str, value: str, pointer: str, align: int) -> None:
        self.do(f"store {type} {value}, {self.ptr(pointer)}, align {align}")

    def stage(self, bytes: int) -> str:
        """Room on the stack for a vector that is moved lane by lane."""
        self.stack["%stage"] = max(self.stack.get("%stage", 0), bytes)
        return "%stage"

    def room(self, bytes: int) -> str:
        """A piece of the stack: LLVM keeps it in registers where it can."""
        name = self.name("room")
        self.stack[name] = bytes
        return name

    # ---- 64-bit integers, folded where both are known --------------------------------------------

    def _int(self, op: str, fold: Callable[[int, int], int], a: str, b: str) -> str:
        if known(a) and known(b):
            return str(fold(int(a), int(b)))
        if fold in (min, max):  # intrinsics
            return self.call("i64", op, ("i64", a), ("i64", b))
        return self.let(f"{op} i64 {a}, {b}")

    def add(self, a: str, b: str) -> str:
        if "0" in (a, b):
            return a if b == "0" else b
        return self._int("add nsw", operator.add, a, b)

    def sub(self, a: str, b: str) -> str:
        return a if b == "0" else self._int("sub nsw", operator.sub, a, b)

    def mul(self, a: str, b: str) -> str:
        if "0" in (a, b):
            return "0"
        if "1" in (a, b):
            return a if b == "1" else b
        if (a, b) in self.products:
            return self.products[a, b]
        return self._int("mul nsw", operator.mul, a, b)

    def min(self, a: str, b: str) -> str:
        return self._int("smin.i64", min, a, b)

    def max(self, a: str, b: str) -> str:
        return self._int("smax.i64", max, a, b)

    def clamp(self, x: str, hi: str) -> str:
        """x within [0, hi]."""
        return self.min(self.max(x, "0"), hi)

    def less(self, a: str, b: str) -> str:
        if known(a) and known(b):
            return "true" if int(a) < int(b) else "false"
        return self.let(f"icmp slt i64 {a}, {b}")

    def select(self, condition: str, x: str, y: str, type: str = "i64") -> str:
        if condition == "true":
            return x
        return self.let(f"select i1 {condition}, {type} {x}, {type} {y}")

    def all_of(self, conditions: Iterable[str]) -> str:
        """Do all of them hold?"""
        found = "true"
        for ok in conditions:
            if ok == "false":
                return ok
            if ok != "true":
                found = ok if found == "true" else self.let(f"and i1 {found}, {ok}")
        return found

    def narrow(self, size: str) -> str:
        """A size in 32 bits, 2^31 if it is larger."""
        return self.let(f"trunc i64 {self.min(size, str(2**31))} to i32")

    def every(self, mask: str, width: int) -> str:
        """Are all lanes of a mask set?"""
        bits = self.let(f"bitcast <{width} x i1> {mask} to i{width}")
        return self.let(f"icmp eq i{width} {bits}, -1")

    def floor_to(self, x: str, step: int) -> str:
        """x >= 0 rounded down to a multiple of step."""
        if known(x):
            return str(int(x) // step * step)
        return self.sub(x, self.let(f"urem i64 {x}, {step}")) if step > 1 else x

    def offset(self, pointer: str, count: str, bytes: int) -> str:
        """pointer + count elements of `bytes` bytes."""
        step = self.mul(count, str(bytes))
        return pointer if step == "0" else self.step(pointer, step)

    def step(self, pointer: str, bytes: str) -> str:
        moved = self.let(f"getelementptr i8, {self.ptr(pointer)}, i64 {bytes}")
        return self.points_like(moved, pointer)

    def unaligned(self, pointer: str, align: int, bytes: int) -> str:
        """How many elements lie before the first aligned one."""
        address = self.let(f"ptrtoint ptr {pointer} to i64")
        left = self.let(f"and i64 {self.sub('0', address)}, {align - 1}")
        return self.let(f"udiv i64 {left}, {bytes}")

    def aligned(self, pointer: str, bytes: int) -> str:
        """Is an address a multiple of bytes, a power of two?"""
        low = self.let(f"and i64 {self.let(f'ptrtoint {self.ptr(pointer)} to i64')}, {bytes - 1}")
        return self.let(f"icmp eq i64 {low}, 0")

    # ---- vectors ---------------------------------------------------------------------------------

    def splat(self, value: str, dtype: DType, width: int) -> str:
        if width == 1:
            return value
        t, one = type_of(dtype, width), type_of(dtype)
        first = self.let(f"insertelement {t} poison, {one} {value}, i64 0")
        return self.let(f"shufflevector {t} {first}, {t} poison, <{width} x i32> zeroinitializer")

    def shuffle(self, t: DType, w: int, x: str, y: str, pick: Sequence[int]) -> str:
        """Lanes of x (0 .. w-1) and y (w .. 2 w - 1), both of w lanes, put together."""
        source, mask = type_of(t, w), ", ".join(f"i32 {p}" for p in pick)
        return self.let(f"shufflevector {source} {x}, {source} {y}, <{len(pick)} x i32> <{mask}>")

    def slice(self, x: str, t: DType, w: int, at: int, lanes: int) -> str:
        """Some of a vector's w lanes."""
        return x if lanes == w else self.shuffle(t, w, x, "poison", range(at, at + lanes))

    def concat(self, parts: Sequence[str], t: DType, w: int) -> str:
        """Vectors of w lanes, one behind the other; a power of two of them."""
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2])
            parts, w = [self.shuffle(t, w, x, y, range(2 * w)) for x, y in pairs], 2 * w
        return parts[0]

    def interleave(self, x: str, y: str, t: DType, w: int) -> str:
        """x0 y0 x1 y1 ..."""
        if w == 1:
            return Lanes(self, t, 2).of((x, y))
        return self.shuffle(t, w, x, y, [i + s * w for i in range(w) for s in (0, 1)])

    def lanes_below(self, start: str, limit: str, width: int) -> str:
        """The mask of lanes l with start + l < limit."""
        left = self.sub(limit, start)
        if known(left) and int(left) >= width > 1:
            return "splat (i1 true)"
        if width == 1:
            return self.let(f"icmp sgt i64 {left}, 0")
        # 32-bit lanes compare faster, and a distance beyond the width says no more than the width.
        left = self.let(f"trunc i64 {self.clamp(left, str(width))} to i32")
        lanes = Lanes(self, i32, width)
        return lanes.op("icmp slt", lanes.count(), lanes.splat(left))

    def prefetch(self, pointer: str, write: bool = False, *, near: bool = True) -> None:
        """Fetch a line into the nearest cache, or into the next one."""
        how = [("i32", x) for x in (str(int(write)), "3" if near else "2", "1")]
        self.call("void", "prefetch.p0", ("ptr", pointer), *how)

    # ---- control flow ----------------------------------------------------------------------------

    def block(self, label: str) -> None:
        """Start a block (its label without %)."""
        self.lines.append(f"{label}:")
        self.current = label

    def goto(self, label: str) -> None:
        self.do(f"br label %{label}")

    def loop(self, lo: str, hi: str, step: str, start: Start, body: Callable) -> list[str]:
        """for i in lo, lo + step, ... below hi, with carried values; their last ones. body(i,
        values) gives the next ones."""

        def trip(values: list[str]) -> list[str]:
            after = list(body(values[0], values[1:]))
            return [self.let(f"add nsw i64 {values[0]}, {step}"), *after]

        return self.repeat([("i64", lo), *start], lambda v: self.less(v[0], hi), trip)[1:]

    def repeat(self, start: Start, more: Callable, body: Callable) -> list[str]:
        """While more(values): values = body(values); the last ones."""
        head, inside, done = (self.name("L")[1:] for _ in range(3))
        before = self.current
        self.goto(head)
        self.block(head)
        names = [self.name("c") for _ in start]
        at = len(self.lines)
        self.do(f"br i1 {more(names)}, label %{inside}, label %{done}")
        self.block(inside)
        values = body(names)
        after = self.current
        self.goto(head)
        self.lines[at:at] = [
            f"  {n} = phi {t} [ {v}, %{before} ], [ {x}, %{after} ]"
            for n, (t, v), x in zip(names, start, values)
        ]
        self.block(done)
        return names

    def each(self, lo: str, hi: str, step: str, body: Callable[[str], object]) -> None:
        """for i in lo, lo + step, ... below hi."""
        self.loop(lo, hi, step, [], lambda i, _: (body(i), ())[1])

    def branch(
        self, condition: str, then: Side, other: Side, types: Sequence[str] = (), likely=False
    ) -> list[str]:
        """if condition; the values of `types` that the two sides give."""
        if condition in ("true", "false"):
            return list((then if condition == "true" else other)() or ())
        yes, no, done = (self.name("L")[1:] for _ in range(3))
        self.do(f"br i1 {condition}, label %{yes}, label %{no}{', !prof !2' * likely}")
        ends = []
        for label, side in ((yes, then), (no, other)):
            self.block(label)
            values = side() or ()
            ends.append([f"[ {x}, %{self.current} ]" for x in values])
            self.goto(done)
        self.block(done)
        return [self.let(f"phi {t} {x}, {y}") for t, x, y in zip(types, *ends)]

    def when(self, condition: str, then: Callable[[], object]) -> None:
        self.branch(condition, lambda: (then(), ())[1], lambda: ())

    # ---- the module ------------------------------------------------------------------------------

    def text(self, target: Target, head: str, attributes: str, memory: str = "") -> str:
        """The module's text: what stands before the body, and the kernel's attributes."""
        stack = (f"  {p} = alloca [{n} x i8], align 64\n" for p, n in self.stack.items())
        return "\n".join(
            [
                f'target triple = "{target.triple}"{memory}',
                *sorted(self.declared),
                f"define {head} #0 {{\nentry:\n{''.join(stack)}" + "\n".join(self.lines),
                "  ret void\n}",
                f'attributes #0 = {{ nounwind "no-builtins" {attributes} }}',
            ]
        )

    def module(self, entry: str, target: Target) -> str:
        """The module's text: void entry(ptr params, i64 pid, ptr scratch)."""
        params = "ptr noalias readonly %params, i64 %pid, ptr noalias align 64 %scratch"
        width = target.vector_bytes * 8
        attributes = (
            f'"prefer-vector-width"="{width}" "min-legal-vector-width"="{width}" '
            f'"target-cpu"="{target.cpu}" "target-features"="{target.features}"'
        )
        return self.text(target, f"void @{entry}({params})", attributes)


class Lanes:
    """Operations on `width` lanes of one element type; a Python number as an operand is on all."""

    def __init__(self, f: Function, dtype: DType, width: int):
        self.f, self.dtype, self.width = f, dtype, width
        self.type, self.mask = type_of(dtype, width), type_of(bool_, width)

    def splat(self, x: str | int | float) -> str:
        text = x if isinstance(x, str) else constant(self.dtype, x)
        return self.f.splat(text, self.dtype, self.width)

    def _text(self, x: str | int | float) -> str:
        return x if isinstance(x, str) else self.splat(x)

    def op(self, name: str, x: str, y: str | int | float) -> str:
        return self.f.let(f"{name} {self.type} {x}, {self._text(y)}")

    def compare(self, fn: str, x: str, y: str) -> str:
        if self.dtype.kind == "f":
            return self.op(f"fcmp {'une' if fn == 'ne' else 'o' + fn}", x, y)
        sign = "" if fn in ("eq", "ne") else "u" if self.dtype.kind == "u" else "s"
        return self.op(f"icmp {sign}{fn}", x, y)

    def select(self, condition: str, x: str | int | float, y: str | int | float) -> str:
        x, y = self._text(x), self._text(y)
        return self.f.let(f"select {self.mask} {condition}, {self.type} {x}, {self.type} {y}")

    def call(self, intrinsic: str, *args: str | int | float) -> str:
        name = f"{intrinsic}.{suffix(self.dtype, self.width)}"
        return self.f.call(self.type, name, *((self.type, self._text(x)) for x in args))

    def to(self, how: str, x: str, dtype: DType) -> str:
        """A conversion: zext, fptrunc, bitcast, ..."""
        return self.f.let(f"{how} {self.type} {x} to {type_of(dtype, self.width)}")

    def extract(self, x: str, lane: int) -> str:
        return x if self.width == 1 else self.f.let(f"extractelement {self.type} {x}, i64 {lane}")

    def of(self, values: Iterable[str]) -> str:
        """A vector of one value for each lane."""
        if self.width == 1:
            return next(iter(values))
        vector, one = "poison", type_of(self.dtype)
        for i, x in enumerate(values):
            vector = self.f.let(f"insertelement {self.type} {vector}, {one} {x}, i64 {i}")
        return vector

    def count(self, step: int = 1) -> str:
        """0, step, 2 step, ..."""
        one = type_of(self.dtype)
        return f"<{', '.join(f'{one} {i * step}' for i in range(self.width))}>"


def known(x: str) -> bool:
    return x.lstrip("-").isdigit()


def binding():
    """LLVM, which a machine that runs plans made elsewhere does without."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        what = "this class of calls is in no plan pack or store, and llvmlite, to compile it"
        raise ImportError(f"{what}, is missing: pip install llvmlite") from error
    return llvm


@functools.cache
def _machine(target: Target) -> Any:
    llvm = binding()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, reloc="pic", codemodel="small"
    )


# The nests are blocked, unrolled and vectorised already, so that LLVM only has to clean up: this
# takes a third of -O2's time, for code of the same speed. Rotation lets the code generator move
# what does not change out of a loop.
PASSES = (
    "instruction_combine simplify_cfg loop_simplify lcssa loop_rotate new_gvn"
    " instruction_combine simplify_cfg"
).split()


def optimise(text: str, target: Target) -> Any:
    """Parse, verify and simplify a module."""
    llvm = binding()
    module = llvm.parse_assembly(text)
    if target.kind == "simt":  # pointers differ in size
        module.data_layout = str(_machine(target).target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(_machine(target), tuning)
    passes = llvm.create_new_module_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    passes.run(module, builder)
    return module


def emit(module: Any, target: Target, *, assembly: bool = False):
    """The module's object file, or its assembly text. Emission consumes a module: emit a clone if
    the module is needed afterwards."""
    machine = _machine(target)
    return machine.emit_assembly(module) if assembly else machine.emit_object(module)
