"""Two decisions that a model of p(x) allows: to refuse an input, and to learn from few labels."""

from __future__ import annotations

import math

from torch import Tensor

from gmlib.core import check_batch, check_count


def rejection_threshold(scores: Tensor, delta: float) -> Tensor:
    """The score below which an input is refused, with a false-alarm rate that is known exactly.

    It is the k-th smallest score, k the whole part of delta (h + 1). If a new score is exchangeable with
    these h (drawn alike, and not used to fit the model) and ties have probability zero, it falls below
    with probability k / (h + 1), whatever the model and the data. That is the mean over calibration sets;
    for one set the rate varies around it, as a Beta(k, h + 1 - k) variable.

    Args:
        scores: log p(x) or another score of h examples that were held out, shape ``(h,)``.
        delta: the greatest false-alarm rate, in (0, 1).

    Raises:
        ValueError: on another shape, a NaN, a delta out of range, or fewer scores than 1 / delta - 1.

    Source: Vovk, Gammerman and Shafer 2005, chapter 2 (conformal prediction); in the book eq-overview-threshold.

    Example:
        >>> import torch
        >>> rejection_threshold(torch.arange(99.0), 0.05)
        tensor(4.)
    """
    if check_batch(scores, "scores").ndim != 1:
        raise ValueError(f"scores must have shape (h,), got {tuple(scores.shape)}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1), got {delta}")
    k = math.floor(delta * (len(scores) + 1) + 1e-9)  # 0.29 * 100 is a little below 29
    if k < 1:
        least = math.ceil(1 / delta - 1 - 1e-9)
        raise ValueError(f"scores must be at least {least} for delta = {delta}, got {len(scores)}")
    return scores.kthvalue(k).values  # eq-overview-threshold


def error_with_labels(bayes_error: float, num_labels: int) -> float:
    """Expected error where two regions are known and a few labels only have to name them, by majority.

    Args:
        bayes_error: R, the error of the two regions under their right names, in [0, 1/2].
        num_labels: an odd number l of labelled examples, each in the wrong region with probability R.

    Returns:
        R + (1 - 2R) P(most of the labels are in the wrong region): 2R(1 - R) for one label.

    Raises:
        ValueError: on an R out of range, or a number of labels that is not odd.

    Source: Castelli and Cover 1995; in the book eq-overview-labels.

    Example:
        >>> error_with_labels(0.1, 1), round(error_with_labels(0.1, 3), 6)
        (0.18000000000000002, 0.1224)
    """
    R, labels = bayes_error, check_count(num_labels, "num_labels")
    if not 0 <= R <= 0.5:
        raise ValueError(f"bayes_error must be in [0, 0.5], got {R}")
    if labels % 2 == 0:
        raise ValueError(f"num_labels must be odd, so that there is a majority, got {labels}")
    most = range(labels // 2 + 1, labels + 1)
    swapped = sum(math.comb(labels, j) * R**j * (1 - R) ** (labels - j) for j in most)  # eq-overview-labels
    return R + (1 - 2 * R) * swapped  # eq-overview-labels
