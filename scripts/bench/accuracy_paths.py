"""Those losses of `accuracy.py` that sum over paths or plans, or pick a part of a model: formulas as in
`accuracy_losses.py`, with probabilities as they are, since numbers of mpmath do not underflow."""

import mpmath as m
import numpy as np
import torch
import torch.nn.functional as F
from mpmath import mpf

from accuracy_losses import cut, dot, gap, index, rng, single, vectors


def shares(row):
    return [m.exp(-gap(row, [k])) for k in range(len(row))]


# Connectionist temporal classification: 6 steps, 4 classes of which 0 is the blank, 3 labels.


def ctc(x, t):
    labels = [0]
    for label in t:
        labels += [int(label), 0]
    paths = None
    for row in map(shares, cut(x)):
        if paths is None:
            paths = [row[label] if k < 2 else mpf(0) for k, label in enumerate(labels)]
            continue
        come = []
        for k, label in enumerate(labels):
            total = paths[k] + (paths[k - 1] if k > 0 else 0)
            # A blank between two equal labels may not be left out.
            if k > 1 and label != 0 and label != labels[k - 2]:
                total += paths[k - 2]
            come.append(total * row[label])
        paths = come
    return [-m.log(paths[-1] + paths[-2])]


def ctc_by_torch(x, t):
    return F.ctc_loss(x.log_softmax(-1), t.long(), (6,), (3,), reduction="none")


def spoken():
    scales = [0.1, 1.0, 1.0, 5.0, 30.0, 30.0]
    return [[single(rng.normal(size=(6, 1, 4)) * s), single([t])] for s in scales for t in ([1, 2, 3], [2, 2, 1])]


# Transducers: 4 steps, 2 labels, 4 classes of which the first is the blank.


def rnnt(x, t):
    p = [[shares(row) for row in step] for step in (cut(s) for s in cut(x, 12))]
    steps, columns = len(p), len(t) + 1
    paths = [[mpf(0)] * columns for _ in range(steps)]
    for i in range(steps):
        for u in range(columns):
            if i == u == 0:
                paths[i][u] = mpf(1)
                continue
            after_blank = paths[i - 1][u] * p[i - 1][u][0] if i > 0 else mpf(0)
            after_label = paths[i][u - 1] * p[i][u - 1][int(t[u - 1])] if u > 0 else mpf(0)
            paths[i][u] = after_blank + after_label
    return [-m.log(paths[-1][-1] * p[-1][-1][0])]


def transduced():
    scales = [0.1, 1.0, 1.0, 5.0, 20.0]
    return [[single(rng.normal(size=(1, 4, 3, 4)) * s), single([[1, 2]])] for s in scales]


# Transport with an entropy of weight 1: 3 points to 3.


def sinkhorn(cost, a, b):
    cost = cut(cost, 3)
    a, b = ([v / sum(w) for v in w] for w in (a, b))
    near = [[m.exp(-c) for c in row] for row in cost]
    right = [mpf(1)] * 3
    while True:
        left = [1 / sum(k * v * w for k, v, w in zip(row, right, b)) for row in near]
        new = [1 / sum(near[i][j] * left[i] * a[i] for i in range(3)) for j in range(3)]
        moved = max(abs(v / w - 1) for v, w in zip(new, right))
        right = new
        if moved < mpf(10) ** -150:
            break
    return sum(w * m.log(v) for w, v in zip(a, left)) + sum(w * m.log(v) for w, v in zip(b, right))


def carried():
    def weights():
        return single(rng.integers(1, 9, 3))

    return [[single(np.abs(rng.normal(size=(3, 3)))), weights(), weights()] for _ in range(6)]


# Clusters of classes: two frequent ones and one cluster of three, by way of two features.


def adaptive(x, t, head, down, up):
    losses = []
    for row, label in zip(cut(x), map(int, t)):
        scores = [dot(row, w) for w in cut(head)]
        if label < 2:
            losses.append(gap(scores, [label]))
            continue
        few = [dot(row, w) for w in cut(down)]
        losses.append(gap(scores, [2]) + gap([dot(few, w) for w in cut(up, 2)], [label - 2]))
    return losses


def adaptive_by_torch(x, t, head, down, up):
    model = torch.nn.AdaptiveLogSoftmaxWithLoss(4, 5, [2], div_value=2.0)
    with torch.no_grad():
        model.head.weight.copy_(head)
        model.tail[0][0].weight.copy_(down)
        model.tail[0][1].weight.copy_(up)
    return -model(x, index(t)).output


def clustered():
    def layer(*shape):
        return single(rng.normal(size=shape))

    return [[vectors(4, 4), single([0, 1, 2, 4]), layer(3, 4), layer(2, 4), layer(3, 2)] for _ in range(6)]


PATHS = [
    ("ctc_loss_with_logits", ctc, ctc_by_torch, spoken),
    ("rnnt_loss", rnnt, None, transduced),
    ("sinkhorn", lambda *inputs: [sinkhorn(*inputs)], None, carried),
    ("adaptive_log_softmax_with_loss", adaptive, adaptive_by_torch, clustered),
]
