"""Right answers to each exercise of ``vae``, of different shape: whole tensors, loops, torch.distributions, autograd, NumPy."""

import math

import numpy as np
import torch
from torch.distributions import AffineTransform, Bernoulli, Independent, MultivariateNormal, Normal
from torch.distributions import TransformedDistribution, kl_divergence
from torch.nn import functional as F

from gmlib import vae
from gmlib.vae import disentangle, vq


def standard(like):
    return Normal(torch.zeros_like(like), torch.ones_like(like))


def kl_by_loop(mu, sigma):
    out = []
    for i in range(len(mu)):
        total = 0.0
        for m, s in zip(mu[i].tolist(), sigma[i].tolist()):
            total += 0.5 * (m * m + s * s - 1) - math.log(s)
        out.append(total)
    return out


def kl_by_full_covariance(mu, sigma):
    prior = MultivariateNormal(torch.zeros_like(mu), torch.eye(mu.shape[-1], dtype=mu.dtype))
    return kl_divergence(MultivariateNormal(mu, torch.diag_embed(sigma**2)), prior)


def kl_by_quadrature(mu, sigma):
    z = torch.linspace(-40, 40, 40001, dtype=mu.dtype)
    q = Normal(mu.unsqueeze(-1), sigma.unsqueeze(-1)).log_prob(z)
    return torch.trapezoid(q.exp() * (q - Normal(0.0, 1.0).log_prob(z)), z).sum(-1)


GAUSSIAN_KL = (
    lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()).sum(-1),
    kl_by_loop,
    kl_by_full_covariance,
    kl_by_quadrature,
    lambda mu, sigma: kl_divergence(Independent(Normal(mu, sigma), 1), Independent(standard(mu), 1)),
    lambda mu, sigma: kl_divergence(Normal(mu, sigma), standard(mu)).sum(-1, keepdim=True),
    lambda mu, sigma: vae.kl_to_standard_normal(mu.float(), sigma.float()),
    lambda mu, sigma: 0.5 * (mu.numpy() ** 2 + sigma.numpy() ** 2 - 1 - 2 * np.log(sigma.numpy())).sum(1),
)


def draw_in_place(mu, log_var, eps):
    eps *= log_var.mul_(0.5).exp_()
    return mu.add_(eps)


REPARAMETERISE = (
    lambda mu, log_var, eps: mu + (log_var / 2).exp() * eps,
    lambda mu, log_var, eps: TransformedDistribution(standard(mu), AffineTransform(mu, log_var.exp().sqrt())).transforms[0](eps),
    lambda mu, log_var, eps: Normal(mu, log_var.exp().sqrt()).icdf(standard(mu).cdf(eps)),
    lambda mu, log_var, eps: [[m + math.sqrt(math.exp(v)) * e for m, v, e in zip(*r)] for r in zip(mu, log_var, eps)],
    lambda mu, log_var, eps: vae.reparameterise(mu.float(), log_var.float().mul(0.5).exp(), eps.float()),
    lambda mu, log_var, eps: (mu.requires_grad_() + (log_var / 2).exp() * eps).unsqueeze(0),
    draw_in_place,
)


def bound_by_streaming(log_w):
    top, total = log_w[0].clone(), torch.ones_like(log_w[0])
    for row in log_w[1:]:
        new = torch.maximum(top, row)
        top, total = new, total * (top - new).exp() + (row - new).exp()
    return top + (total / len(log_w)).log()


IMPORTANCE_BOUND = (
    lambda log_w: log_w.logsumexp(0) - math.log(len(log_w)),
    lambda log_w: vae.iwae(log_w),
    lambda log_w: np.logaddexp.reduce(log_w.numpy(), axis=0) - np.log(len(log_w)),
    lambda log_w: log_w.amax(0) + (log_w - log_w.amax(0)).exp().mean(0).log(),
    lambda log_w: [max(c) + math.log(math.fsum(math.exp(v - max(c)) for v in c) / len(c)) for c in log_w.T.tolist()],
    lambda log_w: log_w.float().logsumexp(0, keepdim=True) - math.log(len(log_w)),
    bound_by_streaming,
)


