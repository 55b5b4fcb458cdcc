"""What is known exactly: a mixture of Gaussians under noise, and the best denoiser of a finite set of examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib.core import check_batch, check_shape
from gmlib.targets import GaussianMixture


class DiffusedMixture:
    """The law of x_t where x_0 has a mixture of Gaussians: again a mixture, for every noise, with exact score and denoiser.

    Args:
        mixture: the law of x_0, on R^D.

    Source: in the book eq-diffusion-mixture.

    Example:
        >>> from gmlib.targets import GaussianMixture
        >>> two = GaussianMixture(torch.tensor([0.35, 0.65]), torch.tensor([[-1.3], [0.9]]), torch.tensor([[[0.09]], [[0.2025]]]))
        >>> DiffusedMixture(two).score(torch.tensor([[0.4]]), 0.37)
        tensor([[-0.1159]])
    """

    def __init__(self, mixture: GaussianMixture):
        self.mixture = mixture
        self.variances, self.axes = torch.linalg.eigh(mixture.Sigma)  # (K, D), (K, D, D): Sigma_k is diagonal in its axes

    def at(self, alpha_bar: float) -> GaussianMixture:
        """The law of x_t at one alpha-bar_t in [0, 1], as a mixture of its own: to draw from, say."""
        if not 0 <= alpha_bar <= 1:
            raise ValueError(f"alpha_bar must be in [0, 1], got {alpha_bar}")
        m = self.mixture
        eye = torch.eye(m.mu.shape[1], dtype=m.mu.dtype, device=m.mu.device)
        return GaussianMixture(m.pi, math.sqrt(alpha_bar) * m.mu, alpha_bar * m.Sigma + (1 - alpha_bar) * eye)  # eq-diffusion-mixture

    def log_prob(self, x: Tensor, alpha_bar: Tensor | float) -> Tensor:
        """Exact log-density of x_t at ``x`` of shape ``(*batch, D)``; alpha-bar_t is a number or has shape ``batch``."""
        return self._components(x, alpha_bar)[0].logsumexp(-1)

    def score(self, x: Tensor, alpha_bar: Tensor | float) -> Tensor:
        """Gradient of that log-density by x, with the shape of x."""
        log_joint, pull = self._components(x, alpha_bar)
        return -(log_joint.softmax(-1).unsqueeze(-1) * pull).sum(-2)

    def denoise(self, x: Tensor, alpha_bar: Tensor | float) -> Tensor:
        """E[x_0 | x_t = x] by Tweedie's formula, with the shape of x: no denoiser has a smaller mean square error."""
        a = torch.as_tensor(alpha_bar, dtype=x.dtype, device=x.device).unsqueeze(-1)
        return (x + (1 - a) * self.score(x, alpha_bar)) / a.sqrt()  # eq-diffusion-tweedie

    def _components(self, x: Tensor, alpha_bar: Tensor | float) -> tuple[Tensor, Tensor]:
        """log pi_k + log N(x; …), shape ``(*batch, K)``, and Sigma_k,t^{-1} (x - mean), shape ``(*batch, K, D)``."""
        m = self.mixture
        check_batch(x, "x", m.mu.shape[1])
        a = torch.as_tensor(alpha_bar, dtype=x.dtype, device=x.device)[..., None, None]
        if not ((a >= 0) & (a <= 1)).all():
            raise ValueError("alpha_bar must be in [0, 1]")
        d = torch.einsum("...kd,kde->...ke", x.unsqueeze(-2) - a.sqrt() * m.mu, self.axes)  # in the axes of each component
        variance = a * self.variances + 1 - a  # eq-diffusion-mixture
        log_joint = m.pi.log() - 0.5 * (d.square() / variance + variance.log() + math.log(2 * math.pi)).sum(-1)
        return log_joint, torch.einsum("...ke,kde->...kd", d / variance, self.axes)


def exact_denoiser(x: Tensor, data: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """E[x_0 | x_t = x] where x_0 is one of the examples, each as likely: the minimum of the training loss.

    A mean of the examples, weighted by a softmax over minus half their squared distances in units of the noise.

    Args:
        x: shape ``(M, D)``.
        data: the examples, shape ``(N, D)``.
        alpha_bar: a number or shape ``(M,)``, in [0, 1).

    Returns:
        Shape ``(M, D)``.

    Raises:
        ValueError: on shapes that do not fit.

    Source: in the book eq-diffusion-exact-denoiser.

    Example:
        >>> exact_denoiser(torch.tensor([[0.5]]), torch.tensor([[-1.0], [1.0]]), 0.5)
        tensor([[0.6089]])
    """
    if check_shape(data, "data").ndim != 2 or x.ndim != 2:
        raise ValueError(f"data and x must have shapes (N, D) and (M, D), got {tuple(data.shape)} and {tuple(x.shape)}")
    check_shape(x, "x", data.shape[-1])
    a = torch.as_tensor(alpha_bar, dtype=x.dtype, device=x.device).reshape(-1, 1)
    centred = x - a.sqrt() * data.mean(0)  # the same distances, with fewer digits lost
    signal = data - data.mean(0)
    cross = a.sqrt() * centred @ signal.T - a * signal.square().sum(1) / 2
    return (cross / (1 - a)).softmax(1) @ data  # eq-diffusion-exact-denoiser
