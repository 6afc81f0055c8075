"""Elementary functions, written in the kernel language: every lowering has them, with no library.

The largest errors found, in units of the last place. f32 with fused multiply-add: over all values
for exp2, log2, tanh, erf and gelu, over 70 million for the rest; without: 17 million; f64: samples.

| function | f32 | f32, no fma | f64 |
|---|---|---|---|
| exp2, exp | 0.92 | 1.2 | 1.1 |
| log2, log | 0.83 | 0.83 | 0.8 |
| tanh | 1.38 | 1.38 | 1.2 |
| erf | 1.25 | 1.4 | 1.6 |
| sin, cos | 0.51 | 0.51 | 0.8, to 2^30; NaN beyond |
| sigmoid, rsqrt | 1.9 | 1.9 | 1.5 |

gelu in f32 is within 3.2 above -1 and keeps five digits down to -5.5, where it is -1e-7; in f64 it
and gelu_tanh have the absolute error of their formulas.

The polynomials are minimax fits (Remez). No step needs a fused multiply-add to be right: where a
product must be exact, its factors are short (Dekker, 1971). f16 and bf16 are computed in f32.
"""

from typing import NamedTuple

from opencu import tile
from opencu.tile import minimax as fit
from opencu.tile.dtypes import DType, f32, f64, i32, i64
from opencu.tile.frontend import Builtin, Tracer
from opencu.tile.ir import Value

INFINITY, NAN = float("inf"), float("nan")


class Format(NamedTuple):
    """How a floating type is laid out, and where its functions leave its range."""

    integer: DType
    digits: int  # of the fraction
    magic: float  # 1.5 * 2^digits: added to a small number, it leaves the nearest integer
    magic_bits: int
    bias: int
    sign: int
    exponent: int  # mask
    root_half: int  # bits of sqrt(1/2)
    least: float  # normal
    lift: float  # makes denormals normal: 2^(digits + 1)
    high: int  # mask: about half of the digits


FORMATS = {
    f32: Format(i32, 23, 1.5 * 2**23, 0x4B400000, 127, -(2**31), -(2**23), 0x3F3504F3,
                2.0**-126, 2.0**24, -(2**12)),
    f64: Format(i64, 52, 1.5 * 2**52, 0x4338000000000000, 1023, -(2**63), -(2**52),
                0x3FE6A09E667F3BCD, 2.0**-1022, 2.0**53, -(2**27)),
}  # fmt: skip
LARGEST_ANGLE = 2.0**30  # of f64


def elementary(body) -> Builtin:
    """A function of one floating tile or number, computed in f32 or f64."""

    def emit(t: Tracer, x) -> Value:
        v = t.value(x)
        dtype = v.type.dtype
        if dtype.kind != "f":
            t.fail(f"{body.__name__} is not defined for {v.type}; use cast")
        return t.cast(t.inline(body, t.widen([v]), {}), dtype)

    emit.__name__, emit.__doc__ = body.__name__, body.__doc__
    return Builtin(emit)


def _fma(x, y, c):
    return tile.fma(x, y, c)


@Builtin
def _polynomial(t: Tracer, x, coefficients) -> Value:
    """c[0] + c[1] x + c[2] x^2 + ... Long ones are an even and an odd half, side by side."""
    if len(coefficients) > 8:
        square = t.binary("mul", x, x)
        even, odd = (_horner(t, square, coefficients[i::2]) for i in (0, 1))
        return t.inline(_fma, [x, odd, even], {})
    return _horner(t, x, coefficients)


def _horner(t: Tracer, x, coefficients) -> Value:
    y = coefficients[-1]
    for c in coefficients[-2::-1]:
        y = t.inline(_fma, [x, y, c], {})
    return y


# ---- bits ----------------------------------------------------------------------------------------


def _clip(x, low, high):
    """x within [low, high]; NaN stays."""
    return tile.select(x > high, high, tile.select(x < low, low, x))


def _near(x):
    """The integer nearest to x, |x| < 2^(digits - 1)."""
    return (x + FORMATS[x.dtype].magic) - FORMATS[x.dtype].magic


def _power(n):
    """2^n for an integer n, a normal number: n + bias put into the exponent's place."""
    form = FORMATS[n.dtype]
    return tile.bitcast(tile.bitcast(n + (form.magic + form.bias), form.integer) << form.digits,
                        n.dtype)  # fmt: skip


def _scale(x, n):
    """x * 2^n, rounded once; x is near 1, the result may be denormal or infinite."""
    half = _near(n * 0.5)
    return x * _power(half) * _power(n - half)


def _with_sign(size, x):
    """size >= 0 with the sign of x."""
    form = FORMATS[x.dtype]
    sign = tile.bitcast(x, form.integer) & form.sign
    return tile.bitcast(tile.bitcast(size, form.integer) | sign, x.dtype)


def _top(x):
    """x without the lower half of its digits."""
    form = FORMATS[x.dtype]
    return tile.bitcast(tile.bitcast(x, form.integer) & form.high, x.dtype)


