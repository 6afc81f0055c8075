"""The operations of the tile IR: what each takes, what the verifier asks of it, and the builder."""

import math
from collections.abc import Sequence
from typing import Any

from opencu.tile.dtypes import bool_, e4m3, e5m2, i8, i64
from opencu.tile.ir import Block, Function, KernelError, Op, Scalar, Tile, Type, Value, View, retype

# What each function is defined for: kinds of dtypes.
UNARY = {"neg": "fiuc", "abs": "fiu", "not": "b", "conj": "c"}
UNARY |= dict.fromkeys(("sqrt", "floor", "rint"), "f")
# A shift's distance counts modulo the operand's bits; to the right, the sign follows in signed
# integers, zeros in unsigned ones.
BINARY = {"div": "f"} | dict.fromkeys(("add", "sub", "mul"), "fiuc")
BINARY |= dict.fromkeys(("min", "max"), "fiu") | dict.fromkeys(("and", "or", "xor"), "biu")
BINARY |= dict.fromkeys(("floordiv", "mod", "shl", "shr"), "iu")
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
WHERE = (None, "j<=i", "j>=i", "k<=i", "k>=i", "k<=j", "k>=j")  # of a dot
SCAN = ("sum", "prod", "max", "min")
REDUCE = dict.fromkeys((*SCAN, "argmax", "argmin"), "fiu") | dict.fromkeys(("any", "all"), "b")
REDUCE |= {"sum": "fiuc"}
ATOMIC = dict.fromkeys(("add", "max", "min", "exchange"), "fiu")
ATOMIC |= dict.fromkeys(("and", "or", "xor", "cas"), "iu")


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
    count, attrs, check = OPS[op.name]
    need(count is None or len(op.operands) == count, f"expected {count} operands")
    need(set(attrs) <= set(op.attrs), f"expected the attributes {attrs}")
    if check:
        check(op, need)


def _gives(op: Op, need, want: Type) -> None:
    need(op.result.type == want, f"result {op.result.type}, expected {want}")


# ---- memory --------------------------------------------------------------------------------------


def _slice(op: Op, need) -> None:
    need(not op.operands[0].type.pointers, "an array of pointers has no slices; pick one first")


def _access(op: Op, need) -> None:
    view = op.operands[0].type
    need(isinstance(view, View), f"expected a view, got {view}")
    need(not view.pointers, "expected a view; pick one of an array of pointers first")
    index = op.operands[1 : 1 + view.ndim]
    tile = op.results[0].type if op.name == "load" else op.operands[-1].type
    expected = 1 + view.ndim + (op.name == "store")
    need(len(op.operands) == expected, f"expected {view.ndim} tile indices for {view}")
    need(all(v.type == Scalar(i64) for v in index), "tile indices must be integers")
    fits = isinstance(tile, Tile) and len(tile.shape) == view.ndim
    need(fits, f"expected a tile of {view.ndim} axes, got {tile}")
    same = tile.dtype == view.dtype
    need(same, f"a tile of {tile.dtype} does not fit a view of {view.dtype}; use cast")


def _prefetch(op: Op, need) -> None:
    view, *index = (v.type for v in op.operands)
    need(isinstance(view, View), f"expected a view, got {view}")
    need(len(index) == view.ndim == len(op.attrs["shape"]), f"expected {view.ndim} indices, sizes")
    need(all(t == Scalar(i64) for t in index), "tile indices must be integers")


def _elements(op: Op, need) -> None:
    view = op.operands[0].type
    need(isinstance(view, View), f"expected a view, got {view}")
    index, values = op.operands[1 : 1 + view.ndim], op.operands[1 + view.ndim :]
    need(len(index) == view.ndim, f"expected {view.ndim} indices for {view}")
    wanted = {"gather": 0, "scatter": 1}.get(op.name, 2 if op.attrs.get("fn") == "cas" else 1)
    parts = op.name == "scatter" and view.dtype.kind == "c" and len(values) == 2
    need(len(values) == wanted or parts, f"expected {view.ndim} indices for {view}")
    place = retype(index[0].type, i64)
    need(all(v.type == place for v in index), "expected integer indices of one shape")
    element = retype(place, view.dtype.part if parts else view.dtype)
    need(
        all(v.type == element for v in (*values, *op.results)),
        f"{', '.join(str(v.type) for v in values)} does not fit a view of {view.dtype}; use cast",
    )
    if op.name == "atomic":
        fn = op.attrs["fn"]
        need(fn in ATOMIC, f"no atomic {fn}")
        need(view.dtype.kind in ATOMIC[fn], f"atomic {fn} is not defined for {view.dtype}")
        need(view.dtype.bits >= 32, f"atomics are not defined for {view.dtype}")


# ---- arithmetic ----------------------------------------------------------------------------------


def _elementwise(op: Op, need) -> None:
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
    _gives(op, need, want)


