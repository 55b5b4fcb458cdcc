"""How results are reported: averages with their standard errors, values in batches, bits per dimension."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import Estimate, Kind, check_batch, check_count


def average(values: Tensor | Estimate, kind: Kind | None = None) -> Estimate:
    """The mean over a data set, with the standard error of that mean.

    The standard error covers both causes of spread: the choice of the examples, and the random
    draws made for each of them, provided the draws are independent between examples.

    Args:
        values: one value for each example, shape ``(N,)`` with N at least 2, or an
            :class:`~gmlib.core.Estimate` of that shape.
        kind: what the values are; taken from the estimate where that is given.

    Example:
        >>> average(torch.tensor([1.0, 2.0, 3.0]), "exact")
        2.0000 ± 0.5774 (exact)
    """
    if isinstance(values, Estimate):
        values, kind = values.value, values.kind
    if kind is None:
        raise ValueError("kind is needed where values is a tensor")
    if check_batch(values, "values").ndim != 1 or len(values) < 2:
        raise ValueError(f"values must have shape (N,) with N at least 2, got {tuple(values.shape)}")
    return Estimate(values.mean(), kind, values.std() / math.sqrt(len(values)))


@torch.no_grad()
def in_batches(function: Callable[[Tensor], Tensor], x: Tensor, batch_size: int = 250) -> Tensor:
    """Apply ``function`` to batches of ``x`` without gradients and join the results.

    Example:
        >>> in_batches(torch.square, torch.arange(5.0), batch_size=2)
        tensor([ 0.,  1.,  4.,  9., 16.])
    """
    check_batch(x, "x")
    return torch.cat([function(part) for part in x.split(check_count(batch_size, "batch_size"))])


def bits_per_dim(log_prob: Tensor, dims: int, levels: int = 1) -> Tensor:
    """Nats to bits per dimension, of the data before they were scaled to [0, 1).

    With dequantised data, ``y = (x + u) / levels``, a density of y becomes one of x + u by the
    factor ``levels`` for each dimension; then the result bounds the bits of the levels from above.

    Args:
        log_prob: log-density or log-mass in nats.
        dims: how many dimensions one example has.
        levels: how many levels a dimension had before scaling; 1 for data that was not scaled.

    Example:
        >>> bits_per_dim(torch.tensor(-64 * math.log(2)), dims=64)
        tensor(1.)
    """
    check_count(dims, "dims")
    check_count(levels, "levels")
    return (math.log(levels) - log_prob / dims) / math.log(2)
