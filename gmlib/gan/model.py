"""The two players: a generator, which is a law that one can only draw from, and a discriminator or critic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmlib.core import check_count


class Generator(nn.Module):
    """x = G(z) with z standard normal: draws are exact and cheap, and the density is not known.

    So there is no ``log_prob``. Several copies that train side by side (:func:`gmlib.nn.stacked_mlp`) are one generator
    with ``copies``: then every tensor has one axis more, the first.

    Args:
        net: maps ``(N, latent)`` to ``(N, *event)``, or with copies ``(copies, N, latent)`` to ``(copies, N, *event)``.
        latent: dimension of z.
        copies: how many generators ``net`` holds; ``None`` where it is one, without an axis for it.

    Raises:
        ValueError: on a count below one.

    Source: Goodfellow et al. 2014; in the book eq-gan-generator.

    Example:
        >>> from gmlib.nn import mlp
        >>> Generator(mlp(2, 16, 3), latent=2).sample((5,)).shape
        torch.Size([5, 3])
    """

    def __init__(self, net: nn.Module, latent: int, copies: int | None = None):
        super().__init__()
        self.net, self.latent = net, check_count(latent, "latent")
        self.copies = copies if copies is None else check_count(copies, "copies")

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal z, shape ``(n, latent)`` or ``(copies, n, latent)``, as the network's weights are."""
        like = next(self.parameters())
        check_count(n, "n")
        shape = (n, self.latent) if self.copies is None else (self.copies, n, self.latent)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def forward(self, z: Tensor) -> Tensor:
        """G(z), shape ``(N, *event)`` or ``(copies, N, *event)``."""
        return self.net(z)  # eq-gan-generator

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, *event)``, with copies ``(copies, *sample_shape, *event)``."""
        x = self(self.noise(math.prod(sample_shape), generator))
        return x.unflatten(0 if self.copies is None else 1, sample_shape) if sample_shape else x.squeeze(0 if self.copies is None else 1)


class Discriminator(nn.Module):
    """One number for each example: the logit of D(x), or the value of a critic f(x).

    Args:
        net: its last axis has length 1.

    Example:
        >>> from gmlib.nn import mlp
        >>> Discriminator(mlp(3, 16, 1))(torch.zeros(5, 3)).shape
        torch.Size([5])
    """

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(*batch, *event)`` to ``batch``."""
        return self.net(x).squeeze(-1)