def _dot(op: Op, need) -> None:
    where = op.attrs.get("where")
    need(where in WHERE, f"where is {where!r}: expected one of {', '.join(filter(None, WHERE))}")
    need(len(op.operands) % 3 == bool(where), "expected a, b, an accumulator, and by with where")
    planes = len(op.operands) // 3
    need(planes in (1, 2), "expected one plane or two")
    types = [v.type for v in op.operands[: 3 * planes]]
    a, b, acc = types[::planes]
    need(types == [t for t in (a, b, acc) for _ in range(planes)], "planes of different types")
    matrices = all(isinstance(t, Tile) and len(t.shape) == 2 for t in (a, b, acc))
    need(matrices, f"expected three tiles of two axes, got {a}, {b}, {acc}")
    match = a.shape[1] == b.shape[0] and acc.shape == (a.shape[0], b.shape[1])
    need(match, f"shapes {a.shape} x {b.shape} do not give {acc.shape}")
    known = a.dtype.kind in "fc" or a.dtype == i8
    alike = a.dtype == b.dtype or {a.dtype, b.dtype} == {e4m3, e5m2}
    need(
        alike and known and acc.dtype == a.dtype.sums,
        f"no sums of {a.dtype} by {b.dtype} in {acc.dtype}: expected two of one floating or "
        "complex dtype, or of 8-bit ones, and its sums (f32 for storage types), or i8 and i32",
    )
    need([r.type for r in op.results] == types[2 * planes :], "the result is of acc's type")


def _part(op: Op, need) -> None:
    source, target = op.operands[0].type, op.result.type
    need(source.dtype.kind == "c", f"expected complex numbers, got {source}")
    need(op.attrs["part"] in (0, 1), "expected part 0 or 1")
    if isinstance(source, View):
        strides = tuple(None if s is None else 2 * s for s in source.strides)
        want: Type = View(source.dtype.part, strides)
    else:
        want = retype(source, source.dtype.part)
    need(target == want, f"{target} is not a part of {source}")


def _complex(op: Op, need) -> None:
    re, im = (v.type for v in op.operands)
    target = op.result.type
    need(re == im == retype(target, target.dtype.part), f"{re} and {im} do not make {target}")
    need(target.dtype.kind == "c", f"expected a complex result, got {target}")


def _bitcast(op: Op, need) -> None:
    source, target = op.operands[0].type, op.result.type
    need(target == retype(source, target.dtype), f"{source} does not become {target}")
    same = source.dtype.bits == target.dtype.bits
    need(same, f"{source.dtype} and {target.dtype} are not of one size")


# ---- control flow --------------------------------------------------------------------------------


def _loop(op: Op, need) -> None:
    counted = op.name == "for"
    operands = [v.type for v in op.operands]
    carried = operands[3:] if counted else operands
    need(not counted or operands[:3] == [Scalar(i64)] * 3, "expected integer bounds")
    args = [Scalar(i64), *carried] if counted else carried
    for block in op.blocks:
        need([v.type for v in block.args] == args, "block arguments do not match")
        ends = bool(block.ops) and block.ops[-1].name == "yield"
        need(ends, "a loop's body ends in yield")
    *condition, body = ([v.type for v in b.ops[-1].operands] for b in op.blocks)
    if condition:
        (given,) = condition
        need(given == [Scalar(bool_)], f"expected one truth value, got {given[0]}")
    changed = ", ".join(f"{a} becomes {b}" for a, b in zip(carried, body) if a != b)
    need(body == carried, f"a variable changes its type in the loop: {changed}")


def _if(op: Op, need) -> None:
    condition = op.operands[0].type
    need(condition == Scalar(bool_), f"expected one truth value, got {condition}")
    yes, no = ([v.type for v in b.ops[-1].operands] for b in op.blocks)
    changed = ", ".join(f"{a} and {b}" for a, b in zip(yes, no) if a != b)
    need(yes == no, f"a variable has another type in each branch: {changed}")


# ---- reductions and shapes -----------------------------------------------------------------------


def _reduce(op: Op, need) -> None:
    fn, axes, x = op.attrs["fn"], op.attrs["axes"], op.operands[0].type
    need(fn in REDUCE, f"no reduction {fn}")
    need(isinstance(x, Tile), f"expected a tile, got {x}")
    need(x.dtype.kind in REDUCE[fn], f"{fn} is not defined for {x}")
    every = tuple(range(len(x.shape)))
    need(axes == every or (len(axes) == 1 and axes[0] in every), f"no axes {axes} in {x}")
    dtype = i64 if fn.startswith("arg") else x.dtype
    ones = tuple(1 if d in axes else s for d, s in enumerate(x.shape))
    _gives(op, need, Scalar(dtype) if axes == every else Tile(ones, dtype))


