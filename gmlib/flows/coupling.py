"""Couplings: one part of x passes unchanged and decides, through any network, how the rest is moved.

The Jacobian is triangular, so its determinant is the product of the slopes of the moved part, and the network itself is
never inverted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gmlib.core import check_count, check_positive
from gmlib.flows.spline import rational_quadratic


class Coupling(nn.Module):
    """What all couplings share: who passes and who is moved. A subclass says how one is moved.

    Args:
        passes: which dimensions pass unchanged, a boolean tensor of shape ``(D,)``, neither all nor none.
        net: maps the part that passes to the parameters of the rest, ``per`` numbers beside each other for each
            dimension that is moved.

    Raises:
        ValueError: if ``passes`` is not such a tensor.
    """

    per = 1  # parameters for each dimension that is moved

    def __init__(self, passes: Tensor, net: nn.Module):
        super().__init__()
        if passes.dtype != torch.bool or passes.ndim != 1 or not 0 < passes.sum() < len(passes):
            raise ValueError(f"passes must be boolean, of shape (D,), neither all nor none, got {passes.tolist()}")
        keep, move = passes.nonzero().squeeze(-1), (~passes).nonzero().squeeze(-1)
        self.register_buffer("keep", keep)
        self.register_buffer("move", move)
        self.register_buffer("back", torch.cat([keep, move]).argsort())
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply_to(x, self.moved)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply_to(z, self.moved_back)

    def _apply_to(self, x: Tensor, how: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        a, b = x.index_select(-1, self.keep), x.index_select(-1, self.move)
        parameters = self.net(a).unflatten(-1, (len(self.move), self.per))
        b, log_slope = how(b, parameters)
        return torch.cat([a, b], -1).index_select(-1, self.back), log_slope.sum(-1)  # eq-flows-triangular


class AdditiveCoupling(Coupling):
    """The moved part is shifted by what the network says of the rest: determinant 1, whatever the network.

    Args:
        passes: see :class:`Coupling`.
        net: gives the shift, one number for each dimension that is moved.

    Source: Dinh, Krueger and Bengio 2014, section 3.2; in the book eq-flows-additive.

    Example:
        >>> layer = AdditiveCoupling(torch.tensor([True, False]), nn.Linear(1, 1))
        >>> layer(torch.randn(5, 2))[1]
        tensor([0., 0., 0., 0., 0.])
    """

    def moved(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return b + parameters.squeeze(-1), torch.zeros_like(b)  # eq-flows-additive

    def moved_back(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return b - parameters.squeeze(-1), torch.zeros_like(b)


class AffineCoupling(Coupling):
    """The moved part is scaled and shifted by what the network says of the rest.

    The logarithm of the scale is kept within ``clamp`` by ``clamp * tanh(s / clamp)``.

    Args:
        passes: see :class:`Coupling`.
        net: gives s and t, two numbers for each dimension that is moved, beside each other.
        clamp: positive.

    Source: Dinh, Sohl-Dickstein and Bengio 2017; in the book eq-flows-affine.

    Example:
        >>> layer = AffineCoupling(torch.tensor([True, False]), nn.Linear(1, 2))
        >>> x = torch.randn(5, 2)
        >>> torch.allclose(layer.inverse(layer(x)[0])[0], x, atol=1e-5)
        True
    """

    per = 2

    def __init__(self, passes: Tensor, net: nn.Module, clamp: float = 2.0):
        super().__init__(passes, net)
        self.clamp = check_positive(clamp, "clamp")

    def moved(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._split(parameters)
        return b * s.exp() + t, s  # eq-flows-affine

    def moved_back(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._split(parameters)
        return (b - t) * (-s).exp(), -s

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        s, t = parameters.unbind(-1)
        return self.clamp * (s / self.clamp).tanh(), t


class SplineCoupling(Coupling):
    """Each moved dimension goes through a monotone rational-quadratic spline that the network draws.

    Args:
        passes: see :class:`Coupling`.
        net: gives ``3 bins - 1`` numbers for each dimension that is moved.
        bins: at least 2.
        bound: outside of [-bound, bound] the map is the identity.

    Source: Durkan et al. 2019; in the book eq-flows-spline.

    Example:
        >>> layer = SplineCoupling(torch.tensor([True, False]), nn.Linear(1, 14), bins=5)
        >>> layer(torch.tensor([[0.3, 9.0]]))[1]
        tensor([0.], grad_fn=<SumBackward1>)
    """

    def __init__(self, passes: Tensor, net: nn.Module, bins: int = 8, bound: float = 3.0):
        super().__init__(passes, net)
        if check_count(bins, "bins") < 2:
            raise ValueError(f"bins must be at least 2, got {bins}")
        self.bins, self.bound, self.per = bins, check_positive(bound, "bound"), 3 * bins - 1

    def moved(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return rational_quadratic(b, *self._split(parameters), self.bound)

    def moved_back(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return rational_quadratic(b, *self._split(parameters), self.bound, inverse=True)

    def _split(self, parameters: Tensor) -> tuple[Tensor, ...]:
        return parameters.split([self.bins, self.bins, self.bins - 1], -1)


def alternating(D: int, n: int, passes: Tensor | None = None) -> list[Tensor]:
    """Who passes in each of n couplings: every second dimension, then the others, in turns.

    Args:
        D: at least 2.
        n: how many couplings.
        passes: who passes in the first one, in place of the dimensions 0, 2, 4, ….

    Raises:
        ValueError: on counts that are too small.

    Example:
        >>> alternating(3, 2)
        [tensor([ True, False,  True]), tensor([False,  True, False])]
    """
    if check_count(D, "D") < 2:
        raise ValueError(f"D must be at least 2, got {D}")
    first = torch.arange(D) % 2 == 0 if passes is None else passes
    return [first if i % 2 == 0 else ~first for i in range(check_count(n, "n"))]
