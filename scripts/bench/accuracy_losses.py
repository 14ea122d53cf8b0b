"""The losses of `accuracy.py`: for each its formula, PyTorch's function where there is one, and its points.

A formula is that of one unit, of mpmath's numbers: of one element, of one row, or of a whole batch. Its first argument is
what the gradient is taken by; the slope is a difference of the formula at many digits, and where left and right differ
there is a kink, at which nothing is held to a slope.
"""

import mpmath as m
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mpf

rng = np.random.default_rng(21)
NONE = {"reduction": "none"}
LN2 = m.ln(2)


def sigmoid(x):
    return 1 / (1 + m.exp(-x))


def softplus(x):
    return m.log1p(m.exp(x)) if x < 0 else x + m.log1p(m.exp(-x))


def relu(x):
    return x if x > 0 else mpf(0)


def xlogy(x, y):
    return mpf(0) if x == 0 else (-m.inf if y == 0 else x * m.log(y))


def single(values):
    return np.array(values, dtype=np.float32)


# Points of one element.


def points(low, high):
    tiny = [1e-45, -1e-45, 1e-40, -1e-40, 1.2e-38, 1e-30, -1e-30, 1e-8, -1e-8, 1e-4, -1e-4]
    far = [0.0, 1.0, -1.0, 0.5, -0.5, 1e4, -1e4, 100.0, -100.0, 20.0, -20.0]
    near_one = [1 - 2.0**-24, 1 + 2.0**-23, -1 + 2.0**-24, 0.99, 1.01]
    drawn = list(rng.uniform(low, high, 2000))
    signs = rng.choice([-1.0, 1.0], 500) if low < 0 else np.ones(500)
    return single(drawn + list(signs * 10 ** rng.uniform(-6, 0, 500)) + tiny + far + near_one)


def targets(kind, n):
    return single(
        {
            "real": rng.normal(size=n),
            "label": rng.choice([0.0, 1.0, 1.0, 0.0, 0.25], n),
            "bit": rng.choice([0.0, 1.0], n),
            "probability": rng.choice([0.0, 1.0, 0.3], n),
            "sign": rng.choice([-1.0, 1.0], n),
            "count": rng.integers(0, 20, n),
            "weight": np.where(rng.uniform(size=n) < 0.5, rng.choice([0.0, 1.0, 1e-30], n), 10 ** rng.uniform(-4, 0, n)),
            "scale": 10 ** rng.uniform(-4, 4, n),
            "log": rng.uniform(-20, 20, n),
            "above one": 1 + 10 ** rng.uniform(-3, 2, n),
            "far": rng.normal(size=n) * 10 ** rng.uniform(-3, 4, n),
        }[kind]
    )


def spread(*kinds, keep=None):
    """Points over the line, those that `keep` takes, and a column of each kind."""

    def draw():
        x = points(-30, 30)
        if keep == "probability":
            x = np.abs(x)[np.abs(x) <= 1]
        if keep == "positive":
            x = np.abs(x)
        return [[x, *(targets(k, len(x)) for k in kinds)]]

    return draw


# Formulas of one element.


def huber(d):
    return d * d / 2 if abs(d) < 1 else abs(d) - mpf(1) / 2


def bce(x, t):
    # Logarithms are bounded by -100, as PyTorch has them.
    return -t * max(m.log(x) if x > 0 else -m.inf, mpf(-100)) - (1 - t) * max(
        m.log1p(-x) if x < 1 else -m.inf, mpf(-100)
    )


def bce_slope(x, t):
    # The denominator has PyTorch's bound, which is part of the definition of this gradient.
    return (x - t) / max(x * (1 - x), mpf(float(np.float32(1e-12))))


def focal(x, t):
    p = sigmoid(x)
    wrong = t * sigmoid(-x) + (1 - t) * p
    return (t / 4 + (1 - t) * mpf(0.75)) * wrong**2 * (t * softplus(-x) + (1 - t) * softplus(x))


