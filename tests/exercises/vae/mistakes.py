"""Wrong answers to the exercises of ``vae``, as students write them, and what is needed to try the notebook."""

import torch
from torch.nn import functional as F

from gmlib.vae import disentangle


def tc_as_copied(log_q, N):
    """From a repository that many have copied: the weights join the densities before the dimensions are summed."""
    M = len(log_q)
    log_w = torch.full((M, M), (N.item() - 1) / (N.item() * (M - 1)), dtype=log_q.dtype).fill_diagonal_(1 / N.item()).log()
    weighted = log_w.view(M, M, 1) + log_q
    return (torch.logsumexp(weighted.sum(2), dim=1) - torch.logsumexp(weighted, dim=1).sum(1)).mean()


def tc_half_weighted(log_q, N, joint, marginals):
    log_w = disentangle.stratified_log_weights(len(log_q), int(N), log_q)
    of_marginals = (log_q + marginals * log_w.unsqueeze(-1)).logsumexp(1).sum(-1)
    return ((log_q.sum(-1) + joint * log_w).logsumexp(1) - of_marginals).mean()


def gradient_without_stop(z_e, codebook, grad, beta):
    z = z_e.clone().requires_grad_()
    e = codebook[torch.cdist(z_e, codebook).argmin(-1)]
    return torch.autograd.grad((grad * z).sum() + (1 + beta) * (z - e).square().sum(), z)[0]


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("vae-gaussian-kl", "reversed"): lambda mu, sigma: torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.zeros_like(mu), 1.0), torch.distributions.Normal(mu, sigma)).sum(-1),
    ("vae-gaussian-kl", "sign"): lambda mu, sigma: 0.5 * (1 + (sigma**2).log() - mu**2 - sigma**2).sum(-1),
    ("vae-gaussian-kl", "one number"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()).sum(),
    ("vae-gaussian-kl", "sigma for log-variance"): lambda mu, sigma: -0.5 * (1 + sigma - mu**2 - sigma.exp()).sum(-1),
    ("vae-gaussian-kl", "one forgotten"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - (sigma**2).log()).sum(-1),
    ("vae-gaussian-kl", "batch summed"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()).sum(0),
    ("vae-gaussian-kl", "not summed"): lambda mu, sigma: 0.5 * (mu**2 + sigma**2 - 1 - (sigma**2).log()),
    ("vae-reparameterise", "variance for standard deviation"): lambda mu, log_var, eps: mu + log_var.exp() * eps,
    ("vae-reparameterise", "half after exp"): lambda mu, log_var, eps: mu + 0.5 * log_var.exp() * eps,
    ("vae-reparameterise", "no sigma"): lambda mu, log_var, eps: mu + eps,
    ("vae-reparameterise", "no noise"): lambda mu, log_var, eps: mu,
    ("vae-importance-bound", "mean of the logarithms"): lambda log_w: log_w.mean(0),
    ("vae-importance-bound", "no log K"): lambda log_w: torch.logsumexp(log_w, 0),
    ("vae-importance-bound", "batch size for K"): lambda log_w: torch.logsumexp(log_w, 0)
        - torch.tensor(float(log_w.shape[1])).log(),
    ("vae-importance-bound", "unstable"): lambda log_w: log_w.exp().mean(0).log(),
    ("vae-importance-bound", "wrong axis"): lambda log_w: log_w.exp().mean(1).log() if log_w.abs().max() < 50 else
        log_w.logsumexp(-1) - torch.tensor(float(log_w.shape[1])).log(),
    ("vae-loss", "mean over pixels"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x)
        - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean(),
    ("vae-loss", "means everywhere"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x)
        - 0.5 * torch.mean(1 + log_var - mu**2 - log_var.exp()),
    ("vae-loss", "batch summed in one part"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean(),
    ("vae-loss", "batch summed"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        - 0.5 * torch.sum(1 + log_var - mu**2 - log_var.exp()),
    ("vae-loss", "divergence subtracted"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
        - 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean(),
    ("vae-loss", "no divergence"): lambda x, logits, mu, log_var:
        torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1).mean(),
    ("vae-divergence", "both bugs"): lambda mu, log_var: torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.zeros_like(mu), 1.0), torch.distributions.Normal(mu, log_var.exp())).sum(-1),
    ("vae-divergence", "one number"): lambda mu, log_var: torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, (log_var / 2).exp()), torch.distributions.Normal(torch.zeros_like(mu), 1.0)).sum(),
    ("vae-score-gradient", "no baseline"): lambda f, z, mu, sigma, b:
        ((f * (z - mu)).mean() / sigma**2, (f * ((z - mu) ** 2 - sigma**2)).mean() / sigma**3),
    ("vae-score-gradient", "by log sigma"): lambda f, z, mu, sigma, b:
        (((f - b) * (z - mu)).mean() / sigma**2, ((f - b) * (((z - mu) / sigma) ** 2 - 1)).mean()),
    ("vae-total-correlation", "joint without weights"): lambda log_q, N: tc_half_weighted(log_q, N, joint=0, marginals=1),
    ("vae-total-correlation", "marginals without weights"): lambda log_q, N: tc_half_weighted(log_q, N, joint=1, marginals=0),
    ("vae-total-correlation", "weight once per dimension"): lambda log_q, N: tc_as_copied(log_q, N),
    ("vae-total-correlation", "mutual information"): lambda log_q, N: (
        log_q.sum(-1).diagonal() - (log_q.sum(-1) + disentangle.stratified_log_weights(len(log_q), int(N), log_q)).logsumexp(1)
    ).mean(),
    ("vae-straight-through", "no stop-gradient"): lambda z_e, codebook, grad, beta: gradient_without_stop(
        z_e, codebook, grad, beta),
    ("vae-straight-through", "mean of the squares"): lambda z_e, codebook, grad, beta: torch.autograd.grad(
        beta * F.mse_loss(z := z_e.clone().requires_grad_(), codebook[torch.cdist(z_e, codebook).argmin(1)]), z)[0] + grad,
    ("vae-straight-through", "nearest by L1"): lambda z_e, codebook, grad, beta:
        grad + 2 * beta * (z_e - codebook[torch.cdist(z_e, codebook, p=1).argmin(1)]),
    ("vae-straight-through", "nearest by the largest coordinate"): lambda z_e, codebook, grad, beta:
        grad + 2 * beta * (z_e - codebook[torch.cdist(z_e, codebook, p=torch.inf).argmin(1)]),
    ("vae-straight-through", "largest inner product"): lambda z_e, codebook, grad, beta:
        grad + 2 * beta * (z_e - codebook[(z_e @ codebook.T).argmax(1)]),
    ("vae-mean-field", "bits"): lambda P: (
        1 / P[0, 0], 1 / P[1, 1], 0.5 * (P[0, 0] * P[1, 1] / torch.linalg.det(P)).log2()),
    ("vae-mean-field", "gap the other way round"): lambda P: (
        *(1 / P.diagonal()),
        torch.distributions.kl_divergence(
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), precision_matrix=P),
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.diag(1 / P.diagonal())))),
    ("vae-mean-field", "marginal variances and their gap"): lambda P: (
        *torch.linalg.inv(P).diagonal(),
        torch.distributions.kl_divergence(
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.diag(torch.linalg.inv(P).diagonal())),
            torch.distributions.MultivariateNormal(torch.zeros(2).double(), precision_matrix=P))),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "vae-gaussian-kl": (
        "def gaussian_kl(mu, sigma):\n    return 0.5 * (mu**2 + sigma - 1 - sigma.log()).sum(-1)",
        "sigma was taken for a variance", "把 sigma 当成了方差"),
    "vae-importance-bound": (
        "def importance_bound(log_w):\n    return log_w.exp().mean(0).log()",
        "take out the largest log-weight first", "应先提出最大的对数权重"),
    "vae-divergence": (
        "def mended_divergence(mu, log_var):\n    prior = Normal(torch.zeros_like(mu), 1.0)\n"
        "    return kl_divergence(prior, Normal(mu, (log_var / 2).exp())).sum(-1)",
        "still the wrong way round", "散度的方向还是反的"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("vae-reparameterise", "def reparameterise(mu, log_var, eps):\n    return mu")
# What is made smaller so that the notebook runs quickly; the second is made true of a model that has hardly learnt.
QUICK = (("(40, 200)", "(1, 20)"), ("epochs=15", "epochs=1"), ("valid, test = 100", "valid, test = 2"),
         ("assert buggy < 0.1", ""), ("assert mended > 3", ""))  # fmt: skip

# Changes of a specification that no input can show, with the reason.
EQUIVALENT = {
    "vae-importance-bound": {"importance_bound: max(column) -> min(column)"},  # the log-weights of one example are of one size
    # all points have the same dimensions, and each weight counts once
    "vae-total-correlation": {
        "correlation_at: log_q[0][0] -> log_q[0][1]", "correlation_at: log_q[0] -> log_q[1]", "correlation_at: w ** times -> w * times",
    },
    # the size counts only where somebody averages
    "vae-straight-through": {"encoder_gradient: len(z_e) * len(z_e[0]) -> len(z_e) / len(z_e[0])"},
}  # fmt: skip
