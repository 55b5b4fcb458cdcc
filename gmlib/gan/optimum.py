"""The game on laws that are known: tables of probabilities, the best discriminator, the value."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.core import check_batch
from gmlib.divergences.finite import check_pair


def optimal_discriminator(p_data: Tensor, p_theta: Tensor) -> Tensor:
    """D*(x) = p_data(x) / (p_data(x) + p_theta(x)); where both are zero any value is as good, and it is 1/2.

    Args:
        p_data, p_theta: densities or probabilities at the same points, never negative, shapes that broadcast.

    Raises:
        ValueError: on a NaN or a negative value.

    Source: Goodfellow et al. 2014, proposition 1; in the book eq-gan-optimal.

    Example:
        >>> optimal_discriminator(torch.tensor([0.3, 0.7, 0.0]), torch.tensor([0.9, 0.0, 0.0]))
        tensor([0.2500, 1.0000, 0.5000])
    """
    for p, name in ((p_data, "p_data"), (p_theta, "p_theta")):
        if (check_batch(p, name) < 0).any():
            raise ValueError(f"{name} must not be negative, got {p.min().item():.6g}")
    both = p_data + p_theta
    return torch.where(both > 0, p_data / torch.where(both > 0, both, 1.0), 0.5)  # eq-gan-optimal


def value(D: Tensor, p_data: Tensor, p_theta: Tensor) -> Tensor:
    """V(D, G), the mean of log D under the data's law and of log(1 - D) under the generator's.

    Args:
        D: a discriminator's probabilities at K points, between 0 and 1, shape ``(*batch, K)``.
        p_data, p_theta: laws on the same points, shape ``(*batch, K)``.

    Returns:
        Nats, shape ``batch``; minus infinity where D is certain and wrong: also where it only rounds to 1 and p_theta is
        not zero, so for laws of very unequal tails take :func:`~gmlib.gan.discriminator_loss`.

    Raises:
        ValueError: if D leaves [0, 1], one of the laws is no law, or on shapes that do not fit.

    Source: Goodfellow et al. 2014, equation 1; in the book eq-gan-value.

    Example:
        >>> value(torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8]), torch.tensor([0.6, 0.4]))
        tensor(-1.3863)
    """
    check_pair(p_data, p_theta)
    check_batch(D, "D", p_data.shape[-1])
    if (D < 0).any() or (D > 1).any():
        raise ValueError(f"D must lie in [0, 1], got {D.min().item():.6g} to {D.max().item():.6g}")
    return (torch.xlogy(p_data, D) + torch.xlogy(p_theta, 1 - D)).sum(-1)  # eq-gan-value