def asymmetric(x, t):
    moved = relu(sigmoid(x) - mpf(1) / 16)
    # One minus the moved probability, without cancelling.
    left = min(mpf(1), sigmoid(-x) + mpf(1) / 16)
    return t * softplus(-x) - (1 - t) * moved**4 * m.log(left)


def evidential(gamma, nu, alpha, beta, t):
    s = 2 * beta * (1 + nu) / nu
    z = (t - gamma) ** 2 / s
    half = mpf(1) / 2
    return m.log(m.pi * s) / 2 + (alpha + half) * m.log1p(z) + m.loggamma(alpha) - m.loggamma(alpha + half)


def gaussian_nll(x, t, var):
    v = max(var, mpf(float(np.float32(1e-6))))
    return (m.log(v) + (x - t) ** 2 / v) / 2


# Name, formula, PyTorch's, points, and the slope where it is not that of the formula.
ELEMENTS = [
    ("mse_loss", lambda x, t: (x - t) ** 2, lambda x, t: F.mse_loss(x, t, **NONE), spread("real")),
    ("l1_loss", lambda x, t: abs(x - t), lambda x, t: F.l1_loss(x, t, **NONE), spread("real")),
    ("smooth_l1_loss", lambda x, t: huber(x - t), lambda x, t: F.smooth_l1_loss(x, t, **NONE), spread("real")),
    ("huber_loss", lambda x, t: huber(x - t), lambda x, t: F.huber_loss(x, t, **NONE), spread("real")),
    (
        "log_cosh_loss",
        lambda x, t: abs(x - t) + m.log1p(m.exp(-2 * abs(x - t))) - LN2 if abs(x - t) > 30 else m.log(m.cosh(x - t)),
        None,
        spread("real"),
    ),
    ("charbonnier_loss", lambda x, t: m.sqrt((x - t) ** 2 + mpf(1e-3) ** 2), None, spread("real")),
    ("quantile_loss", lambda x, t: max((t - x) * 3 / 4, (x - t) / 4), None, spread("real")),
    ("expectile_loss", lambda x, t: (t - x) ** 2 * (3 if t > x else 1) / 4, None, spread("real")),
    ("msle_loss", lambda x, t: (m.log1p(x) - m.log1p(t)) ** 2, None, spread("count", keep="positive")),
    ("mape_loss", lambda x, t: 100 * abs(x - t) / max(abs(t), mpf(1e-7)), None, spread("real")),
    ("tweedie_nll_loss", lambda x, t: 2 * m.exp(x / 2) + 2 * t * m.exp(-x / 2), None, spread("count")),
    ("evidential_nig_loss", evidential, None, spread("scale", "above one", "scale", "real")),
    ("binary_cross_entropy", bce, lambda x, t: F.binary_cross_entropy(x, t, **NONE), spread("probability", keep="probability"), bce_slope),
    (
        "binary_cross_entropy_with_logits",
        lambda x, t: (1 - t) * softplus(x) + t * softplus(-x),
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, **NONE),
        spread("label"),
    ),
    ("sigmoid_focal_loss", focal, None, spread("bit")),
    ("asymmetric_loss", asymmetric, None, spread("bit")),
    ("soft_margin_loss", lambda x, t: softplus(-x * t), lambda x, t: F.soft_margin_loss(x, t, **NONE), spread("sign")),
    ("hinge_loss", lambda x, t: relu(1 - x * t), None, spread("sign")),
    ("squared_hinge_loss", lambda x, t: relu(1 - x * t) ** 2, None, spread("sign")),
    ("kl_div", lambda x, t: xlogy(t, t) - t * x, lambda x, t: F.kl_div(x, t, **NONE), spread("weight")),
    (
        "gaussian_nll_loss",
        gaussian_nll,
        lambda x, t, v: F.gaussian_nll_loss(x, t, v, **NONE),
        spread("real", "scale"),
    ),
    (
        "gaussian_nll_loss_with_log_var",
        lambda s, x, t: (s + (x - t) ** 2 * m.exp(-s)) / 2,
        None,
        spread("real", "real"),
    ),
    ("gaussian_kl", lambda s, mu: (m.expm1(s) - s + mu**2) / 2, None, spread("real")),
    ("poisson_nll_loss", lambda x, t: m.exp(x) - t * x, lambda x, t: F.poisson_nll_loss(x, t, **NONE), spread("count")),
    (
        "margin_ranking_loss",
        lambda a, b, t: relu(-t * (a - b)),
        lambda a, b, t: F.margin_ranking_loss(a, b, t, **NONE),
        spread("real", "sign"),
    ),
    ("pairwise_logistic", lambda a, b: softplus(b - a), None, spread("far")),
    (
        "hinge_embedding_loss",
        lambda x, t: x if t == 1 else relu(1 - x),
        lambda x, t: F.hinge_embedding_loss(x, t, **NONE),
        spread("sign"),
    ),
    (
        "dpo_loss",
        lambda a, b, c, d: softplus(-((a - c) - (b - d)) / 8),
        None,
        spread("far", "real", "real"),
    ),
]


