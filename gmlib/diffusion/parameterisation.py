"""Three things that a network can predict. Each gives x_0, given x_t; they differ in how an error is weighed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from gmlib.diffusion.forward import as_column


class Parameterisation(NamedTuple):
    """What is predicted, and how to come from it to x_0. ``alpha_bar`` is a number or has shape ``(N,)``.

    ``target(x0, eps, alpha_bar)`` is what the network should say; ``x0(output, x, alpha_bar)`` is what it then says of x_0.
    """

    target: Callable[[Tensor, Tensor, Tensor], Tensor]
    x0: Callable[[Tensor, Tensor, Tensor], Tensor]


def _noise_x0(output: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
    a = as_column(alpha_bar, x)
    return (x - (1 - a).sqrt() * output) / a.sqrt()  # eq-diffusion-parameterisations


def _velocity_target(x0: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    a = as_column(alpha_bar, x0)
    return a.sqrt() * eps - (1 - a).sqrt() * x0  # eq-diffusion-parameterisations


def _velocity_x0(output: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
    a = as_column(alpha_bar, x)
    return a.sqrt() * x - (1 - a).sqrt() * output  # eq-diffusion-parameterisations


#: The noise eps. Dividing by sqrt(alpha-bar) multiplies its errors where x_t is nearly pure noise.
NOISE = Parameterisation(lambda x0, eps, alpha_bar: eps, _noise_x0)
#: x_0 itself. Dividing by sigma multiplies its errors in eps where there is little noise.
DATA = Parameterisation(lambda x0, eps, alpha_bar: x0, lambda output, x, alpha_bar: output)
#: v = sqrt(alpha-bar) eps - sigma x_0 (Salimans and Ho 2022): no division on the way to x_0 or to eps.
VELOCITY = Parameterisation(_velocity_target, _velocity_x0)


def noise_from_x0(x0: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
    """The eps that made x_t of x_0: what a prediction of x_0 says of the noise.

    Example:
        >>> import torch
        >>> noise_from_x0(torch.tensor([[2.0]]), torch.tensor([[1.9]]), 0.64)
        tensor([[0.5000]])
    """
    a = as_column(alpha_bar, x)
    return (x - a.sqrt() * x0) / (1 - a).sqrt()
