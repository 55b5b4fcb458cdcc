"""Wrong answers to the exercises of ``divergences``, as students write them, and what is needed to try the notebook."""

import math

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import energy_distance, wasserstein_distance
from torch.nn import functional as F

from gmlib import divergences as library


def kl_div(first, second):
    return F.kl_div(first, second, reduction="none").sum(-1)


def with_m(left, right):
    return lambda p, q: left(p, (p + q) / 2) + right(q, (p + q) / 2)


def each_sorted(x, a, y, b):
    t = torch.cat([x, y]).sort().values
    x, y = x.sort().values, y.sort().values
    difference = torch.stack([a[x <= v].sum() - b[y <= v].sum() for v in t])
    return (difference.abs()[:-1] * t.diff()).sum()


def root(A):
    values, Q = torch.linalg.eigh(A)
    return Q @ values.sqrt().diag() @ Q.T


def w2(mu, Sigma, m, S, cross):
    return (mu - m).square().sum() + (Sigma + S).trace() - 2 * cross.trace()


def plan(x, y, eta):
    K, v = (-(x[:, None] - y) ** 2 / eta).exp(), torch.ones_like(y)
    for _ in range(400):
        u = 1 / (K @ v) / len(x)
        v = 1 / (K.T @ u) / len(y)
    return u[:, None] * K * v


def moved(x, y, eta):
    return (plan(x, y, eta) * (x[:, None] - y) ** 2).sum()


def with_kl(x, y, eta, count):
    P = plan(x, y, eta)
    return moved(x, y, eta) + eta * (P * (P * count).log()).sum()


def penalised(x, y, eta):
    return with_kl(x, y, eta, len(x) * len(y))