def loss_by_distributions(x, logits, mu, log_var):
    q, prior = Independent(Normal(mu, (log_var / 2).exp()), 1), Independent(standard(mu), 1)
    return -(Independent(Bernoulli(logits=logits), 1).log_prob(x) - kl_divergence(q, prior)).mean()


def loss_by_loop(x, logits, mu, log_var):
    total = 0.0
    for n in range(len(x)):
        for j in range(x.shape[1]):
            rho = torch.sigmoid(logits[n, j])
            total = total - torch.log(rho if x[n, j] else 1 - rho)
        for i in range(mu.shape[1]):
            total = total + 0.5 * (mu[n, i] ** 2 + torch.exp(log_var[n, i]) - 1 - log_var[n, i])
    return total / len(x)


LOSS = (
    loss_by_distributions,
    loss_by_loop,
    lambda x, logits, mu, log_var: (
        F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()
    ) / x.shape[0],
    lambda x, logits, mu, log_var: F.binary_cross_entropy_with_logits(logits, x) * x.shape[1]
    + vae.kl_to_standard_normal(mu, (log_var / 2).exp()).mean(),
    lambda x, logits, mu, log_var: loss_by_distributions(x.float(), logits.float(), mu.float(), log_var.float()).item(),
    lambda x, logits, mu, log_var: loss_by_distributions(x, logits, mu, log_var).reshape(1, 1),
)  # fmt: skip

DIVERGENCE = tuple(lambda mu, log_var, f=f: f(mu, (log_var / 2).exp()) for f in GAUSSIAN_KL)


def gradient_by_autograd(f, z, mu, sigma, b):
    mu, sigma = mu.requires_grad_(), sigma.requires_grad_()
    surrogate = ((f - b) * Normal(mu, sigma).log_prob(z)).mean()
    return torch.autograd.grad(surrogate, (mu, sigma))


def gradient_by_loop(f, z, mu, sigma, b):
    by_mu = by_sigma = 0.0
    for value, draw in zip(f.tolist(), z.tolist()):
        d = (draw - mu.item()) / sigma.item()
        by_mu += (value - b.item()) * d / sigma.item() / len(f)
        by_sigma += (value - b.item()) * (d * d - 1) / sigma.item() / len(f)
    return [by_mu, by_sigma]


def gradient_by_library(f, z, mu, sigma, b):
    return [draws.mean() for draws in vae.score_function_gradient(lambda _: f, mu, sigma, (z - mu) / sigma, b)]


SCORE_GRADIENT = (
    gradient_by_autograd,
    gradient_by_loop,
    gradient_by_library,
    lambda f, z, mu, sigma, b: torch.stack(gradient_by_autograd(f, z, mu, sigma, b)),
    lambda f, z, mu, sigma, b: np.array(gradient_by_autograd(*(v.float() for v in (f, z, mu, sigma, b)))),
)


def mean_field_by_search(P):
    log_s = torch.zeros(2, dtype=P.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_s], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=1e-10)
    zero = torch.zeros(2, dtype=P.dtype)

    def gap():
        optimizer.zero_grad()
        value = vae.kl_gaussians(zero, torch.diag(log_s.exp()), zero, torch.linalg.inv(P))
        value.backward()
        return value

    optimizer.step(gap)
    return [*log_s.detach().exp(), gap().detach()]


MEAN_FIELD = (
    mean_field_by_search,
    lambda P: (1 / P[0, 0], 1 / P[1, 1], 0.5 * (P.diagonal().log().sum() - torch.logdet(P))),
    lambda P: [round(float(v), 3) for v in mean_field_by_search(P)],
    lambda P: torch.tensor([*(1 / P.diagonal()), -0.5 * (1 - P[0, 1] ** 2 / P.diagonal().prod()).log()]),
)