# Points of rows.


def rows():
    drawn = [rng.normal(size=10) * s for s in (0.1, 1, 5, 30, 1e3, 1e4) for _ in range(12)]
    drawn += [[3.0] * 10, [1e4] * 10, [-1e4] * 10, [0.0] * 10, [1e-45] * 10, [1e4] + [0.0] * 9, [-1e4] + [0.0] * 9]
    drawn += [[20.0] + [0.0] * 9, [17.0] + [0.0] * 9, [1e4, 1e4] + [-1e4] * 8]
    return single(drawn)


def classes(n):
    t = rng.integers(0, 10, n)
    t[-10:] = 0
    return single(t)


def logits():
    x = rows()
    return [[x, classes(len(x))]]


def two_logits():
    """Rows, and others: far from them, near, and almost the same."""
    x = rows()
    step = np.array([1e-3, 1.0, 10.0])[np.arange(len(x)) % 3][:, None]
    return [[x, single(x + step * rng.normal(size=x.shape))]]


def distributions(n=60, size=8):
    raw = rng.dirichlet([0.3] * size, n)
    raw[raw < 1e-30] = 0
    raw[0] = 1.0 / size
    raw[1] = [1.0] + [0.0] * (size - 1)
    return single(raw)


def listed(x):
    """Some classes of each row, ended by -1."""
    t = np.full(x.shape, -1.0)
    for row in t:
        k = rng.integers(1, 5)
        row[:k] = rng.choice(10, k, replace=False)
    return single(t)


def vectors(n, d):
    scale = np.array([1e-3, 1.0, 1.0, 30.0, 1e3])[np.arange(n) % 5][:, None]
    return single(rng.normal(size=(n, d)) * scale)


def pairs(*kinds):
    """Vectors and others: anywhere, near, and in the same or the opposite direction but for a little."""

    def draw():
        a = vectors(80, 4)
        b = vectors(80, 4)
        b[20:40] = a[20:40] * single(1 + 1e-2 * rng.normal(size=(20, 4)))
        b[40:50] = a[40:50] * single(2 + 1e-5 * rng.normal(size=(10, 4)))
        b[50:60] = -a[50:60] * single(1 + 1e-2 * rng.normal(size=(10, 4)))
        return [[a, b, *(targets(k, 80) for k in kinds)]]

    return draw


def triplets():
    (a, p), n = pairs()()[0], vectors(80, 4)
    return [[a, p, n]]


def boxes():
    def of(n):
        corner, size = rng.uniform(0, 10, (n, 2)), 10 ** rng.uniform(-1, 1, (n, 2))
        return np.concatenate([corner, corner + size], 1)

    a, b = of(60), of(60)
    b[30:] = a[30:] + 0.05 * rng.normal(size=(30, 4)) * (a[30:, 2:] - a[30:, :2]).min(1, keepdims=True)
    return [[single(a), single(b)]]


