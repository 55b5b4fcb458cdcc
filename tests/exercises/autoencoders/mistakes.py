"""Wrong answers to the exercises of ``autoencoders``, as students write them, and what is needed to try the notebook."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import jacrev, vmap

from gmlib import autoencoders as library
from tests.exercises.autoencoders.answers import decay_by_library, denoiser_by_tensors, encoded, on_paper, rounds


def by_svd(factor, centre=lambda X: X.mean(0), order=lambda V, k: V[:k]):
    """As written with the singular values of the data, of which ``factor`` makes what is kept."""

    def answer(X, y, k, weight):
        m = centre(X)
        _, singular, Vh = torch.linalg.svd(X - m, full_matrices=False)
        return m + (y - m) @ order(Vh, k).T * factor(order(singular, k), weight, len(X)) @ order(Vh, k)

    return answer


def right_factor(singular, weight, N):
    return (1 - weight * N / singular**2).clamp(min=0)


def by_cov(X, y, k, weight):
    """torch.cov divides by N - 1."""
    variances, axes = torch.linalg.eigh(X.T.cov())
    B = axes[:, -k:] * (1 - weight / variances[-k:]).clamp(min=0).sqrt()
    return X.mean(0) + (y - X.mean(0)) @ B @ B.T


def eigh_order(X, y, k, weight):
    m = X.mean(0)
    variances, axes = torch.linalg.eigh((X - m).T @ (X - m) / len(X))
    return m + (y - m) @ axes[:, :k] * (1 - weight / variances[:k]).clamp(min=0) @ axes[:, :k].T


def uncentred(X, y, k, weight):
    return by_svd(right_factor, lambda X: torch.zeros_like(X[0]))(X, y, k, weight)


def buggy_sparsity(a, rho, eps):
    a = a.clamp(eps, 1 - eps)
    kl = rho * (rho / a).log() + (1 - rho) * ((1 - rho) / (1 - a)).log()
    return kl.mean()


def sparse(mean=lambda a, eps: a.mean(0).clamp(eps, 1 - eps), term=None, finish=torch.sum):
    term = term or (lambda rho, m: rho * (rho / m).log() + (1 - rho) * ((1 - rho) / (1 - m)).log())
    return lambda a, rho, eps: finish(term(rho, mean(a, eps)))


def jacobians(W, b, V, c, x):
    return vmap(jacrev(encoded(W, b, V, c)))(x)


def one_layer(W, b, V, c, x):
    """The formula of one layer, used for both in turn."""
    h = (x @ W.T + b).sigmoid()
    z = (h @ V.T + c).tanh()
    inner = ((h * (1 - h)) ** 2 * W.square().sum(1)).sum(1)
    return inner * ((1 - z**2) ** 2 * V.square().sum(1)).sum(1)


def squared_paths(W, b, V, c, x):
    h = (x @ W.T + b).sigmoid()
    z = (h @ V.T + c).tanh()
    of_hidden = (h * (1 - h)) ** 2 * W.square().sum(1)
    return ((1 - z**2) ** 2 * (of_hidden @ V.square().T)).sum(1)


def layered(inner, outer):
    def answer(W, b, V, c, x):
        h = (x @ W.T + b).sigmoid()
        z = (h @ V.T + c).tanh()
        return torch.einsum("nj,jl,nl,li->nji", outer(z), V, inner(h), W).square().sum((1, 2))

    return answer


def network(x, W, V):
    return (x @ W.T).tanh() @ V.T


def buggy_loss(x, eps, sigma, W, V):
    current_input = x + sigma * eps
    rows = x.reshape(len(x), -1)
    current_input = rows
    return (network(current_input, W, V) - x).square().sum(1).mean()


def noised_in_place(x, eps, sigma, W, V):
    """One variable for both: the target is noisy, too."""
    x = x + sigma * eps
    return (network(x, W, V) - x).square().sum(1).mean()


def mixed(weights, gain=lambda v, s: v / (v + s), left=lambda D, v, s: D * v * s / (v + s)):
    """``weights`` are logits of the components, from squared distances and variances."""

    def answer(x_tilde, pi, mu, sd, sigma):
        D, v, s = mu.shape[1], sd**2, sigma**2
        apart = x_tilde[:, None] - mu
        w = weights(pi, apart.square().sum(-1), v, s, D).softmax(1)
        means = mu + gain(v, s)[:, None] * apart
        r = torch.einsum("nk,nkd->nd", w, means)
        error = (w * (left(D, v, s) + (means - r[:, None]).square().sum(-1))).sum(1)
        return torch.cat([r, error[:, None]], 1)

    return answer


def right_weights(pi, d, v, s, D):
    return pi.log() - d / (2 * (v + s)) - D / 2 * (v + s).log()


def sharpened(x_tilde, pi, mu, sd, sigma):
    """The likeliest component alone."""
    d = (x_tilde[:, None] - mu).square().sum(-1)
    k = right_weights(pi, d, sd**2, sigma**2, mu.shape[1]).argmax(1)
    v, s = sd[k] ** 2, sigma**2
    r = mu[k] + (v / (v + s))[:, None] * (x_tilde - mu[k])
    return torch.cat([r, (mu.shape[1] * v * s / (v + s))[:, None]], 1)


def by_score_of_data(x_tilde, pi, mu, sd, sigma):
    error = denoiser_by_tensors(x_tilde, pi, mu, sd, sigma)[:, -1:]
    return torch.cat([x_tilde + sigma**2 * rounds(pi, mu, sd).score(x_tilde), error], 1)


def instead(number, value):
    """The right numbers on paper but for one, counted from 1."""

    def answer(m, v0, sigma, y):
        numbers = on_paper(m, v0, sigma, y)
        numbers[number - 1] = value(m, v0, sigma**2, y)
        return numbers

    return answer


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("autoencoders-score", "divided by sigma"): lambda x, x_tilde, r, sigma: (r - x_tilde) / sigma,
    ("autoencoders-score", "clean input"): lambda x, x_tilde, r, sigma: (r - x) / sigma**2,
    ("autoencoders-score", "no denoiser"): lambda x, x_tilde, r, sigma: (x - x_tilde) / sigma**2,
    ("autoencoders-score", "sign"): lambda x, x_tilde, r, sigma: library.residual_score(r, x_tilde, 1.0) / sigma**2,
    ("autoencoders-score", "one variance"): lambda x, x_tilde, r, sigma: library.residual_score(
        x_tilde, r, sigma.square().mean().sqrt().item()),
    ("autoencoders-decay", "no decay"): lambda X, y, k, weight: library.pca(X, k.item()).reconstruct(y),
    ("autoencoders-decay", "root"): lambda X, y, k, weight: by_svd(lambda *case: right_factor(*case).sqrt())(X, y, k, weight),
    ("autoencoders-decay", "negative factors"): by_svd(lambda singular, weight, N: 1 - weight * N / singular**2),
    ("autoencoders-decay", "singular values of the data"): by_svd(lambda singular, weight, N: (1 - weight / singular).clamp(min=0)),
    ("autoencoders-decay", "sum for mean"): by_svd(lambda singular, weight, N: (1 - weight / singular**2).clamp(min=0)),
    ("autoencoders-decay", "ridge"): by_svd(lambda singular, weight, N: singular**2 / (singular**2 + N * weight)),
    ("autoencoders-decay", "N - 1"): by_cov,
    ("autoencoders-decay", "nothing centred"): uncentred,
    ("autoencoders-decay", "mean not added"): lambda X, y, k, weight: decay_by_library(X - X.mean(0), y - X.mean(0), k, weight),
    ("autoencoders-decay", "smallest variances"): eigh_order,
    ("autoencoders-decay", "all directions"): by_svd(right_factor, order=lambda V, k: V),
    ("autoencoders-sparsity", "each activation"): buggy_sparsity,
    ("autoencoders-sparsity", "each activation, summed"): sparse(lambda a, eps: a.clamp(eps, 1 - eps)),
    ("autoencoders-sparsity", "wrong axis"): sparse(lambda a, eps: a.mean(1).clamp(eps, 1 - eps)),
    ("autoencoders-sparsity", "one mean"): sparse(lambda a, eps: a.mean().clamp(eps, 1 - eps)),
    ("autoencoders-sparsity", "mean over units"): sparse(finish=torch.mean),
    ("autoencoders-sparsity", "first term"): lambda a, rho, eps: F.kl_div(
        a.mean(0).clamp(eps, 1 - eps).log(), rho.expand(a.shape[1]), reduction="sum"),
    ("autoencoders-sparsity", "brackets"): sparse(
        term=lambda p, m: p * p.log() - m.log() + (1 - p) * (1 - p).log() - (1 - p) * (1 - m).log()),
    ("autoencoders-sparsity", "not clamped"): sparse(lambda a, eps: a.mean(0)),
    ("autoencoders-sparsity", "activations clamped"): sparse(lambda a, eps: a.clamp(eps, 1 - eps).mean(0)),
    ("autoencoders-sparsity", "cross-entropy"): lambda a, rho, eps: F.binary_cross_entropy(
        a.mean(0).clamp(eps, 1 - eps), rho.expand(a.shape[1]), reduction="sum"),
    ("autoencoders-contraction", "norms multiplied"): one_layer,
    ("autoencoders-contraction", "squared before multiplied"): squared_paths,
    ("autoencoders-contraction", "first layer"): lambda W, b, V, c, x: library.sigmoid_contraction(W, b, x),
    ("autoencoders-contraction", "summed before squared"): lambda *case: jacobians(*case).sum(2).square().sum(1),
    ("autoencoders-contraction", "mean of the Jacobian"): lambda *case: jacobians(*case).mean((1, 2)),
    ("autoencoders-contraction", "mean of squares"): lambda *case: jacobians(*case).square().mean((1, 2)),
    ("autoencoders-contraction", "norm"): lambda *case: torch.linalg.matrix_norm(jacobians(*case)),
    ("autoencoders-contraction", "largest singular value"): lambda *case: torch.linalg.matrix_norm(jacobians(*case), 2) ** 2,
    ("autoencoders-contraction", "z(1 - z)"): layered(lambda h: h * (1 - h), lambda z: z * (1 - z)),
    ("autoencoders-contraction", "no derivatives"): lambda W, b, V, c, x: [np.linalg.norm((V @ W).numpy()) ** 2] * len(x),
    ("autoencoders-contraction", "mean over examples"): lambda *case: jacobians(*case).square().sum((1, 2)).mean(),
    ("autoencoders-denoising", "clean input"): buggy_loss,
    ("autoencoders-denoising", "noisy target"): noised_in_place,
    ("autoencoders-denoising", "exchanged"): lambda x, eps, sigma, W, V: (network(x, W, V) - (x + sigma * eps)).square().sum(1).mean(),
    ("autoencoders-denoising", "mean over dimensions"): lambda x, eps, sigma, W, V: F.mse_loss(network(x + sigma * eps, W, V), x),
    ("autoencoders-denoising", "sum over the batch"): lambda x, eps, sigma, W, V: F.mse_loss(
        network(x + sigma * eps, W, V), x, reduction="sum"),
    ("autoencoders-denoising", "sigma squared"): lambda x, eps, sigma, W, V: library.squared_error(
        x, network(x + sigma**2 * eps, W, V)).mean(),
    ("autoencoders-denoising", "not squared"): lambda x, eps, sigma, W, V: (network(x + sigma * eps, W, V) - x).norm(dim=1).mean(),
    ("autoencoders-denoiser", "clean responsibilities"): mixed(lambda pi, d, v, s, D: pi.log() - d / (2 * v) - D / 2 * v.log()),
    ("autoencoders-denoiser", "no normaliser"): mixed(lambda pi, d, v, s, D: pi.log() - d / (2 * (v + s))),
    ("autoencoders-denoiser", "normaliser of one dimension"): mixed(
        lambda pi, d, v, s, D: pi.log() - d / (2 * (v + s)) - (v + s).log() / 2),
    ("autoencoders-denoiser", "equal priors"): mixed(lambda pi, d, v, s, D: -d / (2 * (v + s)) - D / 2 * (v + s).log()),
    ("autoencoders-denoiser", "gain exchanged"): mixed(right_weights, lambda v, s: s / (v + s)),
    ("autoencoders-denoiser", "sigma for variance"): lambda *case: denoiser_by_tensors(*case[:4], case[4].sqrt()),
    ("autoencoders-denoiser", "one coordinate"): mixed(right_weights, left=lambda D, v, s: v * s / (v + s)),
    ("autoencoders-denoiser", "nearest component"): sharpened,
    ("autoencoders-denoiser", "score of the data"): by_score_of_data,
    ("autoencoders-paper", "sigma for variance"): lambda m, v0, sigma, y: on_paper(m, v0, sigma.sqrt(), y),
    ("autoencoders-paper", "v0 squared"): lambda m, v0, sigma, y: on_paper(m, v0**2, sigma, y),
    ("autoencoders-paper", "score of the data"): instead(2, lambda m, v, s, y: (m - y) / v),
    ("autoencoders-paper", "loss as a root"): instead(3, lambda m, v, s, y: math.sqrt(v * s / (v + s))),
    ("autoencoders-paper", "loss on clean inputs"): instead(4, lambda m, v, s, y: 1 / (1 / v + 1 / s)),
    ("autoencoders-paper", "noise forgotten"): instead(5, lambda m, v, s, y: v**3 / (v + s) ** 2),
    ("autoencoders-paper", "limit of small noise"): instead(6, lambda m, v, s, y: v / 2),
    ("autoencoders-paper", "chain that draws"): instead(6, lambda m, v, s, y: v),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "autoencoders-score": (
        "def score_of(x, x_tilde, r, sigma):\n    return (r - x_tilde) / sigma",
        "You have sigma for sigma^2", "你用 sigma 代替了 sigma^2"),
    "autoencoders-sparsity": (
        "def mended_sparsity(a, rho, eps):\n    mean = a.mean(0).clamp(eps, 1 - eps)\n    return (rho * (rho / mean).log()).sum()",
        "rho log(rho / mean) alone is no divergence", "单独的 rho log(rho / mean) 不是散度"),
    "autoencoders-denoising": (
        "def mended_loss(x, eps, sigma, W, V):\n    x = x + sigma * eps\n    return (through(x, W, V) - x).square().sum(1).mean()",
        "Now the target is noisy, too", "现在目标也带了噪声"),
    "autoencoders-denoiser": (
        "def denoise(x_tilde, pi, mu, sd, sigma):\n    D, s = mu.shape[1], sigma**2\n    apart = x_tilde[:, None] - mu\n"
        "    w = (pi.log() - apart.square().sum(2) / (2 * sd**2) - D * sd.log()).softmax(1)\n"
        "    gain = sd**2 / (sd**2 + s)\n    means = mu + gain[:, None] * apart\n    r = (w[:, :, None] * means).sum(1)\n"
        "    left = D * gain * s + (means - r[:, None]).square().sum(2)\n"
        "    return torch.cat([r, (w * left).sum(1, keepdim=True)], 1)",
        "The weights are those of clean points", "权重用的是干净点的"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("autoencoders-contraction", "def moves(W, b, V, c, x):\n    return x.sum(1)")
# What is made smaller so that the notebook runs quickly.
QUICK = (("epochs, examples = 5, 51_200", "epochs, examples = 1, 2_560"),)

# Changes of a specification that no input can show: a variance is never exactly as large as the weight.
EQUIVALENT = {"autoencoders-decay": {"decayed: variance > weight -> variance >= weight"}}
