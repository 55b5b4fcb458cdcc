"""Point clouds in the plane, made on the spot: ``n`` points, shape ``(n, 2)``, about unit scale.

They lie on the device of the ``generator``, on the CPU where there is none.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive
from gmlib.targets import GaussianMixture


def moons(n: int, noise: float = 0.1, generator: torch.Generator | None = None) -> Tensor:
    """Two half circles that reach into each other.

    Example:
        >>> moons(5).shape
        torch.Size([5, 2])
    """
    t = math.pi * torch.rand(check_count(n, "n"), **_from(generator))
    lower = _coin(n, generator)
    x = torch.stack([t.cos() + lower - 0.5, torch.where(lower.bool(), 0.25 - t.sin(), t.sin() - 0.25)], -1)
    return x + noise * torch.randn(n, 2, **_from(generator))


def moons_log_prob(x: Tensor, noise: float = 0.1) -> Tensor:
    """The log-density of :func:`moons`, by quadrature over either arc: right to rounding for a noise of 0.05 or more.

    With noise 0.1 the entropy is 1.00758483 nats.

    Args:
        x: shape ``(*batch, 2)``.
        noise: as in :func:`moons`, positive.

    Returns:
        Nats, shape ``batch``.

    Raises:
        ValueError: on another shape, a NaN, or a noise that is not positive.

    Example:
        >>> moons_log_prob(torch.tensor([[-1.5, -0.25], [0.0, 0.75]])).exp()
        tensor([0.3179, 0.2995])
    """
    check_batch(x, "x", 2)
    check_positive(noise, "noise")
    nodes, weights = (torch.from_numpy(part).to(x) for part in np.polynomial.legendre.leggauss(100))
    t = math.pi * (nodes + 1) / 2
    arcs = torch.stack([torch.stack([t.cos() - 0.5, t.sin() - 0.25], -1), torch.stack([t.cos() + 0.5, 0.25 - t.sin()], -1)])
    square = (x[..., None, None, :] - arcs).square().sum(-1)
    log_normal = -square / (2 * noise**2) - math.log(2 * math.pi * noise**2)
    return (log_normal + (weights / 4).log()).flatten(-2).logsumexp(-1)


def spirals(n: int, noise: float = 0.05, generator: torch.Generator | None = None) -> Tensor:
    """Two arms of a spiral, each the other turned by half a circle.

    Example:
        >>> spirals(5).shape
        torch.Size([5, 2])
    """
    t = 3 * math.pi * torch.rand(check_count(n, "n"), **_from(generator)).sqrt()
    arm = 2 * _coin(n, generator) - 1
    x = (arm * t / (3 * math.pi)).unsqueeze(-1) * torch.stack([t.cos(), t.sin()], -1) * 2
    return x + noise * torch.randn(n, 2, **_from(generator))


def checkerboard(n: int, generator: torch.Generator | None = None) -> Tensor:
    """Uniform on the eight dark squares of a 4x4 board on [-2, 2]^2: the density is 1/8 there.

    Example:
        >>> checkerboard(5).shape
        torch.Size([5, 2])
    """
    column = torch.randint(4, (check_count(n, "n"),), **_from(generator))
    row = 2 * torch.randint(2, (n,), **_from(generator)) + column % 2
    return torch.stack([column, row], -1) - 2 + torch.rand(n, 2, **_from(generator))


def checkerboard_log_prob(x: Tensor) -> Tensor:
    """The log-density of :func:`checkerboard`: -log 8 on the dark squares, and minus infinity elsewhere.

    The entropy is log 8 = 2.0794 nats.

    Args:
        x: shape ``(*batch, 2)``.

    Returns:
        Nats, shape ``batch``.

    Raises:
        ValueError: on another shape or a NaN.

    Example:
        >>> checkerboard_log_prob(torch.tensor([[-1.5, -1.5], [-1.5, -0.5]]))
        tensor([-2.0794,    -inf])
    """
    column, row = check_batch(x, "x", 2).floor().unbind(-1)
    dark = ((column + row) % 2 == 0) & (x >= -2).all(-1) & (x < 2).all(-1)
    return torch.where(dark, x.new_tensor(-math.log(8.0)), -math.inf)


def pinwheel(n: int, arms: int = 5, generator: torch.Generator | None = None) -> Tensor:
    """Gaussian blobs around the origin, sheared into the arms of a pinwheel.

    Example:
        >>> pinwheel(5).shape
        torch.Size([5, 2])
    """
    radius = 1 + 0.3 * torch.randn(check_count(n, "n"), **_from(generator))
    offset = 0.1 * torch.randn(n, **_from(generator))
    arm = torch.randint(check_count(arms, "arms"), (n,), **_from(generator))
    angle = 2 * math.pi * arm / arms + 0.25 * torch.exp(radius) + offset
    return radius.unsqueeze(-1) * torch.stack([angle.cos(), angle.sin()], -1)


def ring(modes: int = 8, radius: float = 2.0, sigma: float = 0.15, dtype: torch.dtype = torch.float32) -> GaussianMixture:
    """A ring of equal, round Gaussians: a target with an exact density, on which modes can be counted.

    Example:
        >>> ring(8).mu.norm(dim=1).max().item()
        2.0
    """
    check_positive(radius, "radius")
    check_positive(sigma, "sigma")
    angle = 2 * math.pi * torch.arange(check_count(modes, "modes"), dtype=dtype) / modes
    mu = radius * torch.stack([angle.cos(), angle.sin()], -1)
    Sigma = (sigma**2 * torch.eye(2, dtype=dtype)).expand(modes, 2, 2)
    return GaussianMixture(torch.full((modes,), 1 / modes, dtype=dtype), mu, Sigma)


def grid(side: int = 5, spacing: float = 1.0, sigma: float = 0.1, dtype: torch.dtype = torch.float32) -> GaussianMixture:
    """A square grid of equal, round Gaussians around the origin, ``side * side`` of them.

    Example:
        >>> grid(3, spacing=2.0).mu[0]
        tensor([-2., -2.])
    """
    check_positive(spacing, "spacing")
    check_positive(sigma, "sigma")
    t = spacing * (torch.arange(check_count(side, "side"), dtype=dtype) - (side - 1) / 2)
    Sigma = (sigma**2 * torch.eye(2, dtype=dtype)).expand(side**2, 2, 2)
    return GaussianMixture(torch.full((side**2,), 1 / side**2, dtype=dtype), torch.cartesian_prod(t, t), Sigma)


def _from(generator: torch.Generator | None) -> dict:
    return {"generator": generator, "device": generator.device if generator else "cpu"}


def _coin(n: int, generator: torch.Generator | None) -> Tensor:
    return torch.randint(2, (n,), **_from(generator)).float()
