"""Right answers to each exercise of ``overview``, of different shape: tensors, loops, distributions, libraries."""

import math
from fractions import Fraction

import numpy as np
import torch
from scipy.stats import norm
from sklearn.covariance import empirical_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.distributions import Categorical, MultivariateNormal
from torch.nn import functional as F

from gmlib.overview.discriminant import GaussianDiscriminant, fit_gaussian_discriminant


def ill_by_table(prior, sensitivity, specificity):
    """The joint table of illness and result, its column of positives normalised."""
    result = torch.stack([sensitivity, 1 - specificity])
    joint = result * torch.stack([prior, 1 - prior])
    return (joint / joint.sum(0))[0]


def ill_by_fractions(prior, sensitivity, specificity):
    out = []
    for p, s, t in zip(prior.tolist(), sensitivity.tolist(), specificity.tolist()):
        p, s, t = Fraction(p), Fraction(s), Fraction(t)
        out.append(float(p * s / (p * s + (1 - p) * (1 - t))))
    return out


BASE_RATE = (
    lambda prior, found, cleared: prior * found / (prior * found + (1 - prior) * (1 - cleared)),
    lambda prior, found, cleared: torch.sigmoid(prior.logit() + found.log() - (1 - cleared).log()),
    lambda prior, found, cleared: 1 / (1 + (1 / prior.numpy() - 1) * (1 - cleared.numpy()) / found.numpy()),
    lambda prior, found, cleared: ill_by_table(prior.float(), found.float(), cleared.float()),
    ill_by_table,
    ill_by_fractions,
)


def table_by_counting(counts, alpha):
    """Each count becomes that many examples, and each example is counted."""
    C, sources, V = counts.shape
    examples = [(c, v) for c in range(C) for s in range(sources) for v in range(V) for _ in range(int(counts[c, s, v]))]
    row = [sum(c == k for k, _ in examples) + V * alpha.item() for c in range(C)]
    return [[(examples.count((c, v)) + alpha.item()) / row[c] for v in range(V)] for c in range(C)]


def table_by_dirichlet(counts, alpha):
    """The mean of the posterior under a symmetric Dirichlet prior."""
    n = counts.sum(1)
    return torch.stack([torch.distributions.Dirichlet(row + alpha).mean for row in n])


CONDITIONAL_TABLE = (
    lambda counts, alpha: (counts.sum(1) + alpha) / (counts.sum((1, 2)) + alpha * counts.shape[2]).unsqueeze(1),
    lambda counts, alpha: F.normalize(counts.sum(1) + alpha, p=1, dim=1),
    lambda counts, alpha: (np.einsum("csv->cv", counts.numpy()) + alpha.item()) / np.sum(
        np.einsum("csv->cv", counts.numpy()) + alpha.item(), axis=1, keepdims=True),
    lambda counts, alpha: Categorical(probs=counts.float().sum(1) + alpha.float()).probs,
    table_by_counting,
    table_by_dirichlet,
)  # fmt: skip


def posterior_by_pairs(log_prior, log_lik):
    """p(y|x) = 1 / sum_c p(x, c) / p(x, y): nothing but differences of log-joints."""
    joint = log_prior + log_lik
    return -(joint.unsqueeze(1) - joint.unsqueeze(2)).logsumexp(2)


def posterior_by_loop(log_prior, log_lik):
    out = []
    for row in log_lik.tolist():
        joint = [a + b for a, b in zip(row, log_prior.tolist())]
        rest = math.fsum(math.exp(v - max(joint)) for v in joint)
        out.append([v - max(joint) - math.log(rest) for v in joint])
    return out


def posterior_by_numpy(log_prior, log_lik):
    joint = log_prior.numpy() + log_lik.numpy()
    return joint - np.logaddexp.reduce(joint, axis=1, keepdims=True)


def posterior_by_cross_entropy(log_prior, log_lik):
    C = len(log_prior)
    each = torch.arange(C).expand(len(log_lik), C)
    return -F.cross_entropy((log_lik + log_prior).unsqueeze(-1).expand(-1, C, C), each, reduction="none")


