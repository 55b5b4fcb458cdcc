"""How fast EM is, exactly: two Gaussians at w : 1 - w around mu and -mu, of which only mu is unknown."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gmlib.core import check_positive

_NODES, _WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(200))


def _mean(f, mu: float, s: float, w: float) -> Tensor:
    """E f(x) for x ~ w N(mu, s^2) + (1 - w) N(-mu, s^2), by quadrature."""
    weights = _WEIGHTS / math.sqrt(2 * math.pi)
    return w * (weights * f(mu + s * _NODES)).sum() + (1 - w) * (weights * f(-mu + s * _NODES)).sum()


def em_map(m: float, mu: float, s: float = 1.0, w: float = 0.5) -> Tensor:
    """EM's next value after m, with endless data: E[x tanh(m x / s^2 + b)], b = log(w / (1 - w)) / 2.

    Args:
        m: the present value.
        mu, s, w: the truth; 0 < w < 1.

    Source: in the book eq-mixtures-em-map.

    Example:
        >>> em_map(0.7, 0.7, 1.3, 0.35)  # the truth is a fixed point
        tensor(0.7000, dtype=torch.float64)
    """
    b = _half_log_odds(w)
    check_positive(s, "s")
    return _mean(lambda x: x * torch.tanh(m * x / s**2 + b), mu, s, w)  # eq-mixtures-em-map


def em_rate(mu: float, s: float = 1.0, w: float = 0.5) -> Tensor:
    """The factor by which each step shrinks a small error at the truth: E[x^2 sech^2(mu x / s^2 + b)] / s^2.

    It is the share of the information on mu that the missing labels hold.

    Args:
        mu, s, w: the truth; 0 < w < 1.

    Source: Dempster, Laird and Rubin 1977; in the book eq-mixtures-rate.

    Example:
        >>> em_rate(0.7, 1.3, 0.35)
        tensor(0.5859, dtype=torch.float64)
    """
    b = _half_log_odds(w)
    check_positive(s, "s")
    return _mean(lambda x: x.square() / torch.cosh(mu * x / s**2 + b).square(), mu, s, w) / s**2  # eq-mixtures-rate


def _half_log_odds(w: float) -> float:
    if not 0 < w < 1:
        raise ValueError(f"w must be in (0, 1), got {w}")
    return 0.5 * math.log(w / (1 - w))
