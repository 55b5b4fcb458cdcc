"""One Gaussian: fitted by maximum likelihood, with some entries known or left out, and with values missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_shape
from gmlib.targets import Gaussian


def fit_gaussian(x: Tensor) -> Gaussian:
    """The Gaussian of largest likelihood: the mean of the examples, and their covariance divided by N, not N - 1.

    Args:
        x: shape ``(N, D)``; the examples must span all D directions, which takes N at least D + 1.

    Raises:
        ValueError: where they do not: the likelihood then has no maximum, it grows without bound.

    Source: in the book eq-mixtures-mle.

    Example:
        >>> g = fit_gaussian(torch.tensor([[10000.0], [10001.0], [10002.0]]))
        >>> g.mu, g.Sigma
        (tensor([10001.]), tensor([[0.6667]]))
    """
    check_batch(x, "x")
    if x.ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    N, D = x.shape
    mu = x.mean(0)  # eq-mixtures-mle
    d = x - mu
    Sigma = d.T @ d / N  # eq-mixtures-mle
    rank = int(torch.linalg.matrix_rank(d))
    if rank < D:
        raise ValueError(f"x spans {rank} of its {D} dimensions: no Gaussian with a density has a largest likelihood")
    return Gaussian(mu, Sigma)


def marginal(g: Gaussian, keep: Sequence[int]) -> Gaussian:
    """The law of some entries: the others are crossed out.

    Args:
        keep: which, in the order wanted.

    Source: in the book eq-mixtures-marginal.

    Example:
        >>> marginal(Gaussian(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 1.0], [1.0, 2.0]])), [1]).Sigma
        tensor([[2.]])
    """
    keep = _entries(keep, len(g.mu), "keep")
    return Gaussian(g.mu[keep], g.Sigma[keep][:, keep])  # eq-mixtures-marginal


def condition(g: Gaussian, known: Sequence[int], values: Tensor) -> Gaussian:
    """The law of the other entries, given the values of some: the mean moves, the covariance shrinks whatever the values.

    Args:
        known: which entries are given.
        values: what they are, shape ``(len(known),)``.

    Returns:
        The Gaussian of the other entries, in their order.

    Source: in the book eq-mixtures-condition.

    Example:
        >>> given = condition(Gaussian(torch.zeros(2), torch.tensor([[2.0, 1.0], [1.0, 1.0]])), [1], torch.tensor([3.0]))
        >>> given.mu, given.Sigma
        (tensor([3.]), tensor([[1.]]))
    """
    b = _entries(known, len(g.mu), "known")
    check_batch(values, "values", len(b))
    a = [i for i in range(len(g.mu)) if i not in b]
    if not a:
        raise ValueError("known must leave at least one entry open")
    gain = torch.linalg.solve(g.Sigma[b][:, b], g.Sigma[b][:, a]).T
    mu = g.mu[a] + gain @ (values - g.mu[b])  # eq-mixtures-condition
    Sigma = g.Sigma[a][:, a] - gain @ g.Sigma[b][:, a]  # eq-mixtures-condition
    return Gaussian(mu, (Sigma + Sigma.T) / 2)


class Missing(NamedTuple):
    """Parameters after a step, and the mean log-likelihood of what was observed before it, in nats."""

    mu: Tensor
    Sigma: Tensor
    log_prob: Tensor


def em_missing(x: Tensor, steps: int) -> Iterator[Missing]:
    """EM for one Gaussian where some entries are missing at random, written as NaN; it starts from the observed entries alone.

    The E-step puts in for a missing entry its conditional mean, and keeps its conditional covariance: without that, the
    variances come out too small. It starts without correlations, and may stay at a point that is stationary and no maximum.

    Args:
        x: shape ``(N, D)``; each entry observed somewhere, each example somewhere observed.
        steps: how many.

    Raises:
        ValueError: where a column or a row is all missing.

    Source: Dempster, Laird and Rubin 1977; in the book eq-mixtures-missing.

    Example:
        >>> x = torch.tensor([[0.0, 1.0], [2.0, math.nan], [1.0, 2.5], [3.0, 2.0]])
        >>> *_, last = em_missing(x, 50)
        >>> bool(last.mu[1] > x[[0, 2, 3], 1].mean())
        True
    """
    seen = ~check_shape(x, "x").isnan()
    if x.ndim != 2 or not seen.any(0).all() or not seen.any(1).all():
        raise ValueError("x must have shape (N, D), with a value in each row and in each column")
    mu = x.nanmean(0)
    Sigma = torch.diag((x - mu).square().nanmean(0))
    patterns, of = torch.unique(seen, dim=0, return_inverse=True)
    for _ in range(check_count(steps, "steps")):
        filled, extra, total = x.clone(), torch.zeros_like(Sigma), x.new_zeros(())
        for i, pattern in enumerate(patterns):
            rows, o, m = of == i, pattern.nonzero()[:, 0], (~pattern).nonzero()[:, 0]
            S = Sigma[o][:, o]
            d = x[rows][:, o] - mu[o]
            solved = torch.linalg.solve(S, d.T).T
            total = total - 0.5 * ((d * solved).sum() + rows.sum() * (torch.logdet(S) + len(o) * math.log(2 * math.pi)))
            if len(m):
                filled[rows.nonzero(), m] = mu[m] + solved @ Sigma[o][:, m]  # eq-mixtures-missing
                left = Sigma[m][:, m] - Sigma[m][:, o] @ torch.linalg.solve(S, Sigma[o][:, m])
                extra[m[:, None], m] += rows.sum() * left  # eq-mixtures-missing
        mu = filled.mean(0)
        Sigma = ((filled - mu).T @ (filled - mu) + extra) / len(x)
        yield Missing(mu, Sigma, total / len(x))


def _entries(which: Sequence[int], D: int, name: str) -> list[int]:
    which = list(which)
    if not which or len(set(which)) < len(which) or any(i not in range(D) for i in which):
        raise ValueError(f"{name} must name different entries from 0 to {D - 1}, at least one, got {which}")
    return which
