"""Diffusion in continuous time. The clock is log rho, rho = sigma / sqrt(alpha-bar): noise over signal, which every schedule only paces.

With alpha-bar = 1 / (1 + rho^2) and d log(alpha-bar) = -2 sigma^2 d(log rho), beta(t) dt of the variance-preserving equation is
2 sigma^2 d(log rho) under any schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count
from gmlib.ode import Divergence, exact_divergence, integrate

TimedScore = Callable[[Tensor, Tensor], Tensor]


def noise_variance(log_rho: Tensor) -> Tensor:
    """sigma^2 = rho^2 / (1 + rho^2), with its digits at both ends.

    Example:
        >>> noise_variance(torch.tensor(0.0))
        tensor(0.5000)
    """
    return torch.sigmoid(2 * log_rho)


def flow_field(score: TimedScore) -> TimedScore:
    """dx / d(log rho) of the probability flow: -sigma^2 (x + s(x, log rho)).

    The deterministic equation whose solutions have, at each time, the law of x_t.

    Args:
        score: of ``(x, log_rho)``, log_rho a scalar tensor, in the shape of x.

    Source: Song et al. 2021, equation 13; in the book eq-diffusion-flow.

    Example:
        >>> flow_field(lambda x, log_rho: -2 * x)(torch.ones(2), torch.tensor(0.0))
        tensor([0.5000, 0.5000])
    """
    return lambda x, log_rho: -noise_variance(log_rho) * (x + score(x, log_rho))  # eq-diffusion-flow


def flow_log_prob(
    score: TimedScore, x: Tensor, start: float, end: float, steps: int, divergence: Divergence = exact_divergence
) -> Tensor:
    """log-density of the probability flow at x, from the standard normal law at the noisy end.

    What is computed is the density of x at ``start``, where a little noise is in it already; it is that of the flow, not of the
    sampler with noise; and it is exact but for the steps' error and for the end law's, which is not quite standard normal.

    Args:
        score: of ``(x, log_rho)``; ``x`` with one batch axis, log_rho a scalar tensor.
        x: shape ``(N, D)``.
        start, end: log rho at the data and at the noise.
        steps: Runge-Kutta steps of fourth order.
        divergence: of the field: exact, or :func:`gmlib.ode.hutchinson`.

    Returns:
        Shape ``(N,)``.

    Raises:
        ValueError: where ``end`` is not above ``start``, or on a count below one.

    Source: Song et al. 2021, equation 39; in the book eq-diffusion-flow-likelihood.

    Example:
        >>> with torch.no_grad():
        ...     flow_log_prob(lambda x, log_rho: -x, torch.zeros(1, 2), -5.0, 4.0, steps=3)
        tensor([-1.8379])
    """
    check_batch(x, "x")
    _check_ends(start, end)
    z, log_det = integrate(flow_field(score), x, start, end, steps, divergence)
    log_normal = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
    return log_normal + log_det  # eq-diffusion-flow-likelihood


@torch.no_grad()
def reverse_sde(
    score: TimedScore, x: Tensor, start: float, end: float, steps: int, generator: torch.Generator | None = None
) -> Tensor:
    """From noise back to data along the reverse-time stochastic equation, by Euler-Maruyama steps of equal size in log rho.

    Args:
        score: of ``(x, log_rho)``.
        x: a draw of the law at ``end``, shape ``(N, D)``.
        start, end: log rho at the data and at the noise.
        steps: how many.
        generator: on the device of x.

    Returns:
        x at ``start``; the last step adds no noise.

    Raises:
        ValueError: where ``end`` is not above ``start``, or on a count below one.

    Source: Anderson 1982; Song et al. 2021, equation 6; in the book eq-diffusion-reverse-sde.

    Example:
        >>> reverse_sde(lambda x, log_rho: -x, torch.zeros(3, 2), -5.0, 4.0, steps=50).shape
        torch.Size([3, 2])
    """
    check_batch(x, "x")
    _check_ends(start, end)
    h = (end - start) / check_count(steps, "steps")
    for i in range(steps):
        log_rho = torch.as_tensor(end - i * h, dtype=x.dtype, device=x.device)
        beta = 2 * noise_variance(log_rho) * h
        x = x + beta * (x / 2 + score(x, log_rho))  # eq-diffusion-reverse-sde
        if i < steps - 1:
            x = x + beta.sqrt() * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return x


def _check_ends(start: float, end: float) -> None:
    if not start < end:
        raise ValueError(f"end must be above start, got {end} and {start}")
