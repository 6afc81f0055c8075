"""The interpreter: runs a kernel's IR with numpy. It is the oracle of every lowering.

A view is a numpy array; tiles are arrays of their static shape, zero where a load leaves the view.
Programs run one after another, in order.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from opencu.tile import dtypes
from opencu.tile.ir import Block, Function, Op, Scalar, Value
from opencu.tile.values import OPERATORS

FUNCTIONS = OPERATORS | {
    **{name: getattr(np, name) for name in ("abs", "sqrt", "floor", "conj", "rint")},
    "neg": np.negative,
    "not": np.logical_not,
    "min": np.minimum,
    "max": np.maximum,
    "shl": lambda x, n: x << (n & x.dtype.type(x.dtype.itemsize * 8 - 1)),
    "shr": lambda x, n: x >> (n & x.dtype.type(x.dtype.itemsize * 8 - 1)),
}
PAIRWISE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}  # of scans


def run(function: Function, args: Sequence[Any], grid: Sequence[int]) -> None:
    """Run every program of the grid (up to three axes) on numpy arrays and numbers."""
    grid = (*grid, *(1,) * (3 - len(grid)))
    if len(args) != len(function.params):
        raise TypeError(f"{function.name} takes {len(function.params)} arguments, got {len(args)}")
    for index in itertools.product(*(range(g) for g in reversed(grid))):
        program = _Program(index[::-1], grid)
        with np.errstate(all="ignore"):
            for p, a in zip(function.params, args):
                program.values[p] = p.type.dtype.numpy.type(a) if isinstance(p.type, Scalar) else a
            program.block(function.body)


class _Program:
    def __init__(self, pid: tuple[int, ...], grid: tuple[int, ...]):
        self.pid, self.grid = pid, grid
        self.values: dict[Value, Any] = {}

    def block(self, block: Block) -> list[Any]:
        """Run a block; the values that it yields."""
        for op in block.ops:
            operands = [self.values[v] for v in op.operands]
            if op.name == "yield":
                return operands
            results = getattr(self, f"op_{op.name}")(op, *operands)
            if len(op.results) == 1 and not op.blocks:
                results = [results]
            self.values.update(zip(op.results, results or []))
        return []

    def op_const(self, op: Op) -> Any:
        return dtypes.narrow(op.attrs["value"], op.result.type.dtype)[()]

    def op_pid(self, op: Op) -> int:
        return np.int64(self.pid[op.attrs["axis"]])

    def op_npid(self, op: Op) -> int:
        return np.int64(self.grid[op.attrs["axis"]])

    def op_dim(self, op: Op, view: np.ndarray) -> int:
        return np.int64(view.shape[op.attrs["axis"]])

    def op_slice(self, op: Op, view: np.ndarray, lo: int, hi: int) -> np.ndarray:
        where = [slice(None)] * view.ndim
        where[op.attrs["axis"]] = slice(max(lo, 0), max(hi, 0))
        return view[tuple(where)]

    def op_pick(self, op: Op, view: np.ndarray, index: int) -> np.ndarray:
        axis = op.attrs["axis"]
        if view.dtype == object and axis == 0:  # an array of pointers: of arrays, here
            return view[index]
        if not 0 <= index < view.shape[axis]:  # nothing is in bounds
            return np.zeros([0] * (view.ndim - 1), view.dtype)
        return view[(*(slice(None),) * axis, index, ...)]

    def _window(self, view: np.ndarray, index: Sequence[int], shape: Sequence[int]):
        """The part of a tile that lies in the view, as slices of the view and of the tile."""
        inside, part = [], []
        for i, s, size in zip(index, shape, view.shape):
            lo, hi = int(i) * s, min((int(i) + 1) * s, size)
            clipped = min(max(lo, 0), size)
            inside.append(slice(clipped, max(hi, clipped)))
            part.append(slice(clipped - lo, max(hi, clipped) - lo))
        return tuple(inside), tuple(part)

    def op_load(self, op: Op, view: np.ndarray, *index: int) -> np.ndarray:
        tile = np.zeros(op.result.type.shape, op.result.type.dtype.numpy)
        inside, part = self._window(view, index, tile.shape)
        tile[part] = view[inside]
        return tile

    def op_store(self, op: Op, view: np.ndarray, *rest: Any) -> None:
        *index, tile = rest
        inside, part = self._window(view, index, tile.shape)
        view[inside] = tile[part]

    def op_iota(self, op: Op) -> np.ndarray:
        shape, axis = op.result.type.shape, op.attrs["axis"]
        line = np.arange(shape[axis], dtype=op.result.type.dtype.numpy)
        along = [-1 if d == axis else 1 for d in range(len(shape))]
        return np.broadcast_to(line.reshape(along), shape)

    def op_broadcast(self, op: Op, x: Any) -> np.ndarray:
        return np.broadcast_to(x, op.result.type.shape)

    def op_function(self, op: Op, *x: Any) -> Any:
        return FUNCTIONS[op.attrs["fn"]](*x)

    op_unary = op_binary = op_compare = op_function

    def op_select(self, op: Op, c: Any, x: Any, y: Any) -> Any:
        return np.where(c, x, y).astype(op.result.type.dtype.numpy)

    def op_cast(self, op: Op, x: Any) -> Any:
        wide = dtypes.widen(x, op.operands[0].type.dtype)
        return dtypes.narrow(wide, op.result.type.dtype)[()]

    def op_bitcast(self, op: Op, x: Any) -> Any:
        return np.ascontiguousarray(x).view(op.result.type.dtype.numpy).reshape(np.shape(x))[()]

    def op_fma(self, op: Op, x: Any, y: Any, z: Any) -> Any:
        # One rounding, but for the rarest double roundings.
        wide = np.clongdouble if op.result.type.dtype.kind == "c" else np.longdouble
        return (wide(x) * y + z).astype(op.result.type.dtype.numpy)[()]

    def op_part(self, op: Op, x: Any) -> Any:
        return x.imag if op.attrs["part"] else x.real

    def op_complex(self, op: Op, re: Any, im: Any) -> Any:
        return (re + 1j * im).astype(op.result.type.dtype.numpy)

    def op_dot(self, op: Op, a: np.ndarray, b: np.ndarray, acc: np.ndarray, by=0) -> np.ndarray:
        a, b = (dtypes.widen(x, v.type.dtype) for x, v in zip((a, b), op.operands))
        wide = {"c": "c16", "i": "i8"}.get(acc.dtype.kind, "f8")
        return (acc + a.astype(wide) @ b.astype(wide)).astype(acc.dtype)

    def op_for(self, op: Op, lo: int, hi: int, step: int, *carried: Any) -> list[Any]:
        body = op.blocks[0]
        for i in range(lo, hi, step):
            self.values.update(zip(body.args, (np.int64(i), *carried)))
            carried = tuple(self.block(body))
        return list(carried)

    def op_if(self, op: Op, condition: Any) -> list[Any]:
        return self.block(op.blocks[0 if condition else 1])

    def op_while(self, op: Op, *carried: Any) -> list[Any]:
        condition, body = op.blocks
        while True:
            self.values.update(zip(condition.args, carried))
            if not self.block(condition)[0]:
                return list(carried)
            self.values.update(zip(body.args, carried))
            carried = tuple(self.block(body))

    # ---- reductions, shapes ----------------------------------------------------------------------

    def _wide(self, op: Op, x: np.ndarray) -> np.ndarray:
        """The operand as the oracle adds it up."""
        wide = {"f": "f8", "c": "c16"}.get(x.dtype.kind, x.dtype)
        return x.astype(wide) if op.attrs["fn"] in ("sum", "prod") else x

    def op_reduce(self, op: Op, x: np.ndarray) -> Any:
        axes, out = op.attrs["axes"], op.result.type
        reduce = getattr(np, op.attrs["fn"])
        total = np.asarray(reduce(self._wide(op, x), axis=axes[0] if len(axes) == 1 else None))
        total = total.astype(out.dtype.numpy)
        return total[()] if isinstance(out, Scalar) else total.reshape(out.shape)

    def op_scan(self, op: Op, x: np.ndarray) -> np.ndarray:
        scan = PAIRWISE[op.attrs["fn"]].accumulate
        return scan(self._wide(op, x), axis=op.attrs["axis"]).astype(x.dtype)

    def op_reshape(self, op: Op, x: np.ndarray) -> np.ndarray:
        return x.reshape(op.result.type.shape)

    def op_permute(self, op: Op, x: np.ndarray) -> np.ndarray:
        return x.transpose(op.attrs["axes"])

    def op_extract(self, op: Op, x: np.ndarray) -> np.ndarray:
        return x[tuple(slice(a, a + n) for a, n in zip(op.attrs["start"], op.result.type.shape))]

    def op_cat(self, op: Op, *tiles: np.ndarray) -> np.ndarray:
        return np.concatenate(tiles, op.attrs["axis"])

    # ---- elements --------------------------------------------------------------------------------

    def _elements(self, view: np.ndarray, index: Sequence[Any]):
        """Where in the tile, and where in the view, each element lies that is inside."""
        index = [np.asarray(i) for i in index]
        for at in np.ndindex(index[0].shape):
            place = tuple(int(i[at]) for i in index)
            if all(0 <= p < n for p, n in zip(place, view.shape)):
                yield at, place

    def op_gather(self, op: Op, view: np.ndarray, *index: Any) -> Any:
        out = np.zeros(np.shape(index[0]), view.dtype)
        for at, place in self._elements(view, index):
            out[at] = view[place]
        return out[()]

    def op_scatter(self, op: Op, view: np.ndarray, *rest: Any) -> None:
        *index, value = rest
        for at, place in self._elements(view, index):
            view[place] = np.asarray(value)[at]

    def op_atomic(self, op: Op, view: np.ndarray, *rest: Any) -> Any:
        fn, index, values = op.attrs["fn"], rest[: view.ndim], rest[view.ndim :]
        old = np.zeros(np.shape(index[0]), view.dtype)
        for at, place in self._elements(view, index):
            old[at] = before = view[place]
            x = [np.asarray(v)[at] for v in values]
            if fn in FUNCTIONS:
                view[place] = FUNCTIONS[fn](before, x[0])
            elif fn == "exchange" or before == x[0]:
                view[place] = x[-1]
        return old[()]

    def op_prefetch(self, op: Op, *place: Any) -> None:
        return None
