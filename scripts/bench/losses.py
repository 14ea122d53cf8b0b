"""PyTorch's side of benches/losses_*.rs: its own losses, torchvision's, and for those that neither has the formula as
people write it in PyTorch. The names are those of the Rust cases, whose sizes and ranges these have too.

Where two ways are usual, the faster one stands here: `logsumexp` in place of a softmax's logarithm, squared distances by
one product.
"""

import torch
import torch.nn.functional as F

MILLION = 1_000_000


def signs(shape, no=-1.0):
    return torch.where(torch.rand(shape) < 0.5, no, 1.0)


def register(case, uniform, leaf, step):
    """Registers all cases, with pytorch.py's own functions."""

    def add(name, inputs, loss, leaves=1):
        """A case of `loss(*inputs())`, of which the first `leaves` get a gradient."""

        def make():
            drawn = inputs()
            for x in drawn[:leaves]:
                leaf(x)
            return step(lambda: loss(*drawn), *drawn[:leaves])

        case(f"losses/{name}")(make)

    def pointwise(name, low, high, loss):
        add(f"{name}/1e6", lambda: [uniform((MILLION,), low, high), uniform((MILLION,), 0, 1)], loss)

    def labelled(name, no, loss):
        add(f"{name}/1e6", lambda: [uniform((MILLION,), -4, 4), signs((MILLION,), no)], loss)

    binary(add, labelled, uniform)
    classification(add, uniform)
    detection(add, uniform)
    divergence(add, uniform)
    metric(add, uniform)
    others(add, uniform)
    regression(add, pointwise, uniform)
    segmentation(add, uniform)


def focal(x, t, gamma):
    try:
        from torchvision.ops import sigmoid_focal_loss
    except ImportError:
        p = x.sigmoid()
        p_t = p * t + (1 - p) * (1 - t)
        ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        return ((0.25 * t + 0.75 * (1 - t)) * (1 - p_t) ** gamma * ce).mean()
    return sigmoid_focal_loss(x, t, 0.25, gamma, "mean")


def asymmetric(x, t):
    p = x.sigmoid()
    m = (p - 0.05).clamp(min=0)
    return -(t * p.log() + (1 - t) * m**4 * (1 - m).log()).mean()


def binary(add, labelled, uniform):
    labelled("sigmoid_focal", 0.0, lambda x, t: focal(x, t, 2.0))
    labelled("sigmoid_focal_gamma_1.5", 0.0, lambda x, t: focal(x, t, 1.5))
    labelled("asymmetric", 0.0, asymmetric)
    labelled("soft_margin", -1.0, F.soft_margin_loss)
    labelled("hinge", -1.0, lambda x, t: (1 - t * x).clamp(min=0).mean())
    labelled("squared_hinge", -1.0, lambda x, t: (1 - t * x).clamp(min=0).square().mean())
    add("multilabel_soft_margin/4096x256", lambda: [uniform((4096, 256), -4, 4), uniform((4096, 256), 0, 1).round()], F.multilabel_soft_margin_loss)

    def listed():
        t = torch.full((4096, 256), -1)
        t[:, 0], t[:, 1], t[:, 2], t[:, 3] = 7, 31 + torch.arange(4096) % 64, 128, 200
        return [uniform((4096, 256), -1, 1), t]

    add("multilabel_margin/4096x256", listed, F.multilabel_margin_loss)


