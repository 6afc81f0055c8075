"""What a work-group's threads have: numbers, barriers, shuffles; vectors to and from memory.

A vector of several lanes is moved whole, aligned, if its point is not checked; else lane by lane,
each behind its own bounds check.
"""

from dataclasses import dataclass
from typing import Any

from opencu.compiler.llvm import Function, Lanes, Space, constant, type_of
from opencu.compiler.memory import Access, Point, ViewRef, moved
from opencu.compiler.points import Points
from opencu.drivers.interface import Target
from opencu.tile.dtypes import DType, bool_, i32, i64
from opencu.tile.ir import Op

SHARED, GLOBAL = 3, Space(1, 0, 1)  # address spaces; any two views may be the same memory


@dataclass(frozen=True)
class Machine:
    """How a kind of code says what LLVM has no common words for."""

    convention: str
    attributes: str  # of the kernel; {threads} of a work-group
    thread: str  # number in the work-group, and the group's in the grid: (type, callee, arguments)
    group: str
    barrier: tuple[str, ...]
    scopes: dict[str, str]  # of atomics: for other programs to see, for this one's threads
    shuffle: str = ""  # the value that another thread passes; {x}, {lane}
    footer: str = ""


_NVVM, _AMD = "@llvm.nvvm.", "@llvm.amdgcn."
_UNUSED = (
    "implicitarg-ptr dispatch-ptr queue-ptr dispatch-id hostcall-ptr heap-ptr default-queue"
    " completion-action multigrid-sync-arg lds-kernel-id workgroup-id-y workgroup-id-z"
    " workitem-id-y workitem-id-z flat-scratch-init"
)
MACHINES = {
    "ptx": Machine(
        "ptx_kernel",
        '"nvvm.maxntid"="{threads}" "nvvm.minctasm"="1"',
        f"i32 {_NVVM}read.ptx.sreg.tid.x()",
        f"i32 {_NVVM}read.ptx.sreg.ctaid.x()",
        (f"call void {_NVVM}barrier.cta.sync.aligned.all(i32 0)",),
        {"device": "device", "program": "block"},
        f"i32 {_NVVM}shfl.sync.idx.i32(i32 -1, i32 {{x}}, i32 {{lane}}, i32 31)",
    ),
    "elf": Machine(
        "amdgpu_kernel",
        '"amdgpu-flat-work-group-size"="{threads},{threads}" "uniform-work-group-size"="true" '
        + " ".join(f'"amdgpu-no-{name}"' for name in _UNUSED.split()),
        f"i32 {_AMD}workitem.id.x()",
        f"i32 {_AMD}workgroup.id.x()",
        (
            'fence syncscope("workgroup") release',
            f"call void {_AMD}s.barrier()",
            'fence syncscope("workgroup") acquire',
        ),
        {"device": "agent", "program": "workgroup"},
        f"i32 {_AMD}ds.bpermute(i32 {{lane}}, i32 {{x}})",
        '!llvm.module.flags = !{!0}\n!0 = !{i32 1, !"amdhsa_code_object_version", i32 500}',
    ),
    "spirv": Machine(
        "spir_kernel",
        "",
        "i64 @_Z12get_local_idj(i32 0)",
        "i64 @_Z12get_group_idj(i32 0)",
        ("call void @_Z7barrierj(i32 3)",),  # local and global memory
        {"device": "device", "program": "workgroup"},
    ),
}