def masks():
    x, t = rng.uniform(size=(40, 8)), rng.choice([0.0, 1.0], (40, 8))
    x[::4] = np.where(rng.uniform(size=(10, 8)) < 0.5, 1e-6 * x[::4], 1 - 1e-6 * x[::4])
    t[:4] = 0
    return [[single(x), single(t)]]


# Formulas of rows.


def lse(x):
    top = max(x)
    return top + m.log(sum(m.exp(v - top) for v in x))


def gap(x, t):
    """`-ln softmax(x)[t]`, by the differences of logits."""
    return lse([v - x[int(t[0])] for v in x])


def others(x, t):
    """`1 - softmax(x)[t]`, as the sum of the others."""
    top, k = max(x), int(t[0])
    e = [m.exp(v - top) for v in x]
    return sum(e[:k] + e[k + 1 :]) / sum(e)


def log_softmax(x):
    return [v - lse(x) for v in x]


def relative(q, log_q, log_p):
    return sum(a * (b - c) for a, b, c in zip(q, log_q, log_p) if a != 0)


def kl(x, t):
    log_p, log_q = log_softmax(x), log_softmax(t)
    return relative([m.exp(v) for v in log_q], log_q, log_p)


def js(x, t):
    log_p, log_q = log_softmax(x), log_softmax(t)
    p, q = [m.exp(v) for v in log_p], [m.exp(v) for v in log_q]
    middle = [m.log((a + b) / 2) if a + b > 0 else mpf(0) for a, b in zip(p, q)]
    return (relative(q, log_q, middle) + relative(p, log_p, middle)) / 2


def running(x, t):
    total, loss = mpf(0), mpf(0)
    for a, b in zip(x, t):
        total += a - b
        loss += abs(total)
    return loss


def list_mle(x, t):
    order = [x[i] for i in sorted(range(len(x)), key=lambda i: (-t[i], i))]
    return sum(lse([v - s for v in order[i:]]) for i, s in enumerate(order))


def linear(x, t, w):
    return gap([sum(a * b for a, b in zip(x, w[i : i + len(x)])) for i in range(0, len(w), len(x))], t)


def multilabel_margin(x, t):
    true = {int(v) for v in t if v >= 0}
    return sum(relu(1 - x[j] + x[i]) for j in true for i in range(len(x)) if i not in true) / len(x)


def multi_margin(x, t):
    k = int(t[0])
    return sum(relu(1 - x[k] + v) for i, v in enumerate(x) if i != k) / len(x)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def norm(a):
    return m.sqrt(dot(a, a))


def cosine(a, b):
    return dot(a, b) / (norm(a) * norm(b))


def one_less_cosine(a, b):
    """`1 - cos`, as half the square of the distance of the directions."""
    na, nb = norm(a), norm(b)
    return sum((x / na - y / nb) ** 2 for x, y in zip(a, b)) / 2


def distance(a, b):
    return norm([x - y + mpf(1e-6) for x, y in zip(a, b)])


def contrastive(a, b, t):
    d = norm([x - y for x, y in zip(a, b)])
    return d**2 / 2 if t[0] == 1 else relu(1 - d) ** 2 / 2


def arcface(x, t):
    k = int(t[0])
    z = [64 * v for v in x]
    z[k] = 64 * m.cos(m.acos(x[k]) + mpf(0.5))
    return gap(z, t)


def dice(x, t):
    return 1 - (2 * dot(x, t) + 1) / (sum(x) + sum(t) + 1)


def jaccard_steps(errors, truth):
    """`Σ e g` over errors in falling order, `g` the steps of one minus the intersection over union."""
    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    total = sum(truth)
    hit, union, last, loss = total, total, mpf(0), mpf(0)
    for i in order:
        hit, union = hit - truth[i], union + 1 - truth[i]
        loss += errors[i] * (1 - hit / union - last)
        last = 1 - hit / union
    return loss