def classification(add, uniform):
    n, k = 4096, 1000
    rows = lambda: [uniform((n, k), -4, 4), torch.randint(0, k, (n,))]

    def softmax_focal(x, t):
        ce = F.cross_entropy(x, t, reduction="none")
        return (0.25 * (1 - (-ce).exp()) ** 2 * ce).mean()

    def poly1(x, t):
        ce = F.cross_entropy(x, t, reduction="none")
        return (ce + 1 - (-ce).exp()).mean()

    def generalized(x, t):
        ce = F.cross_entropy(x, t, reduction="none")
        return ((1 - (-0.7 * ce).exp()) / 0.7).mean()

    log_priors = torch.arange(1.0, k + 1).div(k * (k + 1) / 2).log().float()
    z_loss = lambda x, t: F.cross_entropy(x, t) + 1e-2 * x.logsumexp(-1).square().mean()
    for name, loss in (
        ("softmax_focal_loss", softmax_focal),
        ("poly1_cross_entropy", poly1),
        ("generalized_cross_entropy", generalized),
        ("logit_adjusted_cross_entropy", lambda x, t: F.cross_entropy(x + log_priors, t)),
        ("cross_entropy_z_loss", z_loss),
        ("multi_margin_loss", F.multi_margin_loss),
    ):
        add(f"{name}/{n}x{k}", rows, loss)
    add(f"nll/{n}x{k}", lambda: [uniform((n, k), -8, 0), torch.randint(0, k, (n,))], F.nll_loss)

    def layer(x, w, t):
        return F.cross_entropy(F.linear(x, w), t)

    def half(x, w, t):
        t = torch.where(torch.arange(len(t)) % 2 == 0, t, -100)
        return F.cross_entropy(F.linear(x, w), t, label_smoothing=0.1)

    small = lambda: [uniform((512, 64), -1, 1), uniform((5000, 64), -0.2, 0.2), torch.randint(0, 5000, (512,))]
    for name, loss in (("linear_cross_entropy", layer), ("linear_then_cross_entropy", layer), ("linear_cross_entropy_smoothed_half_ignored", half)):
        add(f"{name}/512x64x5000", small, loss, 2)

    def adaptive(x, head, down, up, t):
        loss = F.cross_entropy(x @ head.T, t.clamp(max=1000), reduction="sum")
        rare = t >= 1000
        return (loss + F.cross_entropy(x[rare] @ down.T @ up.T, t[rare] - 1000, reduction="sum")) / len(t)

    add("adaptive_log_softmax_with_loss/512x64x10000", lambda: [*(uniform(s, -0.5, 0.5) for s in ((512, 64), (1001, 64), (16, 64), (9000, 16))), torch.randint(0, 10_000, (512,))], adaptive, 4)


def boxes(uniform, n):
    low = uniform((n, 2), 0, 4)
    return torch.cat([low, low + uniform((n, 2), 0.5, 2.5)], 1)


def detection(add, uniform):
    try:
        from torchvision import ops
    except ImportError:
        return
    for name, loss in (("giou", ops.generalized_box_iou_loss), ("diou", ops.distance_box_iou_loss), ("ciou", ops.complete_box_iou_loss)):
        add(f"{name}/100000", lambda: [boxes(uniform, 100_000), boxes(uniform, 100_000)], lambda x, t, loss=loss: loss(x, t, reduction="mean"))


def divergence(add, uniform):
    add("gaussian_nll_with_log_var/1e6", lambda: [uniform((MILLION,), -1, 1), uniform((MILLION,), -1, 1), uniform((MILLION,), 0.5, 2)], lambda x, t, s: (0.5 * (s + (x - t).square() * (-s).exp())).mean(), 3)
    add("gaussian_kl/1e6", lambda: [uniform((MILLION,), -1, 1), uniform((MILLION,), -2, 2)], lambda mu, s: -0.5 * (1 + s - mu.square() - s.exp()).mean(), 2)
    logits = lambda: [uniform((4096, 1000), -4, 4), uniform((4096, 1000), -4, 4)]

    def js(x, t):
        p, q = x.softmax(-1), t.softmax(-1)
        log_m = ((p + q) / 2).log()
        kl = lambda lp: F.kl_div(log_m, lp, reduction="batchmean", log_target=True)
        return 0.5 * (kl(x.log_softmax(-1)) + kl(t.log_softmax(-1)))

    add("js_divergence/4096x1000", logits, js)

    def entropy_of_logits(x, _):
        log = x.log_softmax(-1)
        return -(log.exp() * log).sum(-1).mean()

    add("entropy_with_logits/4096x1000", logits, entropy_of_logits)
    rows = lambda: [uniform((4096, 1000), -2, 2).softmax(-1), uniform((4096, 1000), -2, 2).softmax(-1)]
    add("entropy/4096x1000", rows, lambda p, _: torch.special.entr(p).sum(-1).mean())
    add("kl_div/4096x1000", lambda: [uniform((4096, 1000), -8, 0), uniform((4096, 1000), -2, 2).softmax(-1)], lambda x, t: F.kl_div(x, t, reduction="sum") / t.numel())
    add("wasserstein_1d/4096x1000", rows, lambda x, t: (x - t).cumsum(-1).square().sum(-1).mean())

    def sinkhorn(cost, a, b):
        """Cuturi 2013 in the domain of logarithms, as people write it, to the accuracy that ours has by default; the
        gradient is the plan's, and needs no way back through the iterations."""
        a, b, epsilon = a / a.sum(), b / b.sum(), 0.1
        with torch.no_grad():
            log_a, log_b, scores = a.log(), b.log(), -cost / epsilon
            f, g = torch.zeros_like(a), torch.zeros_like(b)
            for turn in range(10_000):
                f = log_a - torch.logsumexp(scores + g, 1)
                g = log_b - torch.logsumexp(scores + f[:, None], 0)
                if turn % 10 == 9 and ((scores + f[:, None] + g).exp().sum(1) - a).abs().sum() < 1e-6:
                    break
            plan = (scores + f[:, None] + g).exp()
        return (plan * cost).sum()

    add("sinkhorn/512x512", lambda: [uniform((512, 512), 0, 1), uniform((512,), 0.5, 1.5), uniform((512,), 0.5, 1.5)], sinkhorn)


