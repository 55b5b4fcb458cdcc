"""Where EM begins, k-means, and the whole fit: restarts side by side, the best of them kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count
from gmlib.mixtures.em import Parameters, Prior, Shape, diagonal, em, full, m_step, spherical, tied
from gmlib.targets import GaussianMixture


def kmeans_plus_plus(x: Tensor, K: int, restarts: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """Examples as centres: each next one with a probability proportional to its squared distance from the nearest so far.

    Args:
        x: shape ``(N, D)``.
        K: how many centres; at most N.
        restarts: R.
        generator: on the device of x.

    Returns:
        Shape ``(R, K, D)``.

    Raises:
        ValueError: on more centres than examples.

    Source: Arthur and Vassilvitskii 2007; in the book eq-mixtures-plus-plus.

    Example:
        >>> kmeans_plus_plus(torch.randn(50, 2), 3, restarts=4).shape
        torch.Size([4, 3, 2])
    """
    N = len(check_batch(x, "x"))
    if x.ndim != 2 or check_count(K, "K") > N:
        raise ValueError(f"x must have shape (N, D) with N at least K = {K}, got {tuple(x.shape)}")
    centres = x[torch.randint(N, (check_count(restarts, "restarts"), 1), generator=generator, device=x.device)]
    nearest = torch.full((restarts, N), math.inf, dtype=x.dtype, device=x.device)
    for _ in range(K - 1):
        nearest = torch.minimum(nearest, (x - centres[:, -1:]).square().sum(-1))
        weights = torch.where(nearest.sum(1, keepdim=True) > 0, nearest, 1)  # all examples taken: any will do
        new = torch.multinomial(weights, 1, generator=generator)  # eq-mixtures-plus-plus
        centres = torch.cat([centres, x[new]], 1)
    return centres


def nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """The index of the nearest centre, shape ``(R, N)``, for centres ``(R, K, D)``."""
    check_batch(x, "x", check_batch(centres, "centres").shape[-1])
    if x.ndim != 2 or centres.ndim != 3:
        raise ValueError(f"x must have shape (N, D) and centres (R, K, D), got {tuple(x.shape)} and {tuple(centres.shape)}")
    offset = x.mean(0)
    d, c = x - offset, centres - offset
    return (c.square().sum(-1).unsqueeze(1) - 2 * d @ c.mT).argmin(-1)


def lloyd(x: Tensor, centres: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """k-means: each example to its nearest centre, each centre to the mean of its examples; one that has none stays.

    Returns:
        The centres ``(R, K, D)``, and the mean squared distance to the nearest one ``(R,)``.

    Source: in the book eq-mixtures-k-means.

    Example:
        >>> lloyd(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[[0.0], [4.0]]]), 10)
        (tensor([[[0.5000],
                 [5.0000]]]), tensor([0.1667]))
    """
    offset = x.mean(0)
    for _ in range(check_count(steps, "steps")):
        r = torch.nn.functional.one_hot(nearest_centre(x, centres), centres.shape[1]).mT.to(x.dtype)
        n = r.sum(-1, keepdim=True)
        centres = torch.where(n == 0, centres, offset + r @ (x - offset) / n.clamp(min=1))  # eq-mixtures-k-means
    chosen = centres.gather(1, nearest_centre(x, centres).unsqueeze(-1).expand(-1, -1, x.shape[1]))
    return centres, (x - chosen).square().sum(-1).mean(-1)


def start(x: Tensor, K: int, restarts: int = 1, generator: torch.Generator | None = None) -> Parameters:
    """k-means++ centres, the weights of the examples nearest to each, and the covariance within these groups for all.

    Example:
        >>> start(torch.randn(50, 2), 3).pi.shape
        torch.Size([1, 3])
    """
    centres = kmeans_plus_plus(x, K, restarts, generator)
    r = torch.nn.functional.one_hot(nearest_centre(x, centres), K).mT.to(x.dtype)
    return m_step(x, r, tied)


class Fit(NamedTuple):
    """The best mixture, its mean log-likelihood in nats, and that of every restart, NaN where one broke down."""

    mixture: GaussianMixture
    log_prob: Tensor
    of_restarts: Tensor


def fit(
    x: Tensor,
    K: int,
    *,
    restarts: int = 8,
    steps: int = 200,
    tolerance: float = 1e-6,
    shape: Shape = full,
    prior: Prior | None = None,
    generator: torch.Generator | None = None,
) -> Fit:
    """EM from several k-means++ starts at once, until no restart gains more than ``tolerance`` nats in a step.

    Without a prior the likelihood of :func:`~gmlib.mixtures.full` covariances is unbounded, and a restart may fall into one
    of its infinities: it breaks down, and the best of the others is kept.

    Args:
        x: shape ``(N, D)``, N at least K.
        K: components.
        restarts, steps: how many starts, and how many rounds at most.
        tolerance: in nats, of the mean log-likelihood.
        shape, prior: as in :func:`~gmlib.mixtures.m_step`.
        generator: of the starts.

    Raises:
        ValueError: on fewer examples than components, or where every restart broke down.

    Source: in the book, in the notebook on EM.

    Example:
        >>> x = torch.cat([torch.randn(100, 1) - 4, torch.randn(100, 1) + 4])
        >>> fit(x, 2, generator=torch.Generator().manual_seed(0)).mixture.mu.shape
        torch.Size([2, 1])
    """
    last = None
    for step in em(x, start(x, K, restarts, generator), steps, shape, prior):
        if last is not None and not ((step.log_prob - last).abs() > tolerance).any():
            break
        last = step.log_prob
    if step.log_prob.isnan().all():
        raise ValueError(f"all {restarts} restarts broke down on a component without spread: give a prior, or fewer components")
    best = int(step.log_prob.nan_to_num(-math.inf).argmax())
    return Fit(step.theta.mixture(best), step.log_prob[best], step.log_prob)


def free_parameters(K: int, D: int, shape: Shape = full) -> int:
    """How many numbers a mixture of K Gaussians in D dimensions may choose.

    Raises:
        ValueError: on a shape that is none of the four.

    Source: in the book eq-mixtures-bic.

    Example:
        >>> free_parameters(3, 4)
        44
    """
    shapes = {full: D * (D + 1) // 2, tied: D * (D + 1) // 2, diagonal: D, spherical: 1}
    if shape not in shapes:
        raise ValueError(f"shape must be full, tied, diagonal or spherical, got {shape!r}")
    of_one = shapes[shape]
    return check_count(K, "K") - 1 + K * check_count(D, "D") + (of_one if shape is tied else K * of_one)


def bic(log_prob: Tensor, free: int, N: int) -> Tensor:
    """The Bayesian information criterion, -2 log-likelihood + free log N; the smaller the better.

    Args:
        log_prob: **mean** log-likelihood, as :func:`fit` gives it.
        free: :func:`free_parameters`.
        N: examples.

    Source: in the book eq-mixtures-bic.

    Example:
        >>> bic(torch.tensor(-2.0), 5, 100)
        tensor(423.0258)
    """
    return -2 * N * log_prob + check_count(free, "free") * math.log(check_count(N, "N"))  # eq-mixtures-bic
