"""The networks that several chapters use: an MLP, several of them at once, and heads that return distributions.

A head returns a ``torch.distributions`` object and not its parameters, so that no normalising
constant is ever dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from gmlib.core import check_count


def mlp(*sizes: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """A multi-layer perceptron: linear maps with an activation between them, none at the end.

    Args:
        sizes: widths from input to output, at least two. ``mlp(3, 5)`` is one linear map.
        activation: the class of the activation.

    Raises:
        ValueError: on fewer than two sizes, or a size below one.

    Example:
        >>> mlp(64, 100, 2)
        Sequential(
          (0): Linear(in_features=64, out_features=100, bias=True)
          (1): Tanh()
          (2): Linear(in_features=100, out_features=2, bias=True)
        )
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp needs an input and an output size, got {sizes}")
    for n in sizes:
        check_count(n, "each size")
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(sizes):
        layers += [nn.Linear(i, o), activation()]
    return nn.Sequential(*layers[:-1])


class StackedLinear(nn.Module):
    """One linear map for each of several copies of a network: all of them in one product of matrices.

    Copies that start from other random weights and see other noise are a training run repeated with other seeds.

    Args:
        copies: how many.
        inputs, outputs: the sizes of each map.

    Example:
        >>> StackedLinear(5, 2, 3)(torch.zeros(5, 7, 2)).shape
        torch.Size([5, 7, 3])
    """

    def __init__(self, copies: int, inputs: int, outputs: int):
        super().__init__()
        for n, name in ((copies, "copies"), (inputs, "inputs"), (outputs, "outputs")):
            check_count(n, name)
        reach = inputs**-0.5  # as nn.Linear begins
        self.weight = nn.Parameter(torch.empty(copies, inputs, outputs).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.empty(copies, 1, outputs).uniform_(-reach, reach))

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(copies, N, inputs)`` to ``(copies, N, outputs)``."""
        return torch.baddbmm(self.bias, x, self.weight)

    def extra_repr(self) -> str:
        return "copies={}, inputs={}, outputs={}".format(*self.weight.shape)


def stacked_mlp(copies: int, *sizes: int, activation: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    """:func:`mlp`, several copies side by side: shape ``(copies, N, first size)`` to ``(copies, N, last size)``.

    Args:
        copies: how many.
        sizes: widths from input to output, at least two.
        activation: makes an activation.

    Raises:
        ValueError: on fewer than two sizes, or a count below one.

    Example:
        >>> stacked_mlp(5, 2, 64, 1, activation=nn.ReLU)(torch.zeros(5, 7, 2)).shape
        torch.Size([5, 7, 1])
    """
    if len(sizes) < 2:
        raise ValueError(f"stacked_mlp needs an input and an output size, got {sizes}")
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(sizes):
        layers += [StackedLinear(copies, i, o), activation()]
    return nn.Sequential(*layers[:-1])


class MaskedLinear(nn.Linear):
    """A linear map whose matrix is multiplied by a mask of zeros and ones.

    Args:
        mask: shape ``(outputs, inputs)``.

    Example:
        >>> MaskedLinear(torch.tensor([[1.0, 0.0, 0.0]]))(torch.zeros(7, 3)).shape
        torch.Size([7, 1])
    """

    def __init__(self, mask: Tensor):
        if mask.ndim != 2 or not ((mask == 0) | (mask == 1)).all():
            raise ValueError(f"mask must be a matrix of zeros and ones, got shape {tuple(mask.shape)}")
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mask * self.weight, self.bias)


class MaskedMLP(nn.Module):
    """An MLP whose outputs for dimension i depend on the dimensions before i only, in a given order.

    Each unit has a degree, the place in the order of the last dimension that it may see; a connection stands where degrees
    do not fall, and at the output where they rise.

    Args:
        D: inputs.
        hidden: widths of the hidden layers.
        per: outputs for each dimension.
        order: the place of each dimension in the order, a permutation of 0, …, D - 1; without it, their own order.
        activation: makes an activation.

    Raises:
        ValueError: on counts below one, or an order that is no permutation.

    Source: Germain et al. 2015.

    Example:
        >>> MaskedMLP(3, 16, per=2)(torch.zeros(7, 3)).shape
        torch.Size([7, 3, 2])
    """

    def __init__(
        self, D: int, *hidden: int, per: int = 1, order: Tensor | None = None, activation: Callable[[], nn.Module] = nn.ReLU
    ):
        super().__init__()
        for n, name in ((D, "D"), (per, "per"), *((n, "each hidden size") for n in hidden)):
            check_count(n, name)
        order = torch.arange(D) if order is None else order
        if order.sort().values.tolist() != list(range(D)):
            raise ValueError(f"order must be a permutation of 0 to {D - 1}, got {order.tolist()}")
        self.register_buffer("order", order)
        self.per = per
        degrees = [order, *(torch.arange(n) % max(D - 1, 1) for n in hidden)]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(degrees):
            layers += [MaskedLinear((after[:, None] >= before).float()), activation()]  # eq-autoregressive-made
        last = order.repeat_interleave(per)[:, None] > degrees[-1]  # eq-autoregressive-made
        self.net = nn.Sequential(*layers, MaskedLinear(last.float()))

    def forward(self, x: Tensor) -> Tensor:
        """Shape ``(*batch, D)`` to ``(*batch, D, per)``."""
        return self.net(x).unflatten(-1, (-1, self.per))


def _unchecked(kind: type[Distribution], **parameters: Tensor) -> Independent:
    """Independent variables of a PyTorch distribution, given by parameters of one shape that need no broadcasting."""
    p = kind.__new__(kind)
    for name, value in parameters.items():
        setattr(p, name, value)
    Distribution.__init__(p, next(iter(parameters.values())).shape, validate_args=False)
    return p


class _Pixels(Independent):
    """Independent Bernoulli variables given by their logits, as one event, with a quick ``log_prob``."""

    def log_prob(self, x: Tensor) -> Tensor:
        logits = self.base_dist.logits
        if x.shape != logits.shape:
            logits, x = torch.broadcast_tensors(logits, x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)  # eq-vae-bernoulli


class GaussianNet(nn.Module):
    """An MLP that maps its input to a Gaussian with diagonal covariance.

    The last layer gives the mean and the logarithm of the standard deviation. At the start the
    latter is zero in expectation, that is, sigma is about one.

    Args:
        sizes: widths; the last one is the dimension of the Gaussian.

    Example:
        >>> GaussianNet(64, 100, 2)(torch.zeros(5, 64)).event_shape
        torch.Size([2])
    """

    def __init__(self, *sizes: int, activation: type[nn.Module] = nn.Tanh):
        super().__init__()
        *hidden, out = sizes
        self.input_shape, self.event_size = sizes[:1], out
        self.net = mlp(*hidden, 2 * out, activation=activation)

    def forward(self, x: Tensor) -> Independent:
        mu, log_sigma = self.net(x).chunk(2, dim=-1)
        q = _unchecked(Normal, loc=mu, scale=log_sigma.exp())  # eq-vae-encoder
        return Independent(q, 1, validate_args=False)


class BernoulliNet(nn.Module):
    """An MLP that maps its input to independent Bernoulli variables, given by their logits.

    Args:
        sizes: widths; the last one is the number of variables.

    Example:
        >>> BernoulliNet(2, 100, 64)(torch.zeros(5, 2)).event_shape
        torch.Size([64])
    """

    def __init__(self, *sizes: int, activation: type[nn.Module] = nn.Tanh):
        super().__init__()
        self.input_shape, self.event_size = sizes[:1], sizes[-1]
        self.net = mlp(*sizes, activation=activation)

    def forward(self, z: Tensor) -> Independent:
        logits = self.net(z)
        return _Pixels(_unchecked(Bernoulli, logits=logits, _param=logits), 1, validate_args=False)


def draw(p: Independent, generator: torch.Generator | None = None) -> Tensor:
    """One draw of a head's distribution from ``generator``, which PyTorch's ``sample`` does not take.

    Example:
        >>> draw(BernoulliNet(2, 3)(torch.zeros(5, 2))).shape
        torch.Size([5, 3])
    """
    base = p.base_dist
    if isinstance(base, Bernoulli):
        u = torch.rand(base.logits.shape, generator=generator, dtype=base.logits.dtype, device=base.logits.device)
        return (u < base.probs).to(u.dtype)
    if isinstance(base, Normal):
        eps = torch.randn(base.loc.shape, generator=generator, dtype=base.loc.dtype, device=base.loc.device)
        return base.loc + base.scale * eps
    raise ValueError(f"draw knows Bernoulli and Normal, got {type(base).__name__}")
