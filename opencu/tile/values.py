"""What a kernel's operators and functions compute with: objects that are known while it is read,
and IR values, which are given one dtype and one shape."""

import operator
from collections.abc import Callable
from typing import Any

from opencu.tile.dtypes import DType, bool_, c64, f32, fits, i64
from opencu.tile.ir import KernelError, Scalar, Tile, Value, View, retype
from opencu.tile.ops import Builder
from opencu.tile.reads import Reads

# An operator's name in the IR, by its name in the source; and on objects that are known now.
NAMES = {"Mult": "mul", "BitAnd": "and", "BitOr": "or", "BitXor": "xor", "LShift": "shl"}
NAMES |= {"RShift": "shr", "NotEq": "ne", "LtE": "le", "GtE": "ge"}
NAMES |= {name: name.lower() for name in "Add Sub Div FloorDiv Mod Eq Lt Gt".split()}
_ODD = {"div": "truediv", "and": "and_", "or": "or_", "shl": "lshift", "shr": "rshift"}
OPERATORS = {name: getattr(operator, _ODD.get(name, name)) for name in NAMES.values()}
_STATIC = OPERATORS | {"min": min, "max": max}


def is_static(x: Any) -> bool:
    """Is x known while the kernel is read?"""
    return not (isinstance(x, Value) or isinstance(x, tuple) and not all(map(is_static, x)))


class Values:
    """Emits the ops of a kernel that is being read."""

    def __init__(self, reads: Reads) -> None:
        self.b, self.reads = Builder(), reads

    def at(self, loc: tuple[str, int]) -> None:
        self.b.loc = loc

    def fail(self, message: str):
        raise KernelError(self.b.loc, message)

    def known(self, function: Callable, *args: Any) -> Any:
        """function(*args) for objects that are known now; what is in them may have changed by the
        next launch."""
        if all(type(x) in (bool, int, float) for x in args):
            return function(*args)
        return self.reads.get(function, *args)

    def value(self, x: Any, dtype: DType | None = None) -> Value:
        """x as an IR value; a Python number takes `dtype`, or i64, f32 or bool."""
        if isinstance(x, Value):
            return x
        if not isinstance(x, (bool, int, float, complex)):
            self.fail(f"expected a number or a tile, got {x!r}")
        natural = {bool: bool_, int: i64, complex: c64}.get(type(x), f32)
        dtype = dtype or natural
        if not fits(x, dtype):
            self.fail(f"the constant {x} does not fit {dtype}")
        value = {"f": float, "c": complex}.get(dtype.kind, lambda x: x)(x)
        return self.b.one("const", [], Scalar(dtype), value=value)

    def cast(self, v: Value, dtype: DType) -> Value:
        return v if v.type.dtype == dtype else self.b.one("cast", [v], retype(v.type, dtype))

    def widen(self, vs: list[Value]) -> list[Value]:
        """The operands in the type that theirs is computed in."""
        return [self.cast(v, v.type.dtype.compute) for v in vs]

    def index(self, x: Any) -> Value:
        v = self.value(x)
        if v.type != Scalar(i64):
            self.fail(f"expected an integer, got {v.type}")
        return v

    def broadcast(self, v: Value, shape: tuple[int, ...]) -> Value:
        if isinstance(v.type, View):
            self.fail("a view is not a tile; use load")
        if not shape or (isinstance(v.type, Tile) and v.type.shape == shape):
            return v
        return self.b.one("broadcast", [v], Tile(shape, v.type.dtype))

    def align(self, *xs: Any) -> list[Value]:
        """Give operands one dtype (Python numbers adopt it) and one shape."""
        known = next((x.type.dtype for x in xs if isinstance(x, Value)), None)
        if any(isinstance(x, float) for x in xs) and known is None:
            known = f32
        vs = [self.value(x, None if isinstance(x, bool) else known) for x in xs]
        dtypes = {v.type.dtype for v in vs}
        if len(dtypes) > 1:
            names = ", ".join(sorted(map(str, dtypes)))
            self.fail(f"operands of different dtypes ({names}); use cast")
        shape: tuple[int, ...] = ()
        for s in (v.type.shape for v in vs if isinstance(v.type, Tile)):
            fit = len(s) == len(shape) and all(a == b or 1 in (a, b) for a, b in zip(shape, s))
            if shape and not fit:
                self.fail(f"tiles of shapes {shape} and {s} do not go together")
            shape = tuple(map(max, shape, s)) if shape else s
        return [self.broadcast(v, shape) for v in vs]

    def compute(self, name: str, args: list[Value], **attrs: Any) -> Value:
        """An operation in the type that the operands' is computed in; the result in theirs."""
        wide = self.widen(args)
        return self.cast(self.b.one(name, wide, wide[0].type, **attrs), args[0].type.dtype)

    def binary(self, fn: str, x: Any, y: Any) -> Any:
        if is_static(x) and is_static(y):
            return self.known(_STATIC[fn], x, y)
        return self.compute("binary", self.align(x, y), fn=fn)

    def compare(self, fn: str, x: Any, y: Any) -> Any:
        if is_static(x) and is_static(y):
            return self.known(_STATIC[fn], x, y)
        a, b = self.widen(self.align(x, y))
        return self.b.one("compare", [a, b], retype(a.type, bool_), fn=fn)

    def unary(self, fn: str, x: Any) -> Value:
        return self.compute("unary", [self.value(x)], fn=fn)
