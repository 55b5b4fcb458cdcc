"""EM for a mixture of Gaussians, with as many restarts side by side as one likes. Log-likelihoods are means over examples, in nats.

Shapes: x ``(N, D)``; R restarts, K components; responsibilities and joint log-densities ``(R, K, N)``, components before
examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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


class _Columns(NamedTuple):
    """Examples minus their mean, some at a time, as columns with a 1 below: what is done for each component then runs along memory.

    Far from zero, an example minus the mean keeps the digits that count. With the 1, a matrix also holds a shift, and a product
    with responsibilities also their sum.
    """

    centre: Tensor  # the mean, (D,)
    parts: list[Tensor]  # each (D + 1, n)


def _as_columns(x: Tensor, *D: int) -> _Columns:
    """Of the examples x, shape ``(N, D)``, once checked: :func:`em` makes them for all its steps, a step alone for itself."""
    if check_batch(x, "x", *D).ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    centre = x.mean(0)
    return _Columns(centre, [torch.cat([(part - centre).T, part.new_ones(1, len(part))]) for part in x.split(BLOCK)])


def log_joint(x: Tensor, theta: Parameters) -> Tensor:
    """log pi_k + log N(x_n; mu_k, Sigma_k), shape ``(R, K, N)``; NaN for a restart one of whose covariances has broken down.

    Source: in the book eq-mixtures-joint.
    """
    return torch.cat(list(_log_joints(_as_columns(x, theta.mu.shape[-1]), theta)), 2)


def _log_joints(x: _Columns, theta: Parameters) -> Iterator[Tensor]:
    """:func:`log_joint` of each part."""
    R, K, D = theta.mu.shape
    L, info = torch.linalg.cholesky_ex(theta.Sigma)
    broken = ((info != 0) | theta.Sigma.isnan().any(-1).any(-1)).any(1)[:, None, None]
    eye = torch.eye(D, dtype=L.dtype, device=L.device)
    inverse = torch.linalg.solve_triangular(torch.where(broken[..., None], eye, L), eye, upper=False)
    log_det = inverse.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = theta.pi.log() + log_det - 0.5 * D * math.log(2 * math.pi)
    constant = torch.where(broken, math.nan, constant.unsqueeze(-1))
    maps = torch.cat([inverse, inverse @ (x.centre - theta.mu).unsqueeze(-1)], -1).reshape(R * K * D, D + 1)
    for part in x.parts:
        z = (maps @ part).view(R, K, D, -1)  # inverse (x - mu), one product for all components
        yield constant - 0.5 * z.square_().sum(2)  # eq-mixtures-joint


def e_step(x: Tensor, theta: Parameters) -> tuple[Tensor, Tensor]:
    """Log-responsibilities log r_nk, shape ``(R, K, N)``, and the mean log-likelihood, shape ``(R,)``.

    Source: Dempster, Laird and Rubin 1977; in the book eq-mixtures-responsibility.

    Example:
        >>> theta = Parameters(torch.tensor([[0.3, 0.7]]), torch.tensor([[[0.0], [2.0]]]), torch.ones(1, 2, 1, 1))
        >>> e_step(torch.tensor([[1.0]]), theta)[0].exp()
        tensor([[[0.3000],
                 [0.7000]]])
    """
    log_r, log_p = _e_step(_as_columns(x, theta.mu.shape[-1]), theta)
    return torch.cat(log_r, 2), log_p


def _e_step(x: _Columns, theta: Parameters) -> tuple[list[Tensor], Tensor]:
    """:func:`e_step`, with the log-responsibilities of each part."""
    log_r, log_p = [], []
    for joint in _log_joints(x, theta):
        log_p.append(joint.logsumexp(1, keepdim=True))
        log_r.append(joint - log_p[-1])  # eq-mixtures-responsibility
    return log_r, torch.cat(log_p, 2).mean((1, 2))


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
    parts = _as_columns(x)
    if r.ndim != 3 or r.shape[2] != len(x):
        raise ValueError(f"r must have shape (R, K, {len(x)}), got {tuple(r.shape)}")
    return _m_step(parts, r.split(BLOCK, 2), shape, prior, ridge)


def _m_step(x: _Columns, r: Sequence[Tensor], shape: Shape, prior: Prior | None, ridge: float) -> Parameters:
    """:func:`m_step`, from the responsibilities of each part."""
    R, K, _ = r[0].shape
    N, D = sum(part.shape[1] for part in x.parts), len(x.centre)
    sums = sum(w.reshape(R * K, -1) @ part.T for w, part in zip(r, x.parts)).reshape(R, K, D + 1)
    n = sums[..., D]
    offset = torch.where(n[..., None] == 0, 0, sums[..., :D] / n[..., None])  # of the means from the centre
    mu = x.centre + offset  # eq-mixtures-m-step
    scatter, weight = _scatter(x, r, offset), n
    eye = torch.eye(D, dtype=mu.dtype, device=mu.device)
    if prior is not None:
        scatter, weight = scatter + prior.psi * eye, n + prior.nu + D + 1  # eq-mixtures-map
    scatter, weight = shape(scatter, weight)
    Sigma = scatter / weight[..., None, None]  # eq-mixtures-m-step
    if (empty := weight == 0).any():
        of_all, _ = shape((sum(part[:D] @ part[:D].T for part in x.parts) / N).expand_as(scatter), n)
        Sigma = torch.where(empty[..., None, None], of_all, Sigma)
    if ridge:
        Sigma = Sigma + ridge * eye
    return Parameters(n / N, mu, Sigma)  # eq-mixtures-m-step


def _scatter(x: _Columns, r: Sequence[Tensor], offset: Tensor) -> Tensor:
    """sum_n r_n (x_n - mu)(x_n - mu)^T with mu = centre + offset, as sum_n r_n (x_n - centre)(x_n - mu)^T - offset sum_n r_n (x_n - mu)^T.

    So it is one product for all components. Its last term is zero but for the rounding of mu, which far from the centre would
    cost as many digits as a difference of moments.
    """
    R, K, D = offset.shape
    total, shifts = offset.new_zeros(D + 1, R * K * D), offset.reshape(-1, D, 1)
    for part, w in zip(x.parts, r):
        weighted = (part[:D] - shifts).mul_(w.reshape(R * K, 1, -1))
        total.addmm_(part, weighted.reshape(R * K * D, -1).T)
    total = total.T.reshape(R, K, D, D + 1)
    scatter = total[..., :D] - total[..., D:] * offset.unsqueeze(-2)
    return (scatter + scatter.mT) / 2


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
    parts = _as_columns(x, theta.mu.shape[-1])
    for step in range(check_count(steps, "steps") + 1):
        log_r, log_p = _e_step(parts, theta)
        yield Step(theta, log_p)
        if step < steps:
            theta = _m_step(parts, [part.exp_() for part in log_r], shape, prior, ridge)


def bound(x: Tensor, log_r: Tensor, theta: Parameters) -> Tensor:
    """The ELBO of EM, a mean over examples: E_r[log joint] plus the entropy of r; equal to the log-likelihood at the E-step's r.

    Source: Neal and Hinton 1998; in the book eq-mixtures-bound.
    """
    terms = log_r.exp() * (log_joint(x, theta) - log_r)
    return torch.where(log_r == -math.inf, 0, terms).sum(1).mean(-1)  # eq-mixtures-bound


def log_prior(theta: Parameters, prior: Prior) -> Tensor:
    """The logarithm of the prior's density of all covariances, up to a constant, shape ``(R,)``: what MAP adds to N times the mean.

    Source: in the book eq-mixtures-map.
    """
    D = theta.mu.shape[-1]
    L = torch.linalg.cholesky(theta.Sigma)
    trace = torch.cholesky_inverse(L).diagonal(dim1=-2, dim2=-1).sum(-1)
    return -((prior.nu + D + 1) * L.diagonal(dim1=-2, dim2=-1).log().sum(-1) + prior.psi * trace / 2).sum(-1)  # eq-mixtures-map