class GroupFunction(Function):
    """A kernel's body, which every thread of a work-group runs."""

    fused = "fma"

    def __init__(self, target: Target):
        super().__init__()
        self.target, self.machine = target, MACHINES[target.format]
        self.params: list[str] = []
        self.spaces["@shared"] = Space(SHARED, 0, 0)
        self.thread = self.number(self.machine.thread)
        self.group = self.number(self.machine.group)

    def foreign(self, call: str) -> str:
        """Declare what a call names; the text of the call."""
        kind, rest = call.split(" ", 1)
        name, operands = rest.rstrip(")").split("(", 1)
        types = ", ".join(x.split()[0] for x in operands.split(", ") if x)
        once = " #1" if name == "@_Z7barrierj" else ""
        self.declared.add(f"declare {kind} {name}({types}){once}")
        return f"call {call}"

    def number(self, call: str) -> str:
        found = self.let(self.foreign(call))
        return found if call.startswith("i64") else self.let(f"zext i32 {found} to i64")

    def barrier(self) -> None:
        """Every thread waits for all, and sees what they wrote."""
        for text in self.machine.barrier:
            self.do(self.foreign(text[5:]) if text.startswith("call ") else text)

    def prefetch(self, pointer: str, write: bool = False) -> None:
        return None

    def shuffled(self, x: str, dtype: DType, lane: str) -> str:
        """The x of another thread that runs in step with this one."""
        one, word, long = (Lanes(self, d, 1) for d in (dtype, i32, i64))
        if dtype.kind == "f" and not dtype.storage:
            bits = word if dtype.bits == 32 else long
            there = self.shuffled(one.to("bitcast", x, bits.dtype), bits.dtype, lane)
            return bits.to("bitcast", there, dtype)
        if dtype.bits == 64:
            high = long.op("lshr", x, 32)
            words = [self._shuffle(long.to("trunc", z, i32), lane) for z in (x, high)]
            low, high = (word.to("zext", z, i64) for z in words)
            return long.op("or", low, long.op("shl", high, 32))
        if dtype.bits == 32:
            return self._shuffle(x, lane)
        return word.to("trunc", self._shuffle(one.to("zext", x, i32), lane), dtype)

    def _shuffle(self, word: str, lane: str) -> str:
        lane = self.let(f"trunc i64 {lane} to i32")
        if self.target.format == "elf":
            lane = self.let(f"shl i32 {lane}, 2")  # its place in bytes
        return self.let(self.foreign(self.machine.shuffle.format(x=word, lane=lane)))

    def kernel(self, shared: int) -> str:
        """The module's text."""
        memory = f"\n@shared = internal addrspace(3) global [{shared} x i8] undef, align 16"
        attributes = self.machine.attributes.format(threads=self.target.threads)
        head = f"{self.machine.convention} void @opencu_kernel({', '.join(self.params)})"
        text = self.text(self.target, head, attributes, memory if shared else "")
        return f"{text}\nattributes #1 = {{ convergent nounwind }}\n{self.machine.footer}"


class GroupPoints(Points):
    """Points of a work-group's thread."""

    def load(self, a: Access, dtype: DType, p: Point) -> str:
        if p.width == 1 or dtype == bool_:
            return super().load(a, dtype, p)
        lanes, bytes = Lanes(self.f, dtype, p.width), dtype.bytes
        if not p.checked and a.strides[p.lane] == "1":
            return self.f.load(lanes.type, self.address(a, bytes, p), min(p.width * bytes, 16))
        return lanes.of(self.load(a, dtype, q) for q in self.each_lane(p))

    def store(self, a: Access, dtype: DType, value: str, p: Point) -> None:
        if p.width == 1 or dtype == bool_:
            super().store(a, dtype, value, p)
            return
        lanes, bytes = Lanes(self.f, dtype, p.width), dtype.bytes
        if not p.checked and a.strides[p.lane] == "1":
            align = min(p.width * bytes, 16)
            self.f.store(lanes.type, value, self.address(a, bytes, p), align)
            return
        for i, q in enumerate(self.each_lane(p)):
            self.store(a, dtype, lanes.extract(value, i), q)

    def each_lane(self, p: Point) -> list[Point]:
        starts = (self.f.add(p.at[p.lane], str(i)) for i in range(p.width))
        return [Point(moved(p.at, p.lane, i), p.lane, 1, p.checked) for i in starts]

    def gather(self, op: Op, index: list[str], width: int, single: Any = None) -> str:
        """Elements of a view, lane by lane, each behind its bounds check."""
        view, dtype = self.views[op.operands[0]], op.result.type.dtype
        lanes = (self._element(view, dtype, index, lane, width) for lane in range(width))
        return Lanes(self.f, dtype, width).of(lanes)

    def _element(self, view: ViewRef, dtype: DType, index: list[str], lane: int, width: int) -> str:
        f, one = self.f, type_of(dtype)
        inside, pointer = self.element(view, index, dtype.bytes, lane, width)
        read = lambda: [f.load(one, pointer, min(dtype.bytes, 8))]  # noqa: E731
        return f.branch(inside, read, lambda: [constant(dtype, 0)], [one])[0]
