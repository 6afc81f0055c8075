"""Complex values become pairs of real ones, before anything is lowered.

a tile or number of c64   two of f32: real and imaginary parts
a view of c64             is sliced as it is; loads read two views of f32 with doubled strides
a store, a scatter        stays one, of both parts, which are interleaved in registers
a dot                     one dot of two planes: a_re a_im b_re b_im acc_re acc_im -> re im
"""

from collections.abc import Callable

from opencu.tile.dtypes import bool_
from opencu.tile.ir import Block, Function, KernelError, Op, Scalar, Tile, Value, View, retype
from opencu.tile.ops import Builder

Parts = tuple[Value, Value]
# Each part by itself; of reductions and scans, sums.
PARTWISE = "broadcast select reshape permute extract cat reduce scan".split()


def split(function: Function) -> Function:
    """Rewrite a function in place; a number of its parameters becomes two."""
    splitter = _Splitter()
    function.params = [x for p in function.params for x in splitter.declare(p)]
    splitter.block(function.body)
    return function


def _is_complex(v: Value) -> bool:
    return not isinstance(v.type, View) and v.type.dtype.kind == "c"


def _part_type(t: Scalar | Tile) -> Scalar | Tile:
    return retype(t, t.dtype.part)


class _Splitter:
    def __init__(self) -> None:
        self.b = Builder()
        self.parts: dict[Value, Parts] = {}
        self.same: dict[Value, Value] = {}  # real values that turn out to be known ones

    def declare(self, v: Value, op: Op | None = None) -> list[Value]:
        """v itself, or the new values that stand for its parts."""
        if not _is_complex(v):
            return [v]
        t = _part_type(v.type)
        self.parts[v] = Value(t, op, f"{v.name}_re"), Value(t, op, f"{v.name}_im")
        return list(self.parts[v])

    def flat(self, values: list[Value]) -> list[Value]:
        return [x for v in values for x in self.parts.get(v, (v,))]

    def block(self, block: Block) -> None:
        old, block.ops = block.ops, []
        block.args = [x for v in block.args for x in self.declare(v)]
        outer, self.b.block = self.b.block, block
        for op in old:
            self.op(op)
        self.b.block = outer

    def each(self, op: Op, make: Callable[[int], Value]) -> None:
        """The parts of op's result: make(0) and make(1)."""
        self.parts[op.result] = make(0), make(1)

    def op(self, op: Op) -> None:
        self.b.loc = op.loc
        op.operands = [self.same.get(v, v) for v in op.operands]
        if op.name in ("for", "if", "yield"):
            op.operands = self.flat(op.operands)
            for inner in op.blocks:
                self.block(inner)
            op.results = [x for v in op.results for x in self.declare(v, op)]
        elif any(map(_is_complex, (*op.operands, *op.results))):
            method = getattr(self, f"op_{op.name}", None)
            if op.name in PARTWISE:
                method = self.partwise
            if method is None:
                raise KernelError(op.loc, f"{op.name} is not defined for complex numbers")
            method(op)
            return
        self.b.block.ops.append(op)

    # ---- real arithmetic -------------------------------------------------------------------------

    def binary(self, fn: str, x: Value, y: Value) -> Value:
        return self.b.one("binary", [x, y], x.type, fn=fn)

    def neg(self, x: Value) -> Value:
        return self.b.one("unary", [x], x.type, fn="neg")

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        return self.b.one("fma", [x, y, z], x.type)

    # ---- operations ------------------------------------------------------------------------------

    def partwise(self, op: Op) -> None:
        t = _part_type(op.result.type)
        both = [self.parts.get(v, (v, v)) for v in op.operands]
        self.each(op, lambda i: self.b.one(op.name, [x[i] for x in both], t, **op.attrs))

    def op_const(self, op: Op) -> None:
        value, t = complex(op.attrs["value"]), _part_type(op.result.type)
        numbers = value.real, value.imag
        self.each(op, lambda i: self.b.one("const", [], t, value=numbers[i]))

    def view(self, v: Value, part: int) -> Value:
        strides = tuple(None if s is None else 2 * s for s in v.type.strides)
        return self.b.one("part", [v], View(v.type.dtype.part, strides), part=part)

    def op_load(self, op: Op) -> None:
        t, (view, *index) = _part_type(op.result.type), op.operands
        self.each(op, lambda i: self.b.one(op.name, [self.view(view, i), *index], t))

    op_gather = op_load

    def op_store(self, op: Op) -> None:
        *place, value = op.operands
        whole = self.b.one("complex", list(self.parts[value]), value.type)
        self.b.op("store", [*place, whole], [])

    def op_scatter(self, op: Op) -> None:
        self.b.op("scatter", self.flat(op.operands), [])

    def op_complex(self, op: Op) -> None:
        self.parts[op.result] = op.operands[0], op.operands[1]

    def op_part(self, op: Op) -> None:
        self.same[op.result] = self.parts[op.operands[0]][op.attrs["part"]]

    def op_unary(self, op: Op) -> None:
        re, im = self.parts[op.operands[0]]
        self.parts[op.result] = re if op.attrs["fn"] == "conj" else self.neg(re), self.neg(im)

    def op_binary(self, op: Op) -> None:
        (a, b), (c, d) = (self.parts[v] for v in op.operands)
        fn = op.attrs["fn"]
        if fn == "mul":
            re = self.fma(self.neg(b), d, self.binary("mul", a, c))
            self.parts[op.result] = re, self.fma(a, d, self.binary("mul", b, c))
        else:
            self.parts[op.result] = self.binary(fn, a, c), self.binary(fn, b, d)

    def op_fma(self, op: Op) -> None:
        (a, b), (c, d), (re, im) = (self.parts[v] for v in op.operands)
        re = self.fma(self.neg(b), d, self.fma(a, c, re))
        self.parts[op.result] = re, self.fma(a, d, self.fma(b, c, im))

    def op_compare(self, op: Op) -> None:
        (a, b), (c, d) = (self.parts[v] for v in op.operands)
        t = retype(a.type, bool_)
        same = [self.b.one("compare", pair, t, fn=op.attrs["fn"]) for pair in ([a, c], [b, d])]
        fn = "and" if op.attrs["fn"] == "eq" else "or"
        self.same[op.result] = self.b.one("binary", same, t, fn=fn)

    def op_cast(self, op: Op) -> None:
        source, target = op.operands[0], op.result.type
        if not _is_complex(source):
            t = _part_type(target)
            re = source if source.type == t else self.b.one("cast", [source], t)
            zero = self.b.one("const", [], Scalar(t.dtype), value=0.0)
            im = self.b.one("broadcast", [zero], t) if isinstance(t, Tile) else zero
            self.parts[op.result] = re, im
            return
        if target.dtype.kind != "c":
            raise KernelError(op.loc, f"cast: {source.type} to {target}: take real or imag first")
        x, t = self.parts[source], _part_type(target)
        self.each(op, lambda i: self.b.one("cast", [x[i]], t))

    def op_dot(self, op: Op) -> None:
        t = _part_type(op.result.type)
        self.parts[op.result] = tuple(self.b.op("dot", self.flat(op.operands), [t, t], **op.attrs))
