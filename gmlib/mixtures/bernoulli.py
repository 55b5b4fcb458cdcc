"""A mixture of Bernoulli vectors for binary images: the same EM with another family."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gmlib.core import check_batch, check_count


class BernoulliMixture(nn.Module):
    """p(x) = sum_k pi_k prod_d theta_kd^x_d (1 - theta_kd)^(1 - x_d) on {0, 1}^D; ``log_prob`` and ``sample`` are exact.

    Args:
        pi: weights, shape ``(K,)``.
        theta: probabilities of a one, shape ``(K, D)``.

    Raises:
        ValueError: on shapes that do not fit, weights that are no distribution, or probabilities out of [0, 1].

    Source: in the book eq-mixtures-bernoulli.

    Example:
        >>> two = BernoulliMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.9, 0.8], [0.1, 0.3]]))
        >>> two.log_prob(torch.tensor([1.0, 1.0])).exp()
        tensor(0.3750)
    """

    def __init__(self, pi: Tensor, theta: Tensor):
        super().__init__()
        check_batch(theta, "theta")
        if theta.ndim != 2 or theta.min() < 0 or theta.max() > 1:
            raise ValueError(f"theta must have shape (K, D) and be in [0, 1], got shape {tuple(theta.shape)}")
        check_batch(pi, "pi", len(theta))
        if (pi < 0).any() or not torch.isclose(pi.sum(), pi.new_ones(())):
            raise ValueError(f"pi must be non-negative and sum to one, got {pi.tolist()}")
        self.register_buffer("pi", pi)
        self.register_buffer("theta", theta)

    def log_joint(self, x: Tensor) -> Tensor:
        """log pi_k + log p(x | k), shape ``(*batch, K)``."""
        check_batch(x, "x", self.theta.shape[1])
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("x must hold zeros and ones")
        ones, zeros = _log(self.theta), _log(1 - self.theta)
        return _log(self.pi) + x @ ones.T + (1 - x) @ zeros.T  # eq-mixtures-bernoulli

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-mass of zeros and ones, shape ``(*batch, D)``; returns shape ``batch``."""
        return self.log_joint(x).logsumexp(-1)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: torch.Generator | None = None) -> Tensor:
        """Exact draws, shape ``(*sample_shape, D)``."""
        n = math.prod(sample_shape)
        k = torch.multinomial(self.pi, max(n, 1), replacement=True, generator=generator)[:n]
        u = torch.rand(n, self.theta.shape[1], generator=generator, dtype=self.theta.dtype, device=self.theta.device)
        return (u < self.theta[k]).to(self.theta).reshape(*sample_shape, self.theta.shape[1])


def _log(p: Tensor) -> Tensor:
    """log p, with a finite number for 0, so that 0 times it is 0 and one use of it is as good as impossible."""
    return p.log().clamp(min=torch.finfo(p.dtype).min / 1e6)


def bernoulli_em(x: Tensor, start: BernoulliMixture, steps: int, a: float = 1.0) -> Iterator[BernoulliMixture]:
    """EM: yields the mixture after each step; with ``a`` above 1, under a Beta(a, a) prior on each probability.

    Args:
        x: zeros and ones, shape ``(N, D)``.
        start: where it begins.
        steps: how many.
        a: 1 for maximum likelihood, which may put a probability to 0 and make a new image impossible.

    Raises:
        ValueError: on an ``a`` below 1.

    Source: in the book eq-mixtures-bernoulli-em.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
        >>> *_, last = bernoulli_em(x, BernoulliMixture(torch.tensor([0.5, 0.5]), torch.tensor([[0.7, 0.6], [0.2, 0.4]])), 20)
        >>> last.theta.shape
        torch.Size([2, 2])
    """
    if a < 1:
        raise ValueError(f"a must be at least 1, got {a}")
    mixture = start
    for _ in range(check_count(steps, "steps")):
        r = mixture.log_joint(x).softmax(-1)
        n = r.sum(0)
        theta = (r.T @ x + a - 1) / (n + 2 * (a - 1)).clamp(min=torch.finfo(x.dtype).tiny)[:, None]  # eq-mixtures-bernoulli-em
        mixture = BernoulliMixture(n / len(x), theta.clamp(0, 1))
        yield mixture
