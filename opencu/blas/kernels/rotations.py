"""Givens's rotations and Hammarling's modified ones: one program, with selections for branches.

    [ c        s ] [a]   [r]          [ h11 h12 ] [sqrt(d1) x1]   [sqrt(d1') x1']
    [ -conj(s) c ] [b] = [0]          [ h21 h22 ] [sqrt(d2) y1] = [0            ]

Sources: Anderson, "Algorithm 978: Safe Scaling in the Level 1 BLAS" (2017); Lawson, Hanson, Kincaid
and Krogh, "Basic Linear Algebra Subprograms for Fortran Usage" (1979).
"""

from opencu import tile

# ---- scalars: numbers of the call, or read where they lie ----------------------------------------


def wide(v):
    """In the type that is computed in."""
    return None if v is None else tile.cast(v, v.dtype.compute)


def given(s):
    return (wide(s[0]), wide(s[1]), wide(s[2]), wide(s[3]), wide(s[4]))


def number_at(s, i):
    """Without a look at the bounds, which gather takes."""
    return None if s is None else wide(tile.sum(tile.load(s, i, 1)))


def fetched(s):
    """Scalars that each lie somewhere."""
    return (number_at(s[0], 0), number_at(s[1], 0))


def fetched_five(s):
    """Five in a row."""
    a, b, c = number_at(s[0], 0), number_at(s[0], 1), number_at(s[0], 2)
    return (a, b, c, number_at(s[0], 3), number_at(s[0], 4))


def put_at(x, i, v):
    tile.scatter(x, i, tile.cast(v, x.dtype))


LEAST_OF_SINGLE, LEAST_OF_DOUBLE = 2.0**-126, 2.0**-1022
LOW, HIGH = 4096.0**-2, 4096.0**2


def least(T):
    """The least number whose inverse is one."""
    return LEAST_OF_SINGLE if T.bits == 32 else LEAST_OF_DOUBLE


def scale_of(a, T):
    """A size to divide by, so that what is divided by it can be squared."""
    return tile.minimum(1 / least(T), tile.maximum(least(T), a))


def rotation(a, b, T):
    """r, z, c, s for real a, b."""
    left, right = tile.abs(a), tile.abs(b)
    by = scale_of(tile.maximum(left, right), T)
    f, g = a / by, b / by
    long = tile.sqrt(tile.fma(f, f, g * g)) * by
    r = tile.select(tile.select(left > right, a, b) < 0, -long, long)
    c, s = a / r, b / r
    z = tile.select(left > right, s, tile.select(c != 0, 1 / c, 1))
    none, only = right == 0, left == 0
    return (
        tile.select(none, a, tile.select(only, b, r)),
        tile.select(none, 0, tile.select(only, 1, z)),
        tile.select(none, 1, tile.select(only, 0, c)),
        tile.select(none, 0, tile.select(only, 1, s)),
    )


def larger_part(v):
    return tile.maximum(tile.abs(tile.real(v)), tile.abs(tile.imag(v)))


def divided(v, by):
    return tile.real(v) / by, tile.imag(v) / by


def complex_rotation(a, b, T):
    """r, c, s for complex a, b: each is scaled by itself."""
    small, large = larger_part(a), larger_part(b)
    v = scale_of(small, T)
    u = scale_of(tile.maximum(small, large), T)
    (fr, fi), (gr, gi), w = divided(a, v), divided(b, u), v / u
    f2, g2 = tile.fma(fr, fr, fi * fi), tile.fma(gr, gr, gi * gi)
    h2 = tile.fma(f2 * w, w, g2)
    d = tile.sqrt(f2 * h2)
    up = h2 / d  # times u only at the end: it overflows where a is subnormal
    g = tile.sqrt(g2)
    none, only = large == 0, small == 0
    r = tile.complex(
        tile.select(none, tile.real(a), tile.select(only, g * u, fr * up * u)),
        tile.select(none, tile.imag(a), tile.select(only, 0, fi * up * u)),
    )
    c = tile.select(none, 1, tile.select(only, 0, f2 / d * w))
    sr, si = (
        tile.select(only, gr / g, (gr * fr + gi * fi) / d),
        tile.select(only, -gi / g, (gr * fi - gi * fr) / d),
    )
    return r, c, tile.complex(tile.select(none, 0, sr), tile.select(none, 0, si))


@tile.kernel
def rotg(a, b, c, s):
    """a, b become r, z; c, s are the rotation."""
    x, y = number_at(a, 0), number_at(b, 0)
    if a.dtype.kind == "c":
        r, cosine, sine = complex_rotation(x, y, c.dtype.compute)
    else:
        r, z, cosine, sine = rotation(x, y, c.dtype.compute)
        put_at(b, 0, z)
    put_at(a, 0, r)
    put_at(c, 0, cosine)
    put_at(s, 0, sine)


GAMMA = 4096.0
SCALINGS = 96  # of GAMMA squared, from the smallest number of f64 to the largest


def scaled(d, x, h, k, T):
    """d, x, h, k with d between GAMMA^-2 and GAMMA^2; how often they were scaled."""
    times = tile.cast(0, T)
    for _ in range(SCALINGS):
        up = (d != 0) & (tile.abs(d) <= LOW)
        down = tile.abs(d) >= HIGH
        by = tile.cast(tile.select(up, 1 / GAMMA, tile.select(down, GAMMA, 1.0)), T)
        d, x, h, k = d / (by * by), x * by, h * by, k * by
        times = times + tile.cast(tile.select(up | down, 1.0, 0.0), T)
    return d, x, h, k, times


@tile.kernel
def rotmg(d1, d2, x1, param, s0, scalars=given):
    """Hammarling's modified rotation; param: flag, h11, h21, h12, h22."""
    y = scalars((s0, None, None, None, None))[0]
    T = d1.dtype
    a, b, x = number_at(d1, 0), number_at(d2, 0), number_at(x1, 0)
    p1, p2 = a * x, b * y
    q1, q2 = p1 * x, p2 * y
    first = tile.abs(q1) > tile.abs(q2)
    h21, h12 = -y / x, p2 / p1
    h11, h22 = p1 / p2, x / y
    u = 1 + tile.select(first, -h12 * h21, h11 * h22)
    wrong = (a < 0) | tile.select(first, u <= 0, q2 < 0)
    h11, h22 = tile.select(first, 1, h11), tile.select(first, 1, h22)
    h21, h12 = tile.select(first, h21, -1), tile.select(first, h12, 1)
    a, b = tile.select(first, a, b) / u, tile.select(first, b, a) / u
    x = tile.select(first, x, y) * u
    a, x, h11, h12, once = scaled(a, x, h11, h12, T)
    b, _, h21, h22, twice = scaled(b, x, h21, h22, T)
    flag = tile.select(once + twice > 0, -1.0, tile.select(first, 0.0, 1.0))
    if (p2 == 0) & (number_at(d1, 0) >= 0):
        put_at(param, 0, -2.0)
    else:
        flag = tile.select(wrong, -1.0, flag)
        put_at(d1, 0, tile.select(wrong, 0, a))
        put_at(d2, 0, tile.select(wrong, 0, b))
        put_at(x1, 0, tile.select(wrong, 0, x))
        put_at(param, 0, flag)
        if flag <= 0:
            put_at(param, 2, tile.select(wrong, 0, h21))
            put_at(param, 3, tile.select(wrong, 0, h12))
        if flag != 0:
            put_at(param, 1, tile.select(wrong, 0, h11))
            put_at(param, 4, tile.select(wrong, 0, h22))
