"""Ways back from noise to data. Each takes a function of (x, t), and knows nothing of what stands behind it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive
from gmlib.diffusion.forward import posterior, step_beta_tilde
from gmlib.diffusion.schedule import Schedule

Denoiser = Callable[[Tensor, int], Tensor]
Variance = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[Tensor], Tensor]


def _noise(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)


def spaced(T: int, steps: int) -> list[int]:
    """Times from T down to 0, ``steps`` jumps of nearly equal length.

    Raises:
        ValueError: on fewer than one or more than T steps.

    Example:
        >>> spaced(200, 4)
        [200, 150, 100, 50, 0]
    """
    if check_count(steps, "steps") > check_count(T, "T"):
        raise ValueError(f"steps must be at most T = {T}, got {steps}")
    return [round(T * i / steps) for i in range(steps, -1, -1)]


@torch.no_grad()
def ancestral(
    denoise: Denoiser,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[int] | None = None,
    variance: Variance = step_beta_tilde,
    generator: torch.Generator | None = None,
) -> Tensor:
    """From x_T to x_0: at each time draw x_r from the Gaussian whose mean is the posterior's for the denoised x_t.

    Approximate: the true reverse step is Gaussian in the limit of small steps only, and the denoiser is not exact. The last
    step adds no noise.

    Args:
        denoise: of ``(x_t, t)``, gives an estimate of x_0.
        schedule: of T steps.
        x: the start, standard normal where the first time is T; shape ``(N, *event)``.
        times: falling, the last one 0; all from T to 0 where none are given.
        variance: of each step, from ``(alpha_bar, before)``: :func:`~gmlib.diffusion.step_beta_tilde` or
            :func:`~gmlib.diffusion.step_beta`.
        generator: on the device of x.

    Raises:
        ValueError: on times that do not fall, or do not end at 0.

    Source: Ho, Jain and Abbeel 2020, algorithm 2; in the book eq-diffusion-ancestral.

    Example:
        >>> from gmlib.diffusion import linear
        >>> ancestral(lambda x, t: torch.zeros_like(x), linear(5), torch.randn(3, 2))
        tensor([[0., 0.],
                [0., 0.],
                [0., 0.]])
    """
    check_batch(x, "x")
    times = spaced(schedule.T, schedule.T) if times is None else list(times)
    if len(times) < 2 or times[-1] or times[0] > schedule.T or any(a <= b for a, b in itertools.pairwise(times)):
        raise ValueError(f"times must fall from at most {schedule.T} to 0, got {times}")
    for t, r in itertools.pairwise(times):
        a, before = schedule.alpha_bar[t], schedule.alpha_bar[r]
        x, _ = posterior(denoise(x, t), x, a, before)
        if r > 0:
            x = x + variance(a, before).sqrt().to(x) * _noise(x, generator)  # eq-diffusion-ancestral
    return x


@torch.no_grad()
def langevin(score: Score, x: Tensor, h: float, steps: int, generator: torch.Generator | None = None) -> Tensor:
    """Steps uphill in log-density, each with noise: x + h s(x) + sqrt(2 h) z.

    Its law tends to the density whose score this is, up to an error of the order of h: on N(0, v) the variance tends to
    v / (1 - h / (2 v)), and beyond h = 2 v it grows without bound.

    Args:
        score: of x, with its shape.
        x: the start, shape ``(N, *event)``.
        h: step size.
        steps: how many.
        generator: on the device of x.

    Raises:
        ValueError: on an h that is not positive, or a count below one.

    Source: in the book eq-diffusion-langevin.

    Example:
        >>> langevin(lambda x: -x / 0.7, torch.zeros(3, 2), h=0.2, steps=4).shape
        torch.Size([3, 2])
    """
    check_batch(x, "x")
    check_positive(h, "h")
    for _ in range(check_count(steps, "steps")):
        x = x + h * score(x) + (2 * h) ** 0.5 * _noise(x, generator)  # eq-diffusion-langevin
    return x
