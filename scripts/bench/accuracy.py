"""Makes docs/accuracy.md: errors in ulps of functions and losses and of their gradients in f32, beside PyTorch's.

    python scripts/bench/accuracy.py            # needs torch, numpy and mpmath; runs cargo

References come from mpmath at 60 digits, from the formula of each function written here. Points are drawn, and chosen
where formulas break: denormal numbers, ±1e4, equal logits, probabilities at 0 and 1, saturated functions. An error is
counted in units of the last place of the f32 nearest to the reference; where that is 0 or infinite the result must be
it. Where the reference is NaN, or the slope has a kink, nothing is counted.
"""

import json
import os
import pathlib
import struct
import subprocess

import mpmath as m
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mp, mpf

mp.dps = 60
ROOT = pathlib.Path(__file__).resolve().parents[2]
rng = np.random.default_rng(20)
INF = mpf("inf")


def ulp(value):
    """The distance of f32 numbers at `value`."""
    a = abs(float(value))
    if a < 2.0**-126:
        return mpf(2) ** -149
    return mpf(2) ** (min(int(np.floor(np.log2(a))), 127) - 23)


def error(got, want):
    """In ulps; infinite where one is finite and the other is not."""
    got = float(got)
    if want is None or m.isnan(want):
        return None
    # What rounds to infinity.
    top = mpf(2) ** 128 - mpf(2) ** 103
    if abs(want) >= top:
        return 0.0 if np.isinf(got) and (got > 0) == (want > 0) else float("inf")
    if not np.isfinite(got):
        return float("inf")
    return float(abs(mpf(got) - want) / ulp(want))


def sigmoid(x):
    return 1 / (1 + m.exp(-x))


def softplus(x):
    return m.log1p(m.exp(x)) if x < 0 else x + m.log1p(m.exp(-x))


def phi(x):
    return m.erfc(-x / m.sqrt(2)) / 2


def real(f):
    """`f` where it is real, else NaN."""

    def g(x):
        y = f(x)
        return y if isinstance(y, mpf) else mpf("nan")

    return g


# Name, function, derivative, PyTorch's, lowest and highest of the drawn points.
UNARY = [
    ("exp", m.exp, m.exp, torch.exp, -104, 89),
    ("exp2", lambda x: mpf(2) ** x, lambda x: m.log(2) * mpf(2) ** x, torch.exp2, -150, 128),
    ("expm1", m.expm1, m.exp, torch.expm1, -20, 88),
    ("log", m.log, lambda x: 1 / x, torch.log, 1e-3, 1e3),
    ("log2", lambda x: m.log(x) / m.log(2), lambda x: 1 / (x * m.log(2)), torch.log2, 1e-3, 1e3),
    ("log10", m.log10, lambda x: 1 / (x * m.log(10)), torch.log10, 1e-3, 1e3),
    ("log1p", m.log1p, lambda x: 1 / (1 + x), torch.log1p, -0.9, 10),
    ("sqrt", m.sqrt, lambda x: 1 / (2 * m.sqrt(x)), torch.sqrt, 1e-6, 1e6),
    ("rsqrt", lambda x: 1 / m.sqrt(x), lambda x: -1 / (2 * x * m.sqrt(x)), torch.rsqrt, 1e-6, 1e6),
    ("sin", m.sin, m.cos, torch.sin, -100, 100),
    ("cos", m.cos, lambda x: -m.sin(x), torch.cos, -100, 100),
    ("tan", m.tan, lambda x: 1 + m.tan(x) ** 2, torch.tan, -100, 100),
    ("asin", real(m.asin), lambda x: 1 / m.sqrt(1 - x * x), torch.asin, -0.999, 0.999),
    ("acos", real(m.acos), lambda x: -1 / m.sqrt(1 - x * x), torch.acos, -0.999, 0.999),
    ("atan", m.atan, lambda x: 1 / (1 + x * x), torch.atan, -10, 10),
    ("sinh", m.sinh, m.cosh, torch.sinh, -88, 88),
    ("cosh", m.cosh, m.sinh, torch.cosh, -88, 88),
    ("tanh", m.tanh, lambda x: m.sech(x) ** 2, torch.tanh, -10, 10),
    ("asinh", m.asinh, lambda x: 1 / m.sqrt(1 + x * x), torch.asinh, -100, 100),
    ("acosh", real(m.acosh), lambda x: 1 / m.sqrt(x * x - 1), torch.acosh, 1.01, 100),
    ("atanh", real(m.atanh), lambda x: 1 / (1 - x * x), torch.atanh, -0.999, 0.999),
    ("erf", m.erf, lambda x: 2 / m.sqrt(m.pi) * m.exp(-x * x), torch.erf, -4, 4),
    ("erfc", m.erfc, lambda x: -2 / m.sqrt(m.pi) * m.exp(-x * x), torch.erfc, -4, 10),
    ("lgamma", m.loggamma, m.digamma, torch.lgamma, 0.01, 100),
    ("digamma", m.digamma, lambda x: m.psi(1, x), torch.digamma, 0.01, 100),
    ("sigmoid", sigmoid, lambda x: sigmoid(x) * sigmoid(-x), torch.sigmoid, -100, 100),
    ("softplus", softplus, sigmoid, F.softplus, -100, 100),
    ("log_sigmoid", lambda x: -softplus(-x), lambda x: sigmoid(-x), F.logsigmoid, -100, 100),
    ("silu", lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x)), F.silu, -80, 80),
    (
        "gelu",
        lambda x: x * phi(x),
        lambda x: phi(x) + x * m.exp(-x * x / 2) / m.sqrt(2 * m.pi),
        F.gelu,
        -12,
        12,
    ),
    (
        "mish",
        lambda x: x * m.tanh(softplus(x)),
        lambda x: m.tanh(softplus(x)) + x * sigmoid(x) * m.sech(softplus(x)) ** 2,
        F.mish,
        -80,
        80,
    ),
]


