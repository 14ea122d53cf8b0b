"""PyTorch's side of the benchmarks: the cases of benches/, under the same names.

    python scripts/bench/pytorch.py [--seconds 1.0] [--large] [PATTERN...]

Prints one JSON object: case name -> nanoseconds of each sample. Eager mode, `torch.set_num_threads` as given by
`--threads` (default: all cores), forward and backward where the Rust case has both.
"""

import argparse
import json
import os
import sys
import time

import torch
import torch.nn.functional as F

import losses

CASES = {}


def case(name, large=False):
    """Registers a function that makes the inputs and returns what is timed; `.each` divides the time."""

    def register(make):
        CASES[name] = (make, large)
        return make

    return register


def uniform(shape, low, high):
    return torch.empty(shape).uniform_(low, high)


def leaf(x):
    return x.requires_grad_(True)


def step(loss, *leaves):
    """Forward and backward from a fresh graph; gradients are new buffers, as they are in Rust."""

    def run():
        for x in leaves:
            x.grad = None
        loss().backward()

    return run


# losses.rs


def with_classes(name, n, k, loss, large=False):
    def make():
        x = leaf(uniform((n, k), -4, 4))
        t = torch.randint(0, k, (n,))
        return step(lambda: loss(x, t), x)

    case(f"losses/{name}/{n}x{k}", large)(make)


for n, k in ((32, 10), (4096, 10), (4096, 100), (256, 1000), (4096, 1000), (8192, 32000)):
    with_classes("cross_entropy", n, k, F.cross_entropy, large=n == 8192)
for k in (20, 1000):
    with_classes("cross_entropy_smoothed", 4096, k, lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1))
    with_classes("nll_log_softmax", 4096, k, lambda x, t: F.nll_loss(F.log_softmax(x, -1), t))


@case("losses/cross_entropy_of_pixels/4x21x128x128")
def _():
    x, t = leaf(uniform((4, 21, 128, 128), -4, 4)), torch.randint(0, 21, (4, 128, 128))
    return step(lambda: F.cross_entropy(x, t), x)


@case("losses/cross_entropy_soft/4096x1000")
def _():
    x, t = leaf(uniform((4096, 1000), -4, 4)), uniform((4096, 1000), -2, 2).softmax(-1)
    return step(lambda: F.cross_entropy(x, t), x)


@case("losses/kl_div_log_softmax/4096x1000")
def _():
    x, t = leaf(uniform((4096, 1000), -4, 4)), uniform((4096, 1000), -2, 2).softmax(-1)
    # `mean` over the elements, as in Rust; the sum does the same work without PyTorch's warning.
    return step(lambda: F.kl_div(F.log_softmax(x, -1), t, reduction="sum") / t.numel(), x)


def pointwise(name, n, low, high, loss):
    size = {10_000_000: "1e7", 1_000_000: "1e6"}.get(n, str(n))

    @case(f"losses/{name}/{size}")
    def _():
        x, t = leaf(uniform((n,), low, high)), uniform((n,), 0, 1)
        return step(lambda: loss(x, t), x)


for n in (64, 1_000_000, 10_000_000):
    pointwise("bce_with_logits", n, -4, 4, F.binary_cross_entropy_with_logits)
pointwise("bce", 1_000_000, 0.01, 0.99, F.binary_cross_entropy)
for n in (1_000_000, 10_000_000):
    for name, loss in (("mse", F.mse_loss), ("l1", F.l1_loss), ("smooth_l1", F.smooth_l1_loss), ("huber", F.huber_loss)):
        pointwise(name, n, -1, 1, loss)


pointwise("poisson_nll", 1_000_000, -1, 1, F.poisson_nll_loss)


@case("losses/gaussian_nll/1e6")
def _():
    x, t = (leaf(uniform((1_000_000,), -1, 1)) for _ in range(2))
    v = leaf(uniform((1_000_000,), 0.5, 2))
    return step(lambda: F.gaussian_nll_loss(x, t, v), x, t, v)