def metric(add, uniform):
    n, d = 1024, 128
    vectors = lambda n: uniform((n, d), -0.9, 1)
    unit = lambda x: F.normalize(x, dim=-1)

    def info_nce(a, b, k=10.0):
        return F.cross_entropy(k * unit(a) @ unit(b).T, torch.arange(len(a)))

    def with_negatives(a, b, others):
        a = unit(a)
        own = (a * unit(b)).sum(-1, keepdim=True)
        return F.cross_entropy(torch.cat([own, a @ unit(others).T], 1) / 0.07, torch.zeros(len(a), dtype=torch.long))

    def ntxent(a, b):
        z = unit(torch.cat([a, b]))
        s = (z @ z.T / 0.5).fill_diagonal_(float("-inf"))
        return F.cross_entropy(s, torch.arange(len(z)).roll(len(a)))

    def clip(a, b, k):
        s, t = k * unit(a) @ unit(b).T, torch.arange(len(a))
        return (F.cross_entropy(s, t) + F.cross_entropy(s.T, t)) / 2

    def siglip(a, b, k, bias):
        z = k * unit(a) @ unit(b).T + bias
        return -F.logsigmoid((2 * torch.eye(len(a)) - 1) * z).sum() / len(a)

    def sup_con(x, labels):
        x = unit(x)
        s = (10 * x @ x.T).fill_diagonal_(float("-inf"))
        same = (labels[:, None] == labels).fill_diagonal_(False)
        rows = torch.where(same, s.log_softmax(-1), 0).sum(-1) / same.sum(-1).clamp(min=1)
        return -rows[same.any(-1)].mean()

    def multi_similarity(x, labels):
        x = unit(x)
        s = x @ x.T - 0.5
        same = labels[:, None] == labels
        near, far = same.clone().fill_diagonal_(False), ~same
        low = float("-inf")
        zero = torch.zeros(len(x), 1)
        part = lambda z, mask: torch.cat([zero, z.masked_fill(~mask, low)], 1).logsumexp(-1)
        return (part(-2 * s, near) / 2 + part(50 * s, far) / 50).mean()

    def margin_softmax(cos, t):
        own = cos.gather(1, t[:, None])
        moved = (own.acos() + 0.5).cos()
        return F.cross_entropy(2 * cos.scatter(1, t[:, None], moved), t)

    two = lambda: [vectors(n), vectors(n)]
    add("info_nce/1024x128", two, info_nce, 2)
    add("info_nce_negatives/256x4096x128", lambda: [vectors(256), vectors(256), vectors(4096)], with_negatives, 3)
    add("ntxent/512x128", lambda: [vectors(512), vectors(512)], ntxent, 2)
    add("clip/1024x128", lambda: [*two(), torch.tensor(10.0)], clip, 3)
    add("siglip/1024x128", lambda: [*two(), torch.tensor(10.0), torch.tensor(-10.0)], siglip, 4)
    labels = lambda: [vectors(n), torch.randint(0, 100, (n,))]
    add("sup_con/1024x128", labels, sup_con)
    add("multi_similarity/1024x128", labels, multi_similarity)
    add("margin_softmax/1024x1000", lambda: [uniform((n, 1000), -0.9, 0.9), torch.randint(0, 1000, (n,))], margin_softmax)
    triplets = lambda: [vectors(8 * n) for _ in range(3)]
    pairs = lambda: [vectors(8 * n) for _ in range(2)]
    add("triplet_margin/8192x128", triplets, F.triplet_margin_loss, 3)
    add("triplet_margin_with_distance/8192x128", triplets, F.triplet_margin_with_distance_loss, 3)

    def contrastive(a, b, t):
        distance = (a - b).norm(dim=-1)
        return (t * distance.square() + (1 - t) * (1 - distance).clamp(min=0).square()).mean() / 2

    add("contrastive/8192x128", lambda: [*pairs(), uniform((8 * n,), 0, 1).round()], contrastive, 2)
    add("cosine_similarity/8192x128", pairs, lambda a, b: F.cosine_similarity(a, b).mean(), 2)
    add("pairwise_distance/8192x128", pairs, lambda a, b: F.pairwise_distance(a, b).mean(), 2)
    add("cdist/512x512x128", lambda: [vectors(512), vectors(512)], lambda a, b: torch.cdist(a, b).mean(), 2)


