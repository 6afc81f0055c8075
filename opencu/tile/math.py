"""Elementary functions, written in the kernel language: every lowering has them, with no library.

| function | how | largest error found, in ulp: f32 (all values), f64 (samples) |
|---|---|---|

The polynomials are minimax fits (Remez). No step needs a fused multiply-add to be right: where a
product must be exact, its factors are short (Dekker, 1971). f16 and bf16 are computed in f32.
"""

from typing import NamedTuple

from opencu import tile
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
LOG2E = 1.4426950408889634
LOG2E_PARTS = {  # the first has few digits
    f32: (1.44287109375, -0.00017605286103659264),
    f64: (1.4426950514316559, -1.0542692476429138e-08),
}
LN2 = {  # likewise: times an exponent, the first is exact
    f32: (0.693145751953125, 1.4286068203094173e-06),
    f64: (0.6931471805598903, 5.497923018708371e-14),
}
EXP2 = {  # (2^x - 1) / x, |x| <= 1/2
    f32: (0.6931471880292055, 0.24022651084231772, 0.05550357101863338, 0.009618030770058659,
          0.0013390868885222239, 0.00015469735248782953),
    f64: (0.6931471805599453, 0.24022650695910097, 0.05550410866482166, 0.009618129107606885,
          0.001333355814639599, 0.00015403530441741465, 1.5252733853266572e-05,
          1.3215442584750517e-06, 1.0178051736789412e-07, 7.072586575133519e-09,
          4.4566742946027975e-10),
}  # fmt: skip
EXP = {  # (e^x - 1 - x) / x^2, |x| <= log(2) / 2
    f32: (0.500000001347034, 0.1666666675647812, 0.0416664648847894, 0.008333286002840782,
          0.0013933653569247256, 0.00019907586986375804),
    f64: (0.5, 0.1666666666666667, 0.041666666666666685, 0.008333333333326134,
          0.0013888888888874394, 0.0001984126987482227, 2.4801587347322873e-05,
          2.7557255398354355e-06, 2.755725293406448e-07, 2.5105217748034382e-08,
          2.092158282048755e-09),
}  # fmt: skip
TANH = {  # (tanh(x) / x - 1) / z at z = x^2, |x| <= 0.625
    f32: (-0.3333328393689361, 0.13331491525411582, -0.053743514274082665, 0.020650632236111407,
          -0.005717089047131136),
    f64: (-0.33333333333332876, 0.13333333333264946, -0.05396825393249402, 0.02186948760218851,
          -0.00886322132181173, 0.003591991589180806, -0.0014549705633175388,
          0.000586352751120309, -0.0002286337505662843, 7.721972916568052e-05,
          -1.610780235728217e-05),
}  # fmt: skip
LOG = {  # (log((1 + s) / (1 - s)) / s - 2) / z at z = s^2, |s| <= 0.1716
    f32: (0.6666666564368974, 0.4000033562724327, 0.2853727861504751, 0.23582758015738417),
    f64: (0.6666666666666735, 0.3999999999941309, 0.2857142874277215, 0.22222198530676082,
          0.18183566686508656, 0.1531398645883347, 0.1479662663449885),
}  # fmt: skip
ERF = {  # erf(x) / x - 1 at z = x^2, |x| <= 1
    f32: (0.1283791659139839, -0.3761262713503077, 0.11283600165828474, -0.026854444202604705,
          0.0051895346586251, -0.0008020835570813898, 7.889101034357745e-05),
    f64: (0.1283791670955126, -0.3761263890318375, 0.11283791670954885, -0.02686617064507789,
          0.005223977624828577, -0.0008548326981434284, 0.00012055331133281978,
          -1.4925595780100056e-05, 1.646100860492709e-06, -1.635039756121271e-07,
          1.466033760728403e-08, -1.1374989461747561e-09, 5.960741139270484e-11),
}  # fmt: skip
LOG2_ERFC = (  # f32: log2(erfc(x)), 1 <= x <= 3.95
    -0.000510363700692873, -1.6259748445635611, -0.9207654064161365, -0.1486511532706141,
    0.031458251475282195, -0.004240911597621839, 0.00026772184991766544,
)  # fmt: skip
ERFCX = (  # f64: e^(x^2) erfc(x) / q at q = 3 / (3 + x), 1 <= x <= 6
    0.18806866480710394, 0.1878922382377018, 0.17976042193280886, 0.14153740315602528,
    0.19630446520450165, -0.12398494047780699, 0.5340418656939303, -0.7191358478971193,
    0.8109900530547398, -0.5762062362516214, 0.2125976832963027, -0.03186581635521542,
)  # fmt: skip
LOG2_NORMAL = (  # f32: log2(Phi(-x)), 0 <= x <= 5.5; it falls on beyond
    -0.9999999941066481, -1.1511045283328922, -0.4592191739287092, -0.052441850356315586,
    0.006939858873210547, 1.3188012620063663e-05, -0.0002899757791483486, 8.06687698309768e-05,
    -1.1905772132548329e-05, 9.668656587229966e-07, -3.38621761949279e-08,
)  # fmt: skip
SIN = {  # (sin(x) / x - 1) / z at z = x^2, |x| <= pi/4; named by the type of the result
    f32: (-0.16666666641607747, 0.008333329383614942, -0.0001983933408634262,
          2.718304226793032e-06),
    f64: (-0.16666666666666632, 0.008333333333322415, -0.00019841269829808247,
          2.755731369204623e-06, -2.5050758131699213e-08, 1.589679641847934e-10),
}  # fmt: skip
COS = {  # (cos(x) - 1 + z / 2) / z^2, likewise
    f32: (0.04166666662279474, -0.001388888375047103, 2.479951921756404e-05,
          -2.7210171235485754e-07),
    f64: (0.0416666666666666, -0.0013888888888874127, 2.480158728948349e-05,
          -2.755731435267038e-07, 2.0875723315097e-09, -1.1359649808741769e-11),
}  # fmt: skip
TWO_OVER_PI = (  # in pieces of 29 digits: times a number of f32, each is exact in f64
    0.636619770899415, 1.4681663246252086e-09, 2.2760100671971816e-18, 5.8812147387730434e-27,
    1.0346868700836215e-35, 3.783256351091319e-45, 3.720474878517739e-53,
)  # fmt: skip
HALF_PI = (1.570796251296997, 7.549789415861596e-08, 5.39030083589187e-15, 2.0222662487959506e-21)
TURN_MAGIC = 1.5 * 2.0**28  # leaves multiples of 2^-24 of f64
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
    if len(coefficients) > 4:
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
    return _scale(tile.fma(f, _polynomial(f, EXP2[x.dtype]), 1.0), n)


