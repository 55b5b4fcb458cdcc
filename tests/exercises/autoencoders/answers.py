"""Right answers to each exercise of ``autoencoders``, of different shape: tensors, loops, NumPy, autograd, the library."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import rel_entr
from torch.distributions import Bernoulli, MultivariateNormal, kl_divergence
from torch.func import jacrev, vmap

from gmlib import autoencoders as library
from gmlib.targets import GaussianMixture


def in_float32(answer):
    return lambda *case: answer(*(v.float() if v.is_floating_point() else v for v in case))


def score_by_loop(x, x_tilde, r, sigma):
    return [[((b - y) / s / s).item() for b, y, s in zip(*rows, sigma)] for rows in zip(r, x_tilde)]


def score_by_matrix(x, x_tilde, r, sigma):
    """The inverse of the noise's covariance."""
    return np.linalg.solve(np.diag(sigma.numpy() ** 2), (r - x_tilde).numpy().T).T


SCORE = (
    lambda x, x_tilde, r, sigma: (r - x_tilde) / sigma**2,
    score_by_loop,
    score_by_matrix,
    lambda *case: torch.stack([library.residual_score(y, b, s.item()) for y, b, s in zip(case[1].T, case[2].T, case[3])], 1),
    in_float32(lambda x, x_tilde, r, sigma: (r - x_tilde) / sigma.square()),
)


def decay_by_svd(X, y, k, weight):
    m = X.mean(0)
    _, singular, Vh = torch.linalg.svd(X - m, full_matrices=False)
    kept = (1 - weight * len(X) / singular[:k] ** 2).clamp(min=0)
    return m + (y - m) @ Vh[:k].T * kept @ Vh[:k]


def decay_by_numpy(X, y, k, weight):
    values, vectors = np.linalg.eigh(np.cov(X.numpy().T, bias=True))
    keep = [i for i in range(len(values))[-k.item() :] if values[i] > weight]
    B, m = vectors[:, keep] * np.sqrt(1 - weight.item() / values[keep]), X.numpy().mean(0)
    return m + (y.numpy() - m) @ B @ B.T


def decay_by_library(X, y, k, weight):
    found = library.pca(X, k.item())
    V = found.components.T * library.decayed_singular_values(found.variances[: k.item()], weight.item())
    return found.mean + (y - found.mean) @ V @ V.T


def decay_by_alternating(X, y, k, weight):
    """No eigenvectors: the best encoder for the decoder and the best decoder for the encoder, in turn, until nothing changes."""
    m, eye = X.mean(0), torch.eye(int(k), dtype=X.dtype)
    Z = X - m
    C = Z.T @ Z / len(X)
    V = Z[: int(k)].T.clone()
    for _ in range(3000):  # each is a linear problem
        W = encoder_for(V, C, weight)
        V, before = torch.linalg.solve(W @ C @ W.T + weight * eye, W @ C).T, V
        if (V - before).abs().max() < 1e-12:
            break
    return m + (y - m) @ encoder_for(V, C, weight).T @ V.T


def encoder_for(V, C, weight):
    """The W with V'V W C + weight W = V'C, in the bases where both matrices are diagonal."""
    a, P = torch.linalg.eigh(V.T @ V)
    c, Q = torch.linalg.eigh(C)
    return P @ ((P.T @ V.T @ C @ Q) / (a[:, None] * c + weight)) @ Q.T


DECAY = (
    decay_by_svd,
    decay_by_numpy,
    decay_by_library,
    decay_by_alternating,
    lambda *case: decay_by_svd(*case)[None],
    in_float32(decay_by_library),
    in_float32(decay_by_svd),
)


def sparsity_by_distributions(a, rho, eps):
    return kl_divergence(Bernoulli(rho), Bernoulli(a.mean(0).clamp(eps, 1 - eps))).sum()


def sparsity_by_loop(a, rho, eps):
    total = 0.0
    for j in range(a.shape[1]):
        m = min(max(a[:, j].mean().item(), eps.item()), 1 - eps.item())
        total += rho.item() * math.log(rho / m) + (1 - rho.item()) * math.log((1 - rho) / (1 - m))
    return total


def sparsity_by_scipy(a, rho, eps):
    rho, eps = rho.item(), eps.item()
    m = np.clip(a.numpy().mean(0), eps, 1 - eps)
    return (rel_entr(rho, m) + rel_entr(1 - rho, 1 - m)).sum()


SPARSITY = (
    sparsity_by_distributions,
    sparsity_by_loop,
    sparsity_by_scipy,
    lambda a, rho, eps: library.kl_sparsity(a.mean(0, keepdim=True).clamp(eps, 1 - eps), rho.item()),
    in_float32(sparsity_by_distributions),
)


def encoded(W, b, V, c):
    return lambda x: ((x @ W.T + b).sigmoid() @ V.T + c).tanh()


def contraction_by_tensors(W, b, V, c, x):
    h = (x @ W.T + b).sigmoid()
    z = (h @ V.T + c).tanh()
    return torch.einsum("nj,jl,nl,li->nji", 1 - z**2, V, h * (1 - h), W).square().sum((1, 2))


def contraction_by_numpy(W, b, V, c, x):
    out = []
    for row in x.numpy():
        h = 1 / (1 + np.exp(-(W.numpy() @ row + b.numpy())))
        z = np.tanh(V.numpy() @ h + c.numpy())
        J = np.diag(1 - z**2) @ V.numpy() @ np.diag(h * (1 - h)) @ W.numpy()
        out.append(np.linalg.norm(J) ** 2)
    return out


