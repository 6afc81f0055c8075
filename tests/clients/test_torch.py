"""The CUDA wheel of PyTorch, unmodified, with no file of NVIDIA's on the machine."""

import re
import subprocess
from pathlib import Path

import pytest

from opencu import shims

pytestmark = pytest.mark.clients

IMPORT = """
import torch
assert torch.cuda.is_available() and torch.cuda.device_count() >= 1
for line in {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}:
    print(line)
"""


@pytest.fixture
def mapped(run):
    """The libraries that `import torch` brings into the process."""
    return {Path(line) for line in run(IMPORT).stdout.split()}


def symbols(file) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The (name, version node) that a file needs and defines."""
    command = ["readelf", "-W", "--dyn-syms", file]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    row = re.compile(r" (?:FUNC|NOTYPE|OBJECT) +\w+ +DEFAULT +(\w+) ([^@\s]+)(?:@@?(\S+))?")
    found = [(where == "UND", (name, node)) for where, name, node in row.findall(text)]
    return {s for undefined, s in found if undefined}, {
        s for undefined, s in found if not undefined
    }


# Names of the vendor's that carry no version: the driver's, cuSPARSELt's, NCCL's, cuFile's.
UNVERSIONED = re.compile(r"(cu|cusparseLt|p?nccl|cuFile)[A-Z]\w*$")


def test_import_needs_no_file_of_the_vendors(mapped, packages):
    assert not list(packages.glob("nvidia*"))
    ours = Path(shims.lib_dir())
    vendors = [f for f in mapped if re.match(r"lib(cu|nv|nccl)", f.name)]
    assert {f.parent for f in vendors} == {ours} and len(vendors) >= 11


def test_every_vendor_name_that_import_binds_is_ours(mapped, packages, record_property):
    ours = set().union(*(symbols(f)[1] for f in Path(shims.lib_dir()).glob("lib*.so.*")))
    nodes = {node for _, node in ours if node}
    names = set().union(*(symbols(f)[0] for f in mapped if packages in f.parents))
    wanted = {s for s in names if s[1] in nodes or not s[1] and UNVERSIONED.match(s[0])}
    record_property("names", f"{len(wanted & ours)} of {len(wanted)}")
    print(f"import torch: {len(wanted & ours)} of {len(wanted)} names resolved")
    assert not wanted - ours
    assert len(wanted) > 400


PRODUCTS = """
import torch
from torch.nn.functional import linear
dtype = torch.{dtype}
torch.manual_seed(0)
def new(*shape):
    return torch.randn(*shape, dtype=torch.float64).to(dtype)
a, b, c, w, bias = new(33, 21), new(21, 17), new(33, 17), new(17, 21), new(17)
A, B, C = new(5, 33, 21), new(5, 21, 17), new(5, 33, 17)
cases = dict(
    mm=(torch.mm, a, b),
    mm_transposed=(lambda a, b: torch.mm(a.t(), b.t()), new(21, 33), w),
    linear=(linear, a, w),
    linear_bias=(linear, a, w, bias),
    linear_bias_batch=(linear, A, w, bias),
    bmm=(torch.bmm, A, B),
    baddbmm=(torch.baddbmm, C, A, B),
    addmm=(torch.addmm, c, a, b),
    addmm_scaled=(lambda c, a, b: torch.addmm(c, a, b, alpha=0.5, beta=2), c, a, b),
    addmm_bias=(torch.addmm, bias, a, b),
    large=(torch.mm, new(300, 257), new(257, 129)),
)
for name, (function, *operands) in cases.items():
    want = function(*(x.double() for x in operands))
    got = function(*(x.cuda() for x in operands))
    assert got.is_cuda and got.dtype == dtype
    error = (got.cpu().double() - want).abs().max() / want.abs().max()
    assert error < {tolerance}, (name, error)
    print(name)
"""
# Rounding of the result, and of sums of 300 products in f32 and f64.
TOLERANCES = {"float32": 2e-6, "float64": 1e-14, "float16": 1e-3, "bfloat16": 8e-3}


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_products_agree_with_the_cpu(run, dtype):
    done = run(PRODUCTS.format(dtype=dtype, tolerance=TOLERANCES[dtype]))
    assert len(done.stdout.split()) == 11
    refused = set(re.findall(r"^opencu: (\w+): ", done.stderr, re.M))
    assert refused <= {"cuLogsRegisterCallback"}  # asked for once, and done without


OWN_KERNEL = """
import torch
x = torch.ones(4).cuda()
try:
    x + x
except RuntimeError as error:
    print(error)
"""


def test_a_kernel_of_its_own_is_refused_by_name(run):
    done = run(OWN_KERNEL)
    assert "operation not supported" in done.stdout
    assert re.search(
        r"own kernel, \S*add\S*, is device code; it cannot run here", done.stderr, re.I
    )
