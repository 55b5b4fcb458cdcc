"""Vector quantisation: an encoder that answers with one of K vectors, and the autoencoder built on it.

In all functions ``z_e`` is what the encoder says, shape ``(*batch, L, d)``: L vectors of dimension d for
each example; ``codebook`` holds the vectors e_1, ..., e_K in its rows; ``codes`` are whole numbers from 0,
shape ``(*batch, L)``; ``z_q = codebook[codes]`` is what the decoder hears.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gmlib.core import as_float64, check_batch, check_count, check_positive, check_shape
from gmlib.vae.vq_prior import check_codes


def nearest(z_e: Tensor, codebook: Tensor) -> Tensor:
    """The index of the code vector nearest to each vector; of equally near ones, the first.

    The square is expanded, so that one matrix product does the work. In float32 this loses digits
    where vectors lie much farther from the origin than from each other. Half precision, by autocast or in the
    arguments, becomes float32.

    Args:
        z_e: shape ``(*batch, d)``.
        codebook: shape ``(K, d)``.

    Returns:
        Whole numbers from 0 to K - 1, shape ``batch``.

    Raises:
        ValueError: on shapes that do not fit, an empty tensor, or a NaN.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, equations 1 and 2; in the book eq-vae-vq-nearest.

    Example:
        >>> nearest(torch.tensor([[0.9], [-3.0]]), torch.tensor([[1.0], [0.0], [-1.0]]))
        tensor([0, 2])
    """
    if check_batch(codebook, "codebook").ndim != 2:
        raise ValueError(f"codebook must have shape (K, d), got {tuple(codebook.shape)}")
    return _nearest(check_batch(z_e, "z_e", codebook.shape[1]), codebook)


def _nearest(z_e: Tensor, codebook: Tensor) -> Tensor:
    dtype = torch.promote_types(torch.promote_types(z_e.dtype, codebook.dtype), torch.float32)
    with torch.autocast(z_e.device.type, enabled=False):  # in half precision near vectors are taken for one another
        z_e, e = z_e.to(dtype), codebook.to(dtype)
        return (e.square().sum(-1) - 2 * z_e @ e.mT).argmin(-1)  # eq-vae-vq-nearest, eq-vae-vq-posterior


def straight_through(z_e: Tensor, z_q: Tensor) -> Tensor:
    """The value of ``z_q``, to the last bit, with the derivative of ``z_e``.

    Raises:
        ValueError: on shapes that differ, or an empty tensor.

    Source: Bengio, Léonard and Courville 2013; van den Oord, Vinyals and Kavukcuoglu 2017, section 3.2; in the
    book eq-vae-vq-straight-through.

    Example:
        >>> z_e = torch.tensor([0.9], requires_grad=True)
        >>> z = straight_through(z_e, torch.tensor([1.0]))
        >>> z.square().backward()
        >>> z.item(), z_e.grad.item()
        (1.0, 2.0)
    """
    check_shape(z_q, "z_q", *check_shape(z_e, "z_e").shape)
    return z_q.detach() + (z_e - z_e.detach())  # eq-vae-vq-straight-through


def vq_terms(z_e: Tensor, z_q: Tensor) -> tuple[Tensor, Tensor]:
    """The codebook term, which moves ``z_q`` only, and the commitment term, which moves ``z_e`` only.

    Both are the squared distance, summed over positions and dimensions: equal in value, not in gradient.

    Args:
        z_e, z_q: shape ``(*batch, L, d)``.

    Returns:
        Two tensors of shape ``batch``.

    Raises:
        ValueError: on shapes that differ or have fewer than two axes, or an empty tensor.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, equation 3; in the book eq-vae-vq-loss.

    Example:
        >>> vq_terms(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        (tensor(25.), tensor(25.))
    """
    check_shape(z_q, "z_q", *check_shape(z_e, "z_e").shape)
    if z_e.ndim < 2:
        raise ValueError(f"z_e must have shape (..., L, d), got {tuple(z_e.shape)}")
    codebook = (z_e.detach() - z_q).square().sum((-2, -1))  # eq-vae-vq-loss
    commitment = (z_e - z_q.detach()).square().sum((-2, -1))  # eq-vae-vq-loss
    return codebook, commitment


def ema_update(N: Tensor, m: Tensor, z_e: Tensor, codes: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """One step of the exponential averages of how many vectors each code gets, and of their sum.

    With ``gamma=0``, ``m / N`` is one step of k-means on the batch, for each code that gets a vector. Sums are in the
    precision of m, under autocast too.

    Args:
        N: averaged counts, shape ``(K,)``.
        m: averaged sums, shape ``(K, d)``.
        z_e: shape ``(*batch, d)``.
        codes: to which code each vector belongs, shape ``batch``.
        gamma: how much of the past is kept, from 0 to 1.

    Returns:
        The new ``N`` and ``m``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, a code out of range, or gamma outside [0, 1].

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, equations 6 and 7; in the book eq-vae-vq-ema.

    Example:
        >>> N, m = ema_update(torch.ones(2), torch.zeros(2, 1), torch.tensor([[3.0], [5.0]]), torch.tensor([1, 1]), 0.5)
        >>> N, m.T
        (tensor([0.5000, 1.5000]), tensor([[0., 4.]]))
    """
    K, d = _check_averages(N, m)
    check_batch(N, "N"), check_batch(m, "m")
    check_codes(codes.reshape(-1, 1), 1, K)
    check_batch(z_e, "z_e", *codes.shape, d)
    return _ema_update(N, m, z_e, codes, gamma)


def _ema_update(N: Tensor, m: Tensor, z_e: Tensor, codes: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma must be from 0 to 1, got {gamma!r}")
    one_hot = F.one_hot(codes.flatten(), len(N)).to(m.dtype)
    N = gamma * N + (1 - gamma) * one_hot.sum(0)  # eq-vae-vq-ema
    with torch.autocast(m.device.type, enabled=False):  # an average keeps the precision of m
        m = gamma * m + (1 - gamma) * one_hot.mT @ z_e.reshape(-1, m.shape[-1]).to(m.dtype)  # eq-vae-vq-ema
    return N, m


def ema_codebook(N: Tensor, m: Tensor, eps: float = 1e-5) -> Tensor:
    """The code vectors m / N, with the counts smoothed so that none is zero.

    Args:
        N, m: as in :func:`ema_update`.
        eps: what each count is raised by, before all are scaled back to their old sum.

    Returns:
        Shape ``(K, d)``.

    Raises:
        ValueError: on shapes that do not fit, or an eps that is not positive.

    Source: van den Oord, Vinyals and Kavukcuoglu 2017, equation 8; the smoothing is DeepMind's
    (Sonnet, ``VectorQuantizerEMA``); in the book eq-vae-vq-smoothing.

    Example:
        >>> ema_codebook(torch.tensor([4.0, 0.0]), torch.tensor([[2.0], [0.0]]))
        tensor([[0.5000],
                [0.0000]])
    """
    _check_averages(N, m)
    check_positive(eps, "eps")
    total = N.sum()
    smooth = (N + eps) / (total + len(N) * eps) * total  # eq-vae-vq-smoothing
    return m / smooth.unsqueeze(-1)  # eq-vae-vq-ema


def revive(
    N: Tensor, m: Tensor, z_e: Tensor, threshold: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Move each code whose averaged count is below ``threshold`` to a vector drawn from ``z_e``.

    Different codes get different vectors, as long as there are enough.

    Args:
        N, m: as in :func:`ema_update`; a moved code starts again with a count of one, or of ``threshold`` if that is more.
        z_e: shape ``(*batch, d)``.
        threshold: vectors a batch; 0 moves none.
        generator: on the device of ``z_e``.

    Returns:
        The new ``N`` and ``m``.

    Raises:
        ValueError: on shapes that do not fit.

    Source: Dhariwal et al. 2020 (Jukebox), random restarts.

    Example:
        >>> N, m = revive(torch.tensor([5.0, 0.1]), torch.tensor([[10.0], [0.3]]), torch.tensor([[7.0]]), threshold=1.0)
        >>> m / N[:, None]
        tensor([[2.],
                [7.]])
    """
    _, d = _check_averages(N, m)
    z = check_shape(z_e, "z_e", d).reshape(-1, d)
    order = torch.randperm(len(z), generator=generator, device=z.device)
    new = z[order[torch.arange(len(N), device=z.device) % len(z)]]
    dead, count = N < threshold, max(1.0, threshold)
    return torch.where(dead, count, N), torch.where(dead.unsqueeze(-1), count * new, m)


def perplexity(codes: Tensor, size: int) -> Tensor:
    """How many codes are in use: the exponential of the entropy (in nats) of the codes' frequencies.

    Args:
        codes: whole numbers from 0 to ``size - 1``, any shape; all are pooled.
        size: K.

    Returns:
        A scalar between 1 (always the same code) and K (all equally often), float64; on the CPU where the device of
        ``codes`` has no float64.

    Source: in the book eq-vae-vq-perplexity.

    Example:
        >>> round(perplexity(torch.tensor([0, 3, 3, 0]), 8).item(), 6)
        2.0
    """
    check_codes(codes.reshape(-1, 1), 1, check_count(size, "size"))
    p = as_float64(codes.flatten().bincount(minlength=size)) / codes.numel()
    return torch.special.entr(p).sum().exp()  # eq-vae-vq-perplexity


def _check_averages(N: Tensor, m: Tensor) -> tuple[int, int]:
    if check_shape(N, "N").ndim != 1 or check_shape(m, "m").ndim != 2 or len(m) != len(N):
        raise ValueError(f"N and m must have shapes (K,) and (K, d), got {tuple(N.shape)} and {tuple(m.shape)}")
    return m.shape
