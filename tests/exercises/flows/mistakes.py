"""Wrong answers to the exercises of ``flows``, as students write them, and what is needed to try the notebook."""

import math

import torch
from torch.nn.functional import logsigmoid, softplus

from gmlib import metrics
from tests.exercises.flows.answers import conditioner, field, scale_and_shift


def logistic(z):
    return logsigmoid(z) + logsigmoid(-z)


def waves(x, a, c, at, put):
    """The log-slopes of each layer, at the points and in the way that a student takes."""
    total, start = [], x
    for p, q in zip(a, c):
        after = q * (x + p * x.sin())
        point = {"x": start, "input": x, "output": after}[at]
        total.append((q * (1 + p * point.cos())).abs().log())
        x = after
    return put(torch.stack(total))


def beside(z, log_det):
    return torch.cat([z, log_det.expand(len(z), 1) if log_det.ndim < 2 else log_det], -1)


def coupled(z, log_det):
    def answer(x, s, t):
        kept, moved = x.chunk(2, -1)
        return beside(torch.cat([kept, z(moved, s, t)], -1), log_det(s))

    return answer


def right_z(v, s, t):
    return v * s.exp() + t


def row_sum(s):
    return s.sum(-1, keepdim=True)


def drawn(log_det):
    def answer(z, w):
        x = torch.zeros_like(z)
        for i in range(z.shape[1]):
            m, a = conditioner(x, w)
            x[:, i] = z[:, i] * a[:, i].exp() + m[:, i]
        return beside(x, log_det(a, z, w))

    return answer


def in_one_pass(z, w):
    m, a = conditioner(z, w)
    return beside(z * a.exp() + m, row_sum(a))


def first_pass(z, w):
    m, a = conditioner(torch.zeros_like(z), w)
    return beside(z * a.exp() + m, row_sum(a))


def density_direction(z, w):
    m, a = conditioner(z, w)
    return beside((z - m) / a.exp(), -row_sum(a))


def halves(x, w):
    kept, moved = x.chunk(2, -1)
    s, t = scale_and_shift(kept, w)
    return torch.cat([kept, moved * s.exp() + t, row_sum(s)], -1)


def concatenated(x, w):
    s, t = scale_and_shift(x[:, ::2], w)
    return torch.cat([x[:, ::2], x[:, 1::2] * s.exp() + t, row_sum(s)], -1)


def woven(of, sign=1):
    def answer(x, w):
        z, (s, t) = x.clone(), scale_and_shift(x[:, of::2], w)
        z[:, 1::2] = x[:, 1::2] * s.exp() + t
        return torch.cat([z, sign * row_sum(s)], -1)

    return answer


def swapped(x, w):
    s, t = scale_and_shift(x[:, ::2], w)
    return torch.cat([torch.stack([x[:, 1::2] * s.exp() + t, x[:, ::2]], -1).flatten(1), row_sum(s)], -1)


def products(x, A, eps):
    """eps^T J for each draw."""
    x = x.expand_as(eps).clone().requires_grad_()
    return torch.autograd.grad(field(x, A), x, eps)[0]


def column_sums(x, A, eps):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(field(x, A).sum(), x)[0].sum(-1)


def summed_slopes(x, a, c):
    total = torch.zeros(len(x))
    for p, q in zip(a, c):
        total, x = total + (q * (1 + p * x.cos())).sum(-1).abs().log(), q * (x + p * x.sin())
    return total


