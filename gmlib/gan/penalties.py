"""What holds a discriminator or critic back: penalties on its gradient, clipped weights, spectral normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gmlib.core import check_positive, check_shape
from gmlib.nn import StackedLinear


def interpolates(real: Tensor, fake: Tensor, batch_dims: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """A random point on the segment between each real example and a generated one.

    One weight a pair, uniform on [0, 1]: of a batch of images its shape is ``(N, 1, 1, 1)``.

    Args:
        real, fake: as many examples of either kind, shape ``(*batch, *event)``.
        batch_dims: how many axes the batch has: 1, or 2 with copies.
        generator: source of the weights, on the device of ``real``.

    Raises:
        ValueError: on different shapes, or a batch without or with too many axes.

    Source: Gulrajani et al. 2017, algorithm 1; in the book eq-gan-interpolates.

    Example:
        >>> interpolates(torch.zeros(4, 3), torch.ones(4, 3)).std(dim=1)
        tensor([0., 0., 0., 0.])
    """
    check_shape(fake, "fake", *check_shape(real, "real").shape)
    if not 1 <= batch_dims <= real.ndim:
        raise ValueError(f"batch_dims must be from 1 to {real.ndim}, got {batch_dims!r}")
    shape = (*real.shape[:batch_dims], *[1] * (real.ndim - batch_dims))
    u = torch.rand(shape, generator=generator, dtype=real.dtype, device=real.device)
    return u * real + (1 - u) * fake  # eq-gan-interpolates


def gradient_norms(f: nn.Module, x: Tensor) -> Tensor:
    """The norm of the gradient of f at each example, over the whole example (all pixels, all channels).

    It takes the gradient of the sum of the outputs, which is right only where no output depends on another example: f
    must not hold batch normalisation.

    Args:
        f: gives one number for each example.
        x: examples, shape ``(*batch, *event)``.

    Returns:
        Shape ``batch``, differentiable by the parameters of f.

    Raises:
        ValueError: if f does not give one number for each example.

    Example:
        >>> gradient_norms(lambda x: x @ torch.tensor([3.0, 4.0]), torch.randn(2, 2))
        tensor([5., 5.])
    """
    x = check_shape(x, "x").detach().requires_grad_()
    value = f(x)
    if value.ndim == 0 or value.shape != x.shape[: value.ndim]:
        raise ValueError(f"f must give one number for each example, got shape {tuple(value.shape)} for {tuple(x.shape)}")
    (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
    # vector_norm has gradient 0 at 0, where a square root has a NaN
    return torch.linalg.vector_norm(gradient.reshape(*value.shape, -1), dim=-1)


def gradient_penalty(
    f: nn.Module, real: Tensor, fake: Tensor, batch_dims: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """The mean of ``(|grad f| - 1)^2`` over random interpolates: what WGAN-GP adds to the critic's loss, times lambda.

    Args:
        f: the critic; one number for each example, none of which depends on another example.
        real, fake: as many examples of either kind, shape ``(*copies, N, *event)``; no gradient flows into them.
        batch_dims: how many axes the batch has: 1, or 2 with copies.
        generator: source of the interpolates.

    Returns:
        Shape ``copies``.

    Raises:
        ValueError: on different shapes, or if f does not give one number for each example.

    Source: Gulrajani et al. 2017, equation 3; in the book eq-gan-penalty.

    Example:
        >>> gradient_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(6, 2), torch.ones(6, 2))
        tensor(16.)
    """
    x = interpolates(real.detach(), fake.detach(), batch_dims, generator)
    return (gradient_norms(f, x) - 1).square().mean(-1)  # eq-gan-penalty


def r1_penalty(D: nn.Module, real: Tensor) -> Tensor:
    """The mean of ``|grad D|^2`` over real examples, D the discriminator's logit; R1 adds gamma / 2 times as much.

    Args:
        D: one number for each example, none of which depends on another example.
        real: examples, shape ``(*copies, N, *event)``.

    Returns:
        Shape ``copies``.

    Raises:
        ValueError: if D does not give one number for each example.

    Source: Mescheder, Geiger and Nowozin 2018, equation 9; in the book eq-gan-r1.

    Example:
        >>> r1_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(6, 2))
        tensor(25.)
    """
    return gradient_norms(D, real).square().mean(-1)  # eq-gan-r1


@torch.no_grad()
def clip_weights(f: nn.Module, c: float) -> None:
    """Put every parameter of f back into [-c, c], in place: after each step of the critic.

    Raises:
        ValueError: if c is not positive.

    Source: Arjovsky, Chintala and Bottou 2017, algorithm 1.

    Example:
        >>> f = nn.Linear(2, 1)
        >>> clip_weights(f, 0.01)
        >>> f.weight.abs().max() <= 0.01
        tensor(True)
    """
    check_positive(c, "c")
    for parameter in f.parameters():
        parameter.clamp_(-c, c)


class SpectralNorm(nn.Module):
    """Divide a matrix by its largest singular value, which a step of the power method tracks at each use in training.

    Args:
        weight: the first matrix, shape ``(*copies, m, n)``.
        gain: the largest singular value that is left.
    """

    def __init__(self, weight: Tensor, gain: float = 1.0):
        super().__init__()
        self.gain = check_positive(gain, "gain")
        u, _, vh = torch.linalg.svd(weight.detach(), full_matrices=False)
        self.register_buffer("u", u[..., 0].clone())
        self.register_buffer("v", vh[..., 0, :].clone())

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                v = nn.functional.normalize((weight.mT @ self.u.unsqueeze(-1)).squeeze(-1), dim=-1)
                self.u, self.v = nn.functional.normalize((weight @ v.unsqueeze(-1)).squeeze(-1), dim=-1), v
        largest = (self.u.unsqueeze(-2) @ weight @ self.v.unsqueeze(-1))
        return self.gain * weight / largest  # eq-gan-spectral


def spectral_normalise(f: nn.Module, gain: float = 1.0) -> nn.Module:
    """Give every linear map in f spectral norm ``gain``, now and as it trains; returns f.

    The maps are exact at the start; later the power method lags a little behind the weights. Biases are left alone.

    Args:
        f: holds ``nn.Linear`` or :class:`gmlib.nn.StackedLinear`.
        gain: at 1, f is 1-Lipschitz where its activations are.

    Raises:
        ValueError: if f holds no linear map, or gain is not positive.

    Source: Miyato et al. 2018.

    Example:
        >>> f = spectral_normalise(nn.Linear(4, 3), gain=2.0)
        >>> round(torch.linalg.matrix_norm(f.weight, ord=2).item(), 4)
        2.0
    """
    maps = [m for m in f.modules() if isinstance(m, (nn.Linear, StackedLinear))]
    if not maps:
        raise ValueError(f"f must hold a linear map, got {type(f).__name__}")
    for m in maps:
        parametrize.register_parametrization(m, "weight", SpectralNorm(m.weight, gain))
    return f
