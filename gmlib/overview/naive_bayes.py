"""Naive Bayes for black-and-white x: given the class, the coordinates are independent coins."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gmlib.core import check_batch, check_count
from gmlib.overview.discriminant import check_labels


class BernoulliNaiveBayes(nn.Module):
    """p(x, y = c) = pi_c prod_j theta_cj^x_j (1 - theta_cj)^(1 - x_j) for x in {0, 1}^D.

    A class with ``log_prior`` of minus infinity is never drawn; a ``theta`` of 0 or 1 forbids a value.

    Args:
        log_prior: log pi, shape ``(C,)``; the exponentials sum to one.
        theta: the probability of a one in each coordinate of each class, shape ``(C, D)``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or numbers that are not probabilities.

    Source: Hastie, Tibshirani and Friedman 2009, section 6.6.3; in the book eq-overview-nb-joint.

    Example:
        >>> coins = BernoulliNaiveBayes(torch.tensor([0.5, 0.5]).log(), torch.tensor([[0.9], [0.3]]))
        >>> coins.log_posterior(torch.ones(1)).exp()
        tensor([0.7500, 0.2500])
    """

    def __init__(self, log_prior: Tensor, theta: Tensor):
        super().__init__()
        if check_batch(theta, "theta").ndim != 2 or ((theta < 0) | (theta > 1)).any():
            raise ValueError(f"theta must hold probabilities, shape (C, D), got shape {tuple(theta.shape)}")
        total = check_batch(log_prior, "log_prior", len(theta)).exp().sum()
        if log_prior.ndim != 1 or not torch.isclose(total, torch.ones_like(total)):
            raise ValueError(f"log_prior must have shape (C,) and exponentials that sum to one, got {log_prior}")
        self.register_buffer("log_prior", log_prior)
        self.register_buffer("theta", theta)

    def log_joint(self, x: Tensor) -> Tensor:
        """log p(x, y = c) for each class, shape ``(*batch, C)``; ``x`` is 0 or 1, shape ``(*batch, D)``."""
        check_binary(x, "x", self.theta.shape[1])
        on = x.unsqueeze(-2) == 1
        return self.log_prior + torch.where(on, self.theta.log(), (-self.theta).log1p()).sum(-1)  # eq-overview-nb-joint

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log-mass of x, whatever its class, shape ``batch``."""
        return self.log_joint(x).logsumexp(-1)

    def log_posterior(self, x: Tensor) -> Tensor:
        """log p(y = c | x), shape ``(*batch, C)``; NaN where no class allows x."""
        return self.log_joint(x).log_softmax(-1)

    def log_odds(self) -> tuple[Tensor, Tensor]:
        """Weights ``W``, shape ``(C, D)``, and offsets ``b``, shape ``(C,)``, such that p(y|x) is softmax(W x + b).

        Differences between two classes are their log-odds, linear in x. Needs every theta strictly inside (0, 1).
        """
        W = self.theta.logit()  # eq-overview-nb-odds
        return W, self.log_prior + (-self.theta).log1p().sum(-1)  # eq-overview-nb-odds

    def marginal(self, seen: Tensor) -> BernoulliNaiveBayes:
        """The exact model of the coordinates ``seen`` (indices or a mask): the others are summed out.

        Raises:
            ValueError: if nothing is seen.
        """
        if not isinstance(seen, Tensor) or seen.is_floating_point() or seen.ndim != 1:
            raise ValueError(f"seen must be a tensor of indices or a mask, shape (n,), got {seen!r}")
        theta = self.theta[:, seen]  # eq-overview-nb-marginal
        if theta.numel() == 0:
            raise ValueError("seen is empty: it must leave at least one coordinate")
        return BernoulliNaiveBayes(self.log_prior, theta)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of x, shape ``(*sample_shape, D)``."""
        return self.sample_joint(sample_shape, generator)[0]

    def sample_joint(
        self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Exact draws of a pair: x of shape ``(*sample_shape, D)``, and its class y of shape ``sample_shape``."""
        n = math.prod(sample_shape)
        y = torch.multinomial(self.log_prior.exp(), max(n, 1), replacement=True, generator=generator)[:n]
        y = y.reshape(sample_shape)
        return self._draw(y, generator), y

    def sample_given(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws of x given its class: ``y`` holds 0..C-1, shape ``batch``; returns shape ``(*batch, D)``."""
        return self._draw(check_labels(y, "y", len(self.theta)), generator)

    def _draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        theta = self.theta[y]
        u = torch.rand(theta.shape, generator=generator, dtype=theta.dtype, device=theta.device)
        return (u < theta).to(theta.dtype)


def fit_bernoulli_naive_bayes(x: Tensor, y: Tensor, num_classes: int, alpha: float = 1.0) -> BernoulliNaiveBayes:
    """Class frequencies, and the posterior mean of each theta under the prior Beta(alpha, alpha).

    With ``alpha=0`` this is maximum likelihood; ``alpha=1`` is Laplace smoothing. Class frequencies are not smoothed.

    Args:
        x: 0 or 1, shape ``(N, D)``.
        y: classes 0..C-1, shape ``(N,)``.
        num_classes: C.
        alpha: not negative.

    Raises:
        ValueError: on shapes that do not fit, no rows, values that are not 0 or 1, classes out of range, a negative
            ``alpha``, or ``alpha=0`` where a class has no example.

    Source: Hastie, Tibshirani and Friedman 2009, section 6.6.3; in the book eq-overview-nb-mle, eq-overview-nb-laplace.

    Example:
        >>> x, y = torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([0, 0, 1])
        >>> fit_bernoulli_naive_bayes(x, y, 2).theta.T
        tensor([[0.7500, 0.3333]])
    """
    if check_binary(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    if check_labels(y, "y", check_count(num_classes, "num_classes")).shape != x.shape[:1]:
        raise ValueError(f"y must have shape ({len(x)},), got {tuple(y.shape)}")
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be finite and not negative, got {alpha!r}")
    member = one_hot(y, num_classes).to(x.dtype)  # (N, C)
    N_c, N_cj = member.sum(0), member.mT @ x
    if alpha == 0 and (N_c == 0).any():
        raise ValueError("alpha must be positive where a class has no example")
    pi = N_c / len(x)  # eq-overview-nb-mle
    theta = (N_cj + alpha) / (N_c + 2 * alpha).unsqueeze(-1)  # eq-overview-nb-mle, eq-overview-nb-laplace
    return BernoulliNaiveBayes(pi.log(), theta)


def check_binary(x: Tensor, name: str, *event_shape: int) -> Tensor:
    """Return ``x`` if it is a usable batch of zeros and ones, else raise a ``ValueError``."""
    check_batch(x, name, *event_shape)
    if not ((x == 0) | (x == 1)).all():
        raise ValueError(f"{name} must hold 0 and 1 only, got {x.min().item()} to {x.max().item()}")
    return x
