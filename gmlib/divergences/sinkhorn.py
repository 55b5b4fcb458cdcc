"""Transport with an entropic penalty, by Sinkhorn's algorithm: batched, on any device, stable for small weights.

The plan is a_i b_j exp((f_i + g_j - C_ij) / eta). Most steps are products with that matrix of exponentials, which lie
near the limit of the machine; now and then the potentials f and g take in what the scalings u and v have become, so
that nothing leaves the range of the numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive
from gmlib.divergences.finite import check_law
from gmlib.divergences.transport import cost_matrix

RANGE = 1e4  # of the scalings, before the potentials take them in
STEPS = 200  # with one kernel, at most


class Entropic(NamedTuple):
    """The plan of least ``transport + eta * kl``: its two costs, and its potentials.

    Args:
        transport: the mean cost under the plan, shape ``batch``. This alone is what some libraries return.
        kl: KL(plan || a x b) in nats, shape ``batch``.
        f, g: potentials, shapes ``(*batch, n)`` and ``(*batch, m)``.
    """

    transport: Tensor
    kl: Tensor
    f: Tensor
    g: Tensor


def sinkhorn(
    C: Tensor, a: Tensor, b: Tensor, eta: float, tolerance: float = 1e-6, max_steps: int = 100_000
) -> Entropic:
    """The entropic plan between a and b.

    Args:
        C: costs, shape ``(*batch, n, m)``, finite.
        a, b: probabilities, shapes ``(*batch, n)`` and ``(*batch, m)``; they may hold zeros.
        eta: the entropic weight, in units of C. The smaller, the more steps.
        tolerance: of the plan's first marginal, summed over its points, for each of the batch. The second is exact.
        max_steps: of updates of both potentials.

    Raises:
        ValueError: on shapes that do not fit, a cost that is not finite, probabilities that are no law, or an ``eta``
            that is not positive, or too small beside the costs for the digits of their type.
        RuntimeError: where ``tolerance`` is not reached within ``max_steps``.

    Source: Cuturi 2013; Schmitzer 2019, for taking in the scalings.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> half = torch.tensor([0.5, 0.5], dtype=torch.float64)
        >>> sinkhorn(cost_matrix(x, x + 40), half, half, eta=0.01).transport
        tensor(1600.0000, dtype=torch.float64)
    """
    C, a, b = _checked(C, a, b, eta, tolerance, max_steps)
    left, error = max_steps, torch.inf
    f, g = _start(C, a, b, eta)
    while left > 0 and error > tolerance:
        f, g, steps, error = _scale(C, a, b, f, g, eta, tolerance, min(left, STEPS))
        left -= steps
    if error > tolerance:
        raise RuntimeError(_not_there(max_steps, eta))
    log_plan = (f.unsqueeze(-1) + g.unsqueeze(-2) - C) / eta
    plan = a.unsqueeze(-1) * b.unsqueeze(-2) * log_plan.exp()  # eq-divergences-plan
    return Entropic((plan * C).sum((-2, -1)), (plan * log_plan).sum((-2, -1)), f, g)


def sinkhorn_divergence(
    x: Tensor, y: Tensor, eta: float, a: Tensor | None = None, b: Tensor | None = None, p: float = 2.0, **options
) -> Tensor:
    """The debiased cost of y from x: OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2, with OT = transport + eta kl.

    Exactly, it is not negative for p = 1 and p = 2, and 0 only between equal laws; as computed it can fall below 0 by
    about the tolerance. For p > 2 it can be negative.

    Args:
        x, y: points, shapes ``(*batch, n, d)`` and ``(*batch, m, d)``.
        eta: the entropic weight, in units of x to the power p.
        a, b: probabilities, shapes ``(*batch, n)`` and ``(*batch, m)``; without them, each point counts the same.
        p: the cost is the p-th power of the Euclidean distance.
        options: ``tolerance`` and ``max_steps`` of :func:`sinkhorn`.

    Returns:
        Shape ``batch``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, probabilities that are no law, or an ``eta`` that is not positive.
        RuntimeError: where the tolerance is not reached.

    Source: Feydy et al. 2019.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> sinkhorn_divergence(x, x + 3, eta=0.5).round(decimals=6)
        tensor(9., dtype=torch.float64)
    """
    C = cost_matrix(x, y, p)
    a = torch.full_like(x[..., 0], 1 / x.shape[-2]) if a is None else a
    b = torch.full_like(y[..., 0], 1 / y.shape[-2]) if b is None else b
    between = sinkhorn(C, a, b, eta, **options)
    xx = self_transport(cost_matrix(x, x, p), a, eta, **options)
    yy = self_transport(cost_matrix(y, y, p), b, eta, **options)
    return between.transport + eta * between.kl - (xx + yy) / 2  # eq-divergences-debiased


def self_transport(C: Tensor, a: Tensor, eta: float, tolerance: float = 1e-6, max_steps: int = 1000) -> Tensor:
    """OT(a, a), the least transport + eta kl of a law to itself: more than 0, unless it is a single point.

    Both potentials are equal, and the mean of the old and the new one converges fast where alternation crawls.

    Args:
        C: costs, symmetric, shape ``(*batch, n, n)``.
        a: probabilities, shape ``(*batch, n)``.
        eta, tolerance, max_steps: as for :func:`sinkhorn`.

    Returns:
        Shape ``batch``.

    Raises:
        ValueError, RuntimeError: as :func:`sinkhorn`, and on costs that are not symmetric.

    Source: Feydy et al. 2019, section 3.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> self_transport(cost_matrix(x, x), torch.tensor([0.5, 0.5]), eta=1.0)
        tensor(0.3799)
    """
    C, a, _ = _checked(C, a, a, eta, tolerance, max_steps)
    if not torch.equal(C, C.mT):
        raise ValueError("C must be symmetric")
    f = torch.zeros_like(a)
    for _ in range(max_steps):
        new = _soft_minimum(C, a, f, eta, -1)
        if (a * ((f - new) / eta).expm1().abs()).sum(-1).max() <= tolerance:
            return (a * (2 * f - eta * ((f - new) / eta).expm1())).sum(-1)  # the dual: its error is the square of f's
        f = (f + new) / 2
    raise RuntimeError(_not_there(max_steps, eta))


def _start(C: Tensor, a: Tensor, b: Tensor, eta: float) -> tuple[Tensor, Tensor]:
    """Potentials near the best, from weights that halve from the largest cost down to ``eta``."""
    g, weight = torch.zeros_like(C[..., 0, :]), max(eta, C.max().item() - C.min().item())
    while True:
        f = _soft_minimum(C, b, g, weight, -1)
        g = _soft_minimum(C, a, f, weight, -2)
        if weight == eta:
            return f, g
        weight = max(eta, weight / 2)


def _soft_minimum(C: Tensor, w: Tensor, h: Tensor, eta: float, axis: int) -> Tensor:
    """-eta log of the mean under w of exp((h - C) / eta)."""
    along = -2 if axis == -1 else -1
    return -eta * ((h.unsqueeze(along) - C) / eta + w.log().unsqueeze(along)).logsumexp(axis)  # eq-divergences-sinkhorn


def _scale(C, a, b, f, g, eta, tolerance, steps):
    """Update with one kernel until it is accurate, ``steps`` are done, or the scalings grow too large."""
    K = ((f.unsqueeze(-1) + g.unsqueeze(-2) - C) / eta).exp()
    u, v = torch.ones_like(f), torch.ones_like(g)
    for step in range(1, steps + 1):
        row = _times(K, b * v)
        error = (a * (u * row - 1).abs()).sum(-1).max()
        new_u = 1 / row
        new_v = 1 / _times(K.mT, a * new_u)
        low, high = (torch.stack([bound(new_u), bound(new_v)]) for bound in (torch.amin, torch.amax))
        if not (low.min() > 1 / RANGE and high.max() < RANGE):
            break
        u, v = new_u, new_v
        if error <= tolerance:
            break
    f, g = f + eta * u.log(), g + eta * v.log()
    if step == 1:  # the kernel at hand is no help: one step with logarithms
        f = _soft_minimum(C, b, g, eta, -1)
        g = _soft_minimum(C, a, f, eta, -2)
    return f, g, step, error.item()


def _times(K: Tensor, w: Tensor) -> Tensor:
    return (K @ w.unsqueeze(-1)).squeeze(-1)


def _checked(C: Tensor, a: Tensor, b: Tensor, eta: float, tolerance: float, max_steps: int) -> tuple[Tensor, Tensor, Tensor]:
    if check_batch(C, "C").ndim < 2 or not C.isfinite().all():
        raise ValueError(f"C must hold finite numbers and have shape (..., n, m), got {tuple(C.shape)}")
    check_law(a, "a", C.shape[-2])
    check_law(b, "b", C.shape[-1])
    check_positive(eta, "eta")
    check_positive(tolerance, "tolerance")
    check_count(max_steps, "max_steps")
    if (lost := C.abs().max().item() / eta * torch.finfo(C.dtype).eps) > 1e-3:
        raise ValueError(f"eta={eta!r} is too small for costs in {C.dtype}: the plan would be off by a part of {lost:.0e}")
    batch = torch.broadcast_shapes(C.shape[:-2], a.shape[:-1], b.shape[:-1])
    return C.expand(*batch, *C.shape[-2:]), a.expand(*batch, -1), b.expand(*batch, -1)


def _not_there(max_steps: int, eta: float) -> str:
    return f"the marginals are not within the tolerance after {max_steps} steps: raise max_steps, tolerance or eta={eta!r}"
