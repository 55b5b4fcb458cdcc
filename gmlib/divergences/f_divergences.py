"""f-divergences as one family, and their lower bounds by duality, which need draws and no densities.

Of a convex function f on u >= 0 with f(1) = 0 the divergence is the mean under q of f(p/q). Where q has no mass and p
has, each unit of p costs ``slope``, the limit of f(u)/u; that limit is also the end of the conjugate's domain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch
from gmlib.divergences.finite import check_law, check_pair

LOG2 = math.log(2)


class FDivergence(NamedTuple):
    """A convex function and what belongs to it, each of a tensor, elementwise.

    Args:
        f: convex on u >= 0, with f(1) = 0.
        derivative: f'(u): with u = p/q, the T at which the lower bound is the divergence.
        conjugate: f*(t), the supremum over u >= 0 of t u - f(u); infinite above ``slope``.
        slope: the limit of f(u)/u for large u.
    """

    f: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    slope: float


def _below(end: float, conjugate: Callable[[Tensor], Tensor], closed: bool = False) -> Callable[[Tensor], Tensor]:
    """``conjugate`` on t < end (or t <= end), and infinity beyond, without a NaN in the gradient."""

    def whole(t: Tensor) -> Tensor:
        inside = t <= end if closed else t < end
        return torch.where(inside, conjugate(torch.where(inside, t, end - 1.0)), math.inf)

    return whole


def _mixture_part(u: Tensor) -> Tensor:
    return torch.xlogy(u, u) - torch.xlogy(u + 1, u + 1)


KL = FDivergence(lambda u: torch.xlogy(u, u), lambda u: u.log() + 1, lambda t: (t - 1).exp(), math.inf)
REVERSE_KL = FDivergence(
    lambda u: -u.log(), lambda u: -1 / u, _below(0.0, lambda t: -1 - (-t).log()), 0.0
)
JS = FDivergence(  # the divergence with its halves: at most log 2
    lambda u: (_mixture_part(u) + (u + 1) * LOG2) / 2,
    lambda u: (2 * u / (u + 1)).log() / 2,
    _below(LOG2 / 2, lambda t: -(2 - (2 * t).exp()).log() / 2),
    LOG2 / 2,
)
GAN = FDivergence(  # 2 JS - log 4: the value of the game at the best discriminator; f(1) = -log 4 here
    _mixture_part, lambda u: (u / (u + 1)).log(), _below(0.0, lambda t: -(-t.expm1()).log()), 0.0
)
HELLINGER = FDivergence(  # the square: the sum of (sqrt p - sqrt q)^2
    lambda u: (u.sqrt() - 1).square(), lambda u: 1 - u.rsqrt(), _below(1.0, lambda t: 1 / (1 - t) - 1), 1.0
)
CHI2 = FDivergence(
    lambda u: (u - 1).square(), lambda u: 2 * (u - 1), lambda t: torch.where(t >= -2, t + t * t / 4, -1.0), math.inf
)
TV = FDivergence(
    lambda u: (u - 1).abs() / 2, lambda u: (u - 1).sign() / 2, _below(0.5, lambda t: t.clamp(min=-0.5), closed=True), 0.5
)


def f_divergence(p: Tensor, q: Tensor, d: FDivergence) -> Tensor:
    """The divergence of p from q that ``d`` names.

    Args:
        p, q: laws on the same points, shape ``(*batch, K)``.
        d: one of ``KL``, ``REVERSE_KL``, ``JS``, ``GAN``, ``HELLINGER``, ``CHI2``, ``TV``, or one of your own.

    Returns:
        Nats where f has logarithms, shape ``batch``.

    Raises:
        ValueError: if p or q is no law, or on shapes that do not fit.

    Source: Ali and Silvey 1966; Csiszár 1967.

    Example:
        >>> f_divergence(torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8]), TV)
        tensor(0.3000)
    """
    check_pair(p, q)
    inside = (q > 0).expand(torch.broadcast_shapes(p.shape, q.shape))
    terms = q * d.f(p / torch.where(q > 0, q, 1.0))
    beyond = torch.where(p > 0, d.slope * torch.where(p > 0, p, 1.0), 0.0)
    return torch.where(inside, terms, beyond).sum(-1)  # eq-divergences-f


def fenchel_bound(T_p: Tensor, T_q: Tensor, d: FDivergence, p: Tensor | None = None, q: Tensor | None = None) -> Tensor:
    """A lower bound on an f-divergence, the mean under p of T less the mean under q of f*(T).

    Args:
        T_p: T at points of p, shape ``(*batch, n)``: draws, or all points with their probabilities p.
        T_q: T at points of q, shape ``(*batch, m)``.
        d: the divergence. T must not exceed ``d.slope`` at the points of p, and must lie in the domain of the conjugate
            at those of q; where it does not, the bound is minus infinity.
        p, q: probabilities of the points; without them, each counts the same.

    Returns:
        Shape ``batch``. With draws, an unbiased estimate of the bound.

    Raises:
        ValueError: on a NaN, or where p or q is no law or does not fit.

    Source: Nguyen, Wainwright and Jordan 2010; Nowozin, Cseke and Tomioka 2016.

    Example:
        >>> p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8])
        >>> T = KL.derivative(p / q)  # the best T
        >>> fenchel_bound(T, T, KL, p, q), f_divergence(p, q, KL)
        (tensor(0.2231), tensor(0.2231))
    """
    check_batch(T_p, "T_p")
    check_batch(T_q, "T_q")
    T_p = torch.where(T_p > d.slope, -math.inf, T_p)  # where q has no mass nothing else asks for it
    return _mean(T_p, p, "p") - _mean(d.conjugate(T_q), q, "q")  # eq-divergences-fenchel


def donsker_varadhan(T_p: Tensor, T_q: Tensor, p: Tensor | None = None, q: Tensor | None = None) -> Tensor:
    """A lower bound on KL(p || q) that is never below :func:`fenchel_bound` of the same T: E_p[T] - log E_q[e^T].

    Args:
        T_p, T_q, p, q: as for :func:`fenchel_bound`.

    Returns:
        Shape ``batch``. With draws it is biased upwards on average: it takes the logarithm of a mean.

    Raises:
        ValueError: on a NaN, or where p or q is no law or does not fit.

    Source: Donsker and Varadhan 1975.

    Example:
        >>> p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.8])
        >>> T = (p / q).log() + 3  # a constant more or less changes nothing
        >>> donsker_varadhan(T, T, p, q)
        tensor(0.2231)
    """
    check_batch(T_p, "T_p")
    check_batch(T_q, "T_q")
    weights = torch.full_like(T_q, 1 / T_q.shape[-1]) if q is None else check_law(q, "q", T_q.shape[-1])
    return _mean(T_p, p, "p") - (T_q + weights.log()).logsumexp(-1)  # eq-divergences-donsker


def _mean(values: Tensor, weights: Tensor | None, name: str) -> Tensor:
    if weights is None:
        return values.mean(-1)
    check_law(weights, name, values.shape[-1])
    return torch.where(weights > 0, weights * values, 0.0).sum(-1)
