"""How good stated probabilities are: proper scores, calibration, and how much miscalibration chance alone shows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gmlib.core import Estimate, check_batch, check_count
from gmlib.metrics import average
from gmlib.overview.discriminant import check_labels


def log_loss(log_prob: Tensor, y: Tensor) -> Tensor:
    """-log p(y_n|x_n) of each example; infinite where the class that occurred was given probability zero.

    Args:
        log_prob: log p(y = c|x_n), shape ``(N, C)``; the exponentials of a row sum to one.
        y: classes 0..C-1, shape ``(N,)``.

    Returns:
        Nats, shape ``(N,)``.

    Raises:
        ValueError: on shapes that do not fit, rows that are not distributions, or classes out of range.

    Source: in the book eq-overview-scores.

    Example:
        >>> log_loss(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))
        tensor([1.3863])
    """
    _check(log_prob, y)
    return -log_prob.gather(1, y.unsqueeze(1)).squeeze(1)  # eq-overview-scores


def brier(log_prob: Tensor, y: Tensor) -> Tensor:
    """The squared distance of p(y|x_n) from the class that occurred, 0 to 2, for each example.

    For two classes this is twice the (p - y)^2 that scikit-learn's ``brier_score_loss`` averages.
    Arguments and errors as for :func:`log_loss`.

    Source: Brier 1950; in the book eq-overview-scores.

    Example:
        >>> brier(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([0]))
        tensor([1.1250])
    """
    _check(log_prob, y)
    return (log_prob.exp() - one_hot(y, log_prob.shape[1])).square().sum(1)  # eq-overview-scores


class Reliability(NamedTuple):
    """For each bin: the mean confidence, the accuracy (NaN where the bin is empty), and the number of examples."""

    confidence: Tensor
    accuracy: Tensor
    count: Tensor


def reliability(log_prob: Tensor, y: Tensor, bins: int = 10) -> Reliability:
    """What a reliability diagram shows, of the confidence: the probability of the most probable class.

    The bins are ((b - 1) / B, b / B] for b = 1..B. Arguments and errors as for :func:`log_loss`; ``bins`` is a
    whole number of at least 1.

    Source: Guo et al. 2017, section 2; in the book eq-overview-ece.

    Example:
        >>> log_prob = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]).log()
        >>> reliability(log_prob, torch.tensor([0, 0, 1]), bins=2).accuracy
        tensor([   nan, 0.6667])
    """
    _check(log_prob, y)
    confidence, member = _bins(log_prob, bins)
    correct = (log_prob.argmax(1) == y).to(log_prob.dtype)
    count = member.sum(0)
    return Reliability(confidence @ member / count, correct @ member / count, count)


def expected_calibration_error(log_prob: Tensor, y: Tensor, bins: int = 10) -> Tensor:
    """The mean gap of accuracy and mean confidence over the bins, weighted by the examples in each.

    Too high on average for few examples (:func:`calibrated_error`); it is blind to deviations that cancel within
    a bin, and to all classes but the most probable. Arguments and errors as for :func:`reliability`.

    Source: Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, equation 3; in the book eq-overview-ece.

    Example:
        >>> log_prob = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]).log()
        >>> expected_calibration_error(log_prob, torch.tensor([0, 0, 1]), bins=2)
        tensor(0.1000)
    """
    _check(log_prob, y)
    correct = (log_prob.argmax(1) == y).to(log_prob.dtype)
    return _error(correct, *_bins(log_prob, bins))


def calibrated_error(
    log_prob: Tensor, bins: int = 10, draws: int = 200, generator: torch.Generator | None = None
) -> Estimate:
    """The expected calibration error that a perfectly calibrated model with these confidences would show on average.

    Each draw decides anew, with the confidence as its probability, which predictions are right.

    Args:
        log_prob: as for :func:`log_loss`.
        bins: at least 1.
        draws: at least 2; the standard error is that of the mean over draws.

    Source: Broecker and Smith 2007 (there for reliability diagrams); in the book eq-overview-ece-floor.

    Example:
        >>> calibrated_error(torch.tensor([[0.5, 0.5]]).log(), draws=2)
        0.5000 ± 0.0000 (unbiased)
    """
    _check(log_prob)
    confidence, member = _bins(log_prob, bins)
    if check_count(draws, "draws") < 2:
        raise ValueError(f"draws must be a whole number of at least 2, got {draws}")
    u = torch.rand((draws, len(confidence)), generator=generator, dtype=log_prob.dtype, device=log_prob.device)
    return average(_error((u < confidence).to(u.dtype), confidence, member), "unbiased")  # eq-overview-ece-floor


def _bins(log_prob: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """The confidences, shape ``(N,)``, and for each its bin as a row of zeros with one 1, shape ``(N, B)``."""
    check_count(bins, "bins")
    confidence = log_prob.amax(1).exp()
    edges = torch.linspace(0, 1, bins + 1, dtype=log_prob.dtype, device=log_prob.device)[1:-1]
    return confidence, one_hot(torch.bucketize(confidence, edges), bins).to(log_prob.dtype)


def _error(correct: Tensor, confidence: Tensor, member: Tensor) -> Tensor:
    """The calibration error of each row of ``correct``, shape ``(*batch, N)``."""
    return ((correct - confidence) @ member).abs().sum(-1) / len(confidence)  # eq-overview-ece


def _check(log_prob: Tensor, y: Tensor | None = None) -> None:
    if check_batch(log_prob, "log_prob").ndim != 2:
        raise ValueError(f"log_prob must have shape (N, C), got {tuple(log_prob.shape)}")
    total = log_prob.exp().sum(1)
    if not torch.allclose(total, torch.ones_like(total), atol=1e-4):
        raise ValueError("the exponentials of each row of log_prob must sum to one")
    if y is not None and check_labels(y, "y", log_prob.shape[1]).shape != log_prob.shape[:1]:
        raise ValueError(f"y must have shape ({len(log_prob)},), got {tuple(y.shape)}")