def huber(d):
    return d * d / 2 if abs(d) < 1 else abs(d) - mpf(1) / 2


def huber_slope(d):
    return d if abs(d) < 1 else m.sign(d)


def xlogy(x, y):
    return mpf(0) if x == 0 else (-INF if y == 0 else x * m.log(y))


# Name, value and slope by x of (x, t), PyTorch's, how t is drawn.
NONE = {"reduction": "none"}
LOSSES = [
    ("mse_loss", lambda x, t: (x - t) ** 2, lambda x, t: 2 * (x - t), lambda x, t: F.mse_loss(x, t, **NONE), "real"),
    (
        "huber_loss",
        lambda x, t: huber(x - t),
        lambda x, t: huber_slope(x - t),
        lambda x, t: F.huber_loss(x, t, **NONE),
        "real",
    ),
    (
        "smooth_l1_loss",
        lambda x, t: huber(x - t),
        lambda x, t: huber_slope(x - t),
        lambda x, t: F.smooth_l1_loss(x, t, **NONE),
        "real",
    ),
    (
        "log_cosh_loss",
        lambda x, t: m.log(m.cosh(x - t)) if abs(x - t) < 200 else abs(x - t) - m.log(2),
        lambda x, t: m.tanh(x - t),
        None,
        "real",
    ),
    (
        "binary_cross_entropy",
        # Logarithms are bounded by -100, as PyTorch has them.
        lambda x, t: -t * max(m.log(x) if x > 0 else -INF, mpf(-100))
        - (1 - t) * max(m.log1p(-x) if x < 1 else -INF, mpf(-100)),
        lambda x, t: (x - t) / (x * (1 - x)) if 0 < x < 1 else None,
        lambda x, t: F.binary_cross_entropy(x, t, **NONE),
        "probability",
    ),
    (
        "binary_cross_entropy_with_logits",
        lambda x, t: softplus(x) - x * t,
        lambda x, t: sigmoid(x) - t,
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, **NONE),
        "label",
    ),
    (
        "soft_margin_loss",
        lambda x, t: softplus(-x * t),
        lambda x, t: -t * sigmoid(-x * t),
        lambda x, t: F.soft_margin_loss(x, t, **NONE),
        "sign",
    ),
    (
        "poisson_nll_loss",
        lambda x, t: m.exp(x) - t * x,
        lambda x, t: m.exp(x) - t,
        lambda x, t: F.poisson_nll_loss(x, t, **NONE),
        "count",
    ),
    (
        "kl_div",
        lambda x, t: xlogy(t, t) - t * x,
        lambda x, t: -t,
        lambda x, t: F.kl_div(x, t, **NONE),
        "weight",
    ),
]


