"""Differential equations dx/dt = v(x, t), by Runge-Kutta steps of fixed size, with the change of volume on the way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import check_count

Field = Callable[[Tensor, Tensor], Tensor]
Divergence = Callable[[Field, Tensor, Tensor], tuple[Tensor, Tensor]]


def exact_divergence(field: Field, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """v(x, t) and the exact trace of its Jacobian by x: one backward pass a dimension.

    Args:
        field: no example's value may depend on another example.
        x: shape ``(*batch, D)``.
        t: a scalar tensor.

    Returns:
        Shapes ``(*batch, D)`` and ``batch``.

    Example:
        >>> with torch.no_grad():
        ...     exact_divergence(lambda x, t: t * x**2, torch.tensor([[1.0, 5.0]]), torch.tensor(0.5))
        (tensor([[ 0.5000, 12.5000]]), tensor([6.]))
    """
    with torch.enable_grad():
        y = x if x.requires_grad else x.detach().requires_grad_()
        v = field(y, t) + 0 * y  # a field that ignores x has a trace too: 0
        columns = (torch.autograd.grad(v[..., i].sum(), y, create_graph=True)[0][..., i] for i in range(x.shape[-1]))
        trace = sum(columns)  # eq-flows-trace
    return _as_asked(v, trace)


def hutchinson(eps: Tensor) -> Divergence:
    """An estimate of the trace without bias: eps^T J eps, for one eps with mean 0 and identity covariance.

    The same eps must serve for the whole solution, or the estimate of log p is not one of a smooth equation. Unbiased is the
    estimate of log p, and not that of p. For training, give a layer a new one before each step:
    ``layer.divergence = hutchinson(eps)``.

    Args:
        eps: shape of x.

    Raises:
        ValueError: when it is used, on an x of another shape.

    Source: Hutchinson 1990; Grathwohl et al. 2019; in the book eq-flows-hutchinson.

    Example:
        >>> estimate = hutchinson(torch.tensor([[1.0, -1.0]]))
        >>> with torch.no_grad():
        ...     estimate(lambda x, t: x**2, torch.tensor([[1.0, 5.0]]), torch.tensor(0.0))[1]
        tensor([12.])
    """

    def divergence(field: Field, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        if eps.shape != x.shape:
            raise ValueError(f"eps must have shape {tuple(x.shape)}, got {tuple(eps.shape)}")
        with torch.enable_grad():
            y = x if x.requires_grad else x.detach().requires_grad_()
            v = field(y, t) + 0 * y
            (product,) = torch.autograd.grad(v, y, eps, create_graph=True)
            trace = (product * eps).sum(-1)  # eq-flows-hutchinson
        return _as_asked(v, trace)

    return divergence


def _as_asked(v: Tensor, trace: Tensor) -> tuple[Tensor, Tensor]:
    """Without the graph where the caller keeps none."""
    return (v, trace) if torch.is_grad_enabled() else (v.detach(), trace.detach())


def integrate(
    field: Field, x: Tensor, start: float, end: float, steps: int, divergence: Divergence | None = None
) -> tuple[Tensor, Tensor]:
    """Follow dx/dt = v(x, t) from ``start`` to ``end`` by the classical Runge-Kutta method of fourth order.

    Args:
        field: v of ``(x, t)``, t a scalar tensor.
        x: shape ``(*batch, D)``.
        start, end: times; ``end`` may be the earlier one.
        steps: of equal size; the error falls as their fourth power.
        divergence: gives v and its trace; without it the second result is 0.

    Returns:
        x at ``end``, and the integral of the trace: log|det| of the map from start to end, shape ``batch``.

    Raises:
        ValueError: on a number of steps below one.

    Source: Chen et al. 2018, theorem 1, for the trace; in the book eq-flows-instantaneous.

    Example:
        >>> x, log_det = integrate(lambda x, t: -0.7 * x, torch.ones(1), 0.0, 1.0, steps=8, divergence=exact_divergence)
        >>> round(x.item(), 4), round(log_det.item(), 4)
        (0.4966, -0.7)
    """
    check_count(steps, "steps")
    h = (end - start) / steps
    log_det = x.new_zeros(x.shape[:-1])

    def slope(x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device)
        return (field(x, time), log_det.new_zeros(())) if divergence is None else divergence(field, x, time)

    for i in range(steps):
        t = start + i * h
        k1, d1 = slope(x, t)
        k2, d2 = slope(x + h / 2 * k1, t + h / 2)
        k3, d3 = slope(x + h / 2 * k2, t + h / 2)
        k4, d4 = slope(x + h * k3, t + h)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        log_det = log_det + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)  # eq-flows-instantaneous
    return x, log_det
