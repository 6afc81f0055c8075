"""What a planner is told of a call of ocu_run (runtime/core/routine.c): a class and its arguments.

spec: operation; dtypes of four operands, of the factors; four bits an operand: 1 rows, 2 columns
      lie side by side, 4 read, 8 written; flags; form, as the operation says
args: sizes 4 | batch | operands: pointer, strides of batch, rows, columns, rows, columns
      | factors: 6 words | workspace | parts
"""

from opencu import tile
from opencu.blas.kernels.gemm import DTYPES, view_type
from opencu.compiler import Blocks, compile
from opencu.drivers.interface import Target
from opencu.runtime.plan import Launch, Slot, Slots

FETCHED, SEVERAL, POINTERS, ONE_BY_ONE, MIXED, LANES = 1, 2, 4, 8, 16, 32  # flags
N_ARGS = 37


class Routine:
    """One class, for one target: the types of its arguments and the slots of their words."""

    def __init__(self, spec: bytes, target: Target):
        self.op, self.flags, self.form, self.target = spec[0], spec[8], spec[9:], target
        self.dtypes = [DTYPES.get(code) for code in spec[1:5]]
        self.factor_type = DTYPES.get(spec[5])
        self.layouts = [spec[6] & 15, spec[6] >> 4, spec[7] & 15, spec[7] >> 4]
        self.slots = Slots(N_ARGS)
        self.one = self.slots.const(1)
        self.size = [self.arg(i) for i in range(4)]
        self.batch, self.workspace, self.parts = self.arg(4), self.arg(35), self.arg(36)
        self.fetched, self.several = bool(self.flags & FETCHED), bool(self.flags & SEVERAL)

    def arg(self, index: int) -> Slot:
        return self.slots.arg(index)

    def vector(self, i: int) -> tuple[tile.View, list[Slot]]:
        """An operand as a vector: its type and words."""
        p, _, _, step, _, n = self._words(i)
        return tile.View(self.dtypes[i], (1 if self.layouts[i] & 2 else None,)), [p, n, step]

    def matrix(self, i: int) -> tuple[tile.View, list[Slot]]:
        """An operand as a batch of matrices."""
        p, *steps, rows, columns = self._words(i)
        pointers = bool(self.flags & POINTERS)
        if pointers:
            steps[0] = self.one
        view = view_type(self.dtypes[i], self.layouts[i] & 3, pointers)
        return view, [p, self.batch, rows, columns, *steps]

    def vectors(self, i: int) -> tuple[tile.View, list[Slot]]:
        """An operand as a batch of contiguous vectors; those of i32 are never pointed to."""
        p, bs, _, step, _, n = self._words(i)
        pointers = bool(self.flags & POINTERS) and self.dtypes[i] != tile.i32
        view = tile.View(self.dtypes[i], (1 if pointers else None, 1), pointers)
        return view, [p, self.batch, n, self.one if pointers else bs, step]

    def _words(self, i: int) -> list[Slot]:
        return [self.arg(5 + 6 * i + word) for word in range(6)]

    def factors(self, *types: tile.DType | None) -> dict:
        """Arguments s0, s1 ..: numbers of these types; where they are fetched, views of them, all
        of one type as one view."""
        words = [self.arg(29 + word) for word in range(6)]
        found: dict = {}
        if self.fetched:
            views = [(types[0], len(types))] if len(types) > 2 else [(t, 1) for t in types]
            for i, (t, count) in enumerate(views):
                found[f"s{i}"] = tile.View(t, (1,)), [words[i], self.slots.const(count), self.one]
            return found
        for i, t in enumerate(types):
            count = 1 + (t.kind == "c")
            found[f"s{i}"], words = (tile.Scalar(t), words[:count]), words[count:]
        return found

    def launch(
        self,
        kernel: tile.Kernel,
        grid: tuple,
        cost: Slot,
        arguments: dict,
        blocks: Blocks | None = None,
        **consts,
    ) -> Launch:
        """arguments: of each its type and words."""
        types = {name: of for name, (of, _) in arguments.items()}
        words = [word for _, given in arguments.values() for word in given]
        grid = (*grid, self.one, self.one, self.one)[:3]
        code = compile(kernel.trace(types, consts), self.target, blocks)
        return Launch(code, grid[0] * grid[1] * grid[2], cost, [*grid, *words])


def turned(a: tuple) -> tuple:
    """The transposes of a batch of matrices."""
    view, (p, batch, rows, columns, bs, rs, cs) = a
    at, *steps = view.strides
    return tile.View(view.dtype, (at, *steps[::-1]), view.pointers), [
        *(p, batch, columns, rows, bs, cs, rs)
    ]