def slopes_of_the_bracket(x, a, c):
    total = 0
    for p, q in zip(a, c):
        total, x = total + (1 + p * x.cos()).log().sum(-1), q * (x + p * x.sin())
    return total


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("flows-affine-log-prob", "sign"): lambda x, mu, c: logistic((x - mu) / c) + c.abs().log(),
    ("flows-affine-log-prob", "no absolute value"): lambda x, mu, c: logistic((x - mu) / c) - c.log(),
    ("flows-affine-log-prob", "no log-det"): lambda x, mu, c: logistic((x - mu) / c),
    ("flows-affine-log-prob", "generator for normaliser"): lambda x, mu, c: logistic(c * x + mu) - c.abs().log(),
    ("flows-affine-log-prob", "other model"): lambda x, mu, c: logistic(c * x + mu) + c.abs().log(),
    ("flows-affine-log-prob", "Gaussian base"): lambda x, mu, c: torch.distributions.Normal(mu, c.abs()).log_prob(x),
    ("flows-affine-log-prob", "softplus once"): lambda x, mu, c: -(x - mu) / c - softplus((mu - x) / c) - c.abs().log(),
    ("flows-affine-log-prob", "distribution function"): lambda x, mu, c: ((x - mu) / c).sigmoid().log() - c.abs().log(),
    ("flows-affine-log-prob", "multiplied"): lambda x, mu, c: logistic((x - mu) * c) - c.abs().log(),
    ("flows-compose", "sum of the slopes"): summed_slopes,
    ("flows-compose", "c left out"): slopes_of_the_bracket,
    ("flows-compose", "all at x"): lambda x, a, c: waves(x, a, c, "x", lambda v: v.sum((0, 2))),
    ("flows-compose", "at the output"): lambda x, a, c: waves(x, a, c, "output", lambda v: v.sum((0, 2))),
    ("flows-compose", "product"): lambda x, a, c: waves(x, a, c, "input", lambda v: v.sum(2).prod(0)),
    ("flows-compose", "sum of determinants"): lambda x, a, c: waves(x, a, c, "input", lambda v: v.sum(2).logsumexp(0)),
    ("flows-compose", "mean over dimensions"): lambda x, a, c: waves(x, a, c, "input", lambda v: v.mean(2).sum(0)),
    ("flows-compose", "last"): lambda x, a, c: waves(x, a, c, "input", lambda v: v[-1].sum(1)),
    ("flows-compose", "one number"): lambda x, a, c: waves(x, a, c, "input", torch.sum),
    ("flows-compose", "reversed"): lambda x, a, c: waves(x, a.flip(0), c.flip(0), "input", lambda v: v.sum((0, 2))),
    ("flows-coupling", "minus"): coupled(right_z, lambda s: -row_sum(s)),
    ("flows-coupling", "sum of the scales"): coupled(right_z, lambda s: row_sum(s.exp())),
    ("flows-coupling", "no logarithm"): coupled(right_z, lambda s: s.exp().prod(-1, keepdim=True)),
    ("flows-coupling", "mean"): coupled(right_z, lambda s: s.mean(-1, keepdim=True)),
    ("flows-coupling", "over the batch"): coupled(right_z, torch.sum),
    ("flows-coupling", "log of s"): coupled(right_z, lambda s: row_sum(s.abs().log())),
    ("flows-coupling", "s for the scale, consistently"): coupled(lambda v, s, t: s * v + t, lambda s: row_sum(s.abs().log())),
    ("flows-coupling", "shift first"): coupled(lambda v, s, t: (v + t) * s.exp(), row_sum),
    ("flows-coupling", "shift subtracted first"): coupled(lambda v, s, t: (v - t) * s.exp(), row_sum),
    ("flows-coupling", "inverse"): coupled(lambda v, s, t: (v - t) / s.exp(), lambda s: -row_sum(s)),
    ("flows-coupling", "sigmoid"): coupled(lambda v, s, t: v * s.sigmoid() + t, lambda s: row_sum(logsigmoid(s))),
    ("flows-bits-per-dim", "levels subtracted"): lambda log_p, D, levels: -(log_p.mean(1) / D + levels.log()) / math.log(2),
    ("flows-bits-per-dim", "levels not counted"): lambda log_p, D, levels: metrics.bits_per_dim(log_p, D.item()).mean(1),
    ("flows-bits-per-dim", "256 levels"): lambda log_p, D, levels: 8 - log_p.mean(1) / (D * math.log(2)),
    ("flows-bits-per-dim", "levels once for all dimensions"): lambda log_p, D, levels:
        -(log_p.mean(1) - levels.double().log()) / D / math.log(2),
    ("flows-bits-per-dim", "log-mean-exp"): lambda log_p, D, levels: metrics.bits_per_dim(
        log_p.logsumexp(1) - math.log(log_p.shape[1]), D.item(), levels.item()),
    ("flows-bits-per-dim", "one number"): lambda log_p, D, levels: metrics.bits_per_dim(log_p, D.item(), levels.item()).mean(),
    ("flows-maf-inverse", "sign"): drawn(lambda a, z, w: -row_sum(a)),
    ("flows-maf-inverse", "density direction"): density_direction,
    ("flows-maf-inverse", "conditioned on z"): in_one_pass,
    ("flows-maf-inverse", "log-det from z"): drawn(lambda a, z, w: row_sum(conditioner(z, w)[1])),
    ("flows-maf-inverse", "one pass"): first_pass,
    ("flows-maf-inverse", "last a"): drawn(lambda a, z, w: a[:, -1:]),
    ("flows-maf-inverse", "over the batch"): drawn(lambda a, z, w: a.sum()),
    ("flows-interleaved", "concatenated"): concatenated,
    ("flows-interleaved", "halves"): halves,
    ("flows-interleaved", "swapped"): swapped,
    ("flows-interleaved", "network of the moved part"): woven(of=1),
    ("flows-interleaved", "minus"): woven(of=0, sign=-1),
    ("flows-hutchinson", "column sums"): column_sums,
    ("flows-hutchinson", "one product"): lambda x, A, eps: products(x, A, eps).sum(-1).mean(0),
    ("flows-hutchinson", "two draws"): lambda x, A, eps: (products(x, A, eps) * eps.roll(1, 0)).sum(-1).mean(0),
    ("flows-hutchinson", "sum over the draws"): lambda x, A, eps: (products(x, A, eps) * eps).sum((0, 2)),
    ("flows-hutchinson", "mean over dimensions"): lambda x, A, eps: (products(x, A, eps) * eps).mean((0, 2)),
    ("flows-hutchinson", "averaged first"): lambda x, A, eps: (products(x, A, eps.mean(0)[None]) * eps.mean(0)).sum(-1),
    ("flows-hutchinson", "squared length on the left"): lambda x, A, eps: products(x, A, eps).square().sum(-1).mean(0),
    ("flows-hutchinson", "slope of tanh forgotten"): lambda x, A, eps: ((eps @ A.mT) * eps).sum(-1).mean(0),
    ("flows-hutchinson", "no derivative"): lambda x, A, eps: (field(x, A) * eps).sum(-1).mean(0),
    ("flows-ldl", "eigenvalues"): lambda Sigma, r: [
        Sigma[0, 1] / Sigma[0, 0], *torch.linalg.eigvalsh(Sigma).flip(0).rsqrt(), -Sigma.logdet() / 2,
        1 / (r * Sigma.det().sqrt())],
    ("flows-ldl", "logarithms"): lambda Sigma, r: [
        Sigma[0, 1] / Sigma[0, 0], *(-torch.linalg.cholesky(Sigma).diag().log()), -Sigma.logdet() / 2,
        1 / (r * Sigma.det().sqrt())],
    ("flows-ldl", "full conditionals"): lambda Sigma, r: [
        Sigma[0, 1] / Sigma[0, 0], *(s := torch.linalg.inv(Sigma).diag().sqrt()), s.log().sum(), s.prod() / r],
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "flows-coupling": (
        "def coupling(x, s, t):\n    kept, moved = x.chunk(2, -1)\n"
        "    return torch.cat([kept, moved * s.exp() + t, -s.sum(-1, keepdim=True)], -1)",
        "The log-determinant has the sign of the inverse", "对数行列式的符号是逆映射的"),
    "flows-maf-inverse": (
        "def mended_inverse(z, w):\n    x, log_det = buggy_inverse(z, w)\n"
        "    return torch.cat([x, log_det[:, None]], -1)",
        "The bug is still there", "错误还在"),
    "flows-interleaved": (
        "def mended(x, w):\n    z, log_det = buggy(x, w)\n    return torch.cat([z, log_det[:, None]], -1)",
        "the parts are put one after the other", "一前一后接在了一起"),
    "flows-hutchinson": (
        "def hutchinson(x, A, eps):\n    x = x.clone().requires_grad_()\n"
        "    return torch.autograd.grad(field(x, A).sum(), x)[0].sum(-1)",
        "is the sum of all entries of J", "全部元素之和"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("flows-compose", "def compose(x, a, c):\n    return wave(x, a[0], c[0])[1].abs().log().sum(-1)")
# What is made smaller so that the notebook runs quickly.
QUICK = ()

# Changes of a specification that no input can show: the inverse, which only a mistake computes.
EQUIVALENT = {
    "flows-interleaved": {
        "alternate: (v - q) * exp(-p) -> (v - q) / exp(-p)", "alternate: v - q -> v + q",
        "alternate: exp(-p) -> float(-p)", "alternate: -p -> +p",
    },
}  # fmt: skip
