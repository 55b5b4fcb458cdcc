"""The terms of the variational bound: a Kullback-Leibler divergence for each step, and a decoder at the end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.special import log_ndtr

from gmlib.core import as_float64, check_batch, check_positive, check_shape
from gmlib.diffusion.forward import as_column
from gmlib.diffusion.schedule import Schedule


def _sum(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def end_kl(x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """L_T = KL(q(x_T | x_0) || N(0, I)), exact, shape ``(N,)``: what it costs that x_T is not quite pure noise.

    Args:
        x0: shape ``(N, *event)``.
        alpha_bar: alpha-bar_T.

    Source: in the book eq-diffusion-end-kl.

    Example:
        >>> end_kl(torch.tensor([[2.0, 1.0]]), 0.1)
        tensor([0.2554])
    """
    check_batch(x0, "x0")
    x = as_float64(x0)
    a = as_column(alpha_bar, x)
    return _sum(a * x.square() - a - torch.log1p(-a)).div(2).to(x0)  # eq-diffusion-end-kl


def step_kl(error: Tensor, s2: Tensor, beta_tilde: Tensor, c: Tensor, D: int) -> Tensor:
    """L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p_theta(x_{t-1} | x_t)), for t from 2, both Gaussian with scalar variances.

    Args:
        error: squared length of x_0 - predicted x_0, shape ``(N,)``.
        s2: variance of the reverse step.
        beta_tilde: variance of the posterior.
        c: weight of x_0 in the posterior's mean, sqrt(alpha-bar_{t-1}) beta_t / (1 - alpha-bar_t).
        D: dimensions of x.

    Source: Ho, Jain and Abbeel 2020, equation 8; in the book eq-diffusion-step-kl.

    Example:
        >>> step_kl(*(torch.tensor(v) for v in (0.5, 0.19, 0.114, 0.427)), D=2)
        tensor(0.3507)
    """
    return D / 2 * ((s2 / beta_tilde).log() + beta_tilde / s2 - 1) + c.square() * error / (2 * s2)  # eq-diffusion-step-kl


def best_variance(mse: Tensor, schedule: Schedule) -> Tensor:
    """The variance of each reverse step for which the bound is best: beta-tilde_t + c_t^2 times the mean square error a dimension.

    Args:
        mse: of the predicted x_0, for each t and dimension, shape ``(T + 1,)``; entry 0 is not used.
        schedule: of T steps.

    Returns:
        Shape ``(T + 1,)``, entry 0 being 0; entry 1 is the variance of the decoder for continuous data.

    Raises:
        ValueError: on another shape.

    Source: Bao et al. 2022; in the book eq-diffusion-best-variance.

    Example:
        >>> best_variance(torch.tensor([0.0, 0.02, 0.05]), Schedule(torch.tensor([0.1, 0.2])))
        tensor([0.0000, 0.0200, 0.0944], dtype=torch.float64)
    """
    check_batch(mse, "mse", schedule.T + 1)
    s2 = schedule.beta_tilde + weight_of_x0(schedule).square() * mse.to(schedule.beta)  # eq-diffusion-best-variance
    s2[0] = 0
    return s2


def weight_of_x0(schedule: Schedule) -> Tensor:
    """c_t = sqrt(alpha-bar_{t-1}) beta_t / (1 - alpha-bar_t), the weight of x_0 in the posterior's mean, shape ``(T + 1,)``.

    Example:
        >>> weight_of_x0(Schedule(torch.tensor([0.1, 0.2])))[1:]
        tensor([1.0000, 0.6776], dtype=torch.float64)
    """
    c = torch.zeros_like(schedule.beta)
    c[1:] = schedule.alpha_bar[:-1].sqrt() * schedule.beta[1:] / (1 - schedule.alpha_bar[1:])
    return c


def noise_weight(schedule: Schedule, s2: Tensor) -> Tensor:
    """The bound's weight on the squared error of the predicted eps in step t: beta_t^2 / (2 s_t^2 alpha_t (1 - alpha-bar_t)), shape ``(T + 1,)``.

    The simple loss has 1 in its place. Entry 0 is 0.

    Args:
        schedule: of T steps.
        s2: variance of each reverse step, shape ``(T + 1,)``; entry 0 is not used.

    Raises:
        ValueError: on another shape.

    Source: Ho, Jain and Abbeel 2020, equation 12; in the book eq-diffusion-noise-weight.

    Example:
        >>> schedule = Schedule(torch.tensor([0.1, 0.2]))
        >>> noise_weight(schedule, schedule.beta)[1:]
        tensor([0.5556, 0.4464], dtype=torch.float64)
    """
    check_batch(s2, "s2", schedule.T + 1)
    beta, alpha_bar = schedule.beta[1:], schedule.alpha_bar[1:]
    weight = torch.zeros_like(schedule.beta)
    weight[1:] = beta.square() / (2 * s2[1:].to(beta) * (1 - beta) * (1 - alpha_bar))  # eq-diffusion-noise-weight
    return weight


def binned_log_prob(x: Tensor, mean: Tensor, std: Tensor | float, width: float) -> Tensor:
    """log-probability of each level under a Gaussian cut into bins: the decoder for data on a grid in [-1, 1].

    The bin of a level reaches half a ``width`` to each side; the outer bins reach to infinity, so the bins' probabilities sum to 1.

    Args:
        x: levels from -1 to 1, any shape.
        mean: of the shape of x.
        std: positive, a number or broadcastable.
        width: of a bin; for 17 levels 2 / 16.

    Returns:
        One log-probability for each entry of x.

    Raises:
        ValueError: on a ``width`` or ``std`` that is not positive, levels outside [-1, 1], or a mean of another shape.

    Source: Ho, Jain and Abbeel 2020, equation 13; in the book eq-diffusion-decoder.

    Example:
        >>> levels = torch.linspace(-1, 1, 17)
        >>> round(binned_log_prob(levels, torch.full((17,), 0.3), 0.4, width=2 / 16).exp().sum().item(), 5)
        1.0
    """
    check_batch(x, "x")
    check_shape(mean, "mean", *x.shape)
    check_positive(width, "width")
    std = torch.as_tensor(check_positive(std, "std"), dtype=x.dtype, device=x.device)
    if x.abs().max() > 1 + 1e-6:
        raise ValueError(f"x must lie in [-1, 1], got {x.min().item()} to {x.max().item()}")
    u = torch.where(x > mean, mean - x, x - mean)  # the mirror image, where the left tail is the exact one
    open_left = torch.where(x > mean, x > 1 - width / 2, x < -1 + width / 2)
    open_right = torch.where(x > mean, x < -1 + width / 2, x > 1 - width / 2)
    high = torch.where(open_right, torch.inf, (u + width / 2) / std)
    low = torch.where(open_left, -torch.inf, (u - width / 2) / std)
    top, bottom = log_ndtr(high), log_ndtr(low)
    return top + torch.log1p(-(bottom - top).exp())  # eq-diffusion-decoder
