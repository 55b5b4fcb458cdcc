"""The continuous flow: dx/dt = v(x, t) instead of layers, and the trace of v's Jacobian instead of a determinant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib.core import check_count
from gmlib.ode import Divergence, Field, exact_divergence, integrate


class Continuous(nn.Module):
    """A layer that takes x at time 0 to z at time 1 along a vector field.

    Exact in the limit of many steps only: with few, neither the inverse nor the log-determinant is that of the map that is
    computed, and a likelihood can come out better than the truth.

    Args:
        field: v of ``(x, t)``, x of shape ``(*batch, D)``; a module.
        steps: Runge-Kutta steps of fourth order.
        divergence: the trace of v's Jacobian: :func:`~gmlib.ode.exact_divergence`, or an estimate.

    Source: Chen et al. 2018; Grathwohl et al. 2019; in the book eq-flows-continuous.

    Example:
        >>> layer = Continuous(lambda x, t: -0.5 * x)
        >>> with torch.no_grad():
        ...     layer(torch.ones(2))[1]
        tensor(-1.)
    """

    def __init__(self, field: Field, steps: int = 8, divergence: Divergence = exact_divergence):
        super().__init__()
        self.field, self.steps, self.divergence = field, check_count(steps, "steps"), divergence

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return integrate(self.field, x, 0.0, 1.0, self.steps, self.divergence)  # eq-flows-continuous

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return integrate(self.field, z, 1.0, 0.0, self.steps, self.divergence)
