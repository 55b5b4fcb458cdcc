"""Wrong answers to the exercises of ``overview``, as students write them, and what is needed to try the notebook."""

import math

import torch
from torch.nn import functional as F


def squares(Sigma, mu):
    return mu @ torch.linalg.inv(Sigma) @ mu


def logit(mu_0, mu_1, Sigma, pi_1, half=0.5, log_odds=lambda p: (p / (1 - p)).log()):
    b = -half * (squares(Sigma, mu_1) - squares(Sigma, mu_0)) + log_odds(pi_1)
    return (*torch.linalg.inv(Sigma) @ (mu_1 - mu_0), b)


def logit_without_determinant(mu_0, mu_1, Sigma, pi_1):
    inverse = torch.stack([torch.stack([Sigma[1, 1], -Sigma[0, 1]]), torch.stack([-Sigma[1, 0], Sigma[0, 0]])])
    return (*inverse @ (mu_1 - mu_0), pi_1.logit() - (mu_1 @ inverse @ mu_1 - mu_0 @ inverse @ mu_0) / 2)


def logit_of_the_difference(mu_0, mu_1, Sigma, pi_1):
    w = torch.linalg.solve(Sigma, mu_1 - mu_0)
    return (*w, pi_1.logit() - w @ (mu_1 - mu_0) / 2)


def error_in_bins(posterior, y, num_bins, confidence=None, weighted=True):
    confidence = posterior.amax(-1) if confidence is None else confidence
    right = (posterior.argmax(-1) == y).double()
    gaps, weights = [], []
    for b in range(num_bins):
        inside = (confidence > b / num_bins) & (confidence <= (b + 1) / num_bins)
        if inside.any():
            gaps.append((right[inside].mean() - confidence[inside].mean()).abs())
            weights.append(inside.double().mean())
    return torch.stack(gaps) @ torch.stack(weights) if weighted else sum(gaps) / len(gaps)


def error_by_floor(posterior, y, num_bins, last=lambda bins: bins):
    confidence, predicted = posterior.max(-1)
    gap, in_bin = (predicted == y).double() - confidence, last((confidence * num_bins).long())
    return sum(gap[in_bin == b].sum().abs() for b in range(num_bins)) / len(y)


def ranked(scores, new_scores):
    return (1 + (scores <= new_scores.unsqueeze(-1)).sum(-1)) / (1 + len(scores))


def confidence(log_joint):
    return log_joint.softmax(-1).amax(-1)


