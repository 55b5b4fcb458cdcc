"""Right answers to each exercise of ``mixtures``, of different shape: tensors, loops, NumPy, SciPy, quadrature, the library."""

import itertools
import math

import numpy as np
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

from gmlib import mixtures as library
from gmlib.targets import GaussianMixture


def in_float32(answer):
    return lambda *case: answer(*(v.float() if v.is_floating_point() else v for v in case))


# --- densities ------------------------------------------------------------------------------------------------


def log_joint(x, pi, mu, Sigma):
    return pi.log() + MultivariateNormal(mu, Sigma).log_prob(x[:, None])


def responsibilities_by_scipy(x, pi, mu, Sigma):
    joint = np.stack([p * multivariate_normal(m, S).pdf(x.numpy()) for p, m, S in zip(pi.numpy(), mu.numpy(), Sigma.numpy())], 1)
    return joint / joint.sum(1, keepdims=True)


def responsibilities_by_loop(x, pi, mu, Sigma):
    out = []
    for point in x:
        joint = []
        for p, m, S in zip(pi, mu, Sigma):
            d = point - m
            joint.append((p * torch.exp(-0.5 * d @ torch.linalg.solve(S, d)) / S.det().sqrt()).item())
        out.append([v / sum(joint) for v in joint])
    return out


RESPONSIBILITIES = (
    lambda *case: log_joint(*case).softmax(1),
    responsibilities_by_scipy,
    responsibilities_by_loop,
    lambda x, pi, mu, Sigma: library.e_step(x, library.Parameters(pi[None], mu[None], Sigma[None]))[0].exp()[0].T,
    lambda x, pi, mu, Sigma: GaussianMixture(pi, mu, Sigma).component_log_prob(x).softmax(-1)[..., None],
    in_float32(responsibilities_by_loop),
)


def log_likelihood_by_scipy(x, pi, mu, Sigma):
    with np.errstate(divide="ignore"):
        weights = np.log(pi.numpy())
    logs = np.stack([multivariate_normal(m, S).logpdf(x.numpy()) for m, S in zip(mu.numpy(), Sigma.numpy())], 1)
    return logsumexp(weights + logs, axis=1).sum()


def log_likelihood_by_whitening(x, pi, mu, Sigma):
    L = torch.linalg.cholesky(Sigma)
    total = 0.0
    for point in x:
        z = torch.linalg.solve_triangular(L, (point - mu)[..., None], upper=False)[..., 0]
        logs = [math.log(p) - 0.5 * (v @ v).item() - C.diagonal().log().sum().item() - 0.5 * len(v) * math.log(2 * math.pi)
                for p, v, C in zip(pi.tolist(), z, L) if p > 0]  # fmt: skip
        total += max(logs) + math.log(sum(math.exp(v - max(logs)) for v in logs))
    return total


LOG_LIKELIHOOD = (
    lambda *case: log_joint(*case).logsumexp(1).sum(),
    log_likelihood_by_scipy,
    log_likelihood_by_whitening,
    lambda x, pi, mu, Sigma: MixtureSameFamily(Categorical(pi), MultivariateNormal(mu, Sigma)).log_prob(x).sum()[None],
    lambda x, pi, mu, Sigma: GaussianMixture(pi, mu, Sigma).log_prob(x).sum(),
    in_float32(log_likelihood_by_whitening),
)


# --- the M-step -----------------------------------------------------------------------------------------------


def packed(pi, mu, Sigma):
    return torch.cat([pi[:, None], mu, Sigma.flatten(1)], 1)


def m_step_by_tensors(x, r, mu):
    n = r.sum(0)
    own = torch.where(n > 0, r, 1 / len(x))
    total = own.sum(0)[:, None]
    mean = own.T @ x / total
    d = x - mean[:, None]
    return packed(n / len(x), mean, torch.einsum("nk,kni,knj->kij", own, d, d) / total[..., None])


def m_step_by_numpy(x, r, mu):
    x, rows = x.numpy(), []
    for own in r.T.numpy():
        aweights = own if own.any() else np.ones_like(own)
        mean = np.average(x, axis=0, weights=aweights)
        rows.append(np.concatenate([[own.mean()], mean, np.cov(x.T, aweights=aweights, ddof=0).ravel()]))
    return np.stack(rows)