def lovasz_hinge(x, t):
    errors = [relu(1 - v * (2 * b - 1)) for v, b in zip(x, t)]
    return jaccard_steps(errors, t)


def overlap(x, t):
    """Areas of intersection, union and hull, and the boxes' sides and hull's."""

    def area(b):
        return (b[2] - b[0]) * (b[3] - b[1])

    inner = [max(x[0], t[0]), max(x[1], t[1]), min(x[2], t[2]), min(x[3], t[3])]
    hull = [min(x[0], t[0]), min(x[1], t[1]), max(x[2], t[2]), max(x[3], t[3])]
    shared = relu(inner[2] - inner[0]) * relu(inner[3] - inner[1])
    return shared, area(x) + area(t) - shared, hull


BOX_EPS = mpf(1e-7)


def giou(x, t):
    i, u, hull = overlap(x, t)
    h = (hull[2] - hull[0]) * (hull[3] - hull[1])
    return 1 - i / (u + BOX_EPS) + (h - u) / (h + BOX_EPS)


def diou(x, t):
    i, u, hull = overlap(x, t)
    far = (hull[2] - hull[0]) ** 2 + (hull[3] - hull[1]) ** 2
    apart = ((x[0] + x[2] - t[0] - t[2]) ** 2 + (x[1] + x[3] - t[1] - t[3]) ** 2) / 4
    return 1 - i / (u + BOX_EPS) + apart / (far + BOX_EPS)


def ciou_alpha(x, t):
    i, u, _ = overlap(x, t)
    v = aspect(x, t)
    return v / (1 - i / (u + BOX_EPS) + v + BOX_EPS)


def aspect(x, t):
    turn = m.atan((t[2] - t[0]) / (t[3] - t[1])) - m.atan((x[2] - x[0]) / (x[3] - x[1]))
    return 4 / m.pi**2 * turn**2


def ciou(x, t, at):
    # The weight of the last term is a constant, that of the point `at` where the slope is taken.
    return diou(x, t) + ciou_alpha(at, t) * aspect(x, t)


def with_priors():
    x = rows()
    return [[x, classes(len(x)), single(rng.dirichlet([1.0] * 10))]]


def with_weights():
    x = vectors(60, 4)
    return [[x, single(rng.integers(0, 10, 60)), single(rng.normal(size=(10, 4)))]]


def index(t):
    return t.long()