# The mistakes as students write them, and not as the list of mistakes computes them.
AS_WRITTEN = {
    ("overview-base-rate", "conditional reversed"): lambda prior, sensitivity, specificity: sensitivity,
    ("overview-base-rate", "evidence forgotten"): lambda prior, sensitivity, specificity: prior * sensitivity,
    ("overview-base-rate", "one minus prior forgotten"): lambda prior, sensitivity, specificity:
        prior * sensitivity / (prior * sensitivity + 1 - specificity),
    ("overview-base-rate", "prior left out"): lambda prior, sensitivity, specificity:
        sensitivity / (sensitivity + 1 - specificity),
    ("overview-conditional-table", "normalised over the wrong axis"): lambda counts, alpha:
        (counts.sum(1) + alpha) / (counts.sum(1) + alpha).sum(0),
    ("overview-conditional-table", "joint"): lambda counts, alpha: (n := counts.sum(1) + alpha) / n.sum(),
    ("overview-conditional-table", "alpha in the numerator only"): lambda counts, alpha:
        (counts.sum(1) + alpha) / counts.sum((1, 2)).unsqueeze(1),
    ("overview-conditional-table", "alpha before summing"): lambda counts, alpha:
        (n := (counts + alpha).sum(1)) / n.sum(1, keepdim=True),
    ("overview-conditional-table", "alpha before summing, total after"): lambda counts, alpha:
        (counts + alpha).sum(1) / (counts.sum((1, 2)) + alpha * counts.shape[2]).unsqueeze(1),
    ("overview-conditional-table", "alpha for the classes"): lambda counts, alpha:
        (counts.sum(1) + alpha) / (counts.sum((1, 2)) + alpha * len(counts)).unsqueeze(1),
    ("overview-conditional-table", "mean over sources"): lambda counts, alpha:
        ((counts + alpha) / (counts + alpha).sum(-1, keepdim=True)).mean(1),
    ("overview-log-posterior", "prior left out"): lambda log_prior, log_lik: log_lik.log_softmax(-1),
    ("overview-log-posterior", "overflow"): lambda log_prior, log_lik:
        ((p := (log_prior + log_lik).exp()) / p.sum(-1, keepdim=True)).log(),
    ("overview-log-posterior", "overflow in the evidence"): lambda log_prior, log_lik:
        log_prior + log_lik - (log_prior + log_lik).exp().sum(-1, keepdim=True).log(),
    ("overview-log-posterior", "logarithm of the softmax"): lambda log_prior, log_lik:
        F.softmax(log_prior + log_lik, dim=-1).log(),
    ("overview-log-posterior", "normalised over the batch"): lambda log_prior, log_lik:
        F.log_softmax(log_prior + log_lik, dim=0),
    ("overview-log-posterior", "prior not as a logarithm"): lambda log_prior, log_lik:
        (log_prior.exp() + log_lik).log_softmax(-1),
    ("overview-shared-covariance", "overall mean"): lambda x, y: (x - x.mean(0)).T @ (x - x.mean(0)) / len(x),
    ("overview-shared-covariance", "overall mean, less one"): lambda x, y: torch.cov(x.T),
    ("overview-shared-covariance", "classes weigh alike"): lambda x, y:
        torch.stack([torch.cov(x[y == c].T, correction=0) for c in y.unique()]).mean(0),
    ("overview-shared-covariance", "classes weigh alike, less one"): lambda x, y:
        sum(torch.cov(x[y == c].T) for c in y.unique()) / len(y.unique()),
    ("overview-shared-covariance", "class size less one"): lambda x, y:
        sum((y == c).double().mean() * torch.cov(x[y == c].T) for c in y.unique()),
    ("overview-logit-weights", "half dropped"): lambda *case: logit(*case, half=1.0),
    ("overview-logit-weights", "prior left out"): lambda *case: logit(*case, log_odds=torch.zeros_like),
    ("overview-logit-weights", "log prior for log odds"): lambda *case: logit(*case, log_odds=torch.log),
    ("overview-logit-weights", "decimal logarithm"): lambda *case: logit(*case,
        log_odds=lambda p: math.log10(p / (1 - p))),
    ("overview-logit-weights", "determinant left out"): logit_without_determinant,
    ("overview-logit-weights", "difference for a sum"): logit_of_the_difference,
    ("overview-p-value", "both bugs"): lambda valid, new: ranked(confidence(new), confidence(new)),
    ("overview-p-value", "confidence for density"): lambda valid, new: ranked(confidence(valid), confidence(new)),
    ("overview-p-value", "among the new"): lambda valid, new: ranked(new.logsumexp(-1), new.logsumexp(-1)),
    ("overview-p-value", "wrong tail"): lambda valid, new: ranked(-valid.logsumexp(-1), -new.logsumexp(-1)),
    ("overview-p-value", "ties left out"): lambda valid, new:
        (1 + (valid.logsumexp(-1) < new.logsumexp(-1, keepdim=True)).sum(-1)) / (1 + len(valid)),
    ("overview-p-value", "x itself in the numerator only"): lambda valid, new:
        (1 + (valid.logsumexp(-1) <= new.logsumexp(-1, keepdim=True)).sum(-1)) / len(valid),
    ("overview-p-value", "x itself left out"): lambda valid, new:
        (valid.logsumexp(-1) <= new.logsumexp(-1, keepdim=True)).double().mean(-1),
    ("overview-calibration-error", "both bugs"): lambda posterior, y, num_bins: error_in_bins(
        posterior, y, num_bins, posterior[torch.arange(len(y)), y], weighted=False),
    ("overview-calibration-error", "probability of the true class"): lambda posterior, y, num_bins: error_in_bins(
        posterior, y, num_bins, posterior[torch.arange(len(y)), y]),
    ("overview-calibration-error", "bins not weighted"): lambda posterior, y, num_bins: error_in_bins(
        posterior, y, num_bins, weighted=False),
    ("overview-calibration-error", "confidence 1 lost"): error_by_floor,
    ("overview-calibration-error", "lower edge for the upper"): lambda posterior, y, num_bins: error_by_floor(
        posterior, y, num_bins, lambda bins: bins.clamp(max=num_bins - 1)),
    ("overview-calibration-error", "one bin"): lambda posterior, y, num_bins:
        ((posterior.argmax(-1) == y).double().mean() - posterior.amax(-1).mean()).abs(),
    ("overview-calibration-error", "each example by itself"): lambda posterior, y, num_bins:
        ((posterior.argmax(-1) == y).double() - posterior.amax(-1)).abs().mean(),
    ("overview-conditional-weights", "label filter"): lambda posterior, c:
        (kept := (posterior.argmax(-1) == c).double()) / kept.sum(),
    ("overview-conditional-weights", "not normalised"): lambda posterior, c: posterior[:, c],
    ("overview-conditional-weights", "softmax of probabilities"): lambda posterior, c: posterior[:, c].softmax(0),
    ("overview-conditional-weights", "all classes"): lambda posterior, c: posterior / posterior.sum(0),
}  # fmt: skip

# What students hand in, and what the checker has to say about it.
WRONG = {
    "overview-base-rate": (
        "def probability_ill(prior, sensitivity, specificity):\n    return sensitivity * prior",
        "not yet divided by the probability of a positive test", "还没有除以检测呈阳性的概率"),
    "overview-log-posterior": (
        "def log_posterior(log_prior, log_lik):\n    return (log_prior + log_lik).softmax(-1).log()",
        "its logarithm comes too late", "但对数取得太晚"),
    "overview-p-value": (
        "def p_value(valid, new):\n    density = new.logsumexp(-1)\n"
        "    return (1 + (density <= density.unsqueeze(-1)).sum(-1)) / (len(new) + 1)",
        "still among the new examples", "仍在新样本之间比较"),
    "overview-calibration-error": (
        "def calibration_error(posterior, y, num_bins):\n    confidence, predicted = posterior.max(-1)\n"
        "    return ((predicted == y).double().mean() - confidence.mean()).abs()",
        "as if all examples were in one bin", "等于把所有样本放进一个箱"),
}  # fmt: skip
# A function whose notebook cell also puts a checker of its own in the place of ours.
CHEATED = ("overview-conditional-table", "def conditional_table(counts, alpha):\n    return counts.sum(1)")
# What is made smaller so that the notebook runs quickly.
QUICK = (("20_000", "400"), ("(5, 10, 20, 40)", "(5, 10)"), ("classifier_of, (1, 2, 3)", "classifier_of, (1, 2)"))

# Changes of a specification that no input can show, with the reason.
EQUIVALENT = {
    "overview-shared-covariance": {"shared_covariance: x[0] -> x[1]"},  # all examples are of one length
}
