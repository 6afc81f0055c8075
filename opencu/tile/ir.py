"""The tile IR: typed SSA values in blocks, with structured control flow.

A function is one block of ops; `for` and `if` hold blocks of their own. Every op has a location
(file, line of the kernel's source), so that each later stage can name it in an error.

Types are Scalar, Tile and View. A tile's shape is static. A view is memory: a pointer with sizes
and strides that are known at run time, save for the strides listed in its type.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from opencu.tile.dtypes import DType, bool_, i64


class KernelError(Exception):
    """A kernel that is not valid; the message starts with its file and line."""

    def __init__(self, loc: tuple[str, int] | None, message: str):
        super().__init__(f"{loc[0]}:{loc[1]}: {message}" if loc else message)


@dataclass(frozen=True)
class Scalar:
    dtype: DType

    def __str__(self) -> str:
        return str(self.dtype)


@dataclass(frozen=True)
class Tile:
    shape: tuple[int, ...]
    dtype: DType

    def __str__(self) -> str:
        return f"tile<{'x'.join(map(str, self.shape))} {self.dtype}>"


@dataclass(frozen=True)
class View:
    """Memory of `dtype`; strides[d] is a known element stride of axis d, or None."""

    dtype: DType
    strides: tuple[int | None, ...]

    @property
    def ndim(self) -> int:
        return len(self.strides)

    def __str__(self) -> str:
        known = ",".join("?" if s is None else str(s) for s in self.strides)
        return f"view<{self.dtype} strides {known}>"


Type = Scalar | Tile | View


@dataclass(eq=False)
class Value:
    type: Type
    op: "Op | None" = None  # None: a parameter or a block argument
    name: str = ""


@dataclass(eq=False)
class Block:
    args: list[Value] = field(default_factory=list)
    ops: list["Op"] = field(default_factory=list)


@dataclass(eq=False)
class Op:
    """`name` and `attrs` as in the table below; operands and results are Values."""

    name: str
    operands: list[Value]
    attrs: dict[str, Any]
    results: list[Value]
    blocks: list[Block]
    loc: tuple[str, int] | None

    @property
    def result(self) -> Value:
        return self.results[0]


@dataclass(eq=False)
class Function:
    name: str
    params: list[Value]
    body: Block
    loc: tuple[str, int] | None = None

    def __str__(self) -> str:
        return "\n".join(_print(self))


# name: (number of operands or None, attributes)
OPS = {
    "const": (0, ("value",)),  # a scalar constant
    "pid": (0, ("axis",)),
    "npid": (0, ("axis",)),
    "dim": (1, ("axis",)),  # size of a view's axis
    "slice": (3, ("axis",)),  # view, lo, hi -> the view of [lo, hi) of an axis, within bounds
    "pick": (2, ("axis",)),  # view, index -> the view with that axis taken away
    "load": (None, ()),  # view, tile index per axis -> tile; zero out of bounds
    "store": (None, ()),  # view, tile index per axis, tile; nothing out of bounds
    "iota": (0, ("axis",)),  # 0, 1, 2, ... along an axis
    "broadcast": (1, ()),  # scalar, or tile with axes of size 1, to the result's shape
    "unary": (1, ("fn",)),
    "binary": (2, ("fn",)),
    "compare": (2, ("fn",)),
    "select": (3, ()),
    "cast": (1, ()),
    "fma": (3, ()),
    "dot": (3, ()),  # a[m,k] b[k,n] acc[m,n] -> acc + a b
    "for": (None, ()),  # lo, hi, step, carried...; block args: index, carried...
    "if": (1, ()),  # condition; two blocks
    "yield": (None, ()),
    "bitcast": (1, ()),  # the same bits as another dtype of their size
}
UNARY = {"neg": "fiuc", "abs": "fiu", "sqrt": "f", "floor": "f", "not": "b", "rint": "f"}
BINARY = {
    "add": "fiuc",
    "sub": "fiuc",
    "mul": "fiuc",
    "div": "fc",
    "floordiv": "iu",
    "mod": "iu",
    "min": "fiu",
    "max": "fiu",
    "and": "biu",
    "or": "biu",
    "xor": "biu",
    "shl": "iu",  # the distance counts modulo the operand's bits
    "shr": "iu",  # the sign follows in signed integers, zeros in unsigned ones
}
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")


class Builder:
    """Appends verified ops to a block."""

    def __init__(self) -> None:
        self.block = Block()
        self.loc: tuple[str, int] | None = None

    def op(
        self,
        name: str,
        operands: list[Value],
        types: list[Type],
        blocks: Sequence[Block] = (),
        **attrs: Any,
    ) -> list[Value]:
        op = Op(name, operands, attrs, [], list(blocks), self.loc)
        op.results = [Value(t, op) for t in types]
        verify_op(op)
        self.block.ops.append(op)
        return op.results

    def one(self, name: str, operands: list[Value], type: Type, **attrs: Any) -> Value:
        return self.op(name, operands, [type], **attrs)[0]


# ---- verifier ------------------------------------------------------------------------------------


def verify(function: Function) -> None:
    """Check every op, and that each value is defined before its use; KernelError otherwise."""

    def walk(block: Block, known: set[Value]) -> None:
        known = known | set(block.args)
        for op in block.ops:
            for v in op.operands:
                if v not in known:
                    raise KernelError(op.loc, f"{op.name}: an operand is used before it is defined")
            verify_op(op)
            for inner in op.blocks:
                walk(inner, known)
            known |= set(op.results)

    walk(function.body, set(function.params))


def verify_op(op: Op) -> None:
    def need(ok: bool, message: str) -> None:
        if not ok:
            raise KernelError(op.loc, f"{op.name}: {message}")

    need(op.name in OPS, "no such operation")
    count, attrs = OPS[op.name]
    need(count is None or len(op.operands) == count, f"expected {count} operands")
    need(set(attrs) <= set(op.attrs), f"expected the attributes {attrs}")
    check = _CHECKS.get(op.name)
    if check:
        check(op, need)


def _check_access(op: Op, need) -> None:
    view = op.operands[0].type
    need(isinstance(view, View), f"expected a view, got {view}")
    index = op.operands[1 : 1 + view.ndim]
    tile = op.results[0].type if op.name == "load" else op.operands[-1].type
    expected = 1 + view.ndim + (op.name == "store")
    need(len(op.operands) == expected, f"expected {view.ndim} tile indices for {view}")
    need(all(v.type == Scalar(i64) for v in index), "tile indices must be integers")
    need(
        isinstance(tile, Tile) and len(tile.shape) == view.ndim,
        f"expected a tile of {view.ndim} axes, got {tile}",
    )
    need(
        tile.dtype == view.dtype,
        f"a tile of {tile.dtype} does not fit a view of {view.dtype}; use cast",
    )


def _check_elementwise(op: Op, need) -> None:
    kinds = {"unary": UNARY, "binary": BINARY}.get(op.name)
    if kinds is not None:
        fn = op.attrs["fn"]
        need(fn in kinds, f"no function {fn}")
        kind = op.operands[0].type.dtype.kind
        need(kind in kinds[fn], f"{fn} is not defined for {op.operands[0].type}")
    if op.name != "select":
        dtype = op.operands[0].type.dtype
        need(not dtype.storage, f"{dtype} is a storage type; compute in {dtype.compute}")
    types = {v.type for v in (op.operands[1:] if op.name == "select" else op.operands)}
    need(len(types) == 1, f"operands of different types: {', '.join(sorted(map(str, types)))}")
    first = next(iter(types))
    want = first
    if op.name == "compare":
        fn = op.attrs["fn"]
        need(fn in COMPARE, f"no comparison {fn}")
        ordered = first.dtype.kind != "c" or fn in ("eq", "ne")
        need(ordered, f"{fn} is not defined for {first}")
        want = retype(first, bool_)
    if op.name == "select":
        need(op.operands[0].type == retype(first, bool_), "expected a condition of the same shape")
    need(op.results[0].type == want, f"result {op.results[0].type}, expected {want}")


def _check_dot(op: Op, need) -> None:
    a, b, acc = (v.type for v in op.operands)
    need(
        all(isinstance(t, Tile) and len(t.shape) == 2 for t in (a, b, acc)),
        f"expected three tiles of two axes, got {a}, {b}, {acc}",
    )
    need(
        a.shape[1] == b.shape[0] and acc.shape == (a.shape[0], b.shape[1]),
        f"shapes {a.shape} x {b.shape} do not give {acc.shape}",
    )
    need(
        a.dtype == b.dtype == acc.dtype and acc.dtype.kind == "f",
        f"expected one floating dtype, got {a.dtype}, {b.dtype}, {acc.dtype}",
    )
    need(op.results[0].type == acc, "the result has the accumulator's type")


def _check_broadcast(op: Op, need) -> None:
    source, target = op.operands[0].type, op.results[0].type
    shape = source.shape if isinstance(source, Tile) else ()
    need(isinstance(target, Tile) and source.dtype == target.dtype, "expected a tile to make")
    need(
        not shape
        or (
            len(shape) == len(target.shape)
            and all(s in (1, t) for s, t in zip(shape, target.shape))
        ),
        f"{source} does not broadcast to {target}",
    )


def _check_bitcast(op: Op, need) -> None:
    source, target = op.operands[0].type, op.results[0].type
    need(target == retype(source, target.dtype), f"{source} does not become {target}")
    need(
        source.dtype.bits == target.dtype.bits,
        f"{source.dtype} and {target.dtype} are not of one size",
    )


def _check_for(op: Op, need) -> None:
    need(all(v.type == Scalar(i64) for v in op.operands[:3]), "expected integer bounds")
    carried = [v.type for v in op.operands[3:]]
    body = op.blocks[0]
    need([v.type for v in body.args] == [Scalar(i64), *carried], "block arguments do not match")
    need(bool(body.ops) and body.ops[-1].name == "yield", "a loop's body ends in yield")
    yielded = [v.type for v in body.ops[-1].operands]
    need(
        yielded == carried,
        "a variable changes its type in the loop: "
        + ", ".join(f"{a} becomes {b}" for a, b in zip(carried, yielded) if a != b),
    )


def _check_if(op: Op, need) -> None:
    need(
        op.operands[0].type == Scalar(bool_), f"expected one truth value, got {op.operands[0].type}"
    )
    ends = [[v.type for v in b.ops[-1].operands] for b in op.blocks]
    need(
        ends[0] == ends[1],
        "a variable has another type in each branch: "
        + ", ".join(f"{a} and {b}" for a, b in zip(*ends) if a != b),
    )


_CHECKS = {
    "load": _check_access,
    "store": _check_access,
    "unary": _check_elementwise,
    "binary": _check_elementwise,
    "compare": _check_elementwise,
    "select": _check_elementwise,
    "fma": _check_elementwise,
    "dot": _check_dot,
    "broadcast": _check_broadcast,
    "for": _check_for,
    "if": _check_if,
    "bitcast": _check_bitcast,
}


def retype(type: Type, dtype: DType) -> Type:
    """The same kind of scalar or tile with another element type."""
    return Tile(type.shape, dtype) if isinstance(type, Tile) else Scalar(dtype)


# ---- printer -------------------------------------------------------------------------------------


def _print(function: Function) -> Iterator[str]:
    names: dict[Value, str] = {}

    def name(v: Value) -> str:
        return names.setdefault(v, f"%{len(names)}{v.name and '_' + v.name}")

    def block(b: Block, indent: str) -> Iterator[str]:
        for op in b.ops:
            attrs = "".join(f" {k}={v}" for k, v in op.attrs.items())
            out = ", ".join(map(name, op.results)) + " = " if op.results else ""
            types = f" : {', '.join(str(v.type) for v in op.results)}" if op.results else ""
            yield f"{indent}{out}{op.name}{attrs} {', '.join(map(name, op.operands))}{types}"
            for inner in op.blocks:
                yield f"{indent}  ({', '.join(map(name, inner.args))})"
                yield from block(inner, indent + "    ")

    yield f"kernel {function.name}({', '.join(f'{name(p)}: {p.type}' for p in function.params)})"
    yield from block(function.body, "  ")
