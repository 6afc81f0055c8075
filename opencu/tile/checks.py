"""What the verifier asks of reductions, element accesses, changes of shape, and while loops."""

import math

from opencu.tile.dtypes import bool_, i64
from opencu.tile.ir import CHECKS, Op, Scalar, Tile, View, retype

REDUCE = {
    "sum": "fiu",
    "prod": "fiu",
    "max": "fiu",
    "min": "fiu",
    "argmax": "fiu",
    "argmin": "fiu",
    "any": "b",
    "all": "b",
}
SCAN = ("sum", "prod", "max", "min")
ATOMIC = {
    "add": "fiu",
    "max": "fiu",
    "min": "fiu",
    "and": "iu",
    "or": "iu",
    "xor": "iu",
    "exchange": "fiu",
    "cas": "iu",
}


def _reduce(op: Op, need) -> None:
    fn, axes, x = op.attrs["fn"], op.attrs["axes"], op.operands[0].type
    need(fn in REDUCE, f"no reduction {fn}")
    need(isinstance(x, Tile), f"expected a tile, got {x}")
    need(x.dtype.kind in REDUCE[fn], f"{fn} is not defined for {x}")
    every = tuple(range(len(x.shape)))
    need(axes == every or (len(axes) == 1 and axes[0] in every), f"no axes {axes} in {x}")
    dtype = i64 if fn.startswith("arg") else x.dtype
    ones = tuple(1 if d in axes else s for d, s in enumerate(x.shape))
    want = Scalar(dtype) if axes == every else Tile(ones, dtype)
    need(op.result.type == want, f"result {op.result.type}, expected {want}")


def _scan(op: Op, need) -> None:
    fn, x = op.attrs["fn"], op.operands[0].type
    need(fn in SCAN, f"no scan {fn}")
    need(isinstance(x, Tile) and op.attrs["axis"] in range(len(x.shape)), f"no such axis in {x}")
    need(x.dtype.kind in REDUCE[fn], f"a scan is not defined for {x}")
    need(op.result.type == x, f"result {op.result.type}, expected {x}")


def _elements(op: Op, need) -> None:
    view = op.operands[0].type
    need(isinstance(view, View), f"expected a view, got {view}")
    index, values = op.operands[1 : 1 + view.ndim], op.operands[1 + view.ndim :]
    need(len(index) == view.ndim, f"expected {view.ndim} indices for {view}")
    wanted = {"gather": 0, "scatter": 1}.get(op.name, 2 if op.attrs.get("fn") == "cas" else 1)
    need(len(values) == wanted, f"expected {view.ndim} indices for {view}")
    place = retype(index[0].type, i64)
    need(all(v.type == place for v in index), "expected integer indices of one shape")
    element = retype(place, view.dtype)
    need(
        all(v.type == element for v in (*values, *op.results)),
        f"{', '.join(str(v.type) for v in values)} does not fit a view of {view.dtype}; use cast",
    )
    if op.name == "atomic":
        fn = op.attrs["fn"]
        need(fn in ATOMIC, f"no atomic {fn}")
        need(view.dtype.kind in ATOMIC[fn], f"atomic {fn} is not defined for {view.dtype}")
        need(view.dtype.bits >= 32, f"atomics are not defined for {view.dtype}")


def _prefetch(op: Op, need) -> None:
    view, *index = (v.type for v in op.operands)
    need(isinstance(view, View), f"expected a view, got {view}")
    need(len(index) == view.ndim == len(op.attrs["shape"]), f"expected {view.ndim} indices, sizes")
    need(all(t == Scalar(i64) for t in index), "tile indices must be integers")


def _reshape(op: Op, need) -> None:
    x, y = op.operands[0].type, op.result.type
    same = isinstance(x, Tile) and math.prod(x.shape) == math.prod(y.shape)
    need(same and x.dtype == y.dtype, f"{x} does not become {y}")


def _permute(op: Op, need) -> None:
    x, axes = op.operands[0].type, op.attrs["axes"]
    need(sorted(axes) == list(range(len(x.shape))), f"axes {axes} of {x}")
    want = Tile(tuple(x.shape[a] for a in axes), x.dtype)
    need(op.result.type == want, f"result {op.result.type}, expected {want}")


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


def _while(op: Op, need) -> None:
    carried = [v.type for v in op.operands]
    for block in op.blocks:
        need([v.type for v in block.args] == carried, "block arguments do not match")
    condition, body = ([v.type for v in b.ops[-1].operands] for b in op.blocks)
    need(condition == [Scalar(bool_)], f"expected one truth value, got {condition[0]}")
    changed = ", ".join(f"{a} becomes {b}" for a, b in zip(carried, body) if a != b)
    need(body == carried, f"a variable changes its type in the loop: {changed}")


CHECKS.update(
    {
        "reduce": _reduce,
        "scan": _scan,
        "gather": _elements,
        "scatter": _elements,
        "atomic": _elements,
        "prefetch": _prefetch,
        "reshape": _reshape,
        "permute": _permute,
        "extract": _extract,
        "cat": _cat,
        "while": _while,
    }
)