LOG_POSTERIOR = (
    lambda log_prior, log_lik: (log_lik + log_prior).log_softmax(-1),
    lambda log_prior, log_lik: log_lik + log_prior - (log_lik + log_prior).logsumexp(-1, keepdim=True),
    lambda log_prior, log_lik: Categorical(logits=log_lik + log_prior).logits,
    lambda log_prior, log_lik: (log_lik.float() + log_prior.float()).log_softmax(1),
    posterior_by_numpy,
    posterior_by_cross_entropy,
    posterior_by_pairs,
    posterior_by_loop,
)


def covariance_by_loop(x, y):
    total = torch.zeros(x.shape[1], x.shape[1], dtype=x.dtype)
    for c in y.unique():
        of_class = x[y == c]
        for row in of_class - of_class.mean(0):
            total += torch.outer(row, row)
    return total / len(x)


def covariance_by_moments(x, y):
    """E[x x^T] less the mean outer product of the class means."""
    Y = F.one_hot(y).to(x.dtype)
    mu = torch.linalg.lstsq(Y, x).solution
    return (x.T @ x - (Y @ mu).T @ (Y @ mu)) / len(x)


def covariance_by_sklearn(x, y):
    return LinearDiscriminantAnalysis(solver="lsqr").fit(x.numpy(), y.numpy()).covariance_


SHARED_COVARIANCE = (
    covariance_by_loop,
    covariance_by_moments,
    covariance_by_sklearn,
    lambda x, y: fit_gaussian_discriminant(x, y, int(y.max()) + 1, shared=True).Sigma[0],
    lambda x, y: sum(torch.cov(x[y == c].T, correction=0) * (y == c).float().mean() for c in y.unique()),
    lambda x, y: sum((y == c).sum().item() * empirical_covariance(x[y == c].numpy()) for c in y.unique()) / len(y),
)


def weights_by_evaluation(mu_0, mu_1, Sigma, pi_1):
    """The logit is linear in x, so its values at three points give it."""
    points = torch.tensor([[0.0, 0], [1, 0], [0, 1]], dtype=mu_0.dtype)
    p0, p1 = (MultivariateNormal(mu, Sigma).log_prob(points) for mu in (mu_0, mu_1))
    logit = p1 - p0 + pi_1.logit()
    return torch.stack([logit[1] - logit[0], logit[2] - logit[0], logit[0]])


def weights_by_autograd(mu_0, mu_1, Sigma, pi_1):
    model = GaussianDiscriminant(torch.stack([1 - pi_1, pi_1]).log(), torch.stack([mu_0, mu_1]), Sigma.expand(2, 2, 2))
    x = torch.zeros(2, dtype=mu_0.dtype, requires_grad=True)
    log_p = model.log_posterior(x)
    logit = log_p[1] - log_p[0]
    return (*torch.autograd.grad(logit, x)[0], logit)


def weights_by_whitening(mu_0, mu_1, Sigma, pi_1):
    """In coordinates in which Sigma is the identity, with SciPy's one-dimensional Gaussian."""
    A = np.linalg.inv(np.linalg.cholesky(Sigma.numpy()))
    a, b = A @ mu_0.numpy(), A @ mu_1.numpy()
    bias = norm.logpdf(0, b).sum() - norm.logpdf(0, a).sum() + math.log(pi_1 / (1 - pi_1))
    return np.append(A.T @ (b - a), bias)


LOGIT_WEIGHTS = (
    weights_by_evaluation,
    weights_by_autograd,
    weights_by_whitening,
    lambda *case: [round(float(v), 3) for v in weights_by_evaluation(*case)],
    lambda mu_0, mu_1, Sigma, pi_1: torch.cat([w := torch.linalg.solve(Sigma, mu_1 - mu_0),
                                               (pi_1.logit() - w @ (mu_0 + mu_1) / 2).reshape(1)]),
)  # fmt: skip


def p_by_sorting(valid, new):
    ordered = valid.logsumexp(-1).sort().values
    return (torch.searchsorted(ordered, new.logsumexp(-1), right=True) + 1) / (len(valid) + 1)


