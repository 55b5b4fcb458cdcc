"""Mutual information from counts, and the mutual information gap."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gmlib.core import as_float64, check_batch, check_count


def mutual_information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information of each column of ``a`` with each column of ``b``, from how often their values occur.

    Exact where the rows are the whole population. From N independent draws it is too high on average:
    for independent columns with K and L values, by about ``(K - 1) (L - 1) / (2 N)``.

    Args:
        a, b: whole numbers from 0, shapes ``(N, k)`` and ``(N, F)``.

    Returns:
        Nats, shape ``(k, F)``, float64; on the CPU where the device of ``a`` has no float64.

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
    joint = torch.einsum("nkx,nfy->kfxy", as_float64(one_hot(a)), as_float64(one_hot(b))) / len(a)
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
        For each factor, the gap as a part of the factor's entropy: 0 to 1, shape ``(F,)``, float64; on the CPU where the
        device of z has no float64.

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
