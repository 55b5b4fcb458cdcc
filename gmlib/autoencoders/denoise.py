"""Denoising where everything is known: the best denoiser of a mixture, the score in its residual, and chains that go on denoising."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count, check_positive
from gmlib.targets import GaussianMixture


def smoothed(p: GaussianMixture, s: float) -> GaussianMixture:
    """The density of x + noise of variance s, p * N(0, s I): the same mixture with each covariance enlarged by s I.

    Source: in the book eq-autoencoders-smoothed.

    Example:
        >>> one = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.full((1, 1, 1), 1.7))
        >>> smoothed(one, 0.6).Sigma
        tensor([[[2.3000]]])
    """
    check_positive(s, "s")
    eye = torch.eye(p.mu.shape[1], dtype=p.mu.dtype, device=p.mu.device)
    return GaussianMixture(p.pi, p.mu, p.Sigma + s * eye)  # eq-autoencoders-smoothed


def best_denoiser(p: GaussianMixture, s: float) -> Callable[[Tensor], Tensor]:
    """r*(y) = E[x | x + noise = y] for noise of variance s: y plus s times the score of the **smoothed** density.

    Args:
        p: the law of the clean x.
        s: the variance of the noise; positive.

    Returns:
        A function of y, shape ``(*batch, D)``, to the same shape.

    Source: Vincent 2011; Alain and Bengio 2014; in the book eq-autoencoders-residual.

    Example:
        >>> one = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.full((1, 1, 1), 1.7))
        >>> best_denoiser(one, 0.6)(torch.tensor([2.3]))
        tensor([1.7000])
    """
    noisy = smoothed(p, s)
    return lambda y: y + s * noisy.score(y)  # eq-autoencoders-residual


def residual_score(y: Tensor, r: Tensor, sigma: float) -> Tensor:
    """(r(y) - y) / sigma^2: what a denoiser trained with noise of standard deviation sigma says of the smoothed density's score.

    Source: Vincent 2011; in the book eq-autoencoders-residual.

    Example:
        >>> residual_score(torch.tensor([2.0]), torch.tensor([1.1]), 0.6)
        tensor([-2.5000])
    """
    check_positive(sigma, "sigma")
    return (r - check_batch(y, "y", *r.shape)) / sigma**2  # eq-autoencoders-residual


@torch.no_grad()
def corrupt_and_decode(
    x: Tensor, decode: Callable[[Tensor], Tensor], sigma: float, steps: int, generator: torch.Generator | None = None
) -> Tensor:
    """The chain that adds noise of standard deviation sigma and decodes, over and over; many chains side by side.

    Where ``decode`` draws from the exact law of x given the noisy one, the chain keeps the law of x; where it gives only the
    mean, it does not.

    Args:
        x: where the chains start, shape ``(N, D)``.
        decode: a function, or a draw, of shape ``(N, D)`` to the same.
        sigma: positive.
        steps: how many.
        generator: of the noise.

    Returns:
        Where they end, shape ``(N, D)``.

    Source: Bengio et al. 2013; in the book eq-autoencoders-chain.

    Example:
        >>> corrupt_and_decode(torch.zeros(5, 2), lambda y: y / 2, 0.3, steps=10).shape
        torch.Size([5, 2])
    """
    check_batch(x, "x")
    check_positive(sigma, "sigma")
    for _ in range(check_count(steps, "steps")):
        x = decode(x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device))  # eq-autoencoders-chain
    return x


def posterior_draw(p: GaussianMixture, s: float, generator: torch.Generator | None = None) -> Callable[[Tensor], Tensor]:
    """Draws from the exact law of x given x + noise = y: a component by its responsibility, then its Gaussian posterior.

    Args:
        p: the law of the clean x.
        s: the variance of the noise; positive.
        generator: of the draws.

    Returns:
        A function of y, shape ``(N, D)``, to draws of the same shape.

    Source: in the book eq-autoencoders-posterior.

    Example:
        >>> one = GaussianMixture(torch.ones(1), torch.zeros(1, 1), torch.full((1, 1, 1), 1.7))
        >>> posterior_draw(one, 0.6)(torch.zeros(5, 1)).shape
        torch.Size([5, 1])
    """
    noisy = smoothed(p, s)
    gain = torch.linalg.solve(noisy.Sigma, p.Sigma)  # (Sigma + s I)^{-1} Sigma, symmetric: the two commute
    L = torch.linalg.cholesky(s * (gain + gain.mT) / 2)  # the posterior's covariance is s times the gain

    def draw(y: Tensor) -> Tensor:
        k = torch.multinomial(noisy.component_log_prob(y).softmax(-1), 1, generator=generator)[:, 0]
        eps = torch.randn(y.shape, generator=generator, dtype=y.dtype, device=y.device)
        mean = p.mu[k] + (gain[k] @ (y - p.mu[k]).unsqueeze(-1)).squeeze(-1)  # eq-autoencoders-posterior
        return mean + (L[k] @ eps.unsqueeze(-1)).squeeze(-1)

    return draw


def mean_chain_variance(v0: float, s: float) -> float:
    """Where the variance of the chain ends that decodes by the mean: v0^2 / (2 v0 + s) for data N(m, v0), noise of variance s.

    The chain that draws keeps v0. As s goes to 0 the mean's chain goes to v0 / 2: the density's square, normalised.

    Source: in the book eq-autoencoders-chain-variance.

    Example:
        >>> round(mean_chain_variance(1.7, 0.6), 6)
        0.7225
    """
    for value, name in ((v0, "v0"), (s, "s")):
        check_positive(value, name)
    return v0**2 / (2 * v0 + s)  # eq-autoencoders-chain-variance
