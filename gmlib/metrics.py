"""How results are reported: averages with their standard errors, bits per dimension, the mutual information gap."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

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


def mutual_information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information of each column of ``a`` with each column of ``b``, from how often their values occur.

    Exact where the rows are the whole population. From N independent draws it is too high on average:
    for independent columns with K and L values, by about ``(K - 1) (L - 1) / (2 N)``.

    Args:
        a, b: whole numbers from 0, shapes ``(N, k)`` and ``(N, F)``.

    Returns:
        Nats, shape ``(k, F)``, float64.

    Raises:
        ValueError: on a type that is not of whole numbers, shapes that do not fit, no rows, or a negative value.

    Source: Miller 1955, for the bias.

    Example:
        >>> bits = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
        >>> mutual_information(bits, bits)
        tensor([[0.6931, 0.0000],
                [0.0000, 0.6931]], dtype=torch.float64)
    """
    _check_labels(a, "a")
    _check_labels(b, "b", len(a))
    joint = torch.einsum("nkx,nfy->kfxy", one_hot(a).double(), one_hot(b).double()) / len(a)
    independent = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
    return (torch.xlogy(joint, joint) - torch.xlogy(joint, independent)).sum((-2, -1)).clamp(min=0)


def mutual_information_gap(z: Tensor, factors: Tensor, bins: int = 20) -> Tensor:
    """How far the best latent dimension for a factor is ahead of the second best; the MIG is the mean over factors.

    Each dimension of z is cut into ``bins`` intervals of equal width between its least and its greatest value.
    Give draws of q(z|x), several for each x: the mean of q(z|x) alone would count what its noise hides.

    Args:
        z: latent values, shape ``(N, k)`` with k at least 2.
        factors: the true factors of the same rows, whole numbers from 0, shape ``(N, F)``; each must vary.
        bins: at least 2. More bins lose less of a continuous z, and raise the bias of
            :func:`mutual_information`.

    Returns:
        For each factor, the gap as a part of the factor's entropy: 0 to 1, shape ``(F,)``, float64.

    Raises:
        ValueError: on shapes that do not fit, a NaN, one latent dimension, or a factor that is constant.

    Source: Chen et al. 2018, equation 6; in the book eq-vae-mig.

    Example:
        >>> factors = torch.cartesian_prod(torch.arange(3), torch.arange(5))
        >>> mutual_information_gap(factors.double(), factors)
        tensor([1., 1.], dtype=torch.float64)
    """
    if check_batch(z, "z").ndim != 2 or z.shape[1] < 2:
        raise ValueError(f"z must have shape (N, k) with k at least 2, got {tuple(z.shape)}")
    _check_labels(factors, "factors", len(z))
    if check_count(bins, "bins") < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    if (factors == factors[0]).all(0).any():
        raise ValueError("each column of factors must take at least two values")
    low, high = z.aminmax(dim=0)
    width = torch.where(high > low, high - low, 1)
    labels = ((z - low) / width * bins).long().clamp(max=bins - 1)
    information = mutual_information(labels, factors).topk(2, dim=0).values
    entropy = mutual_information(factors, factors).diagonal()
    return (information[0] - information[1]) / entropy  # eq-vae-mig


def _check_labels(a: Tensor, name: str, rows: int | None = None) -> None:
    if not isinstance(a, Tensor) or a.is_floating_point() or a.dtype == torch.bool or a.ndim != 2:
        raise ValueError(f"{name} must be a tensor of whole numbers of shape (N, columns), got {a!r}")
    if rows is not None and len(a) != rows:
        raise ValueError(f"{name} must have {rows} rows, got {len(a)}")
    if a.numel() == 0 or a.min() < 0:
        raise ValueError(f"{name} must hold whole numbers from 0, got {'none' if a.numel() == 0 else a.min().item()}")