def correlation_by_weights(log_q, N):
    M = len(log_q)
    log_w = torch.full((M, M), math.log((N - 1) / (N * (M - 1))), dtype=log_q.dtype).fill_diagonal_(-math.log(N))
    return ((log_q.sum(-1) + log_w).logsumexp(1) - (log_q + log_w.unsqueeze(-1)).logsumexp(1).sum(-1)).mean()


def correlation_by_probabilities(log_q, N):
    """The own example's part and the others' mean, as the weights were derived."""
    def density(q):
        own = q.diagonal(dim1=0, dim2=1)
        others = (q.sum(1).movedim(0, -1) - own) / (len(q) - 1)
        return own / N + (N - 1) / N * others

    joint, marginals = density(log_q.sum(-1).exp()), density(log_q.exp())
    return joint.log().mean() - marginals.log().sum(0).mean()


def correlation_by_loop(log_q, N):
    M, total = len(log_q), 0.0
    for i in range(M):
        w = [1 / N.item() if m == i else (1 - 1 / N.item()) / (M - 1) for m in range(M)]
        joint = sum(w[m] * math.exp(log_q[i, m].sum()) for m in range(M))
        product = np.prod([sum(w[m] * math.exp(log_q[i, m, j]) for m in range(M)) for j in range(log_q.shape[2])])
        total += math.log(joint / product) / M
    return total


def correlation_by_library(log_q, N):
    log_w = disentangle.stratified_log_weights(len(log_q), int(N), like=log_q)
    joint, marginals = disentangle.log_aggregate(log_q, log_w)
    return (joint - marginals.sum(-1)).mean().float().item()


TOTAL_CORRELATION = (
    correlation_by_weights, correlation_by_probabilities, correlation_by_loop, correlation_by_library,
)  # fmt: skip


def gradient_by_stop_gradients(z_e, codebook, grad, beta):
    """As the loss is written: a decoder whose gradient is ``grad``, and the two squares."""
    z = z_e.clone().requires_grad_()
    e = codebook[torch.cdist(z_e, codebook).argmin(-1)]
    z_q = z + (e - z).detach()
    loss = (grad * z_q).sum() + (z.detach() - e).square().sum() + beta * (z - e.detach()).square().sum()
    return torch.autograd.grad(loss, z)[0]


def gradient_by_library_loss(z_e, codebook, grad, beta):
    z = z_e.clone().requires_grad_()
    e = codebook[vq.nearest(z, codebook)]
    codebook_term, commitment = vq.vq_terms(z, e)
    ((grad * vq.straight_through(z, e)).sum() + codebook_term + beta * commitment).backward()
    return z.grad.float()


def gradient_by_hand(z_e, codebook, grad, beta):
    out = []
    for z, g in zip(z_e.tolist(), grad.tolist()):
        best = min(codebook.tolist(), key=lambda e: math.dist(z, e))
        out.append([gi + 2 * beta.item() * (zi - ei) for gi, zi, ei in zip(g, z, best)])
    return np.array(out)


STRAIGHT_THROUGH = (
    gradient_by_stop_gradients,
    gradient_by_library_loss,
    gradient_by_hand,
    lambda z_e, codebook, grad, beta: grad.add_(
        z_e - codebook[(z_e[:, None] - codebook).square().sum(-1).argmin(1)], alpha=2 * beta.item()),
)

RIGHT = {
    "vae-gaussian-kl": GAUSSIAN_KL,
    "vae-reparameterise": REPARAMETERISE,
    "vae-importance-bound": IMPORTANCE_BOUND,
    "vae-loss": LOSS,
    "vae-divergence": DIVERGENCE,
    "vae-score-gradient": SCORE_GRADIENT,
    "vae-mean-field": MEAN_FIELD,
    "vae-total-correlation": TOTAL_CORRELATION,
    "vae-straight-through": STRAIGHT_THROUGH,
}