def single(values):
    return np.array(values, dtype=np.float32)


def points(low, high):
    tiny = [1e-45, -1e-45, 1e-40, -1e-40, 1.2e-38, 1e-30, -1e-30, 1e-8, -1e-8, 1e-4, -1e-4]
    far = [0.0, 1.0, -1.0, 0.5, -0.5, 1e4, -1e4, 100.0, -100.0, 20.0, -20.0]
    near_one = [1 - 2.0**-24, 1 + 2.0**-23, -1 + 2.0**-24, 0.99, 1.01]
    drawn = list(rng.uniform(low, high, 500))
    signs = rng.choice([-1.0, 1.0], 200) if low < 0 else np.ones(200)
    return single(drawn + list(signs * 10 ** rng.uniform(-6, 0, 200)) + tiny + far + near_one)


def targets(kind, n):
    return single(
        {
            "real": rng.normal(size=n),
            "label": rng.choice([0.0, 1.0, 1.0, 0.0, 0.25], n),
            "probability": rng.choice([0.0, 1.0, 0.3], n),
            "sign": rng.choice([-1.0, 1.0], n),
            "count": rng.integers(0, 20, n),
            "weight": rng.choice([0.0, 1.0, 1e-30, 0.2, 0.7], n),
        }[kind]
    )


def by_torch(f, x, *more):
    x = torch.tensor(x, requires_grad=True)
    y = f(x, *[torch.tensor(t) for t in more])
    y.sum().backward()
    return y.detach().numpy().ravel(), x.grad.numpy().ravel()


def guarded(f, *args):
    try:
        y = f(*args)
        return None if y is None else mpf(y)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        return None


def cases():
    """Name, x, t, shape, references of values and gradients, PyTorch's."""
    for name, f, df, torch_f, low, high in UNARY:
        x = points(low, high)
        # Poles and ends of the domain have no slope to be held to.
        want = [guarded(f, mpf(float(v))) for v in x]
        slope = [guarded(df, mpf(float(v))) if w is not None and m.isfinite(w) else None for v, w in zip(x, want)]
        yield name, x, [], [len(x)], want, slope, by_torch(torch_f, x)
    for name, f, df, torch_f, kind in LOSSES:
        x = points(-30, 30)
        if kind == "probability":
            x = single(np.abs(x)[np.abs(x) <= 1])
        t = targets(kind, len(x))
        pairs = [(mpf(float(a)), mpf(float(b))) for a, b in zip(x, t)]
        want = [guarded(f, *p) for p in pairs]
        slope = [guarded(df, *p) for p in pairs]
        ours = torch_f and by_torch(torch_f, x, t)
        yield name, x, t, [len(x)], want, slope, ours
    rows = [rng.normal(size=10) * s for s in (0.1, 1, 5, 30, 1e3, 1e4) for _ in range(12)]
    rows += [[3.0] * 10, [1e4] * 10, [-1e4] * 10, [0.0] * 10, [1e-45] * 10, [1e4] + [0.0] * 9, [-1e4] + [0.0] * 9]
    rows += [[20.0] + [0.0] * 9, [17.0] + [0.0] * 9, [1e4, 1e4] + [-1e4] * 8]
    x = single(rows)
    classes = rng.integers(0, 10, len(x))
    classes[-10:] = 0
    t = np.repeat(classes[:, None], 10, 1).astype(np.float32)
    p, lse = [], []
    for row in x:
        row = [mpf(float(v)) for v in row]
        top = max(row)
        total = sum(m.exp(v - top) for v in row)
        lse.append(top + m.log(total))
        p.append([m.exp(v - top) / total for v in row])
    # The loss by the differences of logits, so that nothing cancels.
    n = range(len(x))
    ce = [lse[i] - mpf(float(x[i][classes[i]])) for i in n]
    # 1 - p as the sum of the others, which keeps its digits.
    minus = lambda i, k: -sum(p[i][j] for j in range(10) if j != k)  # noqa: E731
    slope = [minus(i, k) if k == classes[i] else p[i][k] for i in n for k in range(10)]
    index = torch.tensor(classes)
    yield "cross_entropy", x.ravel(), t.ravel(), list(x.shape), ce, slope, by_torch(
        lambda v: F.cross_entropy(v, index, **NONE), x
    )
    first = lambda f: lambda v: f(v, 1)  # noqa: E731
    for name, f, value, grad in [
        (
            "softmax",
            torch.softmax,
            [q for row in p for q in row],
            [p[i][0] * (-minus(i, 0) if k == 0 else -p[i][k]) for i in n for k in range(10)],
        ),
        (
            "log_softmax",
            torch.log_softmax,
            [mpf(float(v)) - lse[i] for i in n for v in x[i]],
            [-minus(i, 0) if k == 0 else -p[i][k] for i in n for k in range(10)],
        ),
    ]:
        v = torch.tensor(x, requires_grad=True)
        y = first(f)(v)
        y[:, 0].sum().backward()
        theirs = (y.detach().numpy().ravel(), v.grad.numpy().ravel())
        yield name, x.ravel(), [], list(x.shape), value, grad, theirs
    tenth = single([0.1])
    mean = torch.full((10**8,), 0.1).mean().item()
    yield "mean_of_1e8", tenth, [], [1], [mpf(float(tenth[0]))], [mpf(1)], ([mean], [1.0])


