"""The price of topology, exactly: what a generator of bounded slope must put between two modes, and what that costs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm
from torch import Tensor, nn

from gmlib.core import check_count, check_positive


def bridge_mass(P_minus: float, delta: float, L: float) -> float:
    """The least mass between -delta and delta of h(z), z standard normal in any dimension and h of slope at most L.

    It follows from the Gaussian isoperimetric inequality: of all sets of one mass, a half space grows the least.

    Args:
        P_minus: the mass that h puts at or below -delta, in (0, 1).
        delta: half the width of the gap, in units of x, positive.
        L: the Lipschitz constant of h, positive.

    Raises:
        ValueError: on a mass outside (0, 1), or a delta or L that is not positive.

    Source: Borell 1975; Sudakov and Tsirelson 1974; in the book eq-flows-bridge.

    Example:
        >>> round(bridge_mass(0.488625, delta=1.0, L=10.0), 6)
        0.079453
    """
    if not 0 < P_minus < 1:
        raise ValueError(f"P_minus must be in (0, 1), got {P_minus!r}")
    check_positive(delta, "delta")
    check_positive(L, "L")
    return float(norm.cdf(norm.ppf(P_minus) + 2 * delta / L) - P_minus)  # eq-flows-bridge


class LeastKL(NamedTuple):
    """The best law that a generator of bounded slope can give.

    Args:
        kl: KL(p || q) of the target p from the best q, in nats.
        delta: q is p times a factor outside of [-delta, delta].
        C: that factor is 1 / C.
    """

    kl: float
    delta: float
    C: float


def least_kl(a: float, s: float, L: float) -> LeastKL:
    """The least KL(p || law of h(z)) over all h of slope at most L, p the equal mixture of N(-a, s^2) and N(a, s^2).

    Between the modes the best law is that of ``L z``, a stretched normal; outside it is the target, thinned out.

    Args:
        a: distance of either mode from 0, positive.
        s: standard deviation of a mode, positive.
        L: between s and the slope ``s exp(a^2 / (2 s^2))`` of the monotone map at 0, beyond which the price is 0.

    Raises:
        ValueError: on values that are not positive, or an L outside its range.

    Source: in the book eq-flows-price.

    Example:
        >>> round(least_kl(2.0, 0.5, L=10.0).kl, 7)
        0.0457606
    """
    for v, name in ((a, "a"), (s, "s"), (L, "L")):
        check_positive(v, name)
    if not 0 < math.log(L / s) < a**2 / (2 * s**2):
        raise ValueError(f"L must be between s and s exp(a^2 / (2 s^2)), got {L!r}")

    def log_p(x: float) -> float:
        return np.logaddexp(norm.logpdf(x, -a, s), norm.logpdf(x, a, s)) - math.log(2)

    def log_outside(d: float) -> float:
        return np.logaddexp(norm.logsf(d, -a, s), norm.logsf(d, a, s)) - math.log(2)

    def log_C(d: float) -> float:
        return log_outside(d) - norm.logsf(d / L)

    def rise(d: float) -> float:
        return log_p(d) + math.log(L) - log_C(d) - norm.logpdf(d / L)

    high = a
    while rise(high) < 0:  # an L near s: the stretched normal reaches beyond the modes
        high *= 2
    delta = brentq(rise, 1e-9, high, xtol=1e-14)
    between = quad(lambda x: math.exp(log_p(x)) * (log_p(x) + math.log(L) - norm.logpdf(x / L)), 0, min(delta, a + 9 * s),
                   points=[min(delta, a) / 2, min(delta, a)], epsabs=1e-12)[0]  # fmt: skip
    price = 2 * between + 2 * math.exp(log_outside(delta)) * log_C(delta)  # eq-flows-price
    C = math.exp(log_C(delta)) if log_C(delta) < 700 else math.inf
    return LeastKL(max(float(price), 0.0), float(delta), C)


class SlopeLimited(nn.Module):
    """A flow of the line whose inverse has slope at most L: f(x) = x / L + b + a sum of rising steps.

    Args:
        L: positive.
        reach: steps stand on [-reach, reach], ``steps`` of them.
        steps: how many.

    Source: in the book eq-flows-slope-limited.

    Example:
        >>> z, log_det = SlopeLimited(L=10.0)(torch.zeros(3, 1))
        >>> (log_det.exp() >= 0.1).all()
        tensor(True)
    """

    def __init__(self, L: float, reach: float = 4.5, steps: int = 96):
        super().__init__()
        check_count(steps, "steps")
        self.L, self.width = check_positive(L, "L"), 1.2 * 2 * check_positive(reach, "reach") / steps
        self.register_buffer("centres", torch.linspace(-reach, reach, steps))
        self.y = nn.Parameter(torch.full((steps,), 0.1))
        self.b = nn.Parameter(torch.tensor(-0.005 * steps))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        u = (x - self.centres) / self.width
        z = x / self.L + self.b + (self.y.square() * torch.special.ndtr(u)).sum(-1, keepdim=True)  # eq-flows-slope-limited
        bell = (-0.5 * u.square()).exp() / (math.sqrt(2 * math.pi) * self.width)
        return z, (1 / self.L + (self.y.square() * bell).sum(-1)).log()

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """By bisection, without gradients: f has slope at least 1 / L."""
        with torch.no_grad():
            high = self.L * (z.abs().max() + self.b.abs() + self.y.square().sum() + 1)
            low, high = (-high).expand_as(z), high.expand_as(z)
            for _ in range(60):
                middle = (low + high) / 2
                above = self.forward(middle)[0] > z
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
            return middle, -self.forward(middle)[1]
