"""EM for a mixture of Gaussians, with as many restarts side by side as one likes. Log-likelihoods are means over examples, in nats.

Shapes: x ``(N, D)``; R restarts, K components; responsibilities and joint log-densities ``(R, K, N)``, components before
examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gmlib.core import check_batch, check_count
from gmlib.targets import GaussianMixture


class Parameters(NamedTuple):
    """Weights ``(R, K)``, means ``(R, K, D)`` and covariances ``(R, K, D, D)`` of R mixtures."""

    pi: Tensor
    mu: Tensor
    Sigma: Tensor

    def mixture(self, i: int = 0) -> GaussianMixture:
        """The i-th of them."""
        return GaussianMixture(self.pi[i], self.mu[i], self.Sigma[i])


class Prior(NamedTuple):
    """An inverse Wishart prior on each covariance: density proportional to det(Sigma)^(-(nu + D + 1)/2) exp(-psi tr(Sigma^-1)/2).

    A tied covariance has it once for each component.
    """

    psi: float
    nu: float


BLOCK = 2048  # examples at a time: what is made of them then stays in the processor's cache

Shape = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # scatter (R, K, D, D) and its weight (R, K) -> the same, pooled


def full(scatter: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """Each component has a covariance of its own."""
    return scatter, n


def tied(scatter: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """One covariance for all: the scatters are added."""
    return scatter.sum(1, keepdim=True).expand_as(scatter), n.sum(1, keepdim=True).expand_as(n)


def diagonal(scatter: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """Off the diagonal, zero."""
    return torch.diag_embed(scatter.diagonal(dim1=-2, dim2=-1)), n


def spherical(scatter: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
    """One variance for each component: the mean of the diagonal."""
    mean = scatter.diagonal(dim1=-2, dim2=-1).mean(-1)
    return mean[..., None, None] * torch.eye(scatter.shape[-1], dtype=scatter.dtype, device=scatter.device), n


def log_joint(x: Tensor, theta: Parameters) -> Tensor:
    """log pi_k + log N(x_n; mu_k, Sigma_k), shape ``(R, K, N)``; NaN for a restart one of whose covariances has broken down.

    Source: in the book eq-mixtures-joint.
    """
    R, K, D = theta.mu.shape
    L, info = torch.linalg.cholesky_ex(theta.Sigma)
    broken = ((info != 0) | theta.Sigma.isnan().any(-1).any(-1)).any(1)[:, None, None]
    eye = torch.eye(D, dtype=x.dtype, device=x.device)
    inverse = torch.linalg.solve_triangular(torch.where(broken[..., None], eye, L), eye, upper=False)
    centre = x.mean(0)  # far from zero, x - centre keeps the digits that count
    maps, shifts = inverse.reshape(R * K * D, D), (inverse @ (theta.mu - centre).unsqueeze(-1)).reshape(-1, 1)
    squares = [torch.addmm(-shifts, maps, part).square().view(R * K, D, -1).sum(1) for part in _columns(x, centre)]
    log_det = inverse.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = theta.pi.log() + log_det - 0.5 * D * math.log(2 * math.pi)
    square = torch.cat(squares, 1).reshape(R, K, -1)
    return torch.where(broken, math.nan, constant.unsqueeze(-1) - 0.5 * square)  # eq-mixtures-joint


def _columns(x: Tensor, centre: Tensor) -> Iterator[Tensor]:
    """x - centre, some examples at a time, as columns ``(D, n)``: what is done for each component then runs along memory."""
    for part in x.split(BLOCK):
        yield (part - centre).T.contiguous()


def e_step(x: Tensor, theta: Parameters) -> tuple[Tensor, Tensor]:
    """Log-responsibilities log r_nk, shape ``(R, K, N)``, and the mean log-likelihood, shape ``(R,)``.

    Source: Dempster, Laird and Rubin 1977; in the book eq-mixtures-responsibility.

    Example:
        >>> theta = Parameters(torch.tensor([[0.3, 0.7]]), torch.tensor([[[0.0], [2.0]]]), torch.ones(1, 2, 1, 1))
        >>> e_step(torch.tensor([[1.0]]), theta)[0].exp()
        tensor([[[0.3000],
                 [0.7000]]])
    """
    joint = log_joint(_checked(x, theta), theta)
    log_p = joint.logsumexp(1, keepdim=True)
    return joint - log_p, log_p.mean((1, 2))  # eq-mixtures-responsibility


def m_step(
    x: Tensor, r: Tensor, shape: Shape = full, prior: Prior | None = None, ridge: float = 0.0
) -> Parameters:
    """Weights, means and covariances that maximise the bound, given responsibilities; with a prior, the penalised bound.

    Args:
        x: shape ``(N, D)``.
        r: shape ``(R, K, N)``, summing to one over k.
        shape: :func:`full`, :func:`tied`, :func:`diagonal` or :func:`spherical`.
        prior: on the covariances; its mode then takes the place of the maximum.
        ridge: added to the variances afterwards, as many programs do; then the step need not raise the bound.

    Returns:
        The parameters; a component without points keeps the weight 0 and lies at the mean of x, with the covariance of x if
        there is no prior and none to share.

    Raises:
        ValueError: on responsibilities that do not fit.

    Source: in the book eq-mixtures-m-step; with a prior eq-mixtures-map.

    Example:
        >>> theta = m_step(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]), prior=Prior(0.5, 2.0))
        >>> theta.mu.flatten(), theta.Sigma.flatten()
        (tensor([0.5000, 5.0000]), tensor([0.1667, 0.1000]))
    """
    if check_batch(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    N, D = x.shape
    if r.ndim != 3 or r.shape[2] != N:
        raise ValueError(f"r must have shape (R, K, {N}), got {tuple(r.shape)}")
    n = r.sum(2)
    none = (n == 0)[..., None]
    centre = x.mean(0)
    offset = torch.where(none, 0, (r @ (x - centre)) / n[..., None])  # of the means from the centre
    mu = centre + offset  # eq-mixtures-m-step
    scatter, weight = _scatter(x, r, centre, offset), n
    eye = torch.eye(D, dtype=x.dtype, device=x.device)
    if prior is not None:
        scatter, weight = scatter + prior.psi * eye, n + prior.nu + D + 1  # eq-mixtures-map
    scatter, weight = shape(scatter, weight)
    of_all, _ = shape(((x - centre).T @ (x - centre) / N).expand_as(scatter), n)
    empty = (weight == 0)[..., None, None]
    Sigma = torch.where(empty, of_all, scatter / weight[..., None, None])  # eq-mixtures-m-step
    if ridge:
        Sigma = Sigma + ridge * eye
    return Parameters(n / N, mu, Sigma)  # eq-mixtures-m-step


def _scatter(x: Tensor, r: Tensor, centre: Tensor, offset: Tensor) -> Tensor:
    """sum_n r_n (x_n - mu)(x_n - mu)^T with mu = centre + offset, as sum_n r_n (x_n - mu)(x_n - centre)^T.

    That is the same, since sum_n r_n (x_n - mu) = 0, and one product for all components. A difference of moments is the same
    too, but loses its digits.
    """
    R, K, D = offset.shape
    total, shifts = x.new_zeros(R * K * D, D), offset.reshape(-1, D, 1)
    for part, weights in zip(_columns(x, centre), r.reshape(R * K, 1, -1).split(BLOCK, 2)):
        total.addmm_((part - shifts).mul_(weights).reshape(R * K * D, -1), part.T)
    total = total.reshape(R, K, D, D)
    return (total + total.mT) / 2


class Step(NamedTuple):
    """Parameters, and the mean log-likelihood **of these**, shape ``(R,)``; NaN for a restart that has broken down."""

    theta: Parameters
    log_prob: Tensor


def em(
    x: Tensor, theta: Parameters, steps: int, shape: Shape = full, prior: Prior | None = None, ridge: float = 0.0
) -> Iterator[Step]:
    """Alternate E- and M-steps: yields the start, then the parameters after each of ``steps`` rounds.

    Args:
        x: shape ``(N, D)``.
        theta: where the restarts begin.
        steps: how many rounds.
        shape, prior, ridge: as in :func:`m_step`.

    Source: Dempster, Laird and Rubin 1977.

    Example:
        >>> from gmlib.mixtures import start
        >>> x = torch.randn(100, 2)
        >>> *_, last = em(x, start(x, 3, restarts=4), steps=5)
        >>> last.theta.mu.shape, last.log_prob.shape
        (torch.Size([4, 3, 2]), torch.Size([4]))
    """
    for step in range(check_count(steps, "steps") + 1):
        log_r, log_p = e_step(x, theta)
        yield Step(theta, log_p)
        if step < steps:
            theta = m_step(x, log_r.exp(), shape, prior, ridge)


def bound(x: Tensor, log_r: Tensor, theta: Parameters) -> Tensor:
    """The ELBO of EM, a mean over examples: E_r[log joint] plus the entropy of r; equal to the log-likelihood at the E-step's r.

    Source: Neal and Hinton 1998; in the book eq-mixtures-bound.
    """
    terms = log_r.exp() * (log_joint(_checked(x, theta), theta) - log_r)
    return torch.where(log_r == -math.inf, 0, terms).sum(1).mean(-1)  # eq-mixtures-bound


def log_prior(theta: Parameters, prior: Prior) -> Tensor:
    """The logarithm of the prior's density of all covariances, up to a constant, shape ``(R,)``: what MAP adds to N times the mean.

    Source: in the book eq-mixtures-map.
    """
    D = theta.mu.shape[-1]
    L = torch.linalg.cholesky(theta.Sigma)
    trace = torch.cholesky_inverse(L).diagonal(dim1=-2, dim2=-1).sum(-1)
    return -((prior.nu + D + 1) * L.diagonal(dim1=-2, dim2=-1).log().sum(-1) + prior.psi * trace / 2).sum(-1)  # eq-mixtures-map


def _checked(x: Tensor, theta: Parameters) -> Tensor:
    if check_batch(x, "x", theta.mu.shape[-1]).ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    return x
