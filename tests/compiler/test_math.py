"""Elementary functions against wider arithmetic, on every target and in the interpreter."""

import math
import re

import numpy as np
import pytest
from execute import AVX2, AVX512, SSE2, interpret, marked, run, runnable
from test_dtypes import apply_unary

from opencu import tile
from opencu.compiler import compile, llvm, vector
from opencu.tile import KernelError, View, dtypes

where = pytest.mark.parametrize(
    "target", [*marked(wide=False), pytest.param(None, id="interpreter")]
)
RNG = np.random.default_rng(11)
long = np.longdouble


def erf_series(x: np.ndarray) -> np.ndarray:
    """2/sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...), whose terms have one sign."""
    x = np.clip(x.astype(long), -7, 7)
    total, term = np.zeros_like(x), x.copy()
    for k in range(1, 200):
        total, term = total + term, term * (2 * x * x) / (2 * k + 1)
    return total * np.exp(-x * x) * 2 / np.sqrt(np.arctan(long(1)) * 4)


REFERENCE = {
    "exp2": np.exp2,
    "exp": np.exp,
    "log2": np.log2,
    "log": np.log,
    "tanh": np.tanh,
    "erf": lambda x: erf_series(x) if x.dtype == long else np.vectorize(math.erf, otypes=["f8"])(x),
    "sin": np.sin,
    "cos": np.cos,
    "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
functions = pytest.mark.parametrize("name", REFERENCE)


def evaluate(target, fn, x: np.ndarray) -> np.ndarray:
    y, n = np.zeros_like(x), 1 << 16
    grid = (-(-len(x) // n),)
    if target is None:
        interpret(apply_unary, grid, [x, y], N=n, fn=fn)
    else:
        run(apply_unary, target, grid, [x, y], N=n, fn=fn)
    return y


def ulps(y: np.ndarray, want: np.ndarray) -> np.ndarray:
    """The error of y in units of its type's last place at `want`; special values must agree."""
    with np.errstate(all="ignore"):
        near = want.astype(y.dtype)
        exact = (near == y) | (np.isnan(near) & np.isnan(y))
        place = np.spacing(np.abs(near).clip(max=np.finfo(y.dtype).max)).astype(want.dtype)
        # The last place of a power of two's lower neighbours is half of its own.
        place = np.where(np.abs(want) < np.abs(near), np.spacing(np.nextafter(near, 0)), place)
        error = np.abs(y - want) / np.abs(place)
        return np.where(exact & ~np.isfinite(near), 0, np.where(np.isnan(error), np.inf, error))


def check(target, name: str, x: np.ndarray, wide) -> None:
    with np.errstate(all="ignore"):
        want = REFERENCE[name](x.astype(wide))
    error = ulps(evaluate(target, getattr(tile, name), x), want)
    assert error.max() <= 2, f"{error.max()} ulp at {x[error.argmax()]!r}"


def patterns(stride: int, start: int = 0) -> np.ndarray:
    """Numbers of f32 from its whole range: every stride-th bit pattern."""
    return np.arange(start, 1 << 32, stride, dtype="u8").astype("u4").view("f4")


@where
@functions
def test_f32_is_within_two_ulp(target, name):
    check(target, name, patterns(16411), "f8")


@pytest.mark.slow
@pytest.mark.parametrize("target", runnable()[:2][-1:], ids=lambda t: t.name)  # AVX2, or SSE2
@functions
def test_f32_is_within_two_ulp_everywhere(target, name):
    for start in range(0, 257, 128):
        check(target, name, patterns(257 * 8, start), "f8")


SPAN = {"exp2": 1080, "exp": 750, "erf": 6.5, "tanh": 20, "sin": 2.0**30, "cos": 2.0**30}


@where
@functions
def test_f64_is_within_two_ulp(target, name):
    n = 4000
    size = np.exp(RNG.uniform(-30, 30, n)).clip(max=2.0**30)
    near_one = 1 + RNG.uniform(-1, 1, n) * 2.0 ** RNG.integers(-50, 0, n)
    quarters = RNG.integers(1, 1 << 29, n) * (np.pi / 2)
    x = np.concatenate([size, RNG.uniform(0, SPAN.get(name, 40), n), near_one, quarters])
    check(target, name, np.concatenate([x, -x]) if name not in ("log", "log2") else x, long)


INF, NAN, TINY = float("inf"), float("nan"), 2.0**-149
EDGES = [
    ("exp2", 0.0, 1.0), ("exp2", -0.0, 1.0), ("exp2", INF, INF), ("exp2", -INF, 0.0),
    ("exp2", -149.0, TINY), ("exp2", -140.0, 2.0**-140), ("exp2", TINY, 1.0),
    ("exp2", 127.0, 2.0**127), ("exp", INF, INF), ("exp", -INF, 0.0), ("exp", 0.0, 1.0),
    ("log2", 0.0, -INF), ("log2", -0.0, -INF), ("log2", INF, INF), ("log2", -1.0, NAN),
    ("log2", TINY, -149.0), ("log2", 1.0, 0.0), ("log2", 1024.0, 10.0), ("log", 1.0, 0.0),
    ("log", 0.0, -INF), ("log", -INF, NAN), ("log", INF, INF),
    ("tanh", 0.0, 0.0), ("tanh", -0.0, -0.0), ("tanh", INF, 1.0), ("tanh", -INF, -1.0),
    ("tanh", TINY, TINY), ("erf", -0.0, -0.0), ("erf", INF, 1.0), ("erf", -INF, -1.0),
    ("sin", 0.0, 0.0), ("sin", -0.0, -0.0), ("sin", TINY, TINY),
    ("sin", INF, NAN), ("sin", -INF, NAN), ("cos", -0.0, 1.0), ("cos", INF, NAN),
    ("cos", TINY, 1.0), ("sigmoid", INF, 1.0), ("sigmoid", -INF, 0.0), ("sigmoid", 0.0, 0.5),
    ("rsqrt", 0.0, INF), ("rsqrt", INF, 0.0), ("rsqrt", -1.0, NAN), ("rsqrt", 4.0, 0.5),
    ("gelu", -0.0, 0.0), ("gelu", INF, INF), ("gelu", 100.0, 100.0), ("gelu_tanh", INF, INF),
    *((name, NAN, NAN) for name in (*REFERENCE, "gelu", "gelu_tanh")),
]  # fmt: skip


@where
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_special_values(target, dtype):
    for name in {name for name, _, _ in EDGES}:
        x, want = np.array([e[1:] for e in EDGES if e[0] == name], dtype).T.copy()
        y = evaluate(target, getattr(tile, name), x)
        np.testing.assert_array_equal(y, want, name)
        zero = want == 0
        if name != "gelu":
            np.testing.assert_array_equal(np.signbit(y[zero]), np.signbit(want[zero]), name)


@where
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_an_angle_of_f64_beyond_its_reduction_is_nan(target, name):
    x = np.array([2.0**30, np.nextafter(2.0**30, INF), -1e300])
    assert np.isnan(evaluate(target, getattr(tile, name), x)).tolist() == [False, True, True]


def normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    return np.vectorize(math.erfc, otypes=["f8"])(-x / math.sqrt(2)) / 2


@where
def test_gelu_keeps_its_digits_below_zero(target):
    x = np.concatenate([np.linspace(-5.5, 6, 50001, dtype="f4"), patterns(400009)])
    x = x[np.isfinite(x)]
    want = x * normal(x.astype("f8"))
    y = evaluate(target, tile.gelu, x).astype("f8")
    assert (np.abs(y - want) <= 1.1e-7 + 2e-7 * np.abs(want)).all()
    inner = x > -5.5
    np.testing.assert_allclose(y[inner], want[inner], rtol=1e-5, atol=1e-44)
    assert (ulps(y[x > -1].astype("f4"), want[x > -1]) <= 4).all()


@where
@pytest.mark.parametrize("name", ["gelu", "gelu_tanh"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gelu_is_its_formula(target, name, dtype):
    x = np.linspace(-9, 9, 10001).astype(dtype)
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x.astype("f8") ** 3)
    want = x * (normal(x.astype("f8")) if name == "gelu" else 1 / (1 + np.exp(-2 * u)))
    y = evaluate(target, getattr(tile, name), x)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, want, rtol=4 * eps, atol=2 * eps)


@where
@pytest.mark.parametrize("dtype", [tile.f16, tile.bf16], ids=str)
@pytest.mark.parametrize("name", ["exp2", "tanh", "erf", "log2", "sin"])
def test_storage_types_are_rounded_once_from_f32(target, dtype, name):
    x = np.arange(1 << 16, dtype="u2").view(dtype.numpy)
    y = evaluate(target, getattr(tile, name), x)
    f32 = evaluate(target, getattr(tile, name), dtypes.widen(x, dtype))
    want = dtypes.narrow(f32, dtype)
    both = np.isnan(dtypes.widen(y, dtype)) & np.isnan(f32)
    np.testing.assert_array_equal(y.view("u2")[~both], want.view("u2")[~both])


SCALAR_WORK = r"\b(call\w*|v?(add|sub|mul|div|cvt\w+|fmadd\w+)s[sd]|v?p?(insr|extr)\w+)\b"


@pytest.mark.parametrize("target", [SSE2, AVX2], ids=lambda t: t.name)
@pytest.mark.parametrize("name", [*REFERENCE, "gelu", "gelu_tanh"])
def test_the_loop_is_vector_code(target, name):
    view = View(tile.f32, (1,))
    function = apply_unary.trace({"x": view, "y": view}, {"N": 4096, "fn": getattr(tile, name)})
    lowered = vector.lower(function, target)
    text = llvm.emit(llvm.optimise(lowered.text, target), target, assembly=True)
    main = max(text.split(".LBB"), key=lambda part: len(re.findall(r"(mul|div)p[sd]", part)))
    assert re.search(r"(mul|div)p", main) and not re.search(SCALAR_WORK, main)


@pytest.mark.parametrize("name", [*REFERENCE, "gelu", "gelu_tanh"])
@pytest.mark.parametrize("dtype", [tile.bf16, tile.f32, tile.f64], ids=str)
def test_the_code_for_avx512_calls_no_library(name, dtype):
    view = View(dtype, (1,))
    function = apply_unary.trace({"x": view, "y": view}, {"N": 4096, "fn": getattr(tile, name)})
    compile(function, AVX512)


def test_functions_of_integers_are_refused():
    view = View(tile.i32, (1,))
    with pytest.raises(KernelError, match="exp2 is not defined for tile<8 i32>; use cast"):
        apply_unary.trace({"x": view, "y": view}, {"N": 8, "fn": tile.exp2})


@where
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_exp_below_is_as_near_as_softmax_needs(target, dtype):
    x = -np.concatenate([[0, np.inf, np.nan, 1e-30], RNG.random(1020) * 80]).astype(dtype)
    found = np.empty_like(x)
    arguments = [x, found]
    if target is None:
        interpret(apply_unary, (1,), arguments, N=x.size, fn=tile.exp_below)
    else:
        run(apply_unary, target, (1,), arguments, N=x.size, fn=tile.exp_below)
    want = np.exp(x.astype("f8"))
    bound = np.where(want > 0, np.maximum(-x, 1), 0) * (2.0**-21 if dtype == "f4" else 2.0**-50)
    bad = ~(np.abs(found - want) <= bound * want)
    assert np.isnan(found[2]) and bad.sum() == 1