def lattice(x, targets, lengths):
    """A transducer's loss of sequences of one length, its lattice taken diagonal by diagonal."""
    n, steps, columns, _ = x.shape
    log = x.log_softmax(-1)
    blank = log[..., 0]
    label = log[:, :, :-1].gather(-1, targets[:, None, :, None].expand(-1, steps, -1, 1)).squeeze(-1)
    low = torch.full((n, 1), -1e30)
    alpha = torch.cat([torch.zeros(n, 1), low.expand(-1, columns - 1)], 1)
    places = torch.arange(columns)
    for i in range(1, steps + columns - 1):
        t = i - places
        inside = (t >= 0) & (t < steps)
        t = t.clamp(0, steps - 1)
        down = torch.where((i - places >= 1) & inside, alpha + blank[:, (t - 1).clamp(min=0), places], -1e30)
        along = torch.cat([low, alpha[:, :-1] + label[:, t[1:], places[:-1]]], 1)
        alpha = torch.where(inside, torch.logaddexp(down, torch.where(inside, along, -1e30)), -1e30)
    return -(alpha[:, -1] + blank[:, -1, -1]).mean()


def others(add, uniform):
    """Sequences, orders, views and preferences."""
    scores = lambda: [uniform((MILLION,), -2, 2), uniform((MILLION,), -2, 2)]
    add("margin_ranking/1e6", lambda: [*scores(), signs((MILLION,))], lambda a, b, t: F.margin_ranking_loss(a, b, t, 0.5), 2)
    add("pairwise_logistic/1e6", scores, lambda a, b: -F.logsigmoid(a - b).mean(), 2)
    add("hinge_embedding/1e6", lambda: [uniform((MILLION,), 0, 2), signs((MILLION,))], F.hinge_embedding_loss)
    lists = lambda: [uniform((8192, 100), -3, 3), uniform((8192, 100), 0, 4)]
    add("list_net/8192x100", lists, lambda x, t: F.cross_entropy(x, t.softmax(-1)))

    def list_mle(x, t):
        s = x.gather(-1, t.argsort(-1, descending=True))
        return (s.flip(-1).logcumsumexp(-1).flip(-1) - s).sum(-1).mean()

    add("list_mle/8192x100", lists, list_mle)
    all_of = lambda n, value: torch.full((n,), value)
    sequences = lambda: [uniform((200, 16, 32), -2, 2), torch.randint(1, 32, (16, 50)), all_of(16, 200), all_of(16, 50)]
    add("ctc_loss_with_logits/200x16x32x50", sequences, lambda x, *more: F.ctc_loss(x.log_softmax(-1), *more))
    add("ctc_loss/200x16x32x50", lambda: (lambda x, *more: [x.log_softmax(-1), *more])(*sequences()), F.ctc_loss)
    add("rnnt_loss/4x50x20x64", lambda: [uniform((4, 50, 21, 64), -2, 2), torch.randint(1, 64, (4, 20)), all_of(4, 20)], lattice)

    def off_diagonal(c):
        return c.square().sum() - c.diagonal().square().sum()

    def vicreg(a, b):
        loss = 25 * F.mse_loss(a, b)
        for x in (a, b):
            x = x - x.mean(0)
            c = x.T @ x / (len(x) - 1)
            loss = loss + 12.5 * (1 - (x.var(0) + 1e-4).sqrt()).clamp(min=0).mean() + off_diagonal(c) / x.shape[1]
        return loss

    def barlow_twins(a, b):
        norm = lambda x: (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
        c = norm(a).T @ norm(b) / len(a)
        return (1 - c.diagonal()).square().sum() + 0.0051 * off_diagonal(c)

    views = lambda: [uniform((512, 256), -1, 1), uniform((512, 256), -1, 1)]
    add("vicreg/512x256", views, vicreg, 2)
    add("barlow_twins/512x256", views, barlow_twins, 2)

    def dpo(of):
        return lambda a, b, c, d: of((a - c) - (b - d)).mean()

    four = lambda: [uniform((MILLION,), -30, -10) for _ in range(4)]
    add("dpo/1e6", four, dpo(lambda h: -F.logsigmoid(0.1 * h)), 2)
    add("dpo_hinge/1e6", four, dpo(lambda h: (1 - 0.1 * h).clamp(min=0)), 2)
    add("dpo_ipo/1e6", four, dpo(lambda h: (h - 5).square()), 2)


def regression(add, pointwise, uniform):
    pointwise("rmse", -1, 1, lambda x, t: F.mse_loss(x, t).sqrt())

    def log_cosh(x, t):
        d = (x - t).abs()
        return (d + F.softplus(-2 * d)).mean() - 0.6931472

    pointwise("log_cosh", -1, 1, log_cosh)
    pointwise("charbonnier", -1, 1, lambda x, t: ((x - t).square() + 1e-6).sqrt().mean())
    pointwise("quantile", -1, 1, lambda x, t: torch.maximum(0.5 * (t - x), -0.5 * (t - x)).mean())

    def expectile(x, t):
        d = t - x
        return (torch.where(d < 0, 0.5, 0.5) * d.square()).mean()

    pointwise("expectile", -1, 1, expectile)
    pointwise("mape", -1, 1, lambda x, t: 100 * ((x - t).abs() / t.abs().clamp(min=1e-7)).mean())
    pointwise("tweedie_nll", -1, 1, lambda x, t: (2 * (0.5 * x).exp() + 2 * t * (-0.5 * x).exp()).mean())
    pointwise("msle", 0, 1, lambda x, t: F.mse_loss(x.log1p(), t.log1p()))
    q = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])

    def many(x, t):
        d = t[:, None] - x
        return torch.maximum(q * d, (q - 1) * d).mean()

    add("quantile_many/200000x5", lambda: [uniform((200_000, 5), -1, 1), uniform((200_000,), 0, 1)], many)

    def evidential(gamma, nu, alpha, beta, y):
        d, omega = y - gamma, 2 * beta * (1 + nu)
        nll = 0.5 * (torch.pi / nu).log() - alpha * omega.log() + (alpha + 0.5) * (nu * d.square() + omega).log() + alpha.lgamma() - (alpha + 0.5).lgamma()
        return (nll + 0.01 * d.abs() * (2 * nu + alpha)).mean()

    ranges = ((-1, 1), (0.5, 1.5), (1.5, 3), (0.5, 1.5), (-1, 1))
    add("evidential_nig/100000", lambda: [uniform((100_000,), *r) for r in ranges], evidential, 4)


