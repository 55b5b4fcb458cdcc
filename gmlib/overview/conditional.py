"""From a classifier p(y|x) and a model of p(x) to p(x|y): as a density, by rejection and by weights.

A classifier is its log-probabilities, classes on the last axis; a marginal is something with ``sample``
or ``log_prob``. The two always define a joint p(x) p(y|x). Nothing here asks whether it is a good one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import Estimate, check_batch, check_count


def log_conditional(log_posterior: Tensor, log_marginal: Tensor, log_prior: Tensor) -> Tensor:
    """log p(x|y) = log p(y|x) + log p(x) - log p(y), for each class.

    Args:
        log_posterior: log p(y|x), shape ``(*batch, C)``.
        log_marginal: log p(x), shape ``batch``.
        log_prior: log p(y), shape ``(C,)``. It must be the one that the other two imply, see
            :func:`implied_prior`; otherwise the result is not a density.

    Returns:
        Shape ``(*batch, C)``.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or a class of probability zero.

    Source: in the book eq-overview-inverse.

    Example:
        >>> posterior, marginal, prior = torch.tensor([[0.2, 0.8]]), torch.tensor([0.1]), torch.tensor([0.5, 0.5])
        >>> log_conditional(posterior.log(), marginal.log(), prior.log()).exp()
        tensor([[0.0400, 0.1600]])
    """
    if check_batch(log_posterior, "log_posterior").ndim < 1:
        raise ValueError("log_posterior must have shape (*batch, C), got ()")
    check_batch(log_marginal, "log_marginal", *log_posterior.shape[:-1])
    check_batch(log_prior, "log_prior", log_posterior.shape[-1])
    if log_prior.isinf().any():
        raise ValueError("log_prior must be finite: nothing can be drawn given a class of probability zero")
    return log_posterior + log_marginal.unsqueeze(-1) - log_prior  # eq-overview-inverse


def implied_prior(log_posterior: Tensor) -> Estimate:
    """p(y) = E_p(x)[p(y|x)], estimated without bias from draws of x.

    Args:
        log_posterior: log p(y|x) at independent draws of x from p(x), shape ``(N, C)`` with N at least 2.

    Returns:
        Probabilities (not logarithms), shape ``(C,)``, which sum to one.

    Raises:
        ValueError: on another shape, or a NaN.

    Source: in the book eq-overview-prior.

    Example:
        >>> implied_prior(torch.tensor([[0.2, 0.8], [0.6, 0.4]]).log()).value
        tensor([0.4000, 0.6000])
    """
    p = _rows(log_posterior).exp()
    return Estimate(p.mean(0), "unbiased", p.std(0) / math.sqrt(len(p)))  # eq-overview-prior


def class_weights(log_posterior: Tensor) -> Tensor:
    """The weights that turn draws of x from p(x) into a weighted sample of each p(x|y).

    Args:
        log_posterior: log p(y|x) at the draws, shape ``(N, C)`` with N at least 2.

    Returns:
        Shape ``(N, C)``; each column sums to one. A weighted mean of f(x) tends to E[f(x)|y] as N grows;
        at a fixed N it is biased, by about 1/N, because its denominator is an estimate too.

    Raises:
        ValueError: on another shape, a NaN, or a class that has probability zero at every draw.

    Source: in the book eq-overview-weights.

    Example:
        >>> class_weights(torch.tensor([[0.2, 0.8], [0.6, 0.4]]).log())
        tensor([[0.2500, 0.6667],
                [0.7500, 0.3333]])
    """
    if (_rows(log_posterior).amax(0) == -math.inf).any():
        raise ValueError("log_posterior must be above -inf at some draw, for each class")
    return log_posterior.softmax(0)  # eq-overview-weights


def sample_conditional(
    n: int,
    y: int,
    sample: Callable[..., Tensor],
    log_posterior: Callable[[Tensor], Tensor],
    generator: torch.Generator | None = None,
    batch_size: int = 1000,
    max_draws: int = 10_000_000,
) -> tuple[Tensor, int]:
    """Exact draws from p(x|y), by drawing x from p(x) and accepting it with probability p(y|x).

    Args:
        n: how many draws are wanted.
        y: the class.
        sample: ``sample((k,), generator=generator)`` gives k draws of x from p(x).
        log_posterior: maps draws of shape ``(k, *event)`` to log p(y|x), shape ``(k, C)``.
        batch_size: how many x are drawn at a time.
        max_draws: how many x may be drawn in all.

    Returns:
        The n draws, and how many x were drawn up to the n-th that was accepted: n / p(y) on average.

    Raises:
        ValueError: on a count below one, a class that the classifier does not have, or a NaN.
        RuntimeError: if fewer than n were accepted of ``max_draws``.

    Source: von Neumann 1951; in the book eq-overview-accept.

    Example:
        >>> coin = lambda x: torch.full((len(x), 2), 0.5).log()
        >>> x, drawn = sample_conditional(5, 1, lambda shape, generator: torch.rand(shape + (3,)), coin)
        >>> x.shape, drawn >= 5
        (torch.Size([5, 3]), True)
    """
    for value, name in ((n, "n"), (batch_size, "batch_size"), (max_draws, "max_draws")):
        check_count(value, name)
    kept, missing, drawn = [], n, 0
    while missing and drawn < max_draws:
        x = sample((min(batch_size, max_draws - drawn),), generator=generator)
        log_p = _rows(log_posterior(x), least=1)
        if not 0 <= y < log_p.shape[1]:
            raise ValueError(f"y must be one of {log_p.shape[1]} classes, counted from 0, got {y}")
        u = torch.rand(len(x), generator=generator, dtype=log_p.dtype, device=log_p.device)
        accepted = (u.log() < log_p[:, y]).nonzero().flatten()[:missing]  # eq-overview-accept
        kept.append(x[accepted])
        missing -= len(accepted)
        drawn += len(x) if missing else accepted[-1].item() + 1
    if missing:
        raise RuntimeError(f"only {n - missing} of {n} were accepted in {drawn} draws: class {y} is too rare")
    return torch.cat(kept), drawn


def marginal_from_conditionals(log_posterior: Tensor, log_lik: Tensor) -> Tensor:
    """log p(x) from both conditionals: 1 / p(x) is the sum over y of p(y|x) / p(x|y).

    Args:
        log_posterior, log_lik: log p(y|x) and log p(x|y), shape ``(*batch, C)``; the second finite.

    Returns:
        Shape ``batch``. Where no joint has both conditionals, what comes out need not sum to one.

    Raises:
        ValueError: on shapes that differ, a NaN, or a p(x|y) that is zero.

    Source: Arnold and Press 1989; in the book eq-overview-compatible.

    Example:
        >>> marginal_from_conditionals(torch.tensor([0.5, 0.5]).log(), torch.tensor([0.1, 0.3]).log()).exp()
        tensor(0.1500)
    """
    check_batch(log_posterior, "log_posterior")
    check_batch(log_lik, "log_lik", *log_posterior.shape)
    if log_lik.ndim < 1 or log_lik.isinf().any():
        raise ValueError("log_lik must be finite, with the classes on its last axis")
    return -(log_posterior - log_lik).logsumexp(-1)  # eq-overview-compatible


def _rows(log_posterior: Tensor, least: int = 2) -> Tensor:
    if check_batch(log_posterior, "log_posterior").ndim != 2 or len(log_posterior) < least:
        raise ValueError(
            f"log_posterior must have shape (N, C) with N at least {least}, got {tuple(log_posterior.shape)}"
        )
    return log_posterior
