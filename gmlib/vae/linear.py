"""The linear-Gaussian latent variable model, in which everything is known in closed form.

z ~ N(0, I_k) and x | z ~ N(W z + mu, sigma^2 I_D): probabilistic PCA (Tipping and Bishop 1999).
``W`` has shape ``(D, k)``, ``mu`` has shape ``(D,)``, ``sigma`` is a standard deviation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from gmlib.core import check_batch, check_count, check_positive
from gmlib.targets import Gaussian
from gmlib.vae.gaussian import kl_gaussians

LOG_2PI = math.log(2 * math.pi)


def _check_parameters(W: Tensor, mu: Tensor, sigma: Tensor) -> None:
    """Raise a ``ValueError`` that names the parameter which does not fit."""
    if check_batch(W, "W").ndim != 2:
        raise ValueError(f"W must have shape (D, k), got {tuple(W.shape)}")
    check_batch(mu, "mu", len(W))
    check_positive(sigma, "sigma")


def marginal(W: Tensor, mu: Tensor, sigma: Tensor) -> Gaussian:
    """p(x) = N(mu, W W^T + sigma^2 I): the latent variable integrated out.

    Raises (as all functions here):
        ValueError: on shapes that do not fit, a NaN, or a sigma that is not positive.
    """
    _check_parameters(W, mu, sigma)
    return Gaussian(mu, W @ W.mT + sigma**2 * torch.eye(len(W), dtype=W.dtype, device=W.device))  # eq-vae-lg-marginal


def posterior(x: Tensor, W: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """p(z|x) = N(m, S): the mean, shape ``(*batch, k)``, and the covariance, the same for every x.

    Source: Tipping and Bishop 1999, section 3; in the book eq-vae-lg-posterior.
    """
    _check_parameters(W, mu, sigma)
    check_batch(x, "x", len(W))
    eye = torch.eye(W.shape[1], dtype=W.dtype, device=W.device)
    S = torch.linalg.inv(eye + W.mT @ W / sigma**2)  # eq-vae-lg-posterior
    m = (x - mu) @ W @ S / sigma**2  # eq-vae-lg-posterior
    return m, S


def expected_log_lik(x: Tensor, m: Tensor, S: Tensor, W: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """E_q[log p(x|z)] for q = N(m, S), exactly; shape ``batch``."""
    _check_parameters(W, mu, sigma)
    k = W.shape[1]
    check_batch(x, "x", len(W)), check_batch(m, "m", k), check_batch(S, "S", k, k)
    residual = (x - mu - m @ W.mT).square().sum(-1)
    spread = ((W @ S) * W).sum((-2, -1))
    return -0.5 * (W.shape[0] * (LOG_2PI + 2 * sigma.log()) + (residual + spread) / sigma**2)  # eq-vae-lg-elbo


def elbo(x: Tensor, m: Tensor, S: Tensor, W: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """The evidence lower bound of q(z|x) = N(m, S), exactly; shape ``batch``.

    Args:
        x: shape ``(*batch, D)``.
        m: shape ``(*batch, k)``, one mean for each x.
        S: shape ``(k, k)`` or ``(*batch, k, k)``.

    Source: in the book eq-vae-lg-elbo.
    """
    k = W.shape[1]
    prior = W.new_zeros(k), torch.eye(k, dtype=W.dtype, device=W.device)
    return expected_log_lik(x, m, S, W, mu, sigma) - kl_gaussians(m, S, *prior)  # eq-vae-lg-elbo, eq-vae-elbo-kl


def em_step(x: Tensor, W: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """One step of expectation-maximisation on W and sigma; mu stays (its optimum is the data's mean).

    Args:
        x: the data set, shape ``(N, D)``.

    Returns:
        The new ``W`` and ``sigma``.

    Source: Tipping and Bishop 1999, the EM algorithm of appendix B; in the book eq-vae-lg-mstep.
    """
    m, S = posterior(x, W, mu, sigma)  # eq-vae-em-e
    c = x - mu
    zz = m.mT @ m + len(x) * S
    W = torch.linalg.solve(zz, m.mT @ c).mT  # eq-vae-lg-mstep
    s2 = (c.square().sum() - 2 * (c @ W * m).sum() + (W.mT @ W * zz).sum()) / x.numel()  # eq-vae-lg-mstep
    return W, s2.sqrt()


def ppca(x: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The maximum-likelihood W, mu and sigma from the eigenvectors of the data's covariance.

    Args:
        x: the data set, shape ``(N, D)``.
        k: how many latent dimensions, below D.

    Returns:
        ``W`` with orthogonal columns, shape ``(D, k)``, the longest first; ``mu``; ``sigma``.

    Raises:
        ValueError: if k is not between 1 and D - 1, or the data does not vary in enough directions.

    Source: Tipping and Bishop 1999, equations 7 and 8; in the book eq-vae-ppca-ml.

    Example:
        >>> W, mu, sigma = ppca(torch.randn(100, 5), k=2)
        >>> W.shape, mu.shape, sigma.shape
        (torch.Size([5, 2]), torch.Size([5]), torch.Size([]))
    """
    if check_batch(x, "x").ndim != 2 or check_count(k, "k") >= x.shape[1]:
        raise ValueError(f"x must have shape (N, D) with D above k, got {tuple(x.shape)} and k = {k}")
    mu = x.mean(0)
    eigenvalues, U = torch.linalg.eigh((x - mu).mT @ (x - mu) / len(x))
    eigenvalues, U = eigenvalues.flip(0), U.flip(1)
    s2 = eigenvalues[k:].mean()  # eq-vae-ppca-ml
    if s2 <= torch.finfo(x.dtype).eps * x.shape[1] * eigenvalues[0]:
        raise ValueError(f"the data must vary in more than k = {k} directions")
    W = U[:, :k] * (eigenvalues[:k] - s2).clamp(min=0).sqrt()  # eq-vae-ppca-ml
    return W, mu, s2.sqrt()


def naive_relative_variance(x: Tensor, W: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Variance of p(x|z) under the prior, over p(x)^2: how hopeless it is to guess z blindly.

    Args:
        x: shape ``(*batch, D)``. Returns shape ``batch``; K samples divide it by K.

    Source: in the book eq-vae-naive-variance.
    """
    D = W.shape[0]
    log_square = marginal(W, mu, sigma / math.sqrt(2)).log_prob(x) - 0.5 * D * (LOG_2PI + (2 * sigma**2).log())
    return (log_square - 2 * marginal(W, mu, sigma).log_prob(x)).exp() - 1  # eq-vae-naive-variance


class LinearGaussian(nn.Module):
    """The model with its parameters held: ``log_prob`` and ``sample`` are exact.

    Args:
        W: shape ``(D, k)``.
        mu: shape ``(D,)``.
        sigma: standard deviation of the noise, a scalar tensor.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or a sigma that is not positive.

    Example:
        >>> model = LinearGaussian(torch.ones(3, 1), torch.zeros(3), torch.tensor(1.0))
        >>> model.log_prob(torch.zeros(3))
        tensor(-3.4500)
    """

    def __init__(self, W: Tensor, mu: Tensor, sigma: Tensor):
        super().__init__()
        _check_parameters(W, mu, sigma)
        self.register_buffer("W", W)
        self.register_buffer("mu", mu)
        self.register_buffer("sigma", sigma)

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density at ``x`` of shape ``(*batch, D)``; returns shape ``batch``."""
        return marginal(self.W, self.mu, self.sigma).log_prob(x)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws by ancestral sampling (z, then x given z), shape ``(*sample_shape, D)``."""
        D, k = self.W.shape
        like = {"dtype": self.W.dtype, "device": self.W.device, "generator": generator}
        z = torch.randn(*sample_shape, k, **like)
        return z @ self.W.mT + self.mu + self.sigma * torch.randn(*sample_shape, D, **like)  # eq-vae-lg-model


class LinearDecoder(nn.Module):
    """p(x|z) = N(W z + mu, sigma^2 I) with W, mu and one sigma to be learned."""

    def __init__(self, k: int, D: int):
        super().__init__()
        self.map = nn.Linear(k, D)
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Independent:
        return Independent(Normal(self.map(z), self.log_sigma.exp(), validate_args=False), 1, validate_args=False)


class LinearEncoder(nn.Module):
    """q(z|x) = N(A x + b, diag s^2), with the same s for every x, all to be learned."""

    def __init__(self, D: int, k: int):
        super().__init__()
        self.input_shape, self.event_size = (D,), k
        self.map = nn.Linear(D, k)
        self.log_sigma = nn.Parameter(torch.zeros(k))

    def forward(self, x: Tensor) -> Independent:
        mu = self.map(x)
        return Independent(Normal(mu, self.log_sigma.exp().expand_as(mu), validate_args=False), 1, validate_args=False)