@case("losses/kl_div_with_logits/4096x1000")
def _():
    x, t = leaf(uniform((4096, 1000), -4, 4)), uniform((4096, 1000), -4, 4)
    log = F.log_softmax
    return step(lambda: F.kl_div(log(x, -1), log(t, -1), reduction="batchmean", log_target=True), x)


@case("losses/cosine_embedding/4096x512")
def _():
    a, b = leaf(uniform((4096, 512), -1, 1)), leaf(uniform((4096, 512), -0.9, 1))
    t = torch.where(uniform((4096,), -1, 1) < 0, -1.0, 1.0)
    return step(lambda: F.cosine_embedding_loss(a, b, t), a, b)


@case("losses/triplet_margin/4096x128")
def _():
    a, p, n = (leaf(uniform((4096, 128), -1, 1)) for _ in range(3))
    return step(lambda: F.triplet_margin_loss(a, p, n), a, p, n)


def linear_cross_entropy(name, loss):
    @case(f"losses/{name}/4096x512x50257", large=True)
    def _():
        x, w = leaf(uniform((4096, 512), -1, 1)), leaf(uniform((50257, 512), -0.05, 0.05))
        t = torch.randint(0, 50257, (4096,))
        return step(lambda: loss(x, w, t), x, w)


# The better of PyTorch's two ways is what counts: both run under the one name, the faster sample list is kept.
linear_cross_entropy("linear_cross_entropy", lambda x, w, t: F.cross_entropy(x @ w.T, t))
if hasattr(F, "linear_cross_entropy"):
    linear_cross_entropy("linear_cross_entropy_fused", lambda x, w, t: F.linear_cross_entropy(x, w, t))


# losses_*.rs

losses.register(case, uniform, leaf, step)

# tensor.rs

for n, size in ((1_000, "1e3"), (100_000, "1e5"), (10_000_000, "1e7")):

    @case(f"tensor/sum/{size}")
    def _(n=n):
        x = uniform((n,), 0, 1)
        return lambda: x.sum()


for name, dim, transposed in (
    ("sum_dim0", 0, False),
    ("sum_dim1", 1, False),
    ("sum_dim0_transposed", 0, True),
    ("sum_dim1_transposed", 1, True),
):

    @case(f"tensor/{name}/4096x4096")
    def _(dim=dim, transposed=transposed):
        x = uniform((4096, 4096), 0, 1)
        x = x.t() if transposed else x
        return lambda: x.sum(dim)


for name, run in (
    ("max", lambda x: x.amax(-1)),
    ("max_dim", lambda x: x.max(-1)),
    ("argmax", lambda x: x.argmax(-1)),
    ("logsumexp", lambda x: x.logsumexp(-1)),
    ("softmax", lambda x: x.softmax(-1)),
    ("log_softmax", lambda x: x.log_softmax(-1)),
):

    @case(f"tensor/{name}/4096x1000")
    def _(run=run):
        x = uniform((4096, 1000), -4, 4)
        return lambda: run(x)


for name, run in (("exp", torch.exp), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("add", lambda x: x + x)):

    @case(f"tensor/{name}/1e6")
    def _(run=run):
        x = uniform((1_000_000,), -4, 4)
        return lambda: run(x)


for n in (1024, 2048):

    @case(f"tensor/add_transposed/{n}x{n}")
    def _(n=n):
        x = uniform((n, n), -4, 4)
        return lambda: x + x.t()


@case("tensor/channels_last/8x64x56x56")
def _():
    x = uniform((8, 64, 56, 56), -4, 4)
    return lambda: x.permute(0, 2, 3, 1).contiguous()


for rows, columns in ((1_000, 1_000), (100_000, 10)):

    @case(f"tensor/add_row/{rows}x{columns}")
    def _(rows=rows, columns=columns):
        x, row = uniform((rows, columns), -4, 4), uniform((columns,), -4, 4)
        return lambda: x + row

    @case(f"tensor/mul_column/{rows}x{columns}")
    def _(rows=rows, columns=columns):
        x, column = uniform((rows, columns), -4, 4), uniform((rows, 1), -4, 4)
        return lambda: x * column


