"""Makes docs/accuracy.md: errors in ulps of functions and losses and of their gradients in f32, beside PyTorch's.

    python scripts/bench/accuracy.py            # needs torch, numpy and mpmath; runs cargo

References come from mpmath, from the formula of each function written here and of each loss in `accuracy_losses.py`.
Points are drawn, and chosen where formulas break: denormal numbers, ±1e4, equal logits, probabilities at 0 and 1,
saturated functions. An error is counted in units of the last place of the f32 nearest to the reference; where that is 0
or infinite the result must be it. Where the reference is NaN, or the slope has a kink, nothing is counted.
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

from accuracy_losses import BATCHES, ELEMENTS, ROWS, points, rows, sigmoid, single, softplus
from accuracy_paths import PATHS

mp.dps = 160
ROOT = pathlib.Path(__file__).resolve().parents[2]
rng = np.random.default_rng(20)
# The step of differences: half the digits, so that their error is far below the last place of f32 at any point.
STEP = mpf(2) ** -230
# How often the points of a row are drawn: the largest error of a few is luck, where terms cancel most of all.
DRAWS = 8


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
    ("tanhshrink", lambda x: x - m.tanh(x), lambda x: m.tanh(x) ** 2, F.tanhshrink, -10, 10),
]


def by_torch(f, x, *more):
    x = torch.tensor(x, requires_grad=True)
    y = f(x, *[torch.tensor(t) for t in more])
    y.sum().backward()
    return y.detach().numpy().ravel(), x.grad.numpy().ravel()


def guarded(f, *args):
    try:
        y = f(*args)
        return y if y is None or isinstance(y, list) else mpf(y)
    except (ValueError, ZeroDivisionError, OverflowError, TypeError):
        return None


def slopes(f, x, rest):
    """The derivatives of the sum of `f` by each number of `x`, `None` at a kink."""

    def total(x):
        # A loss of which something counts as a constant is told at which point.
        y = f(x, *rest, at=at) if "at" in f.__code__.co_varnames else f(x, *rest)
        return sum(y) if isinstance(y, list) else y

    at, here, found = x, None, []
    for i in range(len(x)):
        moved = [guarded(total, x[:i] + [x[i] + step] + x[i + 1 :]) for step in (STEP, -STEP)]
        here = guarded(total, x) if here is None else here
        if here is None or None in moved or not all(m.isfinite(v) for v in moved):
            found.append(None)
            continue
        right, left = (moved[0] - here) / STEP, (here - moved[1]) / STEP
        kink = abs(right - left) > mpf(10) ** -20 * (abs(right) + abs(left)) + mpf(10) ** -50
        found.append(None if kink else (right + left) / 2)
    return found


def exact(values):
    return [mpf(float(v)) for v in np.ravel(values)]


def units(kind, inputs):
    """The first input's numbers for each unit, and the others'."""
    n = len(inputs[0])
    if kind == "batch":
        return [(exact(inputs[0]), [exact(v) for v in inputs[1:]])]
    # What has no entry for each unit is the same for all.
    own = [v.ndim > 0 and len(v) == n for v in inputs]
    return [
        (exact(inputs[0][i]), [exact(v[i] if o else v) for v, o in zip(inputs[1:], own[1:])]) for i in range(n)
    ]


def of_numbers(f):
    """A formula of numbers as one of lists with one number each."""
    return lambda x, *rest: f(x[0], *(r[0] for r in rest))


def losses():
    """Name, inputs, references of values and gradients, PyTorch's."""
    for kind, table in [("element", ELEMENTS), ("row", ROWS), ("batch", BATCHES + PATHS)]:
        for name, f, torch_f, draw, *slope in table:
            f = of_numbers(f) if kind == "element" else f
            for inputs in (case for _ in range(DRAWS) for case in draw()):
                want, grad = [], []
                for x, rest in units(kind, inputs):
                    value = guarded(f, x, *rest, x) if "at" in f.__code__.co_varnames else guarded(f, x, *rest)
                    want += value if isinstance(value, list) else [value]
                    grad += [guarded(of_numbers(slope[0]), x, *rest)] if slope else slopes(f, x, rest)
                yield name, inputs, want, grad, torch_f and by_torch(torch_f, *inputs)


