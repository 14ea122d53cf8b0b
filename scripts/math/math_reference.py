"""Writes fixtures/math.csv: function, bits of x, bits of f(x) rounded, and what f(x) exceeds that by in 1/100 ulp.

The values come from mpmath at 100 digits. An optional argument multiplies the number of points, and a second
one names another file, for a measurement denser than what is worth keeping.
"""
import math
import random
import struct
import sys

from mpmath import mp, mpf
import mpmath as m

mp.dps = 100
SCALE = int(sys.argv[1]) if len(sys.argv) > 1 else 1
OUT = sys.argv[2] if len(sys.argv) > 2 else "fixtures/math.csv"
rng = random.Random(20)


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def neighbours(v, count=2):
    out = [v]
    lo = hi = v
    for _ in range(count):
        lo, hi = math.nextafter(lo, -math.inf), math.nextafter(hi, math.inf)
        out += [lo, hi]
    return out


def uniform(a, b, n):
    return [rng.uniform(a, b) for _ in range(n * SCALE)]


def spread(lo, hi, n, signs=(1,)):
    """Magnitudes uniform in the exponent."""
    return [rng.choice(signs) * math.ldexp(rng.uniform(1, 2), rng.randint(lo, hi)) for _ in range(n * SCALE)]


BOTH = (1, -1)
LN2 = math.log(2)


def exponential(lo, hi, unit=LN2):
    """Where the reduction turns over, the ends, small and ordinary arguments."""
    turns = [v for k in (0, 1, -1, -2, 2, 7, -20, 50, 1023, -1022, -1030) for v in neighbours((k + 0.5) * unit, 1)]
    small = spread(-60, -2, 80, BOTH)
    return turns + small + uniform(-1, 1, 180) + uniform(-12, 12, 120) + uniform(lo, hi, 120) + neighbours(lo) + neighbours(hi)


def logarithmic(centre):
    """Around the zero, the interval's turn at the root of 2, denormals and the whole range."""
    near = [1 + v for v in spread(-52, -2, 120, BOTH)]
    turns = [v * 2.0**k for k in (-1022, -3, -1, 0, 1, 2, 500) for v in neighbours(math.sqrt(2), 1)]
    return near + turns + uniform(0.5, 2, 220) + uniform(0, 40, 60) + spread(-1074, -1022, 30) + spread(-1021, 1023, 90)


def both_ends(limit):
    return spread(-60, -2, 60, BOTH) + uniform(-2, 2, 200) + uniform(-40, 40, 150) + uniform(-limit, limit, 60)


EVERYWHERE = spread(-40, 20, 60, BOTH) + uniform(-4, 4, 70)
UNIT = uniform(-1, 1, 70) + spread(-40, -1, 30, BOTH)


def softplus(x):
    return m.log1p(m.exp(x)) if x < 100 else x + m.log1p(m.exp(-x))


FUNCTIONS = {
    "exp": (m.exp, exponential(-745.5, 709.78)),
    "expm1": (m.expm1, exponential(-45, 709.78)),
    "exp2": (lambda x: mpf(2) ** x, exponential(-1075.5, 1023.99, 1)),
    "ln": (m.log, logarithmic(1)),
    "log2": (lambda x: m.log(x) / m.log(2), logarithmic(1)),
    "log10": (lambda x: m.log(x) / m.log(10), logarithmic(1)),
    "log1p": (m.log1p, spread(-60, 1, 250, BOTH) + uniform(-1, 1, 200) + uniform(0, 50, 60) + spread(-1074, 1023, 60)),
    "tanh": (m.tanh, neighbours(0.55) + neighbours(-0.55) + uniform(0.4, 0.8, 100) + both_ends(25)),
    "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), both_ends(750)),
    "softplus": (softplus, neighbours(math.log(0.41421356)) + uniform(-1, -0.8, 60) + both_ends(750)),
    "log_sigmoid": (lambda x: -softplus(-x), both_ends(750)[::3]),
    "sqrt": (m.sqrt, spread(-1074, 1023, 60)),
    "rsqrt": (lambda x: 1 / m.sqrt(x), spread(-1074, 1023, 60)),
    "cbrt": (lambda x: m.cbrt(x) if x > 0 else -m.cbrt(-x), spread(-1074, 1023, 60, BOTH)),
    "sin": (m.sin, EVERYWHERE),
    "cos": (m.cos, EVERYWHERE),
    "tan": (m.tan, EVERYWHERE),
    "asin": (m.asin, UNIT),
    "acos": (m.acos, UNIT),
    "atan": (m.atan, EVERYWHERE),
    "sinh": (m.sinh, uniform(-2, 2, 60) + uniform(-710, 710, 40) + spread(-40, -1, 30, BOTH)),
    "cosh": (m.cosh, uniform(-2, 2, 60) + uniform(-710, 710, 40)),
    "asinh": (m.asinh, EVERYWHERE),
    "acosh": (m.acosh, uniform(1, 3, 70) + spread(1, 1023, 40)),
    "atanh": (m.atanh, UNIT),
    "erf": (m.erf, uniform(-6, 6, 80) + spread(-40, -1, 40, BOTH)),
    "erfc": (m.erfc, uniform(-6, 6, 60) + uniform(0, 26, 60)),
    "lgamma": (lambda x: m.loggamma(x).real, uniform(0, 4, 80) + spread(-40, 900, 50)),
    "digamma": (m.digamma, uniform(0, 3, 90) + uniform(1.4, 1.5, 30) + neighbours(1.4616321449683622, 8) + uniform(3, 12, 60) + spread(-40, 900, 40)),
    "mish": (lambda x: x * m.tanh(softplus(x)), both_ends(750)),
    "tanhshrink": (lambda x: x - m.tanh(x), neighbours(0.55) + uniform(0.4, 0.8, 60) + both_ends(25)),
}

with open(OUT, "w") as out:
    for name, (f, points) in FUNCTIONS.items():
        for x in points:
            if x == 0 or math.isinf(x) or (name == "log1p" and x <= -1):
                continue
            exact = f(mpf(x))
            if isinstance(exact, mp.mpc):
                continue
            y = float(exact)
            if math.isinf(y):
                out.write(f"{name},{bits(x):x},{bits(y):x},0\n")
                continue
            rest = int(m.nint((exact - mpf(y)) / mpf(math.ulp(y)) * 100))
            out.write(f"{name},{bits(x):x},{bits(y):x},{rest}\n")