def segmentation(add, uniform):
    pictures = lambda: [uniform((4, 21, 128, 128), -2, 2).softmax(1), torch.randint(0, 21, (4, 128, 128))]

    def counts(x, t):
        y = F.one_hot(t, 21).permute(0, 3, 1, 2).to(x.dtype)
        over = (0, 2, 3)
        hit = (x * y).sum(over)
        return hit, x.sum(over) - hit, y.sum(over) - hit

    def dice(x, t):
        hit, false, missed = counts(x, t)
        return (1 - (2 * hit + 1) / (2 * hit + false + missed + 1)).mean()

    def tversky(x, t):
        hit, false, missed = counts(x, t)
        return (1 - (hit + 1) / (hit + 0.3 * false + 0.7 * missed + 1)).mean()

    def dice_binary(x, t):
        both = (x * t).sum((1, 2))
        return (1 - (2 * both + 1) / (x.sum((1, 2)) + t.sum((1, 2)) + 1)).mean()

    def slopes(own):
        """Of the Lovász extension, as in the authors' repository."""
        inner = own.sum() - own.cumsum(0)
        jaccard = 1 - inner / (own.sum() + (1 - own).cumsum(0))
        jaccard[1:] = jaccard[1:] - jaccard[:-1]
        return jaccard

    def lovasz_softmax(x, t):
        x, t = x.permute(0, 2, 3, 1).reshape(-1, 21), t.reshape(-1)
        losses = []
        for c in range(21):
            own = (t == c).to(x.dtype)
            if own.sum() == 0:
                continue
            errors, order = (own - x[:, c]).abs().sort(descending=True)
            losses.append(torch.dot(errors, slopes(own[order])))
        return torch.stack(losses).mean()

    def lovasz_hinge(x, t):
        x, t = x.reshape(-1), t.reshape(-1)
        errors, order = (1 - x * (2 * t - 1)).sort(descending=True)
        return torch.dot(errors.relu(), slopes(t[order]))

    add("dice/4x21x128x128", pictures, dice)
    add("tversky/4x21x128x128", pictures, tversky)
    add("dice_binary/16x256x256", lambda: [uniform((16, 256, 256), 0, 1), uniform((16, 256, 256), 0, 1).round()], dice_binary)
    add("lovasz_softmax/4x21x128x128", pictures, lovasz_softmax)
    add("lovasz_hinge/512x512", lambda: [uniform((512, 512), -2, 2), uniform((512, 512), 0, 1).round()], lovasz_hinge)
