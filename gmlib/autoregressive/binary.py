"""Binary vectors, one Bernoulli variable after the other: the chain rule with a network for its conditionals."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gmlib.core import check_batch, check_count
from gmlib.nn import MaskedLinear, MaskedMLP


class BinaryModel(nn.Module):
    """p(x) = prod_i p(x_i | x_1, …, x_{i-1}) for x in {0, 1}^D: exact ``log_prob``, exact and serial ``sample``.

    Args:
        net: maps ``(N, D)`` to logits ``(N, D)``, of which the i-th depends on the entries before the i-th only.
        D: how many variables.
        order: which variable comes first, second, …: a permutation of 0, …, D - 1. Without it, their own order.

    Raises:
        ValueError: on a ``D`` below one or an ``order`` that is no permutation.

    Source: in the book eq-autoregressive-chain.

    Example:
        >>> model = BinaryModel(Logistic(3), 3)
        >>> model.log_prob(torch.zeros(3)).shape, model.sample((5,)).shape
        (torch.Size([]), torch.Size([5, 3]))
    """

    def __init__(self, net: nn.Module, D: int, order: Tensor | None = None):
        super().__init__()
        check_count(D, "D")
        order = torch.arange(D) if order is None else order
        if order.sort().values.tolist() != list(range(D)):
            raise ValueError(f"order must be a permutation of 0 to {D - 1}, got {order.tolist()}")
        self.net, self.D = net, D
        self.register_buffer("order", order)

    def logits(self, x: Tensor) -> Tensor:
        """log p(x_i = 1 | before) - log p(x_i = 0 | before) for each i, shape of x."""
        return self.net(x[..., self.order].reshape(-1, self.D)).reshape(x.shape)[..., self.order.argsort()]

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-mass of zeros and ones, shape ``(*batch, D)``: one pass of the network."""
        check_bits(x, self.D)
        return -F.binary_cross_entropy_with_logits(self.logits(x), x, reduction="none").sum(-1)  # eq-autoregressive-chain

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, D)``: one pass of the network for each variable."""
        like = next(self.net.parameters())
        x = like.new_zeros(*sample_shape, self.D)
        for i in self.order.tolist():
            u = torch.rand(sample_shape, generator=generator, dtype=like.dtype, device=like.device)
            x[..., i] = (u < self.logits(x)[..., i].sigmoid()).to(x)
        return x


def check_bits(x: Tensor, D: int) -> Tensor:
    """Return ``x`` if it is a batch of D zeros and ones.

    Raises:
        ValueError: on another shape or another value.

    Example:
        >>> check_bits(torch.tensor([0.0, 1.0]), 2)
        tensor([0., 1.])
    """
    check_batch(x, "x", D)
    if not ((x == 0) | (x == 1)).all():
        raise ValueError(f"x must hold zeros and ones, got values from {x.min().item()} to {x.max().item()}")
    return x


class Logistic(nn.Module):
    """The fully visible belief network: one logistic regression for each variable, on those before it.

    Args:
        D: how many variables; there are D (D - 1) / 2 weights that count, and D biases.

    Source: Frey, Hinton and Dayan 1995; in the book eq-autoregressive-fvbn.

    Example:
        >>> Logistic(3)(torch.zeros(7, 3)).shape
        torch.Size([7, 3])
    """

    def __init__(self, D: int):
        super().__init__()
        self.W, self.b = nn.Parameter(torch.zeros(check_count(D, "D"), D)), nn.Parameter(torch.zeros(D))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W.tril(-1).T + self.b  # eq-autoregressive-fvbn


class PixelMLPs(nn.Module):
    """A neural fully visible belief network: an MLP with one hidden layer for each variable, none of them shared.

    Args:
        D: how many variables.
        hidden: tanh units for each variable.

    Source: after Bengio and Bengio 1999, whose networks share their hidden units; in the book eq-autoregressive-neural.

    Example:
        >>> PixelMLPs(3, 8)(torch.zeros(7, 3)).shape
        torch.Size([7, 3])
    """

    def __init__(self, D: int, hidden: int):
        super().__init__()
        before = torch.ones(check_count(D, "D"), D).tril(-1)
        self.first = MaskedLinear(before.repeat_interleave(check_count(hidden, "hidden"), 0))
        self.V, self.b = nn.Parameter(torch.randn(D, hidden) * hidden**-0.5), nn.Parameter(torch.zeros(D))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).tanh().unflatten(-1, self.V.shape)
        return (h * self.V).sum(-1) + self.b  # eq-autoregressive-neural


class NADE(nn.Module):
    """The neural autoregressive distribution estimator: all hidden layers share the columns of one matrix.

    The hidden layer of variable i is sigmoid(c + sum_{j < i} W_j x_j), so the next one costs one more column and no more:
    the sums are one cumulative sum.

    Args:
        D: how many variables.
        hidden: units.

    Source: Larochelle and Murray 2011; in the book eq-autoregressive-nade.

    Example:
        >>> NADE(3, 8)(torch.zeros(7, 3)).shape
        torch.Size([7, 3])
    """

    def __init__(self, D: int, hidden: int):
        super().__init__()
        scale = check_count(D, "D") ** -0.5
        self.W = nn.Parameter(torch.randn(D, check_count(hidden, "hidden")) * scale)
        self.c, self.b = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(D))
        self.V = nn.Parameter(torch.randn(D, hidden) * hidden**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        terms = x.unsqueeze(-1) * self.W
        h = (self.c + terms.cumsum(-2) - terms).sigmoid()  # eq-autoregressive-nade
        return (h * self.V).sum(-1) + self.b


class MADE(nn.Module):
    """The masked autoencoder: one MLP whose masks let output i see the inputs before i, and a masked linear map beside it.

    Args:
        D: how many variables.
        hidden: widths of the hidden layers.
        direct: with the linear map from input to output.

    Source: Germain et al. 2015; in the book eq-autoregressive-made.

    Example:
        >>> MADE(3, 16)(torch.zeros(7, 3)).shape
        torch.Size([7, 3])
    """

    def __init__(self, D: int, *hidden: int, direct: bool = True):
        super().__init__()
        self.net = MaskedMLP(D, *hidden)
        self.direct = MaskedLinear(torch.ones(D, D).tril(-1)) if direct else None

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net(x).squeeze(-1)
        return logits if self.direct is None else logits + self.direct(x)
