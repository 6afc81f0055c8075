"""cublasLtMatmul and cublasLtMatrixTransform beyond plain products, against float64."""

import os
import subprocess
import sys

import numpy as np
import pytest
from cublaslt import COMPUTE, INVALID, NOT_SUPPORTED, NUMBERS, SUCCESS, TYPES, Held, Lt
from forms import random, wide

from opencu.drivers import drivers

EPS = {"f2": 2e-3, "f4": 2e-6, "f8": 1e-14}


@pytest.fixture(scope="module")
def lt():
    return Lt()


def pointers(matrices):
    return Held(np.array([each.ptr for each in matrices], "i8"))


@pytest.mark.skipif(
    "OPENCU_DEVICE" in os.environ or not drivers()["opencl"].devices(), reason="no OpenCL device"
)
def test_all_of_this_on_an_opencl_device(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"OPENCU_DEVICE": "opencl", "OPENCU_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


# ---- groups --------------------------------------------------------------------------------------

GROUPS = [(5, 7, 3), (0, 4, 6), (33, 9, 17), (6, 0, 2), (8, 8, 0), (1, 70, 80)]  # m, n, k


class Groups:
    """Matrices of GROUPS, with the arrays that describe them; integers of the dtype."""

    def __init__(self, lt, d, integers, trans, order):
        ops = [(0, 2), (2, 1), (0, 1), (0, 1)]
        self.host, self.layouts, self.held, self.kept = [], [], [], []
        for i, op in enumerate(ops):
            turned = i < 2 and trans[i]
            shapes = [(g[op[0]], g[op[1]]) for g in GROUPS]
            self.host.append([random(d, *s, seed=9 * i + j) for j, s in enumerate(shapes)])
            stored = [x.T if turned else x for x in self.host[-1]]
            rows, cols = ([x.shape[axis] for x in stored] for axis in (0, 1))
            lines = cols if order else rows
            self.held.append(
                [Held(self.padded(x if order else x.T)) for x in stored]  # lines of memory
            )
            arrays = [Held(np.array(x, integers)) for x in (rows, cols, [n + 2 for n in lines])]
            width = {"i4": 0, "i8": 1}[integers]
            self.layouts.append(
                lt.make(
                    "GroupedMatrixLayout", TYPES[d], len(GROUPS), *arrays, ORDER=order,
                    ROWS_COLS_ARRAY_INTEGER_WIDTH=width, LD_ARRAY_INTEGER_WIDTH=width,
                )
            )  # fmt: skip
            self.kept += arrays
        self.operands = [(pointers(x), at) for x, at in zip(self.held, self.layouts)]
        self.order = order

    @staticmethod
    def padded(x):
        return np.pad(x, ((0, 0), (0, 2)), constant_values=np.nan)

    def results(self):
        for x in self.held[3]:
            lines = x.read()
            assert np.isnan(lines[:, -2:]).all()
            yield lines[:, :-2] if self.order else lines[:, :-2].T

    def expect(self, alpha, beta, eps, bias=None):
        for i, (a, b, c, d) in enumerate(zip(*self.host[:3], self.results())):
            want = alpha[i] * (wide(a) @ wide(b)) + beta[i] * wide(c)
            want += 0 if bias is None else wide(bias[i])[:, None]
            np.testing.assert_allclose(d, want, rtol=eps, atol=20 * eps)


@pytest.mark.parametrize("integers", ["i4", "i8"])
@pytest.mark.parametrize(
    "d, trans, order", [("f4", (0, 1), 0), ("f2", (1, 0), 1), ("f8", (1, 1), 0)]
)
def test_each_group_is_a_product_of_its_own_sizes(lt, d, trans, order, integers):
    groups = Groups(lt, d, integers, trans, order)
    s = "f8" if d == "f8" else "f4"
    desc = lt.make("MatmulDesc", COMPUTE[s], TYPES[s], TRANSA=trans[0], TRANSB=trans[1])
    scalars = np.array([0.5, -2], s)
    assert (
        lt.matmul(desc, scalars[:1], *groups.operands[:2], scalars[1:], *groups.operands[2:]) == 0
    )
    groups.expect([0.5] * 6, [-2] * 6, EPS[d])


def test_each_group_may_have_scalars_and_a_bias_of_its_own(lt):
    groups = Groups(lt, "f4", "i4", (0, 0), 0)
    bias = [random("f4", m, seed=m) for m, *_ in GROUPS]
    alpha, beta = np.arange(1, 7).astype("f4"), np.arange(-3, 3).astype("f4")
    held = [[Held(x[i : i + 1]) for i in range(6)] for x in (alpha, beta)] + [[*map(Held, bias)]]
    arrays = [pointers(x) for x in held]
    desc = lt.make(
        "MatmulDesc", COMPUTE["f4"], TYPES["f4"], EPILOGUE="BIAS", BIAS_POINTER=arrays[2],
        BIAS_BATCH_STRIDE=1, ALPHA_BATCH_STRIDE=1, BETA_BATCH_STRIDE=1, POINTER_MODE="DEVICE",
    )  # fmt: skip
    a, b, c, d = groups.operands
    assert lt.matmul(desc, arrays[0], a, b, arrays[1], c, d) == SUCCESS
    groups.expect(alpha, beta, EPS["f4"], bias)
    lt.set("MatmulDesc", desc, "BIAS_BATCH_STRIDE", 0)
    assert lt.matmul(desc, arrays[0], a, b, arrays[1], c, d) == NOT_SUPPORTED
    lt.set("MatmulDesc", desc, "BIAS_BATCH_STRIDE", 1)
    lt.set("MatmulDesc", desc, "POINTER_MODE", 0)
    assert lt.matmul(desc, arrays[0], a, b, arrays[1], c, d) == NOT_SUPPORTED


def test_groups_that_do_not_fit_are_refused_and_none_is_written(lt):
    groups = Groups(lt, "f4", "i4", (0, 0), 0)
    before = [x.read() for x in groups.held[3]]
    desc, one = lt.make("MatmulDesc", COMPUTE["f4"], TYPES["f4"]), np.ones(1, "f4")
    a, b, c, d = groups.operands
    plain = lt.make("MatrixLayout", TYPES["f4"], 4, 4, 4, BATCH_COUNT=len(GROUPS))
    assert lt.matmul(desc, one, (a[0], plain), b, one, c, d) == INVALID
    wrong = Held(np.array([g[0] for g in GROUPS[:-1]] + [2], "i4"))
    lt.set("MatrixLayout", a[1], "ROWS_ARRAY", wrong)
    assert lt.matmul(desc, one, a, b, one, c, d) == INVALID
    lt.set("MatrixLayout", a[1], "ROWS_ARRAY", 0)
    assert lt.matmul(desc, one, a, b, one, c, d) == INVALID
    for x, old in zip(groups.held[3], before):
        np.testing.assert_array_equal(x.read(), old)
    layout = lt.make("GroupedMatrixLayout", TYPES["f4"], 3, wrong, wrong, wrong)
    value = np.zeros(1, "i4")
    number = NUMBERS["CUBLASLT_MATRIX_LAYOUT_BATCH_MODE"]
    assert lt("MatrixLayoutGetAttribute", layout, number, value, 4, None) == SUCCESS
    assert value[0] == NUMBERS["CUBLASLT_BATCH_MODE_GROUPED"]
