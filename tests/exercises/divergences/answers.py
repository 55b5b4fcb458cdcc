"""Right answers to each exercise of ``divergences``, of different shape: whole tensors, loops, SciPy, the library, NumPy."""

import math

import numpy as np
import torch
from scipy.integrate import quad
from scipy.linalg import sqrtm
from scipy.optimize import linprog, minimize_scalar
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import wasserstein_distance
from torch.nn import functional as F

from gmlib import divergences as library


def js_by_loop(p, q):
    out = []
    for one, other in zip(p.tolist(), q.tolist()):
        total = 0.0
        for a, b in zip(one, other):
            for v in (a, b):
                total += v * (math.log(v) - math.log((a + b) / 2)) / 2 if v else 0.0
        out.append(total)
    return out


def js_by_entropies(p, q):
    """The entropy of the average less the average of the entropies."""
    return library.entropy((p + q) / 2) - (library.entropy(p) + library.entropy(q)) / 2


def js_by_information(p, q):
    """Mutual information of a fair label and the outcome."""
    joint = torch.stack([p, q], 1) / 2
    product = joint.sum(-1, keepdim=True) * joint.sum(1, keepdim=True)
    return torch.xlogy(joint, joint / product).sum((1, 2))


def js_by_kl_div(p, q):
    log_m = ((p + q) / 2).log()
    return 0.5 * (F.kl_div(log_m, p, reduction="none") + F.kl_div(log_m, q, reduction="none")).sum(-1)


JS_WITH_ZEROS = (
    js_by_kl_div,
    js_by_loop,
    js_by_entropies,
    js_by_information,
    lambda p, q: library.js(p.float(), q.float()),
    lambda p, q: library.f_divergence(p, q, library.JS).unsqueeze(-1),
    lambda p, q: jensenshannon(p.numpy(), q.numpy(), axis=1) ** 2,
    lambda p, q: sum(rel_entr(law.numpy(), ((p + q) / 2).numpy()).sum(axis=1) for law in (p, q)) / 2,
)
JS = (
    lambda p, q: (p * (2 * p / (p + q)).log() + q * (2 * q / (p + q)).log()).sum(-1) / 2,
    lambda p, q: [js_by_kl_div(a[None], b[None]).item() for a, b in zip(p, q)],
    *JS_WITH_ZEROS,
)


def w1_by_programme(x, a, y, b):
    """All plans, and the cheapest."""
    n, m = len(x), len(y)
    margins = np.zeros((n + m, n * m))
    for i in range(n):
        margins[i, i * m : (i + 1) * m] = 1
    for j in range(m):
        margins[n + j, j::m] = 1
    cost = (x[:, None] - y).abs().flatten().numpy()
    return linprog(cost, A_eq=margins, b_eq=torch.cat([a, b * a.sum() / b.sum()]).numpy()).fun


def w1_by_carrying(x, a, y, b):
    """The leftmost mass to the leftmost place, until none is left."""
    (x, i), (y, j) = x.sort(), y.sort()
    left, free = a[i].tolist(), b[j].tolist()
    i = j = 0
    total = 0.0
    while i < len(x) and j < len(y):
        moved = min(left[i], free[j])
        total += moved * abs(x[i] - y[j])
        left[i], free[j] = left[i] - moved, free[j] - moved
        i, j = i + (left[i] <= 1e-12), j + (free[j] <= 1e-12)
    return total


def w1_by_cdfs(x, a, y, b):
    t = torch.cat([x, y]).sort().values
    F_at = (a * (x <= t[:, None])).sum(-1)
    G_at = (b * (y <= t[:, None])).sum(-1)
    return ((F_at - G_at).abs()[:-1] * t.diff()).sum()


W1 = (
    w1_by_programme,
    w1_by_carrying,
    w1_by_cdfs,
    lambda x, a, y, b: wasserstein_distance(x, y, a, b),
    lambda x, a, y, b: library.wasserstein_1d(x.float(), y.float(), a.float(), b.float()).reshape(1),
    lambda x, a, y, b: w1_by_cdfs(*(v.float() for v in (x, a, y, b))),
)


def w2_by_eigenvalues(mu, Sigma, m, S):
    """The product of two covariances has the eigenvalues of the sandwich."""
    roots = torch.linalg.eigvals(Sigma @ S).real.sqrt()
    return (mu - m).pow(2).sum() + torch.trace(Sigma + S) - 2 * roots.sum()


def w2_by_cholesky(mu, Sigma, m, S):
    return (mu - m).norm() ** 2 + (Sigma + S).trace() - 2 * torch.linalg.svdvals(
        torch.linalg.cholesky(S).mT @ torch.linalg.cholesky(Sigma)).sum()


def w2_by_map(mu, Sigma, m, S):
    """The mean squared way of the linear map that carries one law to the other."""
    mu, Sigma, m, S = (v.numpy() for v in (mu, Sigma, m, S))
    half = np.real(sqrtm(Sigma))
    back = np.linalg.inv(half)
    A = back @ np.real(sqrtm(half @ S @ half)) @ back
    way = A - np.eye(len(mu))
    return ((mu - m) ** 2).sum() + np.trace(way @ Sigma @ way.T)


W2_GAUSSIANS = (
    w2_by_eigenvalues,
    w2_by_cholesky,
    w2_by_map,
    lambda mu, Sigma, m, S: library.wasserstein2_gaussians(mu, Sigma, m, S),
    lambda mu, Sigma, m, S: [w2_by_cholesky(*(v.float() for v in (mu, Sigma, m, S))).item()],
)


def fenchel_by_loop(p, q, T):
    total = 0.0
    for k in range(len(T)):
        total += p[k].item() * T[k].item() - q[k].item() * math.exp(T[k].item()) / math.e
    return total


