"""Gaussian classes: a model of the pair (x, y) in which p(x, y), p(x), p(y|x) and p(x|y) are all exact.

p(y = c) = pi_c and p(x | y = c) = N(mu_c, Sigma_c), with classes counted from 0. Where all classes share
one covariance, p(y|x) is a logistic regression.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmlib.core import check_batch, check_count


class GaussianDiscriminant(nn.Module):
    """The joint p(x, y) = pi_y N(x; mu_y, Sigma_y) of a point of R^D and its class.

    Args:
        log_prior: log pi, shape ``(C,)``; the probabilities sum to one, and -inf is allowed.
        mu: the classes' means, shape ``(C, D)``.
        Sigma: their covariances, shape ``(C, D, D)``, symmetric and positive definite.

    Raises:
        ValueError: on shapes that do not fit, a NaN, a prior that is no distribution, or a ``Sigma``
            that is not a covariance.

    Source: Bishop 2006, section 4.2; in the book eq-overview-classes.

    Example:
        >>> mu, Sigma = torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1)
        >>> model = GaussianDiscriminant(torch.tensor([0.5, 0.5]).log(), mu, Sigma)
        >>> model.log_posterior(torch.tensor([0.0])).exp()
        tensor([0.5000, 0.5000])
    """

    def __init__(self, log_prior: Tensor, mu: Tensor, Sigma: Tensor):
        super().__init__()
        if check_batch(mu, "mu").ndim != 2:
            raise ValueError(f"mu must have shape (C, D), got {tuple(mu.shape)}")
        C, D = mu.shape
        if check_batch(log_prior, "log_prior", C).ndim != 1:
            raise ValueError(f"log_prior must have shape ({C},), got {tuple(log_prior.shape)}")
        if not torch.isclose(log_prior.exp().sum(), log_prior.new_ones(())):
            raise ValueError(f"log_prior must hold the logarithms of a distribution, got {log_prior.tolist()}")
        if check_batch(Sigma, "Sigma", C, D, D).ndim != 3:
            raise ValueError(f"Sigma must have shape ({C}, {D}, {D}), got {tuple(Sigma.shape)}")
        L, info = torch.linalg.cholesky_ex(Sigma)
        if info.any() or not torch.allclose(Sigma, Sigma.mT):
            raise ValueError("Sigma must be symmetric and positive definite")
        for name, value in (("log_prior", log_prior), ("mu", mu), ("Sigma", Sigma), ("L", L)):
            self.register_buffer(name, value)

    def log_lik(self, x: Tensor) -> Tensor:
        """log p(x|y) for each class, at ``x`` of shape ``(*batch, D)``; returns shape ``(*batch, C)``."""
        C, D = self.mu.shape
        check_batch(x, "x", D)
        d = (x.reshape(1, -1, D) - self.mu.unsqueeze(1)).mT  # (C, D, N): all points in one solve
        u = torch.linalg.solve_triangular(self.L, d, upper=False)
        log_det = 2 * self.L.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_p = -0.5 * (u.square().sum(1).mT + log_det + D * math.log(2 * math.pi))  # eq-overview-classes
        return log_p.reshape(*x.shape[:-1], C)

    def log_joint(self, x: Tensor) -> Tensor:
        """log p(x, y) = log p(y) + log p(x|y) for each class, shape ``(*batch, C)``."""
        return self.log_prior + self.log_lik(x)  # eq-overview-product

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log-density of x alone, the classes summed out; shape ``batch``."""
        return self.log_joint(x).logsumexp(-1)  # eq-overview-sum

    def log_posterior(self, x: Tensor) -> Tensor:
        """log p(y|x) for each class, by Bayes' rule; shape ``(*batch, C)``.

        It is finite for every finite x whose class densities have not all vanished in the arithmetic,
        and says nothing about how probable x itself is.
        """
        return self.log_joint(x).log_softmax(-1)  # eq-overview-bayes

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of x from p(x), shape ``(*sample_shape, D)``."""
        return self.sample_joint(sample_shape, generator)[0]

    def sample_joint(
        self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Exact draws of the pair, y from p(y), then x from p(x|y): ``(*sample_shape, D)`` and ``sample_shape``."""
        n = math.prod(sample_shape)
        y = torch.multinomial(self.log_prior.exp(), max(n, 1), replacement=True, generator=generator)[:n]
        y = y.reshape(sample_shape)
        return self._draw(y, generator), y

    def sample_given(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of x from p(x|y), one for each class index in ``y`` of any shape; returns ``(*y.shape, D)``."""
        return self._draw(check_labels(y, "y", len(self.mu)), generator)

    def _draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        eps = torch.randn(*y.shape, self.mu.shape[1], generator=generator, dtype=self.mu.dtype, device=self.mu.device)
        return self.mu[y] + (self.L[y] @ eps.unsqueeze(-1)).squeeze(-1)


def fit_gaussian_discriminant(
    x: Tensor, y: Tensor, num_classes: int, shared: bool = False, shrinkage: float = 0.0
) -> GaussianDiscriminant:
    """The Gaussian classes of greatest likelihood, their covariances optionally pulled towards a sphere.

    Args:
        x: the data set, shape ``(N, D)``.
        y: the classes, whole numbers below ``num_classes``, shape ``(N,)``; each class must occur.
        num_classes: C.
        shared: one covariance for all classes (linear boundaries) instead of one each.
        shrinkage: a in [0, 1]; Sigma becomes (1 - a) Sigma + a s I, where s is the mean of Sigma's
            diagonal. With a > 0 it is no longer of greatest likelihood, and can be inverted.

    Raises:
        ValueError: on shapes that do not fit, a NaN, a class without examples, or a covariance that is
            singular without (more) shrinkage.

    Source: Bishop 2006, section 4.2.2; shrinkage as in Ledoit and Wolf 2004; in the book eq-overview-fit.

    Example:
        >>> x = torch.tensor([[0.0], [2.0], [4.0], [8.0]])
        >>> model = fit_gaussian_discriminant(x, torch.tensor([0, 0, 1, 1]), 2)
        >>> model.mu.flatten(), model.Sigma.flatten()
        (tensor([1., 6.]), tensor([1., 4.]))
    """
    if check_batch(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    if check_labels(y, "y", check_count(num_classes, "num_classes")).shape != x.shape[:1]:
        raise ValueError(f"y must have shape ({len(x)},), got {tuple(y.shape)}")
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage must be in [0, 1], got {shrinkage}")
    member = nn.functional.one_hot(y, num_classes).to(x.dtype)  # (N, C)
    count = member.sum(0)
    if (count == 0).any():
        raise ValueError(f"y must hold every class, got none of {(count == 0).nonzero().flatten().tolist()}")
    pi = count / len(x)  # eq-overview-fit
    mu = member.mT @ x / count.unsqueeze(1)  # eq-overview-fit
    d = x - mu[y]
    if shared:
        Sigma = (d.mT @ d / len(x)).expand(num_classes, -1, -1)  # eq-overview-fit
    else:
        Sigma = torch.stack([(d * m.unsqueeze(1)).mT @ d / m.sum() for m in member.mT])  # eq-overview-fit
    s = Sigma.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    Sigma = (1 - shrinkage) * Sigma + shrinkage * s * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    least = torch.linalg.eigvalsh(Sigma)[:, 0]
    if (least <= torch.finfo(x.dtype).eps * x.shape[1] * s.flatten()).any():
        raise ValueError("a class varies in too few directions for a covariance: use more examples or more shrinkage")
    return GaussianDiscriminant(pi.log(), mu, (Sigma + Sigma.mT) / 2)


def linear_logits(log_prior: Tensor, mu: Tensor, Sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The logistic regression that is the posterior of Gaussian classes with one covariance.

    Args:
        log_prior: log pi, shape ``(C,)``.
        mu: means, shape ``(C, D)``.
        Sigma: the covariance that the classes share, shape ``(D, D)``.

    Returns:
        ``w`` of shape ``(C, D)`` and ``b`` of shape ``(C,)``: p(y|x) is the softmax of ``x @ w.T + b``.

    Raises:
        ValueError: as :class:`GaussianDiscriminant`.

    Source: Bishop 2006, equations 4.68 to 4.70; in the book eq-overview-logistic.

    Example:
        >>> linear_logits(torch.tensor([0.5, 0.5]).log(), torch.tensor([[-1.0], [1.0]]), torch.eye(1))
        (tensor([[-1.],
                [ 1.]]), tensor([-1.1931, -1.1931]))
    """
    if check_batch(Sigma, "Sigma").ndim != 2:
        raise ValueError(f"Sigma must have shape (D, D), got {tuple(Sigma.shape)}")
    L = GaussianDiscriminant(log_prior, mu, Sigma.expand(len(mu), -1, -1)).L[0]
    w = torch.cholesky_solve(mu.mT, L).mT  # eq-overview-logistic
    b = log_prior - 0.5 * (w * mu).sum(-1)  # eq-overview-logistic
    return w, b


def check_labels(y: Tensor, name: str, num_classes: int) -> Tensor:
    """Return ``y`` if it holds class indices 0 to ``num_classes`` - 1, else raise a ``ValueError``.

    Example:
        >>> check_labels(torch.tensor([0, 2]), "y", 3)
        tensor([0, 2])
    """
    if not isinstance(y, Tensor) or y.dtype != torch.int64:
        raise ValueError(f"{name} must be a tensor of whole numbers (int64), got {y!r}")
    if y.numel() == 0:
        raise ValueError(f"{name} is empty: its shape is {tuple(y.shape)}")
    if y.min() < 0 or y.max() >= num_classes:
        raise ValueError(f"{name} must hold classes 0 to {num_classes - 1}, got {y.min().item()} to {y.max().item()}")
    return y