def bits(values):
    return [struct.unpack("<I", struct.pack("<f", float(v)))[0] for v in values]


def floats(values):
    return [struct.unpack("<f", struct.pack("<I", v))[0] for v in values]


def shown(got, want):
    found = [e for e in (error(g, w) for g, w in zip(got, want)) if e is not None]
    if not found:
        return "", "", float("nan")
    worst, mean = max(found), float(np.mean(found))
    text = lambda v: "∞" if np.isinf(v) else (f"{v:.2f}" if v < 1e4 else f"{v:.0e}")  # noqa: E731
    return text(worst), text(mean), worst


def main():
    table = list(cases())
    asked = [{"name": c[0], "x": bits(c[1]), "t": bits(c[2]), "shape": c[3]} for c in table]
    command = ["cargo", "run", "--release", "--quiet", "-p", "losses", "--example", "accuracy"]
    if "ACCURACY_BINARY" in os.environ:
        command = [os.environ["ACCURACY_BINARY"]]
    run = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, check=True)
    lines, worse = [], []
    for case, result in zip(table, json.loads(run.stdout)):
        name, _, _, _, want, slope, theirs = case
        cells = []
        for got, ref, theirs in [
            (floats(result["y"]), want, theirs and theirs[0]),
            (floats(result["dx"]), slope, theirs and theirs[1]),
        ]:
            most, mean, worst = shown(got, ref)
            cells += [most, mean]
            if theirs is None:
                cells += ["", ""]
                continue
            their_most, their_mean, their_worst = shown(theirs, ref)
            cells += [their_most, their_mean]
            # A unit above PyTorch's error is within what either's rounding of the last step makes.
            if worst > max(their_worst, 1.0):
                worse.append(f"`{name}` {'value' if ref is want else 'gradient'}")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    head = (ROOT / "docs/accuracy.md").read_text().split("<!-- the table begins -->")[0]
    page = head + "<!-- the table begins -->\n\n"
    page += f"PyTorch {torch.__version__.split('+')[0]}, mpmath {m.__version__}.\n\n"
    page += "| | value: most | mean | PyTorch: most | mean | gradient: most | mean | PyTorch: most | mean |\n"
    page += "|---|" + "---:|" * 8 + "\n" + "\n".join(lines) + "\n\n"
    listed = ", ".join(worse) if worse else "none"
    page += f"Rows whose largest error is above 1 ulp and above PyTorch's: {listed}.\n"
    (ROOT / "docs/accuracy.md").write_text(page)
    print(page[len(head):])


if __name__ == "__main__":
    main()
