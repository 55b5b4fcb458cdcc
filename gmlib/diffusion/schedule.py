"""How much noise each step adds: beta_t, and what follows from it. Time 0 is data; larger t is noisier."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count


class Schedule:
    """The variances beta_1, …, beta_T, and what the chain makes of them.

    Every table has T + 1 entries, so that ``alpha_bar[t]`` is alpha-bar_t; entry 0 is the data: beta 0, alpha-bar 1. The tables
    are in float64 on the CPU, since 1 - alpha-bar_t loses its digits in float32 where t is small.

    Args:
        beta: beta_1 to beta_T, shape ``(T,)``, each in (0, 1).

    Raises:
        ValueError: on another shape, or a beta outside (0, 1).

    Source: Sohl-Dickstein et al. 2015; Ho, Jain and Abbeel 2020.

    Example:
        >>> schedule = Schedule(torch.tensor([0.1, 0.2]))
        >>> schedule.T, schedule.alpha_bar
        (2, tensor([1.0000, 0.9000, 0.7200], dtype=torch.float64))
    """

    def __init__(self, beta: Tensor):
        if check_batch(beta, "beta").ndim != 1 or not ((beta > 0) & (beta < 1)).all():
            raise ValueError(f"beta must have shape (T,) and lie in (0, 1), got {beta.tolist()}")
        start = torch.zeros(1, dtype=torch.float64)
        self.beta = torch.cat([start, beta.detach().cpu().double()])
        self.alpha_bar = (1 - self.beta).cumprod(0)  # eq-diffusion-closed
        self.beta_tilde = self.beta.clone()
        self.beta_tilde[1:] *= (1 - self.alpha_bar[:-1]) / (1 - self.alpha_bar[1:])  # eq-diffusion-posterior

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta) - 1

    @property
    def snr(self) -> Tensor:
        """Signal-to-noise ratio alpha-bar_t / (1 - alpha-bar_t), shape ``(T + 1,)``; infinite at 0."""
        return self.alpha_bar / (1 - self.alpha_bar)  # eq-diffusion-snr

    @property
    def log_rho(self) -> Tensor:
        """log(sigma_t / sqrt(alpha-bar_t)), noise over signal, shape ``(T + 1,)``: it rises with t, from minus infinity."""
        return -self.snr.log() / 2

    def time(self, log_rho: Tensor) -> Tensor:
        """The time in [1, T], not a whole number, at which noise over signal is ``log_rho``; constant beyond both ends."""
        table = self.log_rho[1:].to(log_rho)
        i = torch.searchsorted(table, log_rho.contiguous()).clamp(1, max(self.T - 1, 1))
        if self.T == 1:
            return torch.ones_like(log_rho)
        low, high = table[i - 1], table[i]
        return i + ((log_rho - low) / (high - low)).clamp(0, 1)


def linear(T: int, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """beta_t on a straight line; the ends are those of Ho, Jain and Abbeel (2020) for T = 1,000.

    Raises:
        ValueError: on a count below one or ends outside (0, 1).

    Example:
        >>> round(linear(1000).alpha_bar[500].item(), 6)
        0.078587
    """
    return Schedule(torch.linspace(first, last, check_count(T, "T"), dtype=torch.float64))  # eq-diffusion-linear


def cosine(T: int, s: float = 0.008, largest: float = 0.999) -> Schedule:
    """alpha-bar_t falls like a squared cosine: slowly at both ends (Nichol and Dhariwal 2021).

    Args:
        T: number of steps.
        s: keeps the first beta away from 0.
        largest: bound on beta, which the formula alone would let come to 1 at T.

    Raises:
        ValueError: on a count below one, an ``s`` below 0, or a ``largest`` outside (0, 1).

    Example:
        >>> round(cosine(1000).alpha_bar[500].item(), 6)
        0.493844
    """
    if s < 0 or not 0 < largest < 1:
        raise ValueError(f"s must be at least 0 and largest in (0, 1), got {s} and {largest}")
    t = torch.arange(check_count(T, "T") + 1, dtype=torch.float64) / T
    f = ((t + s) / (1 + s) * math.pi / 2).cos().square()
    return Schedule((1 - f[1:] / f[:-1]).clamp(max=largest))  # eq-diffusion-cosine