ROWS = [
    ("cross_entropy", gap, lambda x, t: F.cross_entropy(x, index(t), **NONE), logits),
    ("nll_loss", lambda x, t: -x[int(t[0])], lambda x, t: F.nll_loss(x, index(t), **NONE), logits),
    ("softmax_focal_loss", lambda x, t: others(x, t) ** 2 * gap(x, t) / 4, None, logits),
    ("poly1_cross_entropy", lambda x, t: gap(x, t) + others(x, t), None, logits),
    ("generalized_cross_entropy", lambda x, t: -m.expm1(-gap(x, t) * 3 / 4) * 4 / 3, None, logits),
    (
        "logit_adjusted_cross_entropy",
        lambda x, t, pi: gap([v + m.log(p) for v, p in zip(x, pi)], t),
        None,
        with_priors,
    ),
    ("multi_margin_loss", multi_margin, lambda x, t: F.multi_margin_loss(x, index(t), **NONE), logits),
    ("linear_cross_entropy", linear, lambda x, t, w: F.cross_entropy(x @ w.T, index(t), **NONE), with_weights),
    (
        "multilabel_soft_margin_loss",
        lambda x, t: sum((1 - b) * softplus(a) + b * softplus(-a) for a, b in zip(x, t)) / len(x),
        lambda x, t: F.multilabel_soft_margin_loss(x, t, **NONE),
        lambda: [[x := rows(), single(rng.choice([0.0, 1.0], x.shape))]],
    ),
    (
        "multilabel_margin_loss",
        multilabel_margin,
        lambda x, t: F.multilabel_margin_loss(x, index(t), **NONE),
        lambda: [[x := rows(), listed(x)]],
    ),
    ("kl_div_with_logits", kl, None, two_logits),
    ("js_divergence", js, None, two_logits),
    ("wasserstein_1d", running, None, lambda: [[distributions(), distributions()]]),
    ("entropy", lambda p: -sum(xlogy(v, v) for v in p), None, lambda: [[distributions()]]),
    ("entropy_with_logits", lambda x: sum(m.exp(-gap(x, [k])) * gap(x, [k]) for k in range(len(x))), None, lambda: [[rows()]]),
    (
        "list_net",
        lambda x, t: sum(m.exp(-gap(t, [k])) * gap(x, [k]) for k in range(len(x))),
        None,
        lambda: [[x := rows(), single(rng.integers(0, 5, x.shape))]],
    ),
    ("list_mle", list_mle, None, lambda: [[x := rows(), single(rng.permuted(np.tile(np.arange(10), (len(x), 1)), axis=1))]]),
    ("cosine_similarity", cosine, lambda a, b: F.cosine_similarity(a, b), pairs()),
    ("pairwise_distance", distance, lambda a, b: F.pairwise_distance(a, b), pairs()),
    (
        "cosine_embedding_loss",
        lambda a, b, t: one_less_cosine(a, b) if t[0] == 1 else relu(cosine(a, b)),
        lambda a, b, t: F.cosine_embedding_loss(a, b, t, **NONE),
        pairs("sign"),
    ),
    ("contrastive_loss", contrastive, None, pairs("bit")),
    (
        "triplet_margin_loss",
        lambda a, p, n: relu(distance(a, p) - distance(a, n) + 1),
        lambda a, p, n: F.triplet_margin_loss(a, p, n, **NONE),
        triplets,
    ),
    (
        "triplet_margin_with_distance_loss",
        lambda a, p, n: relu(distance(a, p) - distance(a, n) + 1),
        lambda a, p, n: F.triplet_margin_with_distance_loss(a, p, n, distance_function=F.pairwise_distance, **NONE),
        triplets,
    ),
    ("margin_softmax_loss", arcface, None, lambda: [[single(rng.uniform(-0.95, 0.95, (60, 10))), single(rng.integers(0, 10, 60))]]),
    ("dice_loss", dice, None, masks),
    ("tversky_loss", lambda x, t: 1 - (dot(x, t) + 1) / (dot(x, t) + (sum(x) + sum(t) - 2 * dot(x, t)) / 2 + 1), None, masks),
    ("lovasz_hinge", lovasz_hinge, None, lambda: [[single(rng.normal(size=(40, 8)) * 2), single(rng.choice([0.0, 1.0], (40, 8)))]]),
    ("giou_loss", giou, None, boxes),
    ("diou_loss", diou, None, boxes),
    ("ciou_loss", ciou, None, boxes),
]


# Batches of vectors: several of them, each with a loss for every vector or for all.


def batches(*more, n=5, d=4, count=8):
    def draw():
        return [[vectors(n, d), *(f(n, d) for f in more)] for _ in range(count)]

    return draw


def cut(x, d=4):
    return [x[i : i + d] for i in range(0, len(x), d)]


def similarities(x, y=None):
    a = cut(x)
    b = a if y is None else cut(y)
    return [[cosine(p, q) for q in b] for p in a]


def apart(row, i):
    return row[:i] + row[i + 1 :]


def info_nce(x, y, scale=16):
    s = similarities(x, y)
    return [lse([scale * (v - row[i]) for v in row]) for i, row in enumerate(s)]


def ntxent(x, y):
    s, n = similarities(x + y), len(cut(x))
    return [lse([2 * (v - row[(i + n) % (2 * n)]) for v in apart(row, i)]) for i, row in enumerate(s)]


def clip(x, y, k):
    return [(a + b) / 2 for a, b in zip(info_nce(x, y, k[0]), info_nce(y, x, k[0]))]