def _scan(op: Op, need) -> None:
    fn, x = op.attrs["fn"], op.operands[0].type
    need(fn in SCAN, f"no scan {fn}")
    need(isinstance(x, Tile) and op.attrs["axis"] in range(len(x.shape)), f"no such axis in {x}")
    need(x.dtype.kind in REDUCE[fn], f"a scan is not defined for {x}")
    _gives(op, need, x)


def _broadcast(op: Op, need) -> None:
    source, target = op.operands[0].type, op.result.type
    need(isinstance(target, Tile) and source.dtype == target.dtype, "expected a tile to make")
    if isinstance(source, Tile):
        fits = len(source.shape) == len(target.shape)
        fits = fits and all(s in (1, t) for s, t in zip(source.shape, target.shape))
        need(fits, f"{source} does not broadcast to {target}")


def _reshape(op: Op, need) -> None:
    x, y = op.operands[0].type, op.result.type
    same = isinstance(x, Tile) and math.prod(x.shape) == math.prod(y.shape)
    need(same and x.dtype == y.dtype, f"{x} does not become {y}")


def _permute(op: Op, need) -> None:
    x, axes = op.operands[0].type, op.attrs["axes"]
    need(sorted(axes) == list(range(len(x.shape))), f"axes {axes} of {x}")
    _gives(op, need, Tile(tuple(x.shape[a] for a in axes), x.dtype))


def _extract(op: Op, need) -> None:
    x, y, start = op.operands[0].type, op.result.type, op.attrs["start"]
    need(len(start) == len(x.shape) == len(y.shape) and x.dtype == y.dtype, f"{y} of {x}")
    inside = all(a >= 0 and a + n <= s for a, n, s in zip(start, y.shape, x.shape))
    need(inside, f"{y} at {start} is not inside {x}")


def _cat(op: Op, need) -> None:
    axis, y = op.attrs["axis"], op.result.type
    types = [v.type for v in op.operands]
    rest = {(t.dtype, len(t.shape), *t.shape[:axis], *t.shape[axis + 1 :]) for t in types}
    need(len(rest) == 1, f"{', '.join(map(str, types))} do not go together along axis {axis}")
    need(sum(t.shape[axis] for t in types) == y.shape[axis], f"result {y}")


# name: (number of operands or None, attributes, check or None)
OPS: dict[str, Any] = {
    "const": (0, ("value",), None),  # a scalar constant
    "pid": (0, ("axis",), None),
    "npid": (0, ("axis",), None),
    "dim": (1, ("axis",), None),  # size of a view's axis
    "slice": (3, ("axis",), _slice),  # view, lo, hi -> the view of that part of an axis
    "pick": (2, ("axis",), None),  # view, index -> the view with that axis taken away
    "load": (None, (), _access),  # view, tile index per axis -> tile; zero out of bounds
    "store": (None, (), _access),  # view, tile index per axis, tile; nothing out of bounds
    "prefetch": (None, ("shape",), _prefetch),  # view, tile index per axis
    "gather": (None, (), _elements),  # view, an index per axis -> elements; zero out of bounds
    "scatter": (None, (), _elements),  # view, an index per axis, values; nothing out of bounds
    "atomic": (None, ("fn", "scope"), _elements),  # as scatter -> what was there before
    "iota": (0, ("axis",), None),  # 0, 1, 2, ... along an axis
    "unary": (1, ("fn",), _elementwise),
    "binary": (2, ("fn",), _elementwise),
    "compare": (2, ("fn",), _elementwise),
    "select": (3, (), _elementwise),
    "fma": (3, (), _elementwise),
    "cast": (1, (), None),
    "bitcast": (1, (), _bitcast),  # the same bits as another dtype of their size
    "part": (1, ("part",), _part),  # the real (0) or imaginary (1) parts of a complex value or view
    "complex": (2, (), _complex),  # real parts, imaginary parts -> complex tile
    "dot": (None, (), _dot),  # a[i,k] b[k,j] acc[i,j] -> acc + a b; two planes: each twice
    "for": (None, (), _loop),  # lo, hi, step, carried...; block args: index, carried...
    "while": (None, (), _loop),  # carried...; two blocks with them as arguments: condition, body
    "if": (1, (), _if),  # condition; two blocks
    "yield": (None, (), None),
    "reduce": (1, ("fn", "axes"), _reduce),  # one axis, left with size 1, or all, to a scalar
    "scan": (1, ("fn", "axis"), _scan),
    "broadcast": (1, (), _broadcast),  # scalar, or tile with axes of size 1, to the result's shape
    "reshape": (1, (), _reshape),  # row-major
    "permute": (1, ("axes",), _permute),  # axis d of the result is axis axes[d] of the operand
    "extract": (1, ("start",), _extract),  # the part of a tile at start, of the result's shape
    "cat": (None, ("axis",), _cat),
}