def m_step_by_moments(x, r, mu):
    """The difference of moments, which loses digits only far from zero."""
    n, rows = r.sum(0), []
    for k in range(r.shape[1]):
        w = r[:, k] / n[k] if n[k] else torch.full_like(r[:, k], 1 / len(x))
        m = w @ x
        rows.append(torch.cat([n[k : k + 1] / len(x), m, ((x * w[:, None]).T @ x - m.outer(m)).flatten()]))
    return rows


M_STEP = (
    m_step_by_tensors,
    m_step_by_numpy,
    m_step_by_moments,
    lambda x, r, mu: packed(*(part[0] for part in library.m_step(x, r.T[None]))),
    in_float32(m_step_by_tensors),
)


# --- EM's rate ------------------------------------------------------------------------------------------------


def rate_by_grid(mu, s, w):
    t = torch.linspace(-25, 25, 20001, dtype=torch.float64)
    p = w * Normal(mu, s).log_prob(t).exp() + (1 - w) * Normal(-mu, s).log_prob(t).exp()
    return (p * t**2 / torch.cosh(mu * t / s**2 + torch.logit(w) / 2) ** 2).sum() * (t[1] - t[0]) / s**2


def rate_by_information(mu, s, w):
    """One less the information in x, by the variance of the score."""
    mu, s, w = mu.item(), s.item(), w.item()

    def integrand(t):
        one, two = w * norm.pdf(t, mu, s), (1 - w) * norm.pdf(t, -mu, s)
        slope = one * (t - mu) / s**2 - two * (t + mu) / s**2
        return slope**2 / (one + two)

    return 1 - s**2 * quad(integrand, -16, 16, points=[-mu, mu], limit=200, epsabs=1e-11)[0]


def rate_by_slope(mu, s, w):
    """The derivative of EM's update at the truth, by automatic differentiation."""
    z, weights = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(120))
    m = mu.clone().requires_grad_()
    update = 0.0
    for c, share in ((mu, w), (-mu, 1 - w)):
        x = c + s * z
        update = update + share * (weights * x * torch.tanh(m * x / s**2 + torch.logit(w) / 2)).sum() / math.sqrt(2 * math.pi)
    return torch.autograd.grad(update, m)[0]


RATE = (
    rate_by_grid,
    rate_by_information,
    rate_by_slope,
    lambda mu, s, w: library.em_rate(mu.item(), s.item(), w.item()),
    in_float32(lambda mu, s, w: library.em_rate(mu.item(), s.item(), w.item()).float()),
)


# --- variances of far data ------------------------------------------------------------------------------------


def variances_two_passes(x, r):
    n = r.sum(0)[:, None]
    mean = r.T @ x / n
    return (r.T[..., None] * (x - mean[:, None]) ** 2).sum(1) / n


def variances_from_the_first(x, r):
    d, share = x - x[0], r / r.sum(0)
    return share.T @ d**2 - (share.T @ d) ** 2


def variances_by_numpy(x, r):
    return np.stack([np.diag(np.cov(x.T.numpy(), aweights=own, ddof=0).reshape(x.shape[1], -1)) for own in r.T.numpy()])


def variances_by_pairs(x, r):
    """Half of the mean squared distance between two points."""
    share = (r / r.sum(0)).T
    square = (x[:, None] - x[None]) ** 2
    return torch.einsum("kn,km,nmd->kd", share, share, square) / 2


VARIANCES = (
    variances_two_passes,
    variances_from_the_first,
    variances_by_numpy,
    variances_by_pairs,
    lambda x, r: library.m_step(x, r.T[None]).Sigma[0].diagonal(dim1=-2, dim2=-1),
    in_float32(variances_from_the_first),
    in_float32(variances_by_pairs),
)


# --- the best of several starts -------------------------------------------------------------------------------


def log_normals(x, mu):
    return Normal(mu.nan_to_num(0), 1).log_prob(x[:, None]) + torch.where(mu.isnan(), math.nan, 0) - math.log(len(mu))


