"""cublasLtMatmul and cublasLtMatrixTransform beyond plain products, against float64."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from cublaslt import COMPUTE, INVALID, NOT_SUPPORTED, NUMBERS, SUCCESS, TYPES, Held, Lt
from forms import random, wide

import opencu
from opencu.drivers import drivers
from opencu.graph import capture

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
        env=os.environ | {"OPENCU_DEVICE": "opencl"},
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


@pytest.mark.skipif("OPENCU_DEVICE" in os.environ, reason="graphs of the CPU")
def test_a_graph_reads_sizes_and_scalars_whenever_it_runs(lt):
    stream, groups = opencu.Stream(), Groups(lt, "f4", "i4", (0, 0), 0)
    desc = lt.make("MatmulDesc", COMPUTE["f4"], TYPES["f4"], POINTER_MODE="DEVICE")
    scalars = [Held(np.ones(1, "f4")), Held(np.ones(1, "f4"))]
    a, b, c, d = groups.operands
    handle = ctypes.c_void_p(stream.ptr)
    with capture(stream) as graph:
        assert lt.matmul(desc, scalars[0], a, b, scalars[1], c, d, handle) == SUCCESS
    for alpha in (2, -3):
        scalars[0].array._numpy()[0] = alpha
        graph.launch()
        stream.synchronize()
        groups.expect([alpha] * 6, [1] * 6, EPS["f4"])


# ---- epilogues that keep something, and gradients ------------------------------------------------


def gelu(x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 0.134145 * x**2)
    return 0.5 * x * (1 + t), slope


class Case:
    """op(A) op(B), C and D by columns, for a strided batch of matrices: m x n x k."""

    def __init__(self, lt, d, m=37, n=21, k=19, batch=1, c=None, **attributes):
        self.lt, self.d, self.c = lt, d, c or d
        shapes = [(d, k, m), (d, k, n), (self.c, m, n), (self.c, m, n)]  # A is transposed
        self.host = [
            np.array([random(t, *s, seed=7 * i + z) for z in range(batch)])
            for i, (t, *s) in enumerate(shapes)
        ]
        self.held = [Held(x.transpose(0, 2, 1)) for x in self.host]
        self.layouts = [
            lt.make("MatrixLayout", TYPES[t], *s, max(s[0], 1), BATCH_COUNT=batch,
                    STRIDED_BATCH_OFFSET=s[0] * s[1])
            for t, *s in shapes
        ]  # fmt: skip
        s = "f8" if d == "f8" else "f4"
        self.desc = lt.make("MatmulDesc", COMPUTE[s], TYPES[s], TRANSA=1, **attributes)
        self.scalars = np.array([0.5], s), np.array([-2], s)

    def __setitem__(self, name, value):
        assert self.lt.set("MatmulDesc", self.desc, name, value) == SUCCESS

    def run(self, alpha=None, beta=None):
        a, b, c, d = zip(self.held, self.layouts)
        alpha, beta = (x if y is None else y for x, y in zip(self.scalars, (alpha, beta)))
        return self.lt.matmul(self.desc, alpha, a, b, beta, c, d)

    def result(self):
        return self.held[3].read().transpose(0, 2, 1)

    def sum(self, alpha=0.5, beta=-2):
        a, b, c = map(wide, self.host[:3])
        return alpha * (a.transpose(0, 2, 1) @ b) + beta * c


def near(found, want, eps):
    np.testing.assert_allclose(wide(found), want, rtol=eps, atol=20 * eps)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("d", ["f4", "f2", "f8"])
def test_gelu_keeps_what_it_was_given_and_its_gradient_reads_it(lt, d, batch):
    case = Case(lt, d, batch=batch)
    bias, aux = Held(random(d, 37)), Held(np.full((batch, 21, 40), np.nan, d))
    sums = Held(np.zeros((batch, 37), d))
    case["EPILOGUE_AUX_POINTER"], case["EPILOGUE_AUX_LD"] = aux, 40
    case["EPILOGUE_AUX_BATCH_STRIDE"], case["EPILOGUE"] = 21 * 40, "GELU_AUX"
    assert case.run() == SUCCESS
    near(case.result(), gelu(case.sum())[0], EPS[d])
    case["EPILOGUE"], case["BIAS_POINTER"] = "GELU_AUX_BIAS", bias
    assert case.run() == SUCCESS
    x = case.sum() + wide(bias.read())[:, None]
    near(case.result(), gelu(x)[0], EPS[d])
    kept = aux.read().transpose(0, 2, 1)
    assert np.isnan(kept[:, 37:]).all()
    near(kept[:, :37], x, EPS[d])
    want = case.sum() * gelu(wide(kept[:, :37]))[1]
    case["EPILOGUE"] = "DGELU"
    assert case.run() == SUCCESS
    near(case.result(), want, EPS[d])
    case["EPILOGUE"], case["BIAS_POINTER"], case["BIAS_BATCH_STRIDE"] = "DGELU_BGRAD", sums, 37
    assert case.run() == SUCCESS
    near(case.result(), want, EPS[d])
    near(sums.read(), want.sum(axis=2), 8 * EPS[d])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("d", ["f4", "f2", "f8"])
def test_relu_keeps_a_bit_for_each_element_and_its_gradient_reads_them(lt, d, batch):
    case = Case(lt, d, batch=batch)
    bias, aux = Held(random(d, 37)), Held(np.full((batch, 21, 16), 7, "i1"))
    sums = Held(np.zeros((batch, 37), d))
    case["EPILOGUE_AUX_POINTER"], case["EPILOGUE_AUX_LD"] = aux, 128
    case["EPILOGUE_AUX_BATCH_STRIDE"], case["EPILOGUE"] = 21 * 128, "RELU_AUX"
    assert case.run() == SUCCESS
    near(case.result(), np.maximum(case.sum(), 0), EPS[d])
    case["EPILOGUE"], case["BIAS_POINTER"] = "RELU_AUX_BIAS", bias
    assert case.run() == SUCCESS
    near(case.result(), np.maximum(case.sum() + wide(bias.read())[:, None], 0), EPS[d])
    bits = np.unpackbits(aux.read().view("u1"), axis=2, bitorder="little").transpose(0, 2, 1)
    assert (bits[:, :37] == (case.result() > 0)).all()
    assert (aux.read()[:, :, 5:] == 7).all()
    want = case.sum() * bits[:, :37]
    case["EPILOGUE"] = "DRELU"
    assert case.run() == SUCCESS
    near(case.result(), want, EPS[d])
    case["EPILOGUE"], case["BIAS_POINTER"], case["BIAS_BATCH_STRIDE"] = "DRELU_BGRAD", sums, 37
    assert case.run() == SUCCESS
    near(case.result(), want, EPS[d])
    near(sums.read(), want.sum(axis=2), 8 * EPS[d])


@pytest.mark.parametrize("d, batch", [("f4", 2), ("f2", 1), ("f8", 1)])
def test_the_gradients_of_a_bias_of_a_and_b_are_sums_over_k(lt, d, batch):
    for name, axis, n in (("BGRADA", 0, 37), ("BGRADB", 1, 21)):
        sums = Held(np.zeros((batch, n), d))
        case = Case(lt, d, batch=batch, EPILOGUE=name, BIAS_POINTER=sums, BIAS_BATCH_STRIDE=n)
        assert case.run() == SUCCESS
        near(case.result(), case.sum(), EPS[d])
        near(sums.read(), wide(case.host[axis]).sum(axis=1), 4 * EPS[d])


def test_what_is_kept_must_fit(lt):
    case, aux = Case(lt, "f4", EPILOGUE="GELU_AUX"), Held(np.zeros((21, 128), "f4"))
    before = case.result()
    case["EPILOGUE_AUX_LD"] = 40
    assert case.run() == INVALID  # no pointer
    case["EPILOGUE_AUX_POINTER"] = aux
    for epilogue, ld in (("GELU_AUX", 41), ("GELU_AUX", 32), ("RELU_AUX", 40), ("DRELU", 0)):
        case["EPILOGUE"], case["EPILOGUE_AUX_LD"] = epilogue, ld
        assert case.run() == INVALID
    case["EPILOGUE_AUX_LD"], case["EPILOGUE_AUX_DATA_TYPE"] = 128, TYPES["f2"]
    assert case.run() == NOT_SUPPORTED
    case["EPILOGUE_AUX_DATA_TYPE"], case["EPILOGUE"] = -1, "BGRADB"
    assert case.run() == INVALID  # no pointer
    lt.set("MatrixLayout", case.layouts[3], "ORDER", 1)
    lt.set("MatrixLayout", case.layouts[3], "LD", 37)
    case["EPILOGUE"] = "GELU_AUX"
    assert case.run() == NOT_SUPPORTED
    np.testing.assert_array_equal(case.result(), before)


# ---- vectors of alpha ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "d, c", [("f4", "f4"), ("i1", "f4"), ("f2", "f2"), ("f8", "f8"), ("c8", "c8")]
)
def test_alpha_may_be_a_vector_with_a_number_for_each_row(lt, d, c):
    s = {"f8": "f8", "c8": "c8"}.get(d, "f4")
    eps = EPS.get(c, 2e-6) * (200 if d == "i1" else 1)
    alpha, beta = random(s, 37, seed=5), random(s, 37, seed=6)
    beta[3] = 0
    case = Case(lt, d, c=c)
    case.desc = lt.make("MatmulDesc", COMPUTE[s], TYPES[s], TRANSA=1)
    vectors, host = [Held(alpha), Held(beta)], np.array([-2], s)
    rows = [wide(x)[:, None] for x in (alpha, beta)]
    case["POINTER_MODE"] = "ALPHA_DEVICE_VECTOR_BETA_HOST"
    assert case.run(vectors[0], host) == SUCCESS
    near(case.result(), case.sum(rows[0], -2), eps)
    case["POINTER_MODE"] = "ALPHA_DEVICE_VECTOR_BETA_ZERO"
    assert case.run(vectors[0], ctypes.c_void_p(16)) == SUCCESS
    near(case.result(), case.sum(rows[0], 0), eps)
    case["POINTER_MODE"] = "DEVICE_VECTOR"
    assert case.run(*vectors) == SUCCESS
    near(case.result(), case.sum(*rows), eps)


def test_each_product_of_a_batch_may_have_a_vector_of_its_own(lt):
    alpha, bias = random("f4", 2, 37, seed=5), random("f4", 37)
    case = Case(lt, "f4", batch=2, EPILOGUE="RELU_BIAS", ALPHA_VECTOR_BATCH_STRIDE=37)
    vector, held = Held(alpha), Held(bias)
    case["BIAS_POINTER"], case["POINTER_MODE"] = held, "ALPHA_DEVICE_VECTOR_BETA_HOST"
    assert case.run(vector) == SUCCESS
    near(
        case.result(), np.maximum(case.sum(wide(alpha)[:, :, None]) + wide(bias)[:, None], 0), 2e-6
    )
    case["POINTER_MODE"] = "DEVICE_VECTOR"
    assert case.run(vector, vector) == NOT_SUPPORTED
    case["POINTER_MODE"] = 5
    assert case.run(vector, vector) == INVALID


# ---- matrices in tiles ---------------------------------------------------------------------------

ORDERS = {"COL32": 1, "COL4_4R2_8C": 8, "COL32_2R_4R4": 32}  # rows of a tile
PAD = 96  # between groups of 32 columns


def tiles(x, order):
    """What is in memory, a row for each group of 32 columns; what is beyond x is 7."""
    m, n = x.shape
    unit = ORDERS.get(order, 1)
    full = np.full((-(-m // unit) * unit, -(-n // 32) * 32), 7, x.dtype)
    full[:m, :n] = x
    if order == "COL32":
        parts, axes = (-1, full.shape[1] // 32, 32), (1, 0, 2)
    elif order == "COL4_4R2_8C":
        parts, axes = (-1, 4, 2, full.shape[1] // 32, 8, 4), (3, 0, 2, 4, 1, 5)
    else:
        parts, axes = (-1, 4, 4, 2, full.shape[1] // 32, 32), (4, 0, 2, 1, 3, 5)
    lines = full.reshape(parts).transpose(axes).reshape(full.shape[1] // 32, -1)
    return np.pad(lines, ((0, 0), (0, PAD)), constant_values=7)


def in_order(lt, x, order):
    """Memory that holds a matrix, and its layout."""
    number = NUMBERS[f"CUBLASLT_ORDER_{order}"]
    memory = tiles(x, order) if order in ORDERS else x.T if order == "COL" else x
    words = (TYPES[x.dtype.str[1:]], *x.shape, memory.shape[-1])
    return Held(memory), lt.make("MatrixLayout", *words, ORDER=number)


def read(held, like, order):
    memory = held.read()
    if order not in ORDERS:
        return memory.T if order == "COL" else memory
    where = tiles(np.arange(1, like.size + 1).reshape(like.shape) * 10, order)
    inside = where % 10 == 0
    assert (memory[~inside] == 7).all()
    found = np.zeros(like.size, memory.dtype)
    found[where[inside] // 10 - 1] = memory[inside]
    return found.reshape(like.shape)


@pytest.mark.parametrize("d", ["i1", "i4", "f4", "f2", "c8"])
def test_transforms_go_from_any_order_to_any(lt, d):
    s = {"c8": "c8"}.get(d, "f4")
    plan = [("COL", 0), ("ROW", 1), *((order, i % 2) for i, order in enumerate(ORDERS))]
    a = random(d, 45, 71, seed=1)
    scalars = np.array([2], s), np.array([-1], s)
    for i in range(5):
        (of_a, trans), (of_c, _), (of_b, turned) = (plan[(i + j) % 5] for j in (0, 2, 3))
        b = random(d, 45, 71, seed=2)
        desc = lt.make("MatrixTransformDesc", TYPES[s], TRANSA=trans, TRANSB=turned)
        (A, la) = in_order(lt, a.T if trans else a, of_a)
        (B, lb) = in_order(lt, b.T if turned else b, of_b)
        C, lc = in_order(lt, np.full_like(a, 7), of_c)
        for with_a, with_b in ((1, 1), (1, 0), (0, 1), (0, 0)):
            start, end = A if with_a else None, (B, lb) if with_b else (None, None)
            factors = scalars[0] * with_a, scalars[1] * with_b
            call = (desc, factors[0], start, la, factors[1], *end, C, lc, None)
            assert lt("MatrixTransform", lt.handle, *call) == SUCCESS
            want = 2 * with_a * wide(a) - with_b * wide(b)
            near(read(C, a, of_c), want, EPS.get(d, 2e-6))
            call = (desc, scalars[0], start, la, scalars[1], *end, C, lc, None)
            wanted = SUCCESS if with_a and with_b else INVALID
            assert lt("MatrixTransform", lt.handle, *call) == wanted


@pytest.mark.parametrize("order", ["COL4_4R2_8C", "COL32_2R_4R4"])
@pytest.mark.parametrize("c, s", [("i4", "i4"), ("i1", "f4"), ("f4", "f4")])
def test_products_of_bytes_in_tiles(lt, order, c, s):
    m, n, k = 40, 35, 70
    a, b = random("f4", m, k, seed=1) * 9, random("f4", n, k, seed=2) * 9
    a, b = a.astype("i1"), b.astype("i1")
    old = np.zeros((m, n), c)
    orders = ("COL32", order, "COL32", "COL32")
    operands = [in_order(lt, x, of) for x, of in zip((a, b, old, old), orders)]
    alpha = {"i4": np.array([3], "i4")}.get(s, np.array([0.05], "f4"))
    compute = 68 if c == "f4" else 72
    desc = lt.make("MatmulDesc", compute, TYPES[s], TRANSB=1)
    zero = np.zeros(1, s)
    assert lt.matmul(desc, alpha, *operands[:2], zero, *operands[2:]) == SUCCESS
    want = alpha[0].astype("f8") * (wide(a) @ wide(b).T)
    found = read(operands[3][0], old, "COL32")
    if c == "i1":
        assert (
            found == np.clip(np.rint(want.astype("f4")), -128, 127)
        ).all() and found.max() == 127
    else:
        near(found, want, 1e-5)
    vector = Held(random(s, m, seed=3))
    if s == "f4":
        lt.set("MatmulDesc", desc, "POINTER_MODE", "ALPHA_DEVICE_VECTOR_BETA_ZERO")
        assert lt.matmul(desc, vector, *operands[:2], zero, *operands[2:]) == SUCCESS
        want = wide(vector.read())[:, None] * (wide(a) @ wide(b).T)
        want = np.clip(want, -128, 127) if c == "i1" else want
        np.testing.assert_allclose(read(operands[3][0], old, "COL32"), want, atol=0.51, rtol=1e-5)


def test_tiles_that_do_not_fit_are_refused(lt):
    a = random("f4", 40, 64)
    held, layout = in_order(lt, a, "COL32")
    desc, one = lt.make("MatmulDesc", COMPUTE["f4"], TYPES["f4"], TRANSB=1), np.ones(1, "f4")
    square = in_order(lt, np.zeros((40, 40), "f4"), "COL")
    x = held, layout
    assert lt.matmul(desc, one, x, x, one, square, square) == SUCCESS
    near(read(square[0], np.zeros((40, 40)), "COL"), wide(a) @ wide(a).T, 1e-5)
    lt.set("MatrixLayout", layout, "LD", 40 * 32 - 1)
    assert lt.matmul(desc, one, x, x, one, square, square) == INVALID
    lt.set("MatrixLayout", layout, "LD", 40 * 32 + PAD)
    for each in (layout, square[1]):
        lt.set("MatrixLayout", each, "BATCH_MODE", 1)
    assert lt.matmul(desc, one, x, x, one, square, square) == NOT_SUPPORTED
    for each in (layout, square[1]):
        lt.set("MatrixLayout", each, "BATCH_MODE", 0)
    lt.set("MatrixLayout", layout, "ORDER", 5)
    assert lt.matmul(desc, one, x, x, one, square, square) == INVALID


@pytest.mark.parametrize(
    "m, n, k", [(1, 5, 3), (130, 270, 40), (5, 200, 300), (300, 1, 80), (9, 9, 0)]
)
def test_all_kinds_of_shapes_keep_and_scale(lt, m, n, k):
    case = Case(lt, "f4", m, n, k, EPILOGUE_AUX_LD=384)
    aux, mask = Held(np.zeros((n, 384), "f4")), Held(np.zeros((n, 48), "i1"))
    alpha, sums = Held(random("f4", m)), Held(np.zeros(m, "f4"))
    case["EPILOGUE"], case["EPILOGUE_AUX_POINTER"] = "GELU_AUX", aux
    case["POINTER_MODE"] = "ALPHA_DEVICE_VECTOR_BETA_HOST"
    assert case.run(alpha) == SUCCESS
    x = case.sum(wide(alpha.read())[:, None])
    near(aux.read()[:, :m].T, x[0], 3e-6)
    near(case.result(), gelu(x)[0], 3e-6)
    case["POINTER_MODE"] = 0
    assert case.run() == SUCCESS
    near(case.result(), gelu(case.sum())[0], 3e-6)
    case["EPILOGUE"], case["EPILOGUE_AUX_POINTER"] = "RELU_AUX", mask
    assert case.run() == SUCCESS
    bits = np.unpackbits(mask.read().view("u1"), axis=1, bitorder="little")[:, :m].T
    assert (bits == (case.result()[0] > 0)).all()
    case["EPILOGUE"], case["BIAS_POINTER"] = "DRELU_BGRAD", sums
    assert case.run() == SUCCESS
    near(case.result()[0], case.sum()[0] * bits, 3e-6)
    near(sums.read(), (case.sum()[0] * bits).sum(axis=1), 1e-5)