def _small_exp2(x):
    """2^x in f32, -126 < x < 127; some number for NaN."""
    t = x + FORMATS[f32].magic
    f = x - (t - FORMATS[f32].magic)
    y = tile.fma(f, _polynomial(f, EXP2[f32]), 1.0)
    return tile.bitcast(tile.bitcast(y, i32) + (tile.bitcast(t, i32) << 23), f32)


def _reduce(x):
    """x = n log(2) + r, |r| <= log(2) / 2."""
    n = _near(x * LOG2E)
    high, low = LN2[x.dtype]
    return n, tile.fma(n, -low, tile.fma(n, -high, x))


def _exp(r):
    """e^r, |r| <= log(2) / 2."""
    return tile.fma(r, tile.fma(r, _polynomial(r, EXP[r.dtype]), 1.0), 1.0)


@elementary
def exp(x):
    """e^x."""
    x = _clip(x, -104.0 if x.dtype == f32 else -746.0, 89.0 if x.dtype == f32 else 710.0)
    n, r = _reduce(x)
    return _scale(_exp(r), n)


@elementary
def tanh(x):
    """The hyperbolic tangent: 1 - 2 / (e^2|x| + 1), or near zero a polynomial."""
    size, limit = tile.abs(x), 10.0 if x.dtype == f32 else 20.0
    n, r = _reduce(2.0 * tile.select(size > limit, limit, size))
    far = 1.0 - 2.0 / (_exp(r) * _power(n) + 1.0)
    z = x * x
    near = tile.fma(size * z, _polynomial(z, TANH[x.dtype]), size)
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
    return h, s * (h + z * _polynomial(z, LOG[f.dtype]))


def _log_edges(x, y):
    y = tile.select(x < INFINITY, y, x)
    return tile.select(x > 0.0, y, tile.select(x == 0.0, -INFINITY, x * NAN))


@elementary
def log(x):
    """The natural logarithm; NaN below zero."""
    f, e = _split(x)
    h, t = _log1p(f)
    high, low = LN2[x.dtype]
    return _log_edges(x, tile.fma(e, high, f - (h - tile.fma(e, low, t))))


@elementary
def log2(x):
    """The logarithm to base 2; NaN below zero."""
    f, e = _split(x)
    h, t = _log1p(f)
    high = _top(f - h)
    low = ((f - high) - h) + t
    c, d = LOG2E_PARTS[x.dtype]
    whole = high * c  # exact
    rest = tile.fma(low, c, (low + high) * d)
    y = e + whole
    return _log_edges(x, y + (rest + ((e - y) + whole)))


# ---- the normal distribution ---------------------------------------------------------------------


def _erfc_f32(x):
    """erfc(x), 1 <= x, to 2^-25."""
    return _small_exp2(_polynomial(tile.select(x > 3.95, 3.95, x), LOG2_ERFC))


def _erfc_f64(x):
    """erfc(x), 1 <= x, to 2^-54."""
    x = tile.select(x > 6.0, 6.0, x)
    q = 3.0 / (3.0 + x)
    n, r = _reduce(-x * x)
    return q * _polynomial(q, ERFCX) * (_exp(r) * _power(n))


@elementary
def erf(x):
    """The error function."""
    size = tile.abs(x)
    near = tile.fma(x, _polynomial(x * x, ERF[x.dtype]), x)
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
    return tile.select(x < 0.0, 0.0, x) - a * _small_exp2(_polynomial(a, LOG2_NORMAL))


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
    t = t - 4.0 * tile.rint(0.25 * t)
    top = (t + TURN_MAGIC) - TURN_MAGIC
    return high + top, low + (t - top)


@Builtin
def _turns(t: Tracer, x) -> tuple:
    """x * 2/pi modulo 4, for any value of f32, as high + low. A piece of 2/pi whose products are
    multiples of 4 adds nothing, so the pieces that x needs are the ones that count."""
    high, low = 0.0, 0.0
    for piece in TWO_OVER_PI:
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
    w = (x - n * HALF_PI[0]) - n * HALF_PI[1]
    p = n * HALF_PI[2]
    r = w - p
    b = r - w
    c = ((w - (r - b)) - (p + b)) - n * HALF_PI[3]
    s = r + c
    return n, s, (r - s) + c


def _circular(x, shift):
    """sin(x + shift pi/2)."""
    n, r, c = _angle_f32(x) if x.dtype == f32 else _angle_f64(x)
    z = r * r
    sine = r + (r * z * _polynomial(z, SIN[x.dtype]) + c * (1.0 - 0.5 * z))
    h = 0.5 * z
    w = 1.0 - h
    cosine = w + (((1.0 - w) - h) + (z * z * _polynomial(z, COS[x.dtype]) - r * c))
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