def siglip(x, y, k, bias):
    s = similarities(x, y)
    z = [[k[0] * v + bias[0] for v in row] for row in s]
    return [sum(softplus(-v if i == j else v) for j, v in enumerate(row)) for i, row in enumerate(z)]


def sup_con(x, t):
    losses = []
    for i, row in enumerate(similarities(x)):
        alike = [8 * v for j, v in enumerate(row) if t[j] == t[i] and j != i]
        mean = sum(alike) / len(alike) if alike else None
        losses.append(mpf(0) if mean is None else lse([8 * v - mean for v in apart(row, i)]))
    return losses


def multi_similarity(x, t):
    losses = []
    for i, row in enumerate(similarities(x)):
        alike = sum(m.exp(-2 * (v - mpf(0.5))) for j, v in enumerate(row) if t[j] == t[i] and j != i)
        other = sum(m.exp(50 * (v - mpf(0.5))) for j, v in enumerate(row) if t[j] != t[i])
        losses.append(m.log1p(alike) / 2 + m.log1p(other) / 50)
    return losses


def columns(x, eps, ddof):
    rows = cut(x, 3)
    n = len(rows)
    centred = []
    for k in range(3):
        mean = sum(r[k] for r in rows) / n
        centred.append([r[k] - mean for r in rows])
    return centred, [m.sqrt(dot(c, c) / (n - ddof) + eps) for c in centred], n


def barlow(x, y):
    (a, sa, n), (b, sb, _) = columns(x, mpf(1e-5), 0), columns(y, mpf(1e-5), 0)
    c = [[dot(p, q) / (n * s * t) for q, t in zip(b, sb)] for p, s in zip(a, sa)]
    return sum((1 - v) ** 2 if i == j else mpf(0.0051) * v**2 for i, row in enumerate(c) for j, v in enumerate(row))


def vicreg(x, y):
    loss = 25 * sum((a - b) ** 2 for a, b in zip(x, y)) / len(x)
    for view in (x, y):
        c, s, n = columns(view, mpf(1e-4), 1)
        loss += 25 * sum(relu(1 - v) for v in s) / 3 / 2
        loss += sum((dot(c[i], c[j]) / (n - 1)) ** 2 for i in range(3) for j in range(3) if i != j) / 3
    return loss


def lovasz_softmax(x, t):
    rows = cut(x)
    present = sorted({int(v) for v in t})
    total = mpf(0)
    for c in present:
        truth = [mpf(int(int(v) == c)) for v in t]
        total += jaccard_steps([abs(b - r[c]) for r, b in zip(rows, truth)], truth)
    return total / len(present)


def labels(n, _):
    return single([0, 0, 1, 1, 2][:n])


def constant(value):
    return lambda n, d: single(value)


BATCHES = [
    (
        "rmse_loss",
        lambda x, t: m.sqrt(sum((a - b) ** 2 for a, b in zip(x, t)) / len(x)),
        None,
        batches(vectors, count=20),
    ),
    ("cdist", lambda a, b: [norm([x - y for x, y in zip(p, q)]) for p in cut(a) for q in cut(b)], torch.cdist, batches(vectors)),
    ("info_nce", info_nce, None, batches(vectors)),
    ("ntxent", ntxent, None, batches(vectors)),
    ("clip_loss", clip, None, batches(vectors, constant(10.0))),
    ("siglip_loss", siglip, None, batches(vectors, constant(10.0), constant(-10.0))),
    ("sup_con_loss", sup_con, None, batches(labels)),
    ("multi_similarity_loss", multi_similarity, None, batches(labels)),
    ("lovasz_softmax", lovasz_softmax, None, lambda: [[distributions(6, 4), single(rng.integers(0, 4, 6))] for _ in range(8)]),
    ("barlow_twins_loss", barlow, None, batches(lambda n, d: vectors(n, d), n=6, d=3)),
    ("vicreg_loss", vicreg, None, batches(lambda n, d: vectors(n, d), n=6, d=3)),
]
