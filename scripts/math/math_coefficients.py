"""Prints the minimax polynomials of the scalar mathematics (Remez exchange at 60 digits)."""
from mpmath import mp, mpf, cos, pi, exp, log, tanh, log1p, atanh, matrix, lu_solve, sign, sqrt, digamma, findroot
import numpy as np

mp.dps = 60


def remez(g, w, a, b, degree, rounds=12, grid=1200):
    """Coefficients c of the polynomial that minimises the maximum of |w(x) (g(x) - c(x))| on [a, b]."""
    a, b = mpf(a), mpf(b)
    n = degree + 2
    nodes = [(a + b) / 2 - (b - a) / 2 * cos(pi * k / (n - 1)) for k in range(n)]
    xs = [(a + b) / 2 - (b - a) / 2 * cos(pi * (2 * k + 1) / (2 * grid)) for k in range(grid)]
    gs, ws = [g(x) for x in xs], [w(x) for x in xs]
    for _ in range(rounds):
        m = matrix(n, n)
        rhs = matrix(n, 1)
        for i, x in enumerate(nodes):
            for j in range(degree + 1):
                m[i, j] = x**j
            m[i, n - 1] = (-1) ** i / w(x)
            rhs[i] = g(x)
        c = lu_solve(m, rhs)
        poly = [c[j] for j in range(degree + 1)]
        err = [(mp.polyval(poly[::-1], x) - y) * v for x, y, v in zip(xs, gs, ws)]
        picks = [0]
        for i in range(1, grid):
            if sign(err[i]) == sign(err[picks[-1]]):
                if abs(err[i]) > abs(err[picks[-1]]):
                    picks[-1] = i
            else:
                picks.append(i)
        while len(picks) > n:
            picks.pop(0 if abs(err[picks[0]]) < abs(err[picks[-1]]) else -1)
        if len(picks) < n:
            break
        nodes = [xs[i] for i in picks]
    return poly, max(abs(e) for e in err)


def near_zero(f, order_value):
    """f with its removable singularity at 0 filled in."""
    return lambda x: order_value if abs(x) < mpf(10) ** -25 else f(x)


def show(name, result):
    poly, err = result
    print(f"{name}: relative error 2^{float(mp.log(err, 2)):.1f}")
    for c in poly:
        print(f"    f64 {float(c)!r}   f32 {np.float32(float(c))!s}")


LN2 = log(2)
E = near_zero(lambda x: (exp(x) - 1 - x) / x**2, mpf(1) / 2)
E2 = near_zero(lambda x: (exp(x * LN2) - 1 - x * LN2) / x**2, LN2**2 / 2)
LF = near_zero(lambda x: (log1p(x) - x + x**2 / 2) / x**3, mpf(1) / 3)
LS = near_zero(lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, mpf(2) / 3)
TH = near_zero(lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, -mpf(1) / 3)
# The weights turn the error of the polynomial into the relative error of the function it serves.
W1 = lambda x: mpf(10) ** -12 if abs(x) < mpf(10) ** -12 else abs(x**2 / (exp(x) - 1))
WL = lambda x: mpf(10) ** -12 if abs(x) < mpf(10) ** -6 else abs(x**3 / log1p(x))
if __name__ == "__main__":
    for d in (4,):
        show(f"exp f32 {d}", remez(E, lambda x: x**2 / exp(x) + mpf(10) ** -30, -0.347, 0.347, d))
        show(f"exp2 f32 {d}", remez(E2, lambda x: x**2 / exp(x * LN2) + mpf(10) ** -30, -0.501, 0.501, d))
    # Weighted for expm1, whose value is r + r^2 q(r): the error is taken relative to it.
    show("expm1 f32", remez(E, W1, -0.347, 0.347, 4))
    show("exp f64", remez(E, W1, -0.347, 0.347, 10))
    show("exp2 f64 9", remez(E2, lambda x: x**2 / exp(x * LN2) + mpf(10) ** -30, -0.501, 0.501, 9))
    for d in (7, 8):
        show(f"ln f32 {d}", remez(LF, WL, -0.2930, 0.4145, d))
    for d in (5, 6):
        show(f"ln f64 {d}", remez(LS, lambda z: z / 2, mpf(10) ** -20, 0.02946, d))
    show("tanh f32", remez(TH, lambda z: z, mpf(10) ** -20, 0.3026, 4))
    for d in (10,):
        show(f"tanh f64 {d}", remez(TH, lambda z: z, mpf(10) ** -20, 0.3026, d))
    root = findroot(digamma, mpf("1.4616321449683623"))
    hi = mpf(float(root)); lo = mpf(float(root - hi))
    print("digamma root", float(hi).hex(), float(lo), mp.nstr(root, 40))
    centre = mpf("1.75")
    P = lambda t: digamma(t + centre) / (t + centre - root)
    show("digamma", remez(P, lambda t: 1 / P(t), -0.75, 0.75, 27, rounds=4, grid=400))
    for nm, v in (("ln2", LN2), ("log2e", 1 / LN2), ("log10e", 1 / log(10)), ("log10_2", log(2) / log(10))):
        for kind, bits in (("f32", 15), ("f32", 12), ("f64", 40), ("f64", 30)):
            e = mp.floor(mp.log(v, 2)) + 1
            h = mp.nint(v / mpf(2) ** (e - bits)) * mpf(2) ** (e - bits)
            l = v - h
            print(nm, kind, bits, repr(float(h)), repr(float(l)) if kind == "f64" else str(np.float32(float(l))))
