"""Kullback-Leibler divergences between Gaussians, in closed form and in nats."""

from __future__ import annotations

import torch
from torch import Tensor

from gmlib.core import check_batch, check_positive


def kl_to_standard_normal(mu: Tensor, sigma: Tensor) -> Tensor:
    """KL( N(mu, diag sigma^2) || N(0, I) ), the divergence of a VAE's encoder from its prior.

    Args:
        mu: means, shape ``(*batch, k)``.
        sigma: standard deviations (not variances), same shape, positive.

    Returns:
        One value for each element of the batch, shape ``batch``.

    Raises:
        ValueError: on shapes that differ, a NaN, or a sigma that is not positive.

    Source: Kingma and Welling 2014, appendix B; in the book eq-vae-kl.

    Example:
        >>> kl_to_standard_normal(torch.tensor([3.0]), torch.tensor([1.0]))
        tensor(4.5000)
    """
    check_batch(mu, "mu")
    check_batch(sigma, "sigma", *mu.shape)
    check_positive(sigma, "sigma")
    return kl_terms(mu, sigma).sum(-1)  # eq-vae-kl


def kl_terms(mu: Tensor, sigma: Tensor) -> Tensor:
    """The terms of :func:`kl_to_standard_normal`, one for each latent dimension; arguments unchecked."""
    return 0.5 * (mu * mu + sigma * sigma - 1) - sigma.log()  # eq-vae-kl


def kl_gaussians(m: Tensor, S: Tensor, mu: Tensor, Sigma: Tensor) -> Tensor:
    """KL( N(m, S) || N(mu, Sigma) ) for full covariances.

    Args:
        m, mu: means, shape ``(*batch, k)``; they broadcast.
        S, Sigma: covariances, shape ``(*batch, k, k)``; they broadcast.

    Returns:
        One value for each element of the batch.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or a matrix that is not a covariance.

    Source: in the book eq-vae-kl-full.

    Example:
        >>> kl_gaussians(torch.ones(2), torch.eye(2), torch.zeros(2), torch.eye(2))
        tensor(1.)
    """
    check_batch(m, "m")
    k = m.shape[-1]
    check_batch(mu, "mu", k)
    L_S = _cholesky(check_batch(S, "S", k, k), "S")
    L = _cholesky(check_batch(Sigma, "Sigma", k, k), "Sigma")
    trace = torch.linalg.solve_triangular(L, L_S, upper=False).square().sum((-2, -1))
    d = torch.linalg.solve_triangular(L, (m - mu).unsqueeze(-1), upper=False).square().sum((-2, -1))
    return 0.5 * (trace + d - k + log_det(L) - log_det(L_S))  # eq-vae-kl-full


def log_det(L: Tensor) -> Tensor:
    """log det of ``L @ L.T`` for a Cholesky factor L of shape ``(*batch, k, k)``."""
    return 2 * L.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _cholesky(A: Tensor, name: str) -> Tensor:
    L, info = torch.linalg.cholesky_ex(A)
    if info.any() or not torch.allclose(A, A.mT):
        raise ValueError(f"{name} must be symmetric and positive definite")
    return L