# ---- exponentials --------------------------------------------------------------------------------


@elementary
def exp2(x):
    """2^x."""
    x = _clip(x, -160.0 if x.dtype == f32 else -1100.0, 129.0 if x.dtype == f32 else 1025.0)
    n = _near(x)
    f = x - n
    return _scale(tile.fma(f, _polynomial(f, fit.EXP2[x.dtype]), 1.0), n)


def _small_exp2(x):
    """2^x in f32, -126 < x < 127; some number for NaN."""
    t = x + FORMATS[f32].magic
    f = x - (t - FORMATS[f32].magic)
    y = tile.fma(f, _polynomial(f, fit.EXP2[f32]), 1.0)
    return tile.bitcast(tile.bitcast(y, i32) + (tile.bitcast(t, i32) << 23), f32)


def _reduce(x):
    """x = n log(2) + r, |r| <= log(2) / 2."""
    n = _near(x * fit.LOG2E)
    high, low = fit.LN2[x.dtype]
    return n, tile.fma(n, -low, tile.fma(n, -high, x))


def _exp(r):
    """e^r, |r| <= log(2) / 2."""
    return tile.fma(r, tile.fma(r, _polynomial(r, fit.EXP[r.dtype]), 1.0), 1.0)


@elementary
def exp(x):
    """e^x."""
    x = _clip(x, -104.0 if x.dtype == f32 else -746.0, 89.0 if x.dtype == f32 else 710.0)
    n, r = _reduce(x)
    return _scale(_exp(r), n)


@elementary
def exp_below(x):
    """e^x for x <= 0 as softmax needs it: in f32 within 2^-21 times max(-x, 1), or zero where it is
    denormal; in f64 exp."""
    return _exp_below_f32(x) if x.dtype == f32 else exp(x)


def _exp_below_f32(x):
    magic = FORMATS[f32].magic + FORMATS[f32].bias  # the sum's last bits are the exponent of 2^n
    t = tile.fma(x, fit.LOG2E, magic)
    f = tile.fma(x, fit.LOG2E, magic - t)
    y = tile.fma(f, _polynomial(f, fit.EXP2_SHORT), 1.0)
    power = tile.bitcast(tile.bitcast(t, i32) << FORMATS[f32].digits, f32)
    return tile.select(x < -87.0, 0.0, y * power)


@elementary
def tanh(x):
    """The hyperbolic tangent: 1 - 2 / (e^2|x| + 1), or near zero a polynomial."""
    size, limit = tile.abs(x), 10.0 if x.dtype == f32 else 20.0
    n, r = _reduce(2.0 * tile.select(size > limit, limit, size))
    far = 1.0 - 2.0 / (_exp(r) * _power(n) + 1.0)
    z = x * x
    near = tile.fma(size * z, _polynomial(z, fit.TANH[x.dtype]), size)
    return _with_sign(tile.select(size < 0.625, near, far), x)


@elementary
def sigmoid(x):
    """1 / (1 + e^-x)."""
    t = exp(-tile.abs(x))
    total = 1.0 + t
    y = tile.select(x < 0.0, t, 1.0) / total
    return y - y * (t - (total - 1.0))


# ---- logarithms ----------------------------------------------------------------------------------


def _split(x):
    """x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for positive x."""
    form = FORMATS[x.dtype]
    tiny = x < form.least
    x = tile.select(tiny, x * form.lift, x)
    bits = tile.bitcast(x, form.integer)
    exponent = (bits - form.root_half) & form.exponent
    f = tile.bitcast(bits - exponent, x.dtype) - 1.0
    count = tile.bitcast((exponent >> form.digits) + form.magic_bits, x.dtype) - form.magic
    return f, tile.select(tiny, count - (form.digits + 1), count)


def _log1p(f):
    """log(1 + f) = f - h + t: h = f^2 / 2 and t."""
    s = f / (2.0 + f)
    z, h = s * s, 0.5 * f * f
    return h, s * (h + z * _polynomial(z, fit.LOG[f.dtype]))


def _log_edges(x, y):
    y = tile.select(x < INFINITY, y, x)
    return tile.select(x > 0.0, y, tile.select(x == 0.0, -INFINITY, x * NAN))


@elementary
def log(x):
    """The natural logarithm; NaN below zero."""
    f, e = _split(x)
    h, t = _log1p(f)
    high, low = fit.LN2[x.dtype]
    return _log_edges(x, tile.fma(e, high, f - (h - tile.fma(e, low, t))))


@elementary
def log2(x):
    """The logarithm to base 2; NaN below zero."""
    f, e = _split(x)
    h, t = _log1p(f)
    high = _top(f - h)
    low = ((f - high) - h) + t
    c, d = fit.LOG2E_PARTS[x.dtype]
    whole = high * c  # exact
    rest = tile.fma(low, c, (low + high) * d)
    y = e + whole
    return _log_edges(x, y + (rest + ((e - y) + whole)))