@case("tensor/softmax_of_pixels/4x21x128x128")
def _():
    x = uniform((4, 21, 128, 128), -4, 4)
    return lambda: x.softmax(1)


# matmul.rs


def product(name, m, k, n, left, right, large=False):
    @case(name, large)
    def _():
        a = uniform((k, m), -1, 1).t() if left else uniform((m, k), -1, 1)
        b = uniform((n, k), -1, 1).t() if right else uniform((k, n), -1, 1)
        return lambda: a @ b


for name, (left, right) in {"nn": (0, 0), "nt": (0, 1), "tn": (1, 0), "tt": (1, 1)}.items():
    for n in (64, 128, 256, 512, 1024, 2048):
        product(f"matmul/{name}/{n}", n, n, n, left, right, large=n == 2048)
product("matmul/layer/64x784x128", 64, 784, 128, 0, 0)
product("matmul/layer_dx/64x784x128", 64, 128, 784, 0, 1)
product("matmul/layer_dw/64x784x128", 784, 64, 128, 1, 0)
product("matmul/layer/128x128x10", 128, 128, 10, 0, 0)


# tape.rs: the time of one operation of a thousand


@case("tape/op/1")
def _():
    x = leaf(torch.tensor(1.5))

    def run():
        for _ in range(1000):
            x * x

    run.each = 1000
    return run


@case("tape/chain/1000")
def _():
    x = leaf(torch.tensor(0.5))

    def run():
        x.grad = None
        y = x
        for _ in range(1000):
            y = torch.tanh(y)
        y.backward()

    run.each = 1000
    return run


# training.rs


def training(name, sizes, batch, optimizer):
    @case(f"training/{name}")
    def _():
        layers = []
        for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
            layers += ([torch.nn.ReLU()] if i else []) + [torch.nn.Linear(a, b)]
        model = torch.nn.Sequential(*layers)
        x, t = uniform((batch, sizes[0]), -1, 1), torch.randint(0, sizes[-1], (batch,))
        opt = optimizer(model.parameters())

        def run():
            opt.zero_grad()
            F.cross_entropy(model(x), t).backward()
            opt.step()

        return run


training("2-16-16-2_sgd", (2, 16, 16, 2), 32, lambda p: torch.optim.SGD(p, 0.1))
training("64-64-10_sgd", (64, 64, 10), 64, lambda p: torch.optim.SGD(p, 0.1))
training("64-64-10_adam", (64, 64, 10), 64, lambda p: torch.optim.Adam(p, 1e-3))
training("784-512-512-10_adam", (784, 512, 512, 10), 128, lambda p: torch.optim.Adam(p, 1e-3))


def measure(run, seconds):
    """Nanoseconds of each of at least 5 samples, short runs grouped so that the clock can tell them."""
    each = getattr(run, "each", 1)
    run()
    start = time.perf_counter_ns()
    run()
    once = max(time.perf_counter_ns() - start, 1)
    group = max(1, int(200_000 / once))
    warm = time.perf_counter() + 0.3 * seconds
    while time.perf_counter() < warm:
        run()
    samples = []
    end = time.perf_counter() + seconds
    while len(samples) < 5 or time.perf_counter() < end:
        start = time.perf_counter_ns()
        for _ in range(group):
            run()
        samples.append((time.perf_counter_ns() - start) / group / each)
    return samples


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("patterns", nargs="*")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    found = {}
    for name, (make, large) in CASES.items():
        if large and not options.large:
            continue
        if options.patterns and not any(p in name for p in options.patterns):
            continue
        print(name, file=sys.stderr)
        found[name] = measure(make(), options.seconds)
    fused = found.pop("losses/linear_cross_entropy_fused/4096x512x50257", None)
    plain = found.get("losses/linear_cross_entropy/4096x512x50257")
    if fused and plain and sorted(fused)[len(fused) // 2] < sorted(plain)[len(plain) // 2]:
        found["losses/linear_cross_entropy/4096x512x50257"] = fused
    json.dump({"version": torch.__version__, "threads": options.threads, "cases": found}, sys.stdout)


if __name__ == "__main__":
    main()
