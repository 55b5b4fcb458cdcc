"""Functionals on a grid: their derivatives, and the law of greatest entropy with given moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_positive


def functional_derivative(F: Callable[[Tensor], Tensor], p: Tensor, width: Tensor | float) -> Tensor:
    """delta F / delta p at the points of a grid: the gradient of F by the values of p, over the width of a cell.

    The width belongs there because a small change h of p changes F by the integral of h delta F / delta p, which on
    the grid is a sum of ``width`` times the two.

    Args:
        F: from values of p, shape ``(n,)``, to a number, by operations of PyTorch.
        p: values at the grid's points, shape ``(n,)``.
        width: of the cells: one for all, or shape ``(n,)``.

    Raises:
        ValueError: on a NaN, a width that is not positive, or an F that gives no single number.

    Example:
        >>> functional_derivative(lambda p: (0.1 * p**2).sum(), torch.tensor([1.0, 3.0]), 0.1)
        tensor([2., 6.])
    """
    check_batch(p, "p")
    check_positive(width, "width")
    p = p.detach().requires_grad_()
    value = F(p)
    if value.numel() != 1:
        raise ValueError(f"F must give one number, got shape {tuple(value.shape)}")
    return torch.autograd.grad(value.reshape(()), p)[0] / width  # eq-divergences-derivative


class MaxEntropy(NamedTuple):
    """A law of greatest entropy on a grid.

    Args:
        p: its density at the points, shape ``(n,)``.
        multipliers: of the total mass and of the statistics, shape ``(1 + k,)``:
            p = exp(multipliers[0] - 1 + multipliers[1:] @ statistics).
        entropy: in nats.
    """

    p: Tensor
    multipliers: Tensor
    entropy: Tensor


def max_entropy(statistics: Tensor, moments: Tensor, width: Tensor | float, max_steps: int = 100) -> MaxEntropy:
    """The density of greatest entropy on a grid whose mean of each statistic is the moment given.

    Newton's method on the dual, which is convex and smooth: the integral of exp(lambda . s - 1) less lambda . m.

    Args:
        statistics: of each point of the grid, shape ``(k, n)``; k may be 0.
        moments: their means, shape ``(k,)``.
        width: of the cells: one for all, or shape ``(n,)``.
        max_steps: of Newton's method.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or moments that no density on this grid has.

    Source: Jaynes 1957; Boyd and Vandenberghe 2004, section 5.1.6, for the dual.

    Example:
        >>> x = torch.linspace(0, 1, 101, dtype=torch.float64)[:-1] + 0.005  # no moments given: the uniform law
        >>> max_entropy(torch.empty(0, 100, dtype=torch.float64), torch.empty(0, dtype=torch.float64), 0.01).entropy.abs() < 1e-9
        tensor(True)
    """
    if not isinstance(statistics, Tensor) or statistics.ndim != 2:
        raise ValueError(f"statistics must be a tensor of shape (k, n), got {statistics!r}")
    k, n = statistics.shape
    if k:
        check_batch(statistics, "statistics")
        check_batch(moments, "moments", k)
    check_positive(width, "width")
    s = torch.cat([statistics.new_ones(1, n), statistics])
    m = torch.cat([moments.new_ones(1), moments])
    w = torch.as_tensor(width, dtype=s.dtype, device=s.device).expand(n)
    scale = s.abs().amax(-1)  # so that the Newton matrix is well conditioned
    s, m = s / scale.unsqueeze(-1), m / scale
    lam = s.new_zeros(1 + k)
    lam[0] = (1 - w.sum().log()) * scale[0]
    for _ in range(max_steps):
        mass = w * (lam @ s - 1).exp()
        gradient, hessian = s @ mass - m, (s * mass) @ s.mT
        step, info = torch.linalg.solve_ex(hessian, gradient)
        decrease = gradient @ step
        if info or not decrease.isfinite():
            break
        if decrease < 1e-26 if s.dtype == torch.float64 else decrease < 1e-12:
            p = (lam @ s - 1).exp()  # eq-divergences-stationary
            return MaxEntropy(p, lam / scale, -(w * torch.xlogy(p, p)).sum())
        lam = lam - _length(lam, step, s, m, w, decrease) * step
    raise ValueError(f"no density on this grid was found with the moments {moments.tolist()}")


def _length(lam, step, s, m, w, decrease) -> float:
    """Halve Newton's step until the dual falls by a quarter of what a straight line would."""
    def dual(lam):
        return (w * (lam @ s - 1).exp()).sum() - lam @ m

    now, length = dual(lam), 1.0
    while length > 1e-10 and not dual(lam - length * step) <= now - length * decrease / 4 + 1e-13 * now.abs():
        length /= 2
    return length
