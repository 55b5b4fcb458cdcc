"""Two games small enough for pencil and paper, on which gradient steps can be followed exactly.

theta is the player who minimises (the generator), phi the one who maximises (the discriminator), eta the step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive


def simultaneous_steps(eta: float | Tensor) -> Tensor:
    """The matrix of one step of both players at once in the bilinear game V(theta, phi) = theta phi.

    It maps (theta, phi) to (theta - eta phi, phi + eta theta): a turn and a stretch by sqrt(1 + eta^2).

    Args:
        eta: the step, a number or a tensor of shape ``batch``.

    Returns:
        Float64, shape ``(*batch, 2, 2)``.

    Raises:
        ValueError: if eta is not positive.

    Source: Gidel et al. 2019; in the book eq-gan-simultaneous.

    Example:
        >>> simultaneous_steps(0.5)
        tensor([[ 1.0000, -0.5000],
                [ 0.5000,  1.0000]], dtype=torch.float64)
    """
    eta = torch.as_tensor(check_positive(eta, "eta"), dtype=torch.float64)
    one = torch.ones_like(eta)
    return _matrix(one, -eta, eta, one)  # eq-gan-simultaneous


def alternating_steps(eta: float | Tensor) -> Tensor:
    """The matrix of one step of theta and then one of phi, who sees the new theta, in the bilinear game.

    Its determinant is 1, and it keeps theta^2 + phi^2 - eta theta phi: for eta below 2, an ellipse.

    Args:
        eta: the step, a number or a tensor of shape ``batch``.

    Returns:
        Float64, shape ``(*batch, 2, 2)``.

    Raises:
        ValueError: if eta is not positive.

    Source: Gidel et al. 2019; in the book eq-gan-alternating.

    Example:
        >>> alternating_steps(0.5)
        tensor([[ 1.0000, -0.5000],
                [ 0.5000,  0.7500]], dtype=torch.float64)
    """
    eta = torch.as_tensor(check_positive(eta, "eta"), dtype=torch.float64)
    one = torch.ones_like(eta)
    return _matrix(one, -eta, eta, 1 - eta**2)  # eq-gan-alternating


def trajectory(step: Tensor, start: Tensor, n: int) -> Tensor:
    """The start and the n points to which a matrix takes it, one after the other, shape ``(n + 1, 2)``.

    Args:
        step: the matrix, shape ``(2, 2)``.
        start: (theta, phi), shape ``(2,)``, of the matrix's dtype.
        n: how many steps.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or fewer than one step.

    Example:
        >>> trajectory(simultaneous_steps(1.0), torch.tensor([1.0, 0.0], dtype=torch.float64), 2)
        tensor([[1., 0.],
                [1., 1.],
                [0., 2.]], dtype=torch.float64)
    """
    check_batch(step, "step", 2, 2)
    points = [check_batch(start, "start", 2)]
    for _ in range(check_count(n, "n")):
        points.append(step @ points[-1])
    return torch.stack(points)


def dirac_gan(state: Tensor, gamma: float = 0.0, saturating: bool = True) -> Tensor:
    """The velocity of the Dirac-GAN under gradient flow: data at 0, the generator's one point at theta, D's logit phi x.

    Args:
        state: (theta, phi), shape ``(*batch, 2)``.
        gamma: weight of R1, whose penalty here is (gamma / 2) phi^2.
        saturating: whether theta follows the loss of the game, or the non-saturating one.

    Returns:
        The derivatives of theta and phi by time, shape ``(*batch, 2)``.

    Raises:
        ValueError: on a state of another shape, a NaN, or a negative gamma.

    Source: Mescheder, Geiger and Nowozin 2018, section 2; in the book eq-gan-dirac.

    Example:
        >>> dirac_gan(torch.tensor([2.0, 0.0]), gamma=0.3)
        tensor([ 0., -1.])
    """
    check_batch(state, "state", 2)
    if not gamma >= 0:
        raise ValueError(f"gamma must not be negative, got {gamma!r}")
    theta, phi = state.unbind(-1)
    falls = (theta * phi).sigmoid()  # the slope of log(1 - D) by the logit, but for its sign
    of_theta = falls if saturating else 1 - falls
    return torch.stack([of_theta * phi, -falls * theta - gamma * phi], -1)  # eq-gan-dirac


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)
