"""Wasserstein distances between Gaussians, exact and regularised, in closed form."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_positive


def wasserstein2_gaussians(mu: Tensor, Sigma: Tensor, m: Tensor, S: Tensor) -> Tensor:
    """The SQUARE of W_2 between N(mu, Sigma) and N(m, S), with the Euclidean distance as ground cost.

    Args:
        mu, m: means, shape ``(*batch, d)``; they broadcast.
        Sigma, S: covariances, shape ``(*batch, d, d)``, symmetric; they may be singular.

    Returns:
        Shape ``batch``, in squared units of x.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or a matrix that is no covariance.

    Source: Dowson and Landau 1982; Peyré and Cuturi 2019, remark 2.31.

    Example:
        >>> I = torch.eye(2)
        >>> wasserstein2_gaussians(torch.zeros(2), I, torch.ones(2), 9 * I)
        tensor(10.)
    """
    d = check_batch(mu, "mu").shape[-1] if mu.ndim else 0
    check_batch(m, "m", d)
    root = _square_root(check_batch(Sigma, "Sigma", d, d), "Sigma")
    _square_root(check_batch(S, "S", d, d), "S")
    cross = _square_root(root @ S @ root, "S")
    trace = (Sigma + S - 2 * cross).diagonal(dim1=-2, dim2=-1).sum(-1)
    return (mu - m).square().sum(-1) + trace.clamp(min=0)  # eq-divergences-w2-gaussians


def wasserstein1_normals(mu: Tensor, sigma: Tensor, m: Tensor, s: Tensor) -> Tensor:
    """W_1 between N(mu, sigma^2) and N(m, s^2) on the line.

    The quantile functions differ by (mu - m) + (sigma - s) eps: it is the mean size of that Gaussian variable.

    Args:
        mu, m: means, any shapes that broadcast.
        sigma, s: standard deviations (not variances), positive.

    Returns:
        In units of x.

    Raises:
        ValueError: on a NaN, or a standard deviation that is not positive.

    Example:
        >>> one = torch.tensor(1.0)
        >>> wasserstein1_normals(0 * one, one, 3 * one, one)
        tensor(3.)
    """
    check_batch(mu, "mu")
    check_batch(m, "m")
    check_positive(sigma, "sigma")
    check_positive(s, "s")
    d, a = (mu - m).abs(), (sigma - s).abs()
    ratio = d / torch.where(a > 0, a, 1.0)
    folded = a * math.sqrt(2 / math.pi) * (-ratio.square() / 2).exp() + d * torch.erf(ratio / math.sqrt(2))
    return torch.where(a > 0, folded, d)  # eq-divergences-w1-normals


class Regularised(NamedTuple):
    """What the best plan of a regularised transport costs, in parts, since libraries return different sums of them.

    Args:
        transport: the mean cost under the plan.
        kl: KL(plan || mu x nu) in nats.
        entropy: of the plan itself in nats; of a density, it can be negative.
    """

    transport: Tensor
    kl: Tensor
    entropy: Tensor


def entropic_normals(sigma: Tensor, s: Tensor, eta: Tensor | float, d: Tensor | float = 0.0) -> Regularised:
    """The plan between N(0, sigma^2) and N(d, s^2) of least E|x - y|^2 + eta KL(plan || product).

    The plan is a Gaussian whose covariance c solves c^2 + c eta / 2 = sigma^2 s^2.

    Args:
        sigma, s: standard deviations, positive.
        eta: the entropic weight, positive, in squared units of x.
        d: the distance of the means.

    Raises:
        ValueError: on a standard deviation or an ``eta`` that is not positive.

    Source: Janati, Muzellec, Peyré and Cuturi 2020; Mallasto, Gerolin and Minh 2022.

    Example:
        >>> one = torch.tensor(1.0)
        >>> cost = entropic_normals(one, one, 0.5)
        >>> cost.transport + 0.5 * cost.kl
        tensor(0.6122)
    """
    for value, name in ((sigma, "sigma"), (s, "s"), (eta, "eta")):
        check_positive(check_batch(value, name) if name != "eta" else value, name)
    both = (sigma * s).square()
    c = (eta**2 / 16 + both).sqrt() - eta / 4  # eq-divergences-entropic-normals
    rest = c * eta / 2  # sigma^2 s^2 - c^2, without its cancellation
    kl = -(rest / both).log() / 2
    entropy = math.log(2 * math.pi * math.e) + rest.log() / 2
    return Regularised(sigma**2 + s**2 - 2 * c + d**2, kl, entropy)


def _square_root(A: Tensor, name: str) -> Tensor:
    """The symmetric square root of a positive semi-definite matrix."""
    values, Q = torch.linalg.eigh((A + A.mT) / 2)
    least = -1e-4 if A.dtype == torch.float32 else -1e-9
    if not torch.allclose(A, A.mT, atol=-least) or (values < least * values.abs().amax(-1, keepdim=True)).any():
        raise ValueError(f"{name} must be symmetric and positive semi-definite")
    return (Q * values.clamp(min=0).sqrt().unsqueeze(-2)) @ Q.mT
