"""Entropy and divergences of laws on finitely many points, exact and in nats.

A law is a table of probabilities on its last axis, shape ``(*batch, K)``; leading axes broadcast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.core import check_batch


def entropy(p: Tensor) -> Tensor:
    """The entropy of p, in which 0 log 0 counts as 0.

    Args:
        p: a law, shape ``(*batch, K)``.

    Returns:
        Shape ``batch``.

    Raises:
        ValueError: if p is no law: a NaN, a negative probability, or a sum other than one.

    Example:
        >>> entropy(torch.tensor([0.5, 0.25, 0.25, 0.0]))
        tensor(1.0397)
    """
    return -torch.xlogy(check_law(p, "p"), p).sum(-1)


def kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q), the mean under p of log p - log q; infinite where p has mass that q has not.

    Args:
        p, q: laws on the same points, shape ``(*batch, K)``.

    Returns:
        Shape ``batch``; never negative but for rounding, and 0 only if p = q.

    Raises:
        ValueError: if one of them is no law, or on shapes that do not fit.

    Source: Kullback and Leibler 1951; in the book eq-divergences-kl.

    Example:
        >>> coin, sure = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
        >>> kl(sure, coin), kl(coin, sure)
        (tensor(0.6931), tensor(inf))
    """
    check_pair(p, q)
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum(-1)  # eq-divergences-kl


def js(p: Tensor, q: Tensor) -> Tensor:
    """JS(p, q), the mean of the KL divergences of p and of q from their average; at most log 2.

    Args:
        p, q: laws on the same points, shape ``(*batch, K)``.

    Returns:
        Shape ``batch``. Its square root is a metric; it is not.

    Raises:
        ValueError: if one of them is no law, or on shapes that do not fit.

    Source: Endres and Schindelin 2003; in the book eq-divergences-js.

    Example:
        >>> js(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
        tensor(0.6931)
    """
    check_pair(p, q)
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2  # eq-divergences-js


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """TV(p, q), half the sum of the differences: the largest difference in probability of any event.

    Args:
        p, q: laws on the same points, shape ``(*batch, K)``.

    Returns:
        Shape ``batch``, between 0 and 1.

    Raises:
        ValueError: if one of them is no law, or on shapes that do not fit.

    Example:
        >>> total_variation(torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8]))
        tensor(0.3000)
    """
    check_pair(p, q)
    return (p - q).abs().sum(-1) / 2  # eq-divergences-tv


def check_law(p: Tensor, name: str, *event_shape: int) -> Tensor:
    """Return p if its last axis holds probabilities that sum to one, else say what is wrong.

    Example:
        >>> check_law(torch.tensor([0.5, 0.4]), "p")
        Traceback (most recent call last):
        ValueError: p must be non-negative and sum to one, got a sum of 0.9
    """
    check_batch(p, name, *event_shape)
    if p.ndim == 0:
        raise ValueError(f"{name} must have shape (..., K), got ()")
    total, enough = p.sum(-1), 8 * p.shape[-1] ** 0.5 * torch.finfo(p.dtype).eps
    wrong = (total - 1).abs() > max(enough, 1e-6 if p.dtype == torch.float32 else enough)
    if (p < 0).any():
        raise ValueError(f"{name} must be non-negative and sum to one, got {p.min().item():.6g}")
    if wrong.any():
        raise ValueError(f"{name} must be non-negative and sum to one, got a sum of {total[wrong][0].item():.6g}")
    return p


def check_pair(p: Tensor, q: Tensor) -> None:
    """Both are laws, on equally many points."""
    check_law(p, "p")
    check_law(q, "q", p.shape[-1])