# ---- the normal distribution ---------------------------------------------------------------------


def _erfc_f32(x):
    """erfc(x), 1 <= x, to 2^-25."""
    return _small_exp2(_polynomial(tile.select(x > 3.95, 3.95, x), fit.LOG2_ERFC))


def _erfc_f64(x):
    """erfc(x), 1 <= x, to 2^-54."""
    x = tile.select(x > 6.0, 6.0, x)
    q = 3.0 / (3.0 + x)
    n, r = _reduce(-x * x)
    return q * _polynomial(q, fit.ERFCX) * (_exp(r) * _power(n))


@elementary
def erf(x):
    """The error function."""
    size = tile.abs(x)
    near = tile.fma(x, _polynomial(x * x, fit.ERF[x.dtype]), x)
    far = 1.0 - (_erfc_f32(size) if x.dtype == f32 else _erfc_f64(size))
    return tile.select(size >= 1.0, _with_sign(far, x), near)


@elementary
def gelu(x):
    """x Phi(x) = x (1 + erf(x / sqrt(2))) / 2."""
    return _gelu_f32(x) if x.dtype == f32 else 0.5 * x * (1.0 + erf(x * 0.7071067811865476))


def _gelu_f32(x):
    """max(x, 0) - |x| Phi(-|x|), which cancels nowhere."""
    size = tile.abs(x)
    a = tile.select(size > 10.75, 10.75, size)
    return tile.fma(-a, _small_exp2(_polynomial(a, fit.LOG2_NORMAL)), tile.select(x < 0.0, 0.0, x))


@elementary
def gelu_tanh(x):
    """gelu with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf(x / sqrt(2))."""
    x = tile.select(x < -20.0, -20.0, x)
    u = x * tile.fma(0.0713548162726 * x, x, 1.5957691216057308)
    return x * sigmoid(u)


# ---- sine and cosine -----------------------------------------------------------------------------


def _add_turns(x, piece, high, low):
    """Add x * piece modulo 4: multiples of 2^-24 to high, the rest to low. All is exact."""
    t = x * piece
    t = tile.fma(-4.0, tile.rint(0.25 * t), t)
    top = (t + fit.TURN_MAGIC) - fit.TURN_MAGIC
    return high + top, low + (t - top)


@Builtin
def _turns(t: Tracer, x) -> tuple:
    """x * 2/pi modulo 4, for any value of f32, as high + low. A piece of 2/pi whose products are
    multiples of 4 adds nothing, so the pieces that x needs are the ones that count."""
    high, low = 0.0, 0.0
    for piece in fit.TWO_OVER_PI:
        high, low = t.inline(_add_turns, [x, piece, high, low], {})
    return high, low


def _angle_f32(x):
    """x = n pi/2 + r + c, |r| <= pi/4, n modulo 4; in f64."""
    high, low = _turns(tile.cast(x, f64))
    n = _near(high + low)
    return n, ((high - n) + low) * 1.5707963267948966, 0.0


def _angle_f64(x):
    """The same for |x| <= 2^30: each part of pi/2 but the last is exact times n."""
    n = tile.rint(x * 0.6366197723675814)
    w = (x - n * fit.HALF_PI[0]) - n * fit.HALF_PI[1]
    p = n * fit.HALF_PI[2]
    r = w - p
    b = r - w
    c = ((w - (r - b)) - (p + b)) - n * fit.HALF_PI[3]
    s = r + c
    return n, s, (r - s) + c


def _circular(x, shift):
    """sin(x + shift pi/2)."""
    n, r, c = _angle_f32(x) if x.dtype == f32 else _angle_f64(x)
    z = r * r
    sine = r + (r * z * _polynomial(z, fit.SIN[x.dtype]) + c * (1.0 - 0.5 * z))
    h = 0.5 * z
    w = 1.0 - h
    cosine = w + (((1.0 - w) - h) + (z * z * _polynomial(z, fit.COS[x.dtype]) - r * c))
    quadrant = tile.bitcast(n + (FORMATS[f64].magic + shift), i64)
    y = tile.select((quadrant & 1) == 0, sine, cosine)
    y = tile.bitcast(tile.bitcast(y, i64) ^ ((quadrant & 2) << 62), f64)
    return tile.cast(y, x.dtype)


@elementary
def sin(x):
    """The sine; of f64, NaN where |x| > 2^30."""
    y = tile.select(x == 0.0, x, _circular(x, 0.0))
    return y if x.dtype == f32 else tile.select(tile.abs(x) > LARGEST_ANGLE, NAN, y)


@elementary
def cos(x):
    """The cosine; of f64, NaN where |x| > 2^30."""
    y = _circular(x, 1.0)
    return y if x.dtype == f32 else tile.select(tile.abs(x) > LARGEST_ANGLE, NAN, y)


@elementary
def rsqrt(x):
    """1 / sqrt(x)."""
    return 1.0 / tile.sqrt(x)
