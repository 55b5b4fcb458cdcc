"""An encoder and a decoder, and what is minimised: reconstruction, with noise or penalties that keep it from the identity."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gmlib.autoencoders.penalties import jacobian_penalty, kl_sparsity
from gmlib.core import check_positive, check_shape


class Autoencoder(nn.Module):
    """x to the code z = f(x) and back to g(f(x)).

    It has no ``sample`` and no ``log_prob``, on purpose: nothing here says how codes are distributed, nor how x is given z.

    Args:
        encoder: f, shape ``(N, D)`` to ``(N, d)``.
        decoder: g, back again.

    Source: in the book eq-autoencoders-reconstruction.

    Example:
        >>> from gmlib.nn import mlp
        >>> model = Autoencoder(mlp(64, 32, 8), mlp(8, 32, 64))
        >>> model.encoder(torch.zeros(5, 64)).shape, model(torch.zeros(5, 64)).shape
        (torch.Size([5, 8]), torch.Size([5, 64]))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def squared_error(x: Tensor, r: Tensor) -> Tensor:
    """||x - r||^2 of each example, summed over its dimensions: shape ``(N, D)`` to ``(N,)``.

    Source: in the book eq-autoencoders-reconstruction.

    Example:
        >>> squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]]))
        tensor([5.])
    """
    if check_shape(x, "x").shape != r.shape:
        raise ValueError(f"r must have the shape of x, {tuple(x.shape)}, got {tuple(r.shape)}")
    return (x - r).square().sum(-1)  # eq-autoencoders-reconstruction


def reconstruction_loss(model: nn.Module, x: Tensor, generator: torch.Generator | None = None):
    """The mean of ||x - g(f(x))||^2, and no further terms: for :func:`gmlib.train.train`."""
    return squared_error(x, model(x)).mean(), {}


def denoising_loss(model: nn.Module, x: Tensor, generator: torch.Generator | None = None, sigma: float = 0.3):
    """The mean of ||x - r(x + sigma epsilon)||^2: the input is noisy, the target is not.

    Its minimum over all functions r is E[x | x + sigma epsilon].

    Args:
        model: r, of shape ``(N, D)`` to ``(N, D)``.
        x: clean examples.
        generator: of the noise, on the device of x.
        sigma: standard deviation of the noise; positive.

    Source: Vincent et al. 2010; in the book eq-autoencoders-denoising.
    """
    check_positive(sigma, "sigma")
    eps = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    return squared_error(x, model(x + sigma * eps)).mean(), {}  # eq-autoencoders-denoising


def sparse_loss(model: Autoencoder, x: Tensor, generator: torch.Generator | None = None, weight: float = 0.1):
    """Reconstruction, and ``weight`` times the sum of the code's magnitudes: minus the log of a Laplace prior on f(x), up to a constant.

    Scaling the code down and the decoder up would evade it: keep the decoder's atoms at length one, as
    :class:`~gmlib.autoencoders.SparseCoder` does.

    Returns:
        The loss and its terms ``reconstruction`` and ``sparsity``.

    Source: Olshausen and Field 1996; in the book eq-autoencoders-l1.
    """
    z = model.encoder(x)
    error, magnitude = squared_error(x, model.decoder(z)).mean(), z.abs().sum(-1).mean()
    return error + weight * magnitude, {"reconstruction": error, "sparsity": magnitude}  # eq-autoencoders-l1


def mean_activation_loss(
    model: Autoencoder, x: Tensor, generator: torch.Generator | None = None, rho: float = 0.1, weight: float = 1.0
):
    """Reconstruction, and ``weight`` times :func:`~gmlib.autoencoders.kl_sparsity` of a code in (0, 1).

    Returns:
        The loss and its terms ``reconstruction`` and ``sparsity``.

    Source: in the book eq-autoencoders-kl-sparsity.
    """
    z = model.encoder(x)
    error, penalty = squared_error(x, model.decoder(z)).mean(), kl_sparsity(z, rho)
    return error + weight * penalty, {"reconstruction": error, "sparsity": penalty}


def contractive_loss(model: Autoencoder, x: Tensor, generator: torch.Generator | None = None, weight: float = 0.1):
    """Reconstruction, and ``weight`` times the mean squared Frobenius norm of the **encoder's** Jacobian.

    Returns:
        The loss and its terms ``reconstruction`` and ``contraction``.

    Source: Rifai et al. 2011; in the book eq-autoencoders-contractive.
    """
    error, penalty = squared_error(x, model(x)).mean(), jacobian_penalty(model.encoder, x).mean()
    return error + weight * penalty, {"reconstruction": error, "contraction": penalty}  # eq-autoencoders-contractive
