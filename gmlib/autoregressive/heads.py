"""What a pixel's network puts out: a logit for each level, or a mixture of logistic densities, summed over the level's bin."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gmlib.core import check_count, check_positive


class Categorical:
    """A free probability for each level: ``outputs`` = channels times levels numbers for a pixel.

    With several channels the levels of one pixel are independent given the pixels before.

    Args:
        levels: a pixel is a whole number from 0 to levels - 1; at least 2.
        channels: of the image.

    Raises:
        ValueError: on a count out of range.

    Example:
        >>> Categorical(17).log_prob(torch.zeros(5, 17, 8, 8), torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 8, 8])
    """

    def __init__(self, levels: int, channels: int = 1):
        self.levels, self.channels = _at_least_two(levels), check_count(channels, "channels")
        self.outputs = levels * channels

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """Of whole numbers x, shape ``(N, channels, *places)``, for outputs ``(N, outputs, *places)``; returns ``(N, *places)``."""
        log_p = out.unflatten(1, (self.channels, self.levels)).log_softmax(2)
        return log_p.gather(2, x.long().unsqueeze(2)).sum((1, 2))

    def probs(self, out: Tensor) -> Tensor:
        """Shape ``(N, levels)`` for outputs ``(N, levels)`` of one place and one channel."""
        return out.softmax(1)

    def sample(self, out: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws at one place: outputs ``(N, outputs)`` to whole numbers ``(N, channels)``."""
        p = out.unflatten(1, (self.channels, self.levels)).softmax(2)
        return torch.multinomial(p.flatten(0, 1), 1, generator=generator).view(-1, self.channels).to(out.dtype)


class LogisticMixture:
    """A mixture of K logistic densities for all channels of a pixel, whose means follow the channels before.

    ``outputs`` = K (1 + 2 C + C (C - 1) / 2): logits of the weights, then means, log-scales, and the factors by which the mean of
    a later channel moves with the earlier ones.

    Args:
        levels: a channel is a whole number from 0 to levels - 1, scaled to [-1, 1].
        components: K.
        channels: C.

    Raises:
        ValueError: on a count out of range.

    Source: Salimans et al. 2017; in the book eq-autoregressive-mixture, eq-autoregressive-rgb.

    Example:
        >>> LogisticMixture(17, 5).outputs, LogisticMixture(256, 10, channels=3).outputs
        (15, 100)
    """

    def __init__(self, levels: int, components: int, channels: int = 1):
        self.levels, self.channels = _at_least_two(levels), check_count(channels, "channels")
        self.K = check_count(components, "components")
        self.outputs = components * (1 + 2 * channels + channels * (channels - 1) // 2)

    def log_prob(self, out: Tensor, x: Tensor) -> Tensor:
        """Of whole numbers x, shape ``(N, channels, *places)``, for outputs ``(N, outputs, *places)``; returns ``(N, *places)``."""
        logits, mu, log_s, factors = self._parts(out)
        mu = self._follow(mu, factors, 2 * x.unsqueeze(1) / (self.levels - 1) - 1)
        of_channels = binned_logistic(x.unsqueeze(1), mu, log_s, self.levels)
        return (logits.log_softmax(1) + of_channels.sum(2)).logsumexp(1)  # eq-autoregressive-mixture

    def probs(self, out: Tensor) -> Tensor:
        """Shape ``(N, levels)`` for outputs ``(N, outputs)`` of one place and one channel."""
        x = torch.arange(self.levels, dtype=out.dtype, device=out.device)
        return self.log_prob(out.unsqueeze(2), x.expand(len(out), 1, -1)).exp()

    def sample(self, out: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Exact draws at one place: outputs ``(N, outputs)`` to whole numbers ``(N, channels)``."""
        logits, mu, log_s, factors = self._parts(out)
        k = torch.multinomial(logits.softmax(1), 1, generator=generator)
        u = torch.rand(len(out), self.channels, generator=generator, dtype=out.dtype, device=out.device)
        noise = log_s[torch.arange(len(k)), k[:, 0]].exp() * u.logit()  # u = 0 gives the lowest level
        x = torch.zeros_like(noise)
        for i in range(self.channels):
            mean = self._follow(mu, factors, 2 * x.unsqueeze(1) / (self.levels - 1) - 1)[torch.arange(len(k)), k[:, 0], i]
            x[:, i] = ((mean + noise[:, i] + 1) * (self.levels - 1) / 2).round().clamp(0, self.levels - 1)
        return x

    def _parts(self, out: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights' logits ``(N, K, *places)``; means, log-scales ``(N, K, C, *places)``; factors ``(N, K, pairs, *places)``."""
        K, C = self.K, self.channels
        logits, mu, log_s, factors = out.split([K, K * C, K * C, self.outputs - K - 2 * K * C], 1)
        return logits, mu.unflatten(1, (K, C)), log_s.unflatten(1, (K, C)).clamp(min=-7), factors.unflatten(1, (K, -1)).tanh()

    def _follow(self, mu: Tensor, factors: Tensor, x: Tensor) -> Tensor:
        """Means of the channels, given the scaled values of those before: mu_c + sum_{d < c} a_{cd} x_d."""
        means, pair = [], 0
        for c in range(self.channels):
            mean = mu[:, :, c]
            for d in range(c):
                mean = mean + factors[:, :, pair] * x[:, :, d]  # eq-autoregressive-rgb
                pair += 1
            means.append(mean)
        return torch.stack(means, 2)


def binned_logistic(x: Tensor, mu: Tensor, log_s: Tensor, levels: int) -> Tensor:
    """log-probability of a level under a logistic density cut into bins, the first and last of which take the tails.

    Level x lies at 2 x / (levels - 1) - 1, and its bin reaches 1 / (levels - 1) to either side. All bins sum to one.

    Args:
        x: whole numbers from 0 to levels - 1; broadcast with the others.
        mu: means, on the scale of [-1, 1].
        log_s: logarithms of the scales.
        levels: at least 2.

    Source: Salimans et al. 2017; in the book eq-autoregressive-logistic.

    Example:
        >>> round(binned_logistic(torch.arange(17.0), torch.tensor(0.3), torch.tensor(-1.2), 17).exp().sum().item(), 4)
        1.0
    """
    centre, half = 2 * x / (levels - 1) - 1, 1 / (levels - 1)
    upper = torch.where(x == levels - 1, math.inf, (centre + half - mu) / log_s.exp())
    lower = torch.where(x == 0, -math.inf, (centre - half - mu) / log_s.exp())
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of nearly equal numbers
    return F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))  # eq-autoregressive-logistic


def logistic_mixture(x: Tensor, pi: Tensor, mu: Tensor, s: Tensor, levels: int) -> Tensor:
    """log sum_k pi_k P(level x | mu_k, s_k), for one channel and a mixture written out.

    Args:
        x: whole numbers, shape ``(*batch)``.
        pi, mu, s: weights, means and scales, shape ``(K,)``.

    Source: in the book eq-autoregressive-mixture.

    Example:
        >>> logistic_mixture(torch.tensor(5.0), torch.tensor([0.3, 0.7]), torch.tensor([-0.9, 0.55]), torch.tensor([0.25, 0.4]), 17)
        tensor(-3.4231)
    """
    check_positive(s, "s")
    return (pi.log() + binned_logistic(x.unsqueeze(-1), mu, s.log(), levels)).logsumexp(-1)  # eq-autoregressive-mixture


def _at_least_two(levels: int) -> int:
    if check_count(levels, "levels") < 2:
        raise ValueError(f"levels must be at least 2, got {levels}")
    return levels
