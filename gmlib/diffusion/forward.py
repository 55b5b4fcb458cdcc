"""The noising chain in closed form, and one step back where x_0 is known. All are products of Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.core import check_shape


def number(value: Tensor | float) -> Tensor:
    """A tensor; one of float64 where it was a plain number."""
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)


def as_column(values: Tensor | float, x: Tensor) -> Tensor:
    """One number for each example, shape ``(N,)`` or ``()``, in a form that multiplies x of shape ``(N, *event)``."""
    values = number(values).to(x)
    return values.reshape(-1, *(1,) * (x.ndim - 1)) if values.ndim else values


def noised(x0: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """x_t = sqrt(alpha-bar_t) x_0 + sqrt(1 - alpha-bar_t) eps: t steps of the chain at once.

    Args:
        x0: shape ``(N, *event)``.
        eps: standard normal noise of that shape.
        alpha_bar: shape ``(N,)`` or a number, in [0, 1].

    Raises:
        ValueError: on tensors that are not floating-point, or an ``eps`` of another shape.

    Source: Ho, Jain and Abbeel 2020, equation 4; in the book eq-diffusion-closed.

    Example:
        >>> noised(torch.tensor([[2.0]]), torch.tensor([[0.5]]), 0.64)
        tensor([[1.9000]])
    """
    check_shape(x0, "x0")
    check_shape(eps, "eps", *x0.shape)
    a = as_column(alpha_bar, x0)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps  # eq-diffusion-closed


def step_beta(alpha_bar: Tensor | float, before: Tensor | float) -> Tensor:
    """beta of the chain's step, or jump, from a time with alpha-bar ``before`` to a later one with ``alpha_bar``.

    It is the variance of the reverse step that is best for data of variance 1.

    Example:
        >>> step_beta(0.36, 0.9)
        tensor(0.6000, dtype=torch.float64)
    """
    return 1 - number(alpha_bar) / number(before)


def step_beta_tilde(alpha_bar: Tensor | float, before: Tensor | float) -> Tensor:
    """The posterior's variance beta-tilde, best as the variance of the reverse step where x_0 is known.

    Example:
        >>> step_beta_tilde(0.36, 0.9)
        tensor(0.0938, dtype=torch.float64)
    """
    alpha_bar, before = number(alpha_bar), number(before)
    return step_beta(alpha_bar, before) * (1 - before) / (1 - alpha_bar)  # eq-diffusion-posterior


def posterior(x0: Tensor, x: Tensor, alpha_bar: Tensor | float, before: Tensor | float) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_r | x_t, x_0), r before t: a Gaussian by Bayes' rule.

    Args:
        x0: shape ``(N, *event)``.
        x: x_t, of that shape.
        alpha_bar: alpha-bar_t, shape ``(N,)`` or a number.
        before: alpha-bar_r, likewise, larger; for one step of the chain, alpha-bar_{t-1}. At r = 0 it is 1, and the law is the
            point x_0.

    Returns:
        The mean, of the shape of x0, and the variance of each coordinate, which multiplies it.

    Raises:
        ValueError: on tensors that are not floating-point, or an ``x`` of another shape.

    Source: Ho, Jain and Abbeel 2020, equations 6 and 7; in the book eq-diffusion-posterior.

    Example:
        >>> mean, variance = posterior(torch.tensor([[2.0]]), torch.tensor([[1.0]]), 0.36, 0.9)
        >>> round(mean.item(), 4), round(variance.item(), 4)
        (1.8776, 0.0938)
    """
    check_shape(x0, "x0")
    check_shape(x, "x", *x0.shape)
    a, b = number(alpha_bar), number(before)
    beta = step_beta(a, b)
    of_x0, of_x = b.sqrt() * beta / (1 - a), (1 - beta).sqrt() * (1 - b) / (1 - a)  # eq-diffusion-posterior
    return as_column(of_x0, x0) * x0 + as_column(of_x, x0) * x, as_column(step_beta_tilde(a, b), x0)
