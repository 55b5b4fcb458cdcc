"""Distributions that are known exactly: the ground truth against which models are measured.

``log_prob``, ``score`` and ``sample`` are all exact. Parameters decide dtype and device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmlib.core import check_batch, check_count


class Gaussian(nn.Module):
    """The Gaussian distribution N(mu, Sigma) on R^D.

    Args:
        mu: mean, shape ``(D,)``.
        Sigma: covariance, shape ``(D, D)``, symmetric and positive definite.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or a ``Sigma`` that is not a covariance.

    Example:
        >>> Gaussian(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def __init__(self, mu: Tensor, Sigma: Tensor):
        super().__init__()
        self.mixture = GaussianMixture(mu.new_ones(1), mu.unsqueeze(0), Sigma.unsqueeze(0))

    @property
    def mu(self) -> Tensor:
        return self.mixture.mu[0]

    @property
    def Sigma(self) -> Tensor:
        return self.mixture.Sigma[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density at ``x`` of shape ``(*batch, D)``; returns shape ``batch``."""
        return self.mixture.log_prob(x)

    def score(self, x: Tensor) -> Tensor:
        """Gradient of the log-density: ``-Sigma^{-1} (x - mu)``, with the shape of ``x``."""
        return self.mixture.score(x)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, D)``."""
        return self.mixture.sample(sample_shape, generator)


class GaussianMixture(nn.Module):
    """The mixture sum_k pi_k N(mu_k, Sigma_k) on R^D.

    Args:
        pi: weights, shape ``(K,)``, non-negative, summing to one.
        mu: means, shape ``(K, D)``.
        Sigma: covariances, shape ``(K, D, D)``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, weights that are not a distribution, or a
            ``Sigma`` that is not symmetric and positive definite.

    Example:
        >>> two = GaussianMixture(torch.tensor([0.5, 0.5]), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
        >>> two.score(torch.tensor([3.0]))
        tensor([-2.0049])
    """

    def __init__(self, pi: Tensor, mu: Tensor, Sigma: Tensor):
        super().__init__()
        check_batch(mu, "mu")
        if mu.ndim != 2:
            raise ValueError(f"mu must have shape (K, D), got {tuple(mu.shape)}")
        K, D = mu.shape
        check_batch(pi, "pi", K)
        check_batch(Sigma, "Sigma", K, D, D)
        if (pi < 0).any() or not torch.isclose(pi.sum(), pi.new_ones(())):
            raise ValueError(f"pi must be non-negative and sum to one, got {pi.tolist()}")
        L, info = torch.linalg.cholesky_ex(Sigma)
        if info.any() or not torch.allclose(Sigma, Sigma.mT):
            raise ValueError("Sigma must be symmetric and positive definite")
        self.register_buffer("pi", pi)
        self.register_buffer("mu", mu)
        self.register_buffer("Sigma", Sigma)
        self.register_buffer("L", L)

    def component_log_prob(self, x: Tensor) -> Tensor:
        """``log pi_k + log N(x; mu_k, Sigma_k)``, shape ``(*batch, K)``."""
        D = self.mu.shape[1]
        u = self._whiten(x)
        log_det = self.L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return self.pi.log() - 0.5 * u.square().sum(-1) - log_det - 0.5 * D * math.log(2 * math.pi)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density at ``x`` of shape ``(*batch, D)``; returns shape ``batch``."""
        check_batch(x, "x", self.mu.shape[1])
        return self.component_log_prob(x).logsumexp(-1)

    def score(self, x: Tensor) -> Tensor:
        """Gradient of the log-density, with the shape of ``x``.

        It is the mean of the components' scores, weighted by their responsibilities.
        """
        check_batch(x, "x", self.mu.shape[1])
        r = self.component_log_prob(x).softmax(-1)
        g = torch.linalg.solve_triangular(self.L.mT, self._whiten(x).unsqueeze(-1), upper=True).squeeze(-1)
        return -(r.unsqueeze(-1) * g).sum(-2)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws (a component, then a point of it), shape ``(*sample_shape, D)``."""
        n = math.prod(sample_shape)
        k = torch.multinomial(self.pi, max(n, 1), replacement=True, generator=generator)[:n]
        eps = torch.randn(n, self.mu.shape[1], generator=generator, dtype=self.mu.dtype, device=self.mu.device)
        x = self.mu[k] + (self.L[k] @ eps.unsqueeze(-1)).squeeze(-1)
        return x.reshape(*sample_shape, -1)

    def _whiten(self, x: Tensor) -> Tensor:
        """``L_k^{-1} (x - mu_k)`` for each k, shape ``(*batch, K, D)``."""
        d = (x.unsqueeze(-2) - self.mu).unsqueeze(-1)
        return torch.linalg.solve_triangular(self.L, d, upper=False).squeeze(-1)


class Ising(nn.Module):
    """The Ising model on a small square grid with free boundary: p(x) proportional to exp(beta sum over neighbours of s_i s_j).

    Its spins s = 2 x - 1 are -1 or 1, x in {0, 1} as a binary image; all 2^(side^2) images are listed, so everything is exact.
    In an infinite grid order begins at beta = log(1 + sqrt 2) / 2 = 0.4407.

    Args:
        side: of the grid, 1 to 4.
        beta: the inverse temperature, any number.
        dtype: of the table of probabilities.

    Raises:
        ValueError: on a ``side`` out of range, or a ``beta`` that is not finite.

    Example:
        >>> Ising(4, 0.44).entropy()
        tensor(8.0590, dtype=torch.float64)
    """

    def __init__(self, side: int, beta: float, dtype: torch.dtype = torch.float64):
        super().__init__()
        if check_count(side, "side") > 4:
            raise ValueError(f"side must be at most 4, so that all images can be listed, got {side}")
        if not math.isfinite(beta):
            raise ValueError(f"beta must be finite, got {beta}")
        self.side, self.beta = side, beta
        D = side * side
        states = (torch.arange(2**D).unsqueeze(1) >> torch.arange(D - 1, -1, -1)) & 1  # the first pixel is the leading digit
        self.register_buffer("states", states.to(dtype))
        s = (2 * self.states - 1).reshape(-1, side, side)
        pairs = (s[:, 1:] * s[:, :-1]).sum((1, 2)) + (s[..., 1:] * s[..., :-1]).sum((1, 2))
        self.register_buffer("log_p", (beta * pairs).log_softmax(0))

    @property
    def table(self) -> Tensor:
        """The probabilities with one axis of size 2 for each pixel, in raster order."""
        return self.log_p.exp().reshape([2] * self.side**2)

    def entropy(self) -> Tensor:
        """H(x) in nats."""
        return -(self.log_p.exp() * self.log_p).sum()

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-mass of zeros and ones, shape ``(*batch, side * side)``; returns shape ``batch``."""
        check_batch(x, "x", self.side**2)
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("x must hold zeros and ones")
        place = 2 ** torch.arange(self.side**2 - 1, -1, -1, device=x.device)
        return self.log_p[(x.long() * place).sum(-1)]

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, side * side)``."""
        u = torch.rand(sample_shape, generator=generator, dtype=self.log_p.dtype, device=self.log_p.device)
        k = torch.searchsorted(self.log_p.exp().cumsum(0), u, right=True).clamp(max=len(self.log_p) - 1)
        return self.states[k]