def fenchel_by_search(p, q, T):
    """The conjugate as what it is defined as: the largest t u - u log u."""
    best = [-minimize_scalar(lambda u, t=t: u * math.log(u) - t * u, bounds=(1e-9, 200), method="bounded",
                             options={"xatol": 1e-7}).fun for t in T.tolist()]  # fmt: skip
    return (p * T).sum() - (q * torch.tensor(best)).sum()


FENCHEL = (
    fenchel_by_loop,
    fenchel_by_search,
    lambda p, q, T: library.fenchel_bound(T, T, library.KL, p, q),
    lambda p, q, T: (p.float() * T.float() - q.float() * (T.float() - 1).exp()).sum().reshape(1, 1),
    lambda p, q, T: np.dot(p.numpy(), T.numpy()) - np.dot(q.numpy(), np.exp(T.numpy())) * np.exp(-1),
)


def histograms_by_quadrature(x, p, q):
    def gap(t):
        return abs(((x <= t) * (p - q)).sum().item())

    return sum(quad(gap, left + 1e-12, right - 1e-12)[0] for left, right in zip(x.tolist(), x.tolist()[1:]))


HISTOGRAMS = (
    histograms_by_quadrature,
    lambda x, p, q: wasserstein_distance(x, x, p, q),
    lambda x, p, q: ((p - q).cumsum(0)[:-1].abs() * x.diff()).sum(),
    lambda x, p, q: w1_by_programme(x, p, x, q),
    lambda x, p, q: (np.abs(np.cumsum(p.numpy() - q.numpy()))[:-1] * np.diff(x)).sum(keepdims=True),
    lambda x, p, q: library.wasserstein_1d(x.float(), x.float(), p.float(), q.float()),
)


def debiased_by_duals(x, y, eta):
    """The value of the dual at potentials that have converged."""

    def value(s, t):
        C, g = (s[:, None] - t).square(), torch.zeros_like(t)
        for _ in range(2000):
            f = -eta * (((g - C) / eta).logsumexp(1) - math.log(len(t)))
            g = -eta * (((f[:, None] - C) / eta).logsumexp(0) - math.log(len(s)))
        return f.mean() + g.mean()

    return value(x, y) - value(x, x) / 2 - value(y, y) / 2


def scaled(x, y, eta, steps=1000):
    K, v = (-(x[:, None] - y) ** 2 / eta).exp(), torch.ones_like(y)
    for _ in range(steps):
        u = 1 / (len(x) * (K @ v))
        v = 1 / (len(y) * (K.T @ u))
    return u[:, None] * K * v


def debiased_by_entropies(x, y, eta):
    """With the entropy of the plan in place of KL: the same, once it is debiased."""

    def value(s, t):
        P = scaled(s, t, eta)
        return (P * (s[:, None] - t) ** 2).sum() + eta * (P * P.log()).sum()

    return value(x, y) - 0.5 * value(x, x) - 0.5 * value(y, y)


def debiased_by_numpy(x, y, eta):
    def value(s, t):
        P = scaled(s, t, eta).numpy()
        return np.sum(P * np.subtract.outer(s.numpy(), t.numpy()) ** 2) + eta.item() * rel_entr(P, 1 / P.size).sum()

    return [value(x, y) - (value(x, x) + value(y, y)) / 2]


DEBIASED = (
    debiased_by_duals,
    debiased_by_entropies,
    debiased_by_numpy,
    lambda x, y, eta: library.sinkhorn_divergence(x[:, None], y[:, None], eta.item(), tolerance=1e-8),
    lambda x, y, eta: debiased_by_entropies(x.float(), y.float(), eta.float()),
)


def regularised(sigma, s, eta):
    cost = library.entropic_normals(torch.as_tensor(sigma), torch.as_tensor(s), eta)
    return cost.transport + eta * cost.kl, cost.transport - eta * cost.entropy


def nearest_by_search(sigma, eta, eta_large):
    """The least of the closed form over the standard deviation of the second law."""
    sigma, eta, large = sigma.item(), eta.item(), eta_large.item()

    def best(which, weight):
        found = minimize_scalar(lambda s: regularised(sigma, s, weight)[which].item(), bounds=(1e-3, 4 * sigma),
                                method="bounded", options={"xatol": 1e-9})  # fmt: skip
        return found.x**2, found.fun

    variance, value = best(0, eta)
    return [variance, value, best(1, eta)[0], *best(0, large)]


def nearest_by_rate(sigma, eta, eta_large):
    """By the mean squared distance that remains."""
    D, large = torch.minimum(eta / 2, sigma**2), torch.minimum(eta_large / 2, sigma**2)
    return (sigma**2 - D, D + eta / 2 * (sigma**2 / D).log(), sigma**2 + eta / 2, sigma**2 - large,
            large + eta_large / 2 * (sigma**2 / large).log())  # fmt: skip


NEAREST = (
    nearest_by_rate,
    nearest_by_search,
    lambda sigma, eta, eta_large: [round(float(v), 3) for v in nearest_by_rate(sigma, eta, eta_large)],
    lambda sigma, eta, eta_large: torch.stack(nearest_by_rate(sigma.float(), eta.float(), eta_large.float())),
)

RIGHT = {
    "divergences-js": JS,
    "divergences-w1": W1,
    "divergences-w2-gaussians": W2_GAUSSIANS,
    "divergences-fenchel": FENCHEL,
    "divergences-js-tables": JS_WITH_ZEROS,
    "divergences-histograms": HISTOGRAMS,
    "divergences-debiased": DEBIASED,
    "divergences-nearest": NEAREST,
}
