"""What the critic of WGAN-GP estimates, exactly: the best critic under the gradient penalty, on the line.

The laws must have finite variances: with finite means alone the excess over W_1 can be infinite, and no critic is best.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.core import check_positive
from gmlib.divergences.gaussian import wasserstein1_normals


class Penalised(NamedTuple):
    """The best critic under the penalty.

    Args:
        difference: its mean over the data less that over the generated points: what is reported as the estimate.
        objective: the difference less lambda times the penalty.
    """

    difference: Tensor
    objective: Tensor


def penalised_points(d: float | Tensor, lam: float | Tensor) -> Penalised:
    """The best critic for two point masses at distance d: its slope between them is 1 + d / (2 lambda).

    Args:
        d: the distance, in units of x, positive.
        lam: weight of the penalty, positive.

    Returns:
        ``d + d^2 / (2 lambda)`` and ``d + d^2 / (4 lambda)``, where W_1 is d; float64.

    Raises:
        ValueError: if one of them is not positive.

    Source: Milne and Nachman 2022; in the book eq-gan-penalised-points.

    Example:
        >>> penalised_points(2.0, lam=10.0).difference
        tensor(2.2000, dtype=torch.float64)
    """
    d, lam = (torch.as_tensor(check_positive(v, name), dtype=torch.float64) for v, name in ((d, "d"), (lam, "lam")))
    return Penalised(d + d**2 / (2 * lam), d + d**2 / (4 * lam))  # eq-gan-penalised-points


def penalised_normals(mu: float, sigma: float, m: float, s: float, lam: float) -> Penalised:
    """The best critic between N(mu, sigma^2) and N(m, s^2), of which pairs are drawn independently.

    W_1 plus the integral of ``(P - Q)^2 / r`` over twice lambda, P and Q the distribution functions and r the density of the
    interpolates: W_1 in closed form, the integral by quadrature, right to nine digits or so where the scales are of one order.

    Args:
        mu, sigma, m, s: means and standard deviations, in units of x.
        lam: weight of the penalty.

    Raises:
        ValueError: if a mean is not finite, or a standard deviation or lam is not positive.

    Source: Milne and Nachman 2022; in the book eq-gan-penalised.

    Example:
        >>> penalised_normals(0.0, 0.6, 1.7, 0.9, lam=1.0).difference
        tensor(3.2301, dtype=torch.float64)
    """
    for v, name in ((sigma, "sigma"), (s, "s"), (lam, "lam")):
        check_positive(v, name)
    for v, name in ((mu, "mu"), (m, "m")):
        if not math.isfinite(v):
            raise ValueError(f"{name} must be finite, got {v!r}")
    x = torch.linspace(min(mu - 9 * sigma, m - 9 * s), max(mu + 9 * sigma, m + 9 * s), 4001, dtype=torch.float64)
    P, Q = Normal(torch.tensor(mu, dtype=torch.float64), sigma).cdf(x), Normal(torch.tensor(m, dtype=torch.float64), s).cdf(x)
    u, w = (torch.from_numpy(part) / 2 for part in np.polynomial.legendre.leggauss(200))
    u = u + 0.5
    location, scale = u * mu + (1 - u) * m, ((u * sigma) ** 2 + ((1 - u) * s) ** 2).sqrt()
    r = (w * Normal(location, scale).log_prob(x.unsqueeze(-1)).exp()).sum(-1)
    extra = torch.trapezoid((P - Q) ** 2 / r.clamp(min=1e-300), x)
    w1 = wasserstein1_normals(*(torch.tensor(v, dtype=torch.float64) for v in (mu, sigma, m, s)))
    return Penalised(w1 + extra / (2 * lam), w1 + extra / (4 * lam))  # eq-gan-penalised