def best_by_loop(x, starts, steps):
    best, found = -math.inf, None
    for mu in starts:
        for _ in range(steps):
            r = log_normals(x, mu).softmax(1)
            mu = x @ r / r.sum(0)
        value = log_normals(x, mu).logsumexp(1).sum().item()
        if value > best:
            best, found = value, [*mu.tolist(), value]
    return found


def best_at_once(x, starts, steps):
    mu = starts.clone()
    K = mu.shape[1]
    for _ in range(int(steps) + 1):
        joint = -0.5 * (x[None, :, None] - mu[:, None]) ** 2 - 0.5 * math.log(2 * math.pi) - math.log(K)
        value, at = joint.logsumexp(2).sum(1), mu
        r = joint.softmax(2)
        mu = torch.einsum("rnk,n->rk", r, x) / r.sum(1)
    best = value.nan_to_num(-math.inf).argmax()
    return torch.cat([at[best], value[best : best + 1]])


def best_by_numpy(x, starts, steps):
    x, ends = x.numpy(), []
    with np.errstate(invalid="ignore"):
        for mu in starts.numpy():
            for step in range(steps.item() + 1):
                p = norm.pdf(x[:, None], mu) / len(mu)
                value, at = np.log(p.sum(1)).sum(), mu
                r = p / p.sum(1, keepdims=True)
                mu = x @ r / r.sum(0)
            ends.append((*at, value))
    return ends[np.nanargmax([end[-1] for end in ends])]


BEST = (
    best_by_loop,
    best_at_once,
    best_by_numpy,
    lambda *case: tuple(best_at_once(*case)),
    in_float32(best_by_loop),
)


# --- on paper -------------------------------------------------------------------------------------------------


def on_paper(x, pi, mu, s):
    joint = pi.log() + Normal(mu, s).log_prob(x[:, None])
    r, log_p = joint.softmax(1), joint.logsumexp(1)
    n = r.sum(0)
    mean = x @ r / n
    variance = (r * (x[:, None] - mean) ** 2).sum(0) / n
    bound = 0.5 * (joint - math.log(0.5)).sum()
    return torch.stack([r[1, 0], n[0] / 3, mean[0], variance[0], log_p.sum(), log_p.sum() - bound])


def on_paper_by_library(x, pi, mu, s):
    theta = library.Parameters(pi[None], mu[None, :, None], s.square()[None, :, None, None])
    log_r, value = library.e_step(x[:, None], theta)
    new = library.m_step(x[:, None], log_r.exp())
    half = torch.full_like(log_r, math.log(0.5))
    value, gap = 3 * value[0], 3 * (value - library.bound(x[:, None], half, theta))[0]
    return [log_r[0, 0, 1].exp(), new.pi[0, 0], new.mu[0, 0, 0], new.Sigma[0, 0, 0, 0], value, gap]


def on_paper_by_labels(x, pi, mu, s):
    """Over all eight tables of labels: what is asked for are expectations under their posterior."""
    weights, r = {}, np.zeros(3)
    for z in itertools.product((0, 1), repeat=3):
        weights[z] = math.prod(pi[k].item() * norm.pdf(v, mu[k].item(), s[k].item()) for k, v in zip(z, x.tolist()))
    total = sum(weights.values())
    for z, p in weights.items():
        r += np.array([k == 0 for k in z]) * p / total
    mean = np.average(x.numpy(), weights=r)
    gap = -math.fsum(math.log(p / total / 0.125) for p in weights.values()) / 8
    return r[1], r.mean(), mean, np.average((x.numpy() - mean) ** 2, weights=r), math.log(total), gap


PAPER = (
    on_paper,
    on_paper_by_library,
    on_paper_by_labels,
    lambda *case: [round(v, 3) for v in on_paper(*case).tolist()],
    in_float32(on_paper),
)

RIGHT = {
    "mixtures-responsibilities": RESPONSIBILITIES,
    "mixtures-m-step": M_STEP,
    "mixtures-log-likelihood": LOG_LIKELIHOOD,
    "mixtures-rate": RATE,
    "mixtures-variances": VARIANCES,
    "mixtures-best": BEST,
    "mixtures-paper": PAPER,
}