def cases():
    """Name, inputs, references of values and gradients, PyTorch's."""
    for name, f, df, torch_f, low, high in (row for row in UNARY for _ in range(DRAWS)):
        x = points(low, high)
        # Poles and ends of the domain have no slope to be held to.
        want = [guarded(f, mpf(float(v))) for v in x]
        slope = [guarded(df, mpf(float(v))) if w is not None and m.isfinite(w) else None for v, w in zip(x, want)]
        yield name, [x], want, slope, by_torch(torch_f, x)
    yield from losses()
    x = rows()
    p, log_p = [], []
    for row in x:
        row = exact(row)
        e = [m.exp(v - max(row)) for v in row]
        p.append([v / sum(e) for v in e])
        log_p.append([v - max(row) - m.log(sum(e)) for v in row])
    # One less the first of a row, as the sum of the others.
    left = [sum(row[1:]) for row in p]
    for name, f, value, grad in [
        ("softmax", torch.softmax, p, [[row[0] * v for v in [l, *(-q for q in row[1:])]] for row, l in zip(p, left)]),
        ("log_softmax", torch.log_softmax, log_p, [[l, *(-q for q in row[1:])] for row, l in zip(p, left)]),
    ]:
        v = torch.tensor(x, requires_grad=True)
        y = f(v, 1)
        y[:, 0].sum().backward()
        theirs = (y.detach().numpy().ravel(), v.grad.numpy().ravel())
        yield name, [x], sum(value, []), sum(grad, []), theirs
    tenth = single([0.1])
    mean = torch.full((10**8,), 0.1).mean().item()
    yield "mean_of_1e8", [tenth], exact(tenth), [mpf(1)], ([mean], [1.0])


def bits(values):
    return [struct.unpack("<I", struct.pack("<f", float(v)))[0] for v in values]


def floats(values):
    return [struct.unpack("<f", struct.pack("<I", v))[0] for v in values]


def errors(got, want):
    return [e for e in (error(g, w) for g, w in zip(got, want, strict=True)) if e is not None]


def shown(found):
    if not found:
        return "", "", float("nan")
    worst, mean = max(found), float(np.mean(found))
    text = lambda v: "∞" if np.isinf(v) else (f"{v:.2f}" if v < 1e4 else f"{v:.0e}")  # noqa: E731
    return text(worst), text(mean), worst


def main():
    table = list(cases())
    asked = [
        {"name": c[0], "inputs": [{"bits": bits(np.ravel(v)), "shape": list(np.shape(v))} for v in c[1]]} for c in table
    ]
    command = ["cargo", "run", "--release", "--quiet", "-p", "losses", "--example", "accuracy"]
    if "ACCURACY_BINARY" in os.environ:
        command = [os.environ["ACCURACY_BINARY"]]
    run = subprocess.run(command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    # For each name, the errors of values and of gradients, ours and PyTorch's, of all its cases.
    found = {}
    for (name, _, want, slope, theirs), result in zip(table, json.loads(run.stdout), strict=True):
        lists = found.setdefault(name, [[], [], [], []])
        for k, (ours, reference) in enumerate([("y", want), ("dx", slope)]):
            lists[2 * k] += errors(floats(result[ours]), reference)
            if theirs is not None:
                lists[2 * k + 1] += errors(theirs[k], reference)
    lines, worse, worse_mean = [], [], []
    for name, lists in found.items():
        cells = []
        for k, what in enumerate(["value", "gradient"]):
            (most, mean, worst), (their_most, their_mean, their_worst) = map(shown, lists[2 * k : 2 * k + 2])
            cells += [most, mean, their_most, their_mean]
            # As the table shows them.
            if round(worst, 2) > round(their_worst, 2):
                worse.append(f"`{name}` {what}")
            elif their_mean and float(mean.replace("∞", "inf")) > float(their_mean.replace("∞", "inf")):
                worse_mean.append(f"`{name}` {what} ({mean} and {their_mean})")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    head = (ROOT / "docs/accuracy.md").read_text().split("<!-- the table begins -->")[0]
    page = head + "<!-- the table begins -->\n\n"
    page += f"PyTorch {torch.__version__.split('+')[0]}, mpmath {m.__version__}.\n\n"
    page += "| | value: most | mean | PyTorch: most | mean | gradient: most | mean | PyTorch: most | mean |\n"
    page += "|---|" + "---:|" * 8 + "\n" + "\n".join(lines) + "\n\n"
    page += f"Rows whose largest error is above PyTorch's: {', '.join(worse) or 'none'}.\n"
    page += f"Others whose mean error is above PyTorch's: {', '.join(worse_mean) or 'none'}.\n"
    (ROOT / "docs/accuracy.md").write_text(page)
    print(page[len(head):])


if __name__ == "__main__":
    main()