def formula(sigma, eta):
    return sigma**2 - eta / 2, eta / 2 + eta / 2 * (2 * sigma**2 / eta).log()


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("divergences-js", "root"): lambda p, q: jensenshannon(p, q, axis=1),
    ("divergences-js", "bits"): lambda p, q: jensenshannon(p, q, base=2, axis=1) ** 2,
    ("divergences-js", "root in bits"): lambda p, q: jensenshannon(p, q, base=2, axis=1),
    ("divergences-js", "KL"): lambda p, q: library.kl(p, q),
    ("divergences-js", "reversed"): lambda p, q: (kl_div(p.log(), (p + q) / 2) + kl_div(q.log(), (p + q) / 2)) / 2,
    ("divergences-js", "no average"): lambda p, q: 0.5 * (p * (p / q).log() + q * (q / p).log()).sum(-1),
    ("divergences-js", "sum for the average"): lambda p, q: 0.5 * (p * (p / (p + q)).log() + q * (q / (p + q)).log()).sum(-1),
    ("divergences-js", "one number"): lambda p, q: library.js(p, q).sum(),
    ("divergences-js", "mean over outcomes"): lambda p, q: 0.5 * (
        p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()).mean(-1),
    ("divergences-w1", "unweighted"): lambda x, a, y, b: wasserstein_distance(x, y),
    ("divergences-w1", "weights as values"): lambda x, a, y, b: wasserstein_distance(a, b),
    ("divergences-w1", "each sorted without its weights"): each_sorted,
    ("divergences-w1", "weights left behind"): lambda x, a, y, b: (
        torch.cat([a, -b]).cumsum(0)[:-1].abs() * torch.cat([x, y]).sort().values.diff()).sum(),
    ("divergences-w1", "distance of the means"): lambda x, a, y, b: (a @ x - b @ y).abs(),
    ("divergences-w1", "squared"): lambda x, a, y, b: energy_distance(x, y, a, b) ** 2 / 2,
    ("divergences-w1", "sum of the two"): lambda x, a, y, b: (
        (torch.cat([a, b])[torch.cat([x, y]).argsort()].cumsum(0)[:-1] * torch.cat([x, y]).sort().values.diff()).sum()),
    ("divergences-w2-gaussians", "root of the trace"): lambda mu, Sigma, m, S: (
        (mu - m).square().sum() + (Sigma + S).trace() - 2 * (Sigma @ S).trace().sqrt()),
    ("divergences-w2-gaussians", "commuting"): lambda mu, Sigma, m, S: (
        (mu - m).square().sum() + torch.linalg.matrix_norm(root(Sigma) - root(S)) ** 2),
    ("divergences-w2-gaussians", "root of each entry"): lambda mu, Sigma, m, S: w2(
        mu, Sigma, m, S, (S.sqrt() @ Sigma @ S.sqrt()).sqrt()),
    ("divergences-w2-gaussians", "Cholesky factor"): lambda mu, Sigma, m, S: w2(
        mu, Sigma, m, S, root(torch.linalg.cholesky(S) @ Sigma @ torch.linalg.cholesky(S).T)),
    ("divergences-w2-gaussians", "variances only"): lambda mu, Sigma, m, S: library.wasserstein2_gaussians(
        mu, Sigma.diag().diag(), m, S.diag().diag()),
    ("divergences-w2-gaussians", "no outer root"): lambda mu, Sigma, m, S: w2(mu, Sigma, m, S, root(S) @ Sigma @ root(S)),
    ("divergences-fenchel", "no minus one"): lambda p, q, T: p @ T - q @ T.exp(),
    ("divergences-fenchel", "Donsker-Varadhan"): lambda p, q, T: library.donsker_varadhan(T, T, p, q),
    ("divergences-fenchel", "unweighted"): lambda p, q, T: library.fenchel_bound(T, T, library.KL),
    ("divergences-fenchel", "the divergence itself"): lambda p, q, T: library.kl(p, q),
    ("divergences-js-tables", "arguments exchanged"): lambda p, q: 0.5 * with_m(
        lambda p, m: kl_div(p.log(), m), lambda q, m: kl_div(q.log(), m))(p, q),
    ("divergences-js-tables", "still exchanged, with a tiny number"): lambda p, q: 0.5 * with_m(
        lambda p, m: kl_div(p.clamp(min=1e-12).log(), m), lambda q, m: kl_div((q + 1e-12).log(), m))(p, q),
    ("divergences-js-tables", "one exchanged"): lambda p, q: 0.5 * with_m(
        lambda p, m: kl_div(m.log(), p), lambda q, m: kl_div(q.log(), m))(p, q),
    ("divergences-js-tables", "no logarithm"): lambda p, q: 0.5 * with_m(
        lambda p, m: kl_div(m, p), lambda q, m: kl_div(m, q))(p, q),
    ("divergences-js-tables", "log_target"): lambda p, q: 0.5 * sum(
        F.kl_div(((p + q) / 2).log(), law, reduction="none", log_target=True).sum(-1) for law in (p, q)),
    ("divergences-js-tables", "NaN at zero"): lambda p, q: 0.5 * with_m(
        lambda p, m: (p * (p / m).log()).sum(-1), lambda q, m: (q * (q.log() - m.log())).sum(-1))(p, q),
    ("divergences-js-tables", "no average"): lambda p, q: 0.5 * (kl_div(q.log(), p) + kl_div(p.log(), q)),
    ("divergences-js-tables", "batchmean"): lambda p, q: 0.5 * with_m(
        lambda p, m: F.kl_div(m.log(), p, reduction="batchmean"), lambda q, m: F.kl_div(m.log(), q, reduction="batchmean"))(p, q),
    ("divergences-histograms", "probabilities as values"): lambda x, p, q: wasserstein_distance(p, q),
    ("divergences-histograms", "no weights"): lambda x, p, q: wasserstein_distance(x, x),
    ("divergences-histograms", "weights of p only"): lambda x, p, q: wasserstein_distance(x, x, p),
    ("divergences-histograms", "places as points"): lambda x, p, q: wasserstein_distance(np.arange(len(p)), np.arange(len(q)), p, q),
    ("divergences-histograms", "gap before"): lambda x, p, q: ((p - q).cumsum(0).abs() * x.diff(prepend=x[:1])).sum(),
    ("divergences-histograms", "squared"): lambda x, p, q: energy_distance(x, x, p, q) ** 2 / 2,
    ("divergences-histograms", "total variation"): lambda x, p, q: library.total_variation(p, q),
    ("divergences-debiased", "both bugs"): lambda x, y, eta: moved(x, y, eta) - moved(x, x, eta),
    ("divergences-debiased", "clamped"): lambda x, y, eta: (moved(x, y, eta) - moved(x, x, eta)).clamp(min=0),
    ("divergences-debiased", "absolute value"): lambda x, y, eta: (moved(x, y, eta) - moved(x, x, eta)).abs(),
    ("divergences-debiased", "one count"): lambda x, y, eta: (
        with_kl(x, y, eta, len(x)) - 0.5 * with_kl(x, x, eta, len(x)) - 0.5 * with_kl(y, y, eta, len(y))),
    ("divergences-debiased", "transport only"): lambda x, y, eta: moved(x, y, eta) - (moved(x, x, eta) + moved(y, y, eta)) / 2,
    ("divergences-debiased", "one self-term"): lambda x, y, eta: penalised(x, y, eta) - penalised(x, x, eta),
    ("divergences-debiased", "doubled"): lambda x, y, eta:
        2 * penalised(x, y, eta) - penalised(x, x, eta) - penalised(y, y, eta),
    ("divergences-debiased", "no penalty at all"): lambda x, y, eta: library.wasserstein_1d(x, y, p=2),
    ("divergences-nearest", "formula beyond the limit"): lambda sigma, eta, eta_large: [
        *formula(sigma, eta), sigma**2 + eta / 2, *formula(sigma, eta_large)],
    ("divergences-nearest", "distance beyond the limit"): lambda sigma, eta, eta_large: [
        *formula(sigma, eta), sigma**2 + eta / 2, 0.0, eta_large / 2],
    ("divergences-nearest", "factor in the logarithm"): lambda sigma, eta, eta_large: [
        sigma**2 - eta / 2, eta / 2 * (1 + (sigma**2 / eta).log()), sigma**2 + eta / 2, 0.0, sigma**2],
    ("divergences-nearest", "sigma not squared"): lambda sigma, eta, eta_large: [
        *formula(sigma.sqrt(), eta), sigma + eta / 2, 0.0, sigma],
    ("divergences-nearest", "standard deviations"): lambda sigma, eta, eta_large: [
        math.sqrt(sigma**2 - eta / 2), formula(sigma, eta)[1], math.sqrt(sigma**2 + eta / 2), 0, sigma**2],
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "divergences-w1": (
        "def w1(x, a, y, b):\n    return wasserstein_distance(x, y)",
        "The weights are not used", "没有用到权重"),
    "divergences-w2-gaussians": (
        "def w2_gaussians(mu, Sigma, m, S):\n    cross = (S.sqrt() @ Sigma @ S.sqrt()).sqrt()\n"
        "    return ((mu - m) ** 2).sum() + (Sigma + S - 2 * cross).trace()",
        "The root was taken of each entry", "对每个元素开了平方"),
    "divergences-js-tables": (
        'def mended_js(p, q):\n    m = (p + q) / 2\n    return (F.kl_div(m, p, reduction="none")'
        ' + F.kl_div(m, q, reduction="none")).sum(-1) / 2',
        "must be a logarithm", "应是对数"),
    "divergences-debiased": (
        "def mended_divergence(x, y, eta):\n    def moved(s, t):\n"
        "        return (best_plan(s, t, eta) * (s[:, None] - t).square()).sum()\n"
        "    return moved(x, y) - (moved(x, x) + moved(y, y)) / 2",
        "Both self-terms are there now", "两个自身项都有了"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("divergences-fenchel", "def fenchel_bound(p, q, T):\n    return p @ T")
# What is made smaller so that the notebook runs quickly.
QUICK = (("0.9, 2.1, 61)", "0.9, 2.1, 5)"), ("-7, 7, 101)", "-7, 7, 41)"))  # fmt: skip

# Changes of a specification that no input can show, with the reason.
EQUIVALENT = {
    "divergences-js-tables": {"kl_term: b > 0 -> b >= 0"},  # the average of p and q is not 0 where p or q is not
}