CONTRACTION = (
    contraction_by_tensors,
    contraction_by_numpy,
    lambda W, b, V, c, x: vmap(jacrev(encoded(W, b, V, c)))(x).square().sum((1, 2)),
    lambda W, b, V, c, x: library.jacobian_penalty(encoded(W, b, V, c), x),
    lambda *case: contraction_by_tensors(*case)[:, None],
    in_float32(contraction_by_tensors),
)


def denoising_by_tensors(x, eps, sigma, W, V):
    return F.mse_loss(((x + sigma * eps) @ W.T).tanh() @ V.T, x, reduction="sum") / len(x)


def denoising_by_loop(x, eps, sigma, W, V):
    total = 0.0
    for clean, noise in zip(x.numpy(), eps.numpy()):
        total += ((V.numpy() @ np.tanh(W.numpy() @ (clean + sigma.item() * noise)) - clean) ** 2).sum()
    return total / len(x)


DENOISING = (
    denoising_by_tensors,
    denoising_by_loop,
    lambda x, eps, sigma, W, V: library.squared_error(x, ((x + sigma * eps) @ W.T).tanh() @ V.T).mean(),
    in_float32(denoising_by_tensors),
)


def rounds(pi, mu, sd):
    return GaussianMixture(pi, mu, sd[:, None, None] ** 2 * torch.eye(mu.shape[1], dtype=mu.dtype))


def denoiser_by_tensors(x_tilde, pi, mu, sd, sigma):
    D, v, s = mu.shape[1], sd**2, sigma**2
    apart = x_tilde[:, None] - mu
    w = (pi.log() - apart.square().sum(-1) / (2 * (v + s)) - D / 2 * (v + s).log()).softmax(1)
    means = mu + (v / (v + s))[:, None] * apart
    r = (w[..., None] * means).sum(1)
    error = (w * (D * v * s / (v + s) + (means - r[:, None]).square().sum(-1))).sum(1)
    return torch.cat([r, error[:, None]], 1)


def denoiser_by_slope(x_tilde, pi, mu, sd, sigma):
    """The library's denoiser, and sigma^2 times the trace of its Jacobian, which is the posterior's total variance."""
    r = library.best_denoiser(rounds(pi, mu, sd), sigma.item() ** 2)
    trace = torch.stack([jacrev(r)(y).trace() for y in x_tilde])
    return torch.cat([r(x_tilde), sigma**2 * trace[:, None]], 1)


def denoiser_by_moments(x_tilde, pi, mu, sd, sigma):
    """E|x|^2 - |E x|^2, one point after the other."""
    out, s = [], sigma.item() ** 2
    for y in x_tilde:
        w, first, second = [], [], []
        for share, centre, width in zip(pi, mu, sd):
            v, eye = width.item() ** 2, torch.eye(len(y), dtype=y.dtype)
            w.append((share.log() + MultivariateNormal(centre, (v + s) * eye).log_prob(y)).exp().item())
            at = centre + v / (v + s) * (y - centre)
            first.append(at)
            second.append((at @ at).item() + len(y) * v * s / (v + s))
        w = torch.tensor(w, dtype=y.dtype) / sum(w)
        r = w @ torch.stack(first)
        out.append([*r.tolist(), (w @ torch.tensor(second, dtype=y.dtype) - r @ r).item()])
    return out


DENOISER = (
    denoiser_by_tensors,
    denoiser_by_slope,
    denoiser_by_moments,
    lambda *case: denoiser_by_tensors(*case)[None],
    in_float32(denoiser_by_tensors),
)


def on_paper(m, v0, sigma, y):
    s, a = sigma**2, v0 / (v0 + sigma**2)
    return torch.stack([m + a * (y - m), (m - y) / (v0 + s), a * s, (1 - a) ** 2 * v0, a * v0, a**2 * s / (1 - a**2)])


def on_paper_by_library(m, v0, sigma, y):
    s = sigma.item() ** 2
    p = GaussianMixture(torch.ones(1, dtype=m.dtype), m.reshape(1, 1), v0.reshape(1, 1, 1))
    r = library.best_denoiser(p, s)
    slope = jacrev(r)(y[None]).item()
    score = library.smoothed(p, s).score(y[None])
    numbers = s * slope, (1 - slope) ** 2 * v0.item(), slope**2 * (v0.item() + s), library.mean_chain_variance(v0.item(), s)
    return [r(y[None]).item(), score.item(), *numbers]


def on_paper_by_steps(m, v0, sigma, y):
    """The precisions of both sources, and the chain, step after step."""
    m, v, s, y = m.item(), v0.item(), sigma.item() ** 2, y.item()
    left = 1 / (1 / v + 1 / s)
    r, last = left * (m / v + y / s), v
    for _ in range(2000):
        last = (left / s) ** 2 * (last + s)
    return [r, (r - y) / s, left, (left / v) ** 2 * v, v - left, last]


PAPER = (
    on_paper,
    on_paper_by_library,
    on_paper_by_steps,
    lambda *case: [round(v, 3) for v in on_paper(*case).tolist()],
    in_float32(on_paper),
)

RIGHT = {
    "autoencoders-score": SCORE,
    "autoencoders-decay": DECAY,
    "autoencoders-sparsity": SPARSITY,
    "autoencoders-contraction": CONTRACTION,
    "autoencoders-denoising": DENOISING,
    "autoencoders-denoiser": DENOISER,
    "autoencoders-paper": PAPER,
}
