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

UNARY = {
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "floor": np.floor,
    "not": np.logical_not,
    "rint": np.rint,
}
BINARY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": lambda x, n: np.left_shift(x, n & x.dtype.type(x.dtype.itemsize * 8 - 1)),
    "shr": lambda x, n: np.right_shift(x, n & x.dtype.type(x.dtype.itemsize * 8 - 1)),
}
COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


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
        return np.broadcast_to(
            line.reshape([-1 if d == axis else 1 for d in range(len(shape))]), shape
        )

    def op_broadcast(self, op: Op, x: Any) -> np.ndarray:
        return np.broadcast_to(x, op.result.type.shape)

    def op_unary(self, op: Op, x: Any) -> Any:
        return UNARY[op.attrs["fn"]](x)

    def op_binary(self, op: Op, x: Any, y: Any) -> Any:
        return BINARY[op.attrs["fn"]](x, y)

    def op_compare(self, op: Op, x: Any, y: Any) -> Any:
        return COMPARE[op.attrs["fn"]](x, y)

    def op_select(self, op: Op, c: Any, x: Any, y: Any) -> Any:
        return np.where(c, x, y).astype(op.result.type.dtype.numpy)

    def op_cast(self, op: Op, x: Any) -> Any:
        wide = dtypes.widen(x, op.operands[0].type.dtype)
        return dtypes.narrow(wide, op.result.type.dtype)[()]

    def op_bitcast(self, op: Op, x: Any) -> Any:
        return np.ascontiguousarray(x).view(op.result.type.dtype.numpy).reshape(np.shape(x))[()]

    def op_fma(self, op: Op, x: Any, y: Any, z: Any) -> Any:
        wide = np.longdouble  # one rounding, but for the rarest double roundings
        return (wide(x) * y + z).astype(op.result.type.dtype.numpy)[()]

    def op_dot(self, op: Op, a: np.ndarray, b: np.ndarray, acc: np.ndarray) -> np.ndarray:
        return (acc + a.astype("f8") @ b.astype("f8")).astype(acc.dtype)

    def op_for(self, op: Op, lo: int, hi: int, step: int, *carried: Any) -> list[Any]:
        body = op.blocks[0]
        for i in range(lo, hi, step):
            self.values.update(zip(body.args, (np.int64(i), *carried)))
            carried = tuple(self.block(body))
        return list(carried)

    def op_if(self, op: Op, condition: Any) -> list[Any]:
        return self.block(op.blocks[0 if condition else 1])
