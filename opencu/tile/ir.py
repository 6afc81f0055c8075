"""The tile IR: typed SSA values in blocks, with structured control flow.

A function is one block of ops; `for` and `if` hold blocks of their own. Every op has a location
(file, line of the kernel's source), so that each later stage can name it in an error.

Types are Scalar, Tile and View. A tile's shape is static. A view is memory: a pointer with sizes
and strides that are known at run time, save for the strides listed in its type.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opencu.tile.dtypes import DType


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
    """Memory of `dtype`; strides[d] is a known element stride of axis d, or None. With `pointers`,
    axis 0 is an array of pointers to what the other axes step through: pick along it first."""

    dtype: DType
    strides: tuple[int | None, ...]
    pointers: bool = False

    @property
    def ndim(self) -> int:
        return len(self.strides)

    def __str__(self) -> str:
        known = ",".join("?" if s is None else str(s) for s in self.strides)
        return f"view<{self.dtype} strides {known}>"


Type = Scalar | Tile | View


def retype(type: Type, dtype: DType) -> Type:
    """The same kind of scalar or tile with another element type."""
    return Tile(type.shape, dtype) if isinstance(type, Tile) else Scalar(dtype)


@dataclass(eq=False)
class Value:
    type: Type
    op: "Op | None" = None  # None: a parameter or a block argument
    name: str = ""

    @property
    def made_by(self) -> str:
        """The name of the op that gives it; "" of a parameter or a block argument."""
        return self.op.name if self.op else ""


@dataclass(eq=False)
class Block:
    args: list[Value] = field(default_factory=list)
    ops: list["Op"] = field(default_factory=list)


@dataclass(eq=False)
class Op:
    """`name` and `attrs` as in the table of ops.py; operands and results are Values."""

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