def p_by_numpy(valid, new):
    known, own = (np.exp(table.numpy()).sum(1) for table in (valid, new))
    return 1 - (known[:, None] > own).sum(0) / (len(known) + 1)


def p_by_loop(valid, new):
    density = [math.fsum(math.exp(v) for v in row) for row in valid.tolist()]
    out = []
    for row in new.tolist():
        own = math.fsum(math.exp(v) for v in row)
        among = [*density, own]
        out.append(sum(d <= own for d in among) / len(among))
    return out


P_VALUE = (
    lambda valid, new: (1 + (valid.logsumexp(-1) <= new.logsumexp(-1, keepdim=True)).sum(-1)) / (1 + len(valid)),
    p_by_numpy,
    lambda valid, new: p_by_sorting(valid.float(), new.float()).float(),
    p_by_sorting,
    p_by_loop,
)


def error_by_one_hot(posterior, y, num_bins):
    """All bins at once: in each, the sum of right less confidence; a bin's size cancels against its weight."""
    confidence, predicted = posterior.max(-1)
    member = F.one_hot((confidence * num_bins).ceil().long() - 1, int(num_bins)).to(posterior.dtype)
    return (((predicted == y).to(posterior.dtype) - confidence) @ member).abs().sum() / len(y)


def error_by_histogram(posterior, y, num_bins):
    """NumPy's bins hold their lower edge, so they are those of minus the confidence."""
    confidence, right = -posterior.numpy().max(1), (posterior.numpy().argmax(1) == y.numpy()) * 1.0
    edges = np.linspace(-1, 0, int(num_bins) + 1)
    size, accurate, confident = (np.histogram(confidence, edges, weights=w)[0] for w in (None, right, confidence))
    used = size > 0
    return float(np.average(np.abs(accurate[used] / size[used] + confident[used] / size[used]), weights=size[used]))


def error_by_loop(posterior, y, num_bins):
    total = 0.0
    for b in range(num_bins):
        chosen = [(row.max(), row.argmax() == c) for row, c in zip(posterior, y) if b < row.max() * num_bins <= b + 1]
        if chosen:
            accuracy = sum(bool(right) for _, right in chosen) / len(chosen)
            confidence = sum(p.item() for p, _ in chosen) / len(chosen)
            total += abs(accuracy - confidence) * len(chosen) / len(y)
    return total


def error_by_scatter(posterior, y, num_bins):
    posterior = posterior.float()
    gap = posterior.gather(1, posterior.argmax(1, keepdim=True)).squeeze(1) - (posterior.argmax(1) == y).float()
    bins = torch.bucketize(posterior.amax(1), torch.linspace(0, 1, int(num_bins) + 1))
    return torch.zeros(int(num_bins) + 2).index_add(0, bins, gap).abs().sum() / len(y)


CALIBRATION_ERROR = (error_by_one_hot, error_by_histogram, error_by_loop, error_by_scatter)


def weights_by_bayes(posterior, c):
    """p(x | y=c) / p(x) at each draw, with p(y=c) from the same draws, and one S-th of it."""
    ratio = posterior[:, c] / posterior.mean(0)[c]
    return ratio / len(posterior)


CONDITIONAL_WEIGHTS = (
    weights_by_bayes,
    lambda posterior, c: posterior[:, c] / posterior[:, c].sum(),
    lambda posterior, c: posterior.log().softmax(0)[:, c],
    lambda posterior, c: [row[c] / sum(r[c] for r in posterior.tolist()) for row in posterior.tolist()],
    lambda posterior, c: F.normalize(posterior.float(), p=1, dim=0)[:, c].numpy(),
    lambda posterior, c: Categorical(probs=posterior.T[c]).probs,
)

RIGHT = {
    "overview-base-rate": BASE_RATE,
    "overview-conditional-table": CONDITIONAL_TABLE,
    "overview-log-posterior": LOG_POSTERIOR,
    "overview-shared-covariance": SHARED_COVARIANCE,
    "overview-logit-weights": LOGIT_WEIGHTS,
    "overview-p-value": P_VALUE,
    "overview-calibration-error": CALIBRATION_ERROR,
    "overview-conditional-weights": CONDITIONAL_WEIGHTS,
}
