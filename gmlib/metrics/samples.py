"""How samples are judged where the model has no density: by distances between two samples, and by counting modes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive


def mmd2(x: Tensor, y: Tensor, bandwidth: float) -> Tensor:
    """The squared maximum mean discrepancy of two laws, estimated without bias from draws; it may be negative.

    The kernel is Gaussian, ``exp(-|x - y|^2 / (2 bandwidth^2))``. The mean over pairs leaves out the pairs of a draw with
    itself: they would add ``1/n + 1/m`` less a little.

    Args:
        x, y: draws of either law, shapes ``(*batch, n, d)`` and ``(*batch, m, d)``, n and m at least 2.
        bandwidth: the kernel's scale, in units of x.

    Returns:
        Shape ``batch``, without units.

    Raises:
        ValueError: on shapes that do not fit, fewer than two draws, a NaN, or a bandwidth that is not positive.

    Source: Gretton et al. 2012, equation 3; in the book eq-gan-mmd.

    Example:
        >>> x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [2.0], [2.0]])
        >>> mmd2(x, y, bandwidth=1.0)
        tensor(-0.5764)
    """
    if check_batch(x, "x").ndim < 2 or x.shape[-2] < 2:
        raise ValueError(f"x must have shape (..., n, d) with n at least 2, got {tuple(x.shape)}")
    check_batch(y, "y", *y.shape[-2:-1], x.shape[-1])
    if y.ndim < 2 or y.shape[-2] < 2:
        raise ValueError(f"y must have shape (..., m, d) with m at least 2, got {tuple(y.shape)}")
    check_positive(bandwidth, "bandwidth")

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() / (2 * bandwidth**2)).exp()

    def within(a: Tensor) -> Tensor:
        n, k = a.shape[-2], kernel(a, a)
        return (k.sum((-2, -1)) - n) / (n * (n - 1))  # k(x, x) = 1

    return within(x) + within(y) - 2 * kernel(x, y).mean((-2, -1))  # eq-gan-mmd


class Modes(NamedTuple):
    """How many modes a sample has, and the share of its points that lie near one of them; shape of the batch each."""

    captured: Tensor
    good: Tensor


def count_modes(x: Tensor, mu: Tensor, sigma: float, share: float = 0.25) -> Modes:
    """Count the round modes that a sample holds.

    A point is good if it lies within ``3 sigma`` of a centre; a mode is captured if at least ``share`` of its fair
    part, n / K points, lie so near. A perfect sampler of Gaussians in the plane has ``1 - exp(-4.5)`` = 0.989 good points.

    Args:
        x: the sample, shape ``(*batch, n, d)``.
        mu: the centres, shape ``(K, d)``, more than ``6 sigma`` apart.
        sigma: standard deviation of each mode, in units of x.
        share: between 0 and 1.

    Raises:
        ValueError: on shapes that do not fit, a NaN, a sigma that is not positive, or a share outside (0, 1].

    Example:
        >>> mu = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
        >>> count_modes(torch.tensor([[0.1, 0.0], [0.0, 0.2], [2.0, 0.0], [0.3, 0.0]]), mu, sigma=0.2)
        Modes(captured=tensor(1), good=tensor(0.7500))
    """
    if check_batch(mu, "mu").ndim != 2:
        raise ValueError(f"mu must have shape (K, d), got {tuple(mu.shape)}")
    if check_batch(x, "x", mu.shape[1]).ndim < 2:
        raise ValueError(f"x must have shape (..., n, d), got {tuple(x.shape)}")
    check_positive(sigma, "sigma")
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share!r}")
    near = torch.cdist(x, mu.expand(*x.shape[:-2], *mu.shape)) <= 3 * sigma
    enough = near.sum(-2) >= share * x.shape[-2] / len(mu)
    return Modes(enough.sum(-1), near.any(-1).to(x.dtype).mean(-1))


class TwoSample(NamedTuple):
    """A classifier's accuracy on held-out points, and how often as much is reached where both laws are equal."""

    accuracy: Tensor
    p_value: Tensor


def classifier_two_sample_test(x: Tensor, y: Tensor, neighbours: int = 15, generator: torch.Generator | None = None) -> TwoSample:
    """Can a classifier tell two samples apart? By the majority of the nearest neighbours, learned on one half, tested on the other.

    Where both laws are equal, the accuracy has mean 1/2 and a variance of at most 1/(4 n) over the n held-out points, as many
    of either law: the classifier, which is fixed before, says the same of both. The p-value is that of a Gaussian with the
    largest variance, one-sided.

    Args:
        x, y: as many draws of either law, shape ``(n, d)`` each, n at least ``2 * neighbours``.
        neighbours: an odd number.
        generator: decides the halves.

    Raises:
        ValueError: on samples of different shape or too small, a NaN, or an even number of neighbours.

    Source: Lopez-Paz and Oquab 2017.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 2, generator=g)
        >>> classifier_two_sample_test(x, x + 9, generator=g).accuracy
        tensor(1.)
    """
    if check_batch(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (n, d), got {tuple(x.shape)}")
    check_batch(y, "y", *x.shape)
    if check_count(neighbours, "neighbours") % 2 == 0 or len(x) < 2 * neighbours:
        raise ValueError(f"neighbours must be odd and at most half of the {len(x)} draws, got {neighbours}")
    order = torch.randperm(len(x), generator=generator, device=x.device)
    (x_train, x_test), (y_train, y_test) = (z[order].tensor_split([len(x) // 2]) for z in (x, y))
    train, test = torch.cat([x_train, y_train]), torch.cat([x_test, y_test])
    nearest = torch.cdist(test, train).topk(neighbours, largest=False).indices
    says_y = (nearest >= len(x_train)).sum(-1) * 2 > neighbours
    is_y = torch.arange(len(test), device=x.device) >= len(x_test)
    accuracy = (says_y == is_y).to(x.dtype).mean()
    z = (accuracy - 0.5) * 2 * math.sqrt(len(test))
    return TwoSample(accuracy, torch.special.log_ndtr(-z).exp())
