"""A flow: invertible layers from x to z, and a simple law for z. The density is exact, and so are the draws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from gmlib.core import check_batch, check_count


class StandardNormal(nn.Module):
    """The standard normal law on R^D.

    Raises:
        ValueError: on a dimension below one.

    Example:
        >>> StandardNormal(2).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def __init__(self, D: int):
        super().__init__()
        self.D = check_count(D, "D")

    def log_prob(self, z: Tensor) -> Tensor:
        """Exact log-density, shape ``(*batch, D)`` to ``batch``."""
        return -0.5 * z.square().sum(-1) - 0.5 * self.D * math.log(2 * math.pi)

    def draw(self, n: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(n, D)``, with dtype and device of ``like``."""
        return torch.randn(n, self.D, generator=generator, dtype=like.dtype, device=like.device)


class StandardLogistic(nn.Module):
    """Independent standard logistic variables: the density of each is sigmoid'(z), with tails like ``exp(-|z|)``.

    Raises:
        ValueError: on a dimension below one.

    Source: Dinh, Krueger and Bengio 2014, section 3.4; in the book eq-flows-logistic.

    Example:
        >>> StandardLogistic(2).log_prob(torch.zeros(2))
        tensor(-2.7726)
    """

    def __init__(self, D: int):
        super().__init__()
        self.D = check_count(D, "D")

    def log_prob(self, z: Tensor) -> Tensor:
        """Exact log-density, shape ``(*batch, D)`` to ``batch``."""
        return (logsigmoid(z) + logsigmoid(-z)).sum(-1)  # eq-flows-logistic

    def draw(self, n: int, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(n, D)``, with dtype and device of ``like``."""
        u = torch.rand(n, self.D, generator=generator, dtype=like.dtype, device=like.device)
        return torch.logit(u.clamp(torch.finfo(u.dtype).eps / 4, 1 - torch.finfo(u.dtype).eps / 2))


class Compose(nn.Module):
    """Layers one after the other; their log-determinants add.

    A layer is a module with two directions: ``layer(x)`` is ``(z, log_det)``, and ``layer.inverse(z)`` is ``(x, log_det)``;
    ``log_det`` is log|det J| of the direction that was taken, at the point given, shape of the batch.

    Args:
        layers: in the order in which x passes them.

    Example:
        >>> both = Compose([Scaling(torch.tensor([0.5, 2.0])), Scaling(torch.tensor([-1.5, 0.0]))])
        >>> both(torch.ones(2))[1].item()
        1.0
    """

    def __init__(self, layers: Iterable[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = 0.0
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det  # eq-flows-compose
        return x, total

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = 0.0
        for layer in reversed(self.layers):
            z, log_det = layer.inverse(z)
            total = total + log_det
        return z, total


class Scaling(nn.Module):
    """z_i = exp(log_s_i) x_i, the diagonal layer of NICE: the determinant is the product of the s_i, its logarithm the sum.

    Args:
        log_s: the logarithms at the start, shape ``(D,)``; they are learned.

    Source: Dinh, Krueger and Bengio 2014, section 3.3; in the book eq-flows-scaling.

    Example:
        >>> Scaling(torch.tensor([0.5, 2.0]))(torch.zeros(3, 2))[1].tolist()
        [2.5, 2.5, 2.5]
    """

    def __init__(self, log_s: Tensor):
        super().__init__()
        self.log_s = nn.Parameter(log_s.clone())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.log_s.exp(), self.log_s.sum().expand(x.shape[:-1])  # eq-flows-scaling

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z * (-self.log_s).exp(), -self.log_s.sum().expand(z.shape[:-1])


class Flow(nn.Module):
    """The law of x = g(z), z from a simple law and g the inverse of the layers.

    Args:
        layers: from x to z: f normalises, g = f^{-1} generates.
        base: the law of z, :class:`StandardNormal` or :class:`StandardLogistic`.

    Source: Rezende and Mohamed 2015; in the book eq-flows-change.

    Example:
        >>> flow = Flow([Scaling(torch.tensor([0.5, 2.0]))], StandardNormal(2))
        >>> flow.log_prob(torch.zeros(2))
        tensor(0.6621, grad_fn=<AddBackward0>)
        >>> flow.sample((5,)).shape
        torch.Size([5, 2])
    """

    def __init__(self, layers: Iterable[nn.Module], base: nn.Module):
        super().__init__()
        self.f, self.base = Compose(layers), base

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density at ``x``, shape ``(*batch, D)`` to ``batch``, in nats; as exact as the layers are.

        Raises:
            ValueError: on a NaN or another last axis than the base's.
        """
        z, log_det = self.f(check_batch(x, "x", self.base.D))
        return self.base.log_prob(z) + log_det  # eq-flows-change

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Draws, shape ``(*sample_shape, D)``: exact, but for the solver of a continuous flow."""
        with torch.no_grad():
            like = next(itertools.chain(self.parameters(), self.buffers()), torch.empty(0))
            z = self.base.draw(math.prod(sample_shape), like, generator)
            return self.f.inverse(z)[0].reshape(*sample_shape, self.base.D)
