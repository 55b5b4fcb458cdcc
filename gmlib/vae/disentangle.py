"""The average divergence of a VAE in three terms, their estimates from a minibatch, and losses that weigh them.

Write n for the index of an example, uniform on 1..N, and q(z) for the aggregate posterior, the mean of
q(z|x_n) over n. Where the prior factorises, the mean of KL(q(z|x_n) || p(z)) over n is the sum of the index-code
mutual information I(n; z) (``mi``), the total correlation KL(q(z) || prod_j q(z_j)) (``tc``) and the
dimension-wise divergence sum_j KL(q(z_j) || p(z_j)) (``dwkl``); in the book eq-vae-kl-three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

from gmlib.core import Estimate, check_batch, check_count
from gmlib.metrics import average
from gmlib.vae.bounds import reparameterise
from gmlib.vae.model import VAE


class KLTerms(NamedTuple):
    """Index-code mutual information, total correlation and dimension-wise divergence, in nats."""

    mi: Tensor | Estimate
    tc: Tensor | Estimate
    dwkl: Tensor | Estimate


def kl_decomposition(q: Tensor, priors: Sequence[Tensor]) -> KLTerms:
    """The three terms exactly, as finite sums, where z takes finitely many values.

    Densities on a grid, each times the volume of its cell, make this a quadrature of the integrals.

    Args:
        q: q(z|x_n), shape ``(N, K_1, ..., K_k)``; non-negative, the values of each n sum to one.
        priors: p(z_1), ..., p(z_k), shapes ``(K_1,)``, ..., ``(K_k,)``; likewise.

    Returns:
        Three scalars, none negative. ``mi`` is at most log N.

    Raises:
        ValueError: on shapes that do not fit, a NaN, or what is no distribution.

    Source: Chen, Li, Grosse and Duvenaud 2018, equation 2; in the book eq-vae-kl-three.

    Example:
        >>> copied_bit = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
        >>> [round(term.item(), 4) for term in kl_decomposition(copied_bit, [torch.tensor([0.5, 0.5])] * 2)]
        [0.6931, 0.6931, 0.0]
    """
    N, *sizes = check_batch(q, "q").shape
    axes = range(len(sizes))
    if not sizes or len(sizes) != len(priors):
        raise ValueError(f"q must have an axis for n and one for each of {len(priors)} priors, got {tuple(q.shape)}")
    _check_masses(q, "q", 1)
    for j in axes:
        _check_masses(check_batch(priors[j], f"priors[{j}]", sizes[j]), f"priors[{j}]", 0)
    q_z = q.mean(0)  # eq-vae-aggregate
    q_zj = [q_z.sum([i for i in axes if i != j]) for j in axes]  # eq-vae-aggregate
    log_product = sum(m.log().reshape([-1 if i == j else 1 for i in axes]) for j, m in enumerate(q_zj))
    return KLTerms(
        mi=_kl(q, q_z.log()) / N,  # eq-vae-kl-three
        tc=_kl(q_z, log_product),  # eq-vae-kl-three
        dwkl=sum(_kl(m, p.log()) for m, p in zip(q_zj, priors, strict=True)),  # eq-vae-kl-three
    )


def _kl(q: Tensor, log_p: Tensor) -> Tensor:
    return torch.where(q > 0, q * (q.log() - log_p), 0).sum()


def _check_masses(p: Tensor, name: str, first: int) -> None:
    total = p.flatten(first).sum(-1)
    if (p < 0).any() or not torch.allclose(total, torch.ones_like(total), atol=1e-5):
        raise ValueError(f"{name} must be non-negative and sum to one, got sums near {total.flatten()[0].item():.4g}")


def stratified_log_weights(batch_size: int, num_examples: int, like: Tensor | None = None) -> Tensor:
    """Logarithms of the weights with which a minibatch estimates the aggregate posterior without bias.

    The point z_i was drawn from example i, which has mass 1/N in q(z) and is surely in the batch: its
    weight is 1/N, on the diagonal. The others share what is left, (N - 1)/N, equally. Each row sums to one.

    Args:
        batch_size: M, at least 2; different examples, drawn uniformly without replacement.
        num_examples: N, how many examples the data set has (not the batch), at least M.
        like: a tensor whose dtype and device are taken.

    Returns:
        Shape ``(M, M)``: rows for the points, columns for the examples.

    Raises:
        ValueError: on a batch of one, or one larger than the data set.

    Source: in the book eq-vae-stratified; the estimator of Chen et al. 2018, appendix C.2, averaged over the order
    of the batch.

    Example:
        >>> stratified_log_weights(3, 10).exp()
        tensor([[0.1000, 0.4500, 0.4500],
                [0.4500, 0.1000, 0.4500],
                [0.4500, 0.4500, 0.1000]])
    """
    M, N = check_count(batch_size, "batch_size"), check_count(num_examples, "num_examples")
    if not 2 <= M <= N:
        raise ValueError(f"batch_size must be from 2 to num_examples = {N}, got {M}")
    options = {} if like is None else {"dtype": like.dtype, "device": like.device}
    log_w = torch.full((M, M), math.log((N - 1) / (N * (M - 1))), **options)  # eq-vae-stratified
    return log_w.fill_diagonal_(math.log(1 / N))  # eq-vae-stratified


def pairwise_log_prob(z: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """log N(z_bj; mu_mj, sigma_mj^2) for z of shape ``(B, k)`` and ``(M, k)`` twice; returns ``(B, M, k)``.

    Arguments are unchecked. In memory the dimension comes first, which makes the sums over examples faster.
    """
    mu, sigma = mu.mT.contiguous(), sigma.mT.contiguous()
    u = (z.mT.unsqueeze(2) - mu.unsqueeze(1)) * (math.sqrt(0.5) / sigma).unsqueeze(1)
    log_q = -(sigma.log() + 0.5 * math.log(2 * math.pi)).unsqueeze(1) - u * u
    return log_q.permute(1, 2, 0)


def log_aggregate(log_q: Tensor, log_w: Tensor) -> tuple[Tensor, Tensor]:
    """log q(z) and log q(z_j) as weighted sums over examples; arguments unchecked.

    Args:
        log_q: log q(z_bj|x_m), shape ``(B, M, k)``.
        log_w: logarithms of the weights of the examples, broadcasting to ``(B, M)``.

    Returns:
        The joint, shape ``(B,)``, and the marginals, shape ``(B, k)``. In the joint the dimensions are added first,
        and the weight once.
    """
    joint = (log_q.sum(-1) + log_w).logsumexp(1)  # eq-vae-aggregate
    marginals = (log_q + log_w.unsqueeze(-1)).logsumexp(1)  # eq-vae-aggregate
    return joint, marginals


def kl_integrands(z: Tensor, log_q_zx: Tensor, log_q_z: Tensor, log_q_zj: Tensor) -> KLTerms:
    """The logarithms whose means are the three terms, at points z of shape ``(B, k)``, for the prior N(0, I).

    Arguments are unchecked. Their sum is log q(z|x_n) - log p(z), whatever is given for log q(z) and log q(z_j).
    """
    log_product = log_q_zj.sum(-1)
    log_p_z = -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)
    return KLTerms(
        mi=log_q_zx - log_q_z,  # eq-vae-kl-split
        tc=log_q_z - log_product,  # eq-vae-kl-split
        dwkl=log_product - log_p_z,  # eq-vae-kl-split
    )


def minibatch_kl_terms(z: Tensor, mu: Tensor, sigma: Tensor, log_w: Tensor) -> KLTerms:
    """Estimates of the three terms from a minibatch, one for each of its examples; arguments unchecked.

    With :func:`stratified_log_weights` they are unbiased for q(z) and q(z_j) at a point, hence on average too low for
    their logarithms: ``mi`` comes out too high, ``dwkl`` too low, ``tc`` either.

    Args:
        z: one draw of q(z|x_m) for each example of the batch, shape ``(M, k)``.
        mu, sigma: means and standard deviations of the q(z|x_m), shape ``(M, k)``.
        log_w: logarithms of the weights, shape ``(M, M)``.

    Source: in the book eq-vae-minibatch-bias.

    Example:
        >>> mu = torch.tensor([[-9.0], [0.0], [9.0]])
        >>> minibatch_kl_terms(mu, mu, torch.ones(3, 1), stratified_log_weights(3, 10)).mi  # far apart: log N each
        tensor([2.3026, 2.3026, 2.3026])
    """
    log_q = pairwise_log_prob(z, mu, sigma)
    own = log_q.diagonal().sum(0)
    return kl_integrands(z, own, *log_aggregate(log_q, log_w))


@torch.no_grad()
def aggregate_kl_terms(
    model: VAE, x: Tensor, num_samples: int = 2000, generator: torch.Generator | None = None, chunk: int = 250
) -> KLTerms:
    """The three terms of a model on a whole data set, with the exact aggregate posterior in every logarithm.

    Only the expectation is sampled: n uniformly, then z from q(z|x_n).

    Args:
        x: the data set, shape ``(N, D)``.
        num_samples: draws of (n, z), at least 2.
        generator: on the device of x.
        chunk: for how many of the draws the N densities are held at once.

    Returns:
        Unbiased estimates with their standard errors.

    Raises:
        ValueError: on an empty data set, a NaN, another shape than the encoder takes, or counts too small.

    Source: in the book eq-vae-kl-three.
    """
    check_batch(x, "x", *model.encoder.input_shape)
    if check_count(num_samples, "num_samples") < 2:
        raise ValueError(f"num_samples must be at least 2, got {num_samples}")
    q = model.encoder(x).base_dist
    n = torch.randint(len(x), (num_samples,), generator=generator, device=x.device)
    eps = torch.randn(num_samples, model.latent_dim, generator=generator, dtype=q.loc.dtype, device=x.device)
    z = reparameterise(q.loc[n], q.scale[n], eps)
    own = Normal(q.loc[n], q.scale[n], validate_args=False).log_prob(z).sum(-1)
    log_w = z.new_full((1,), -math.log(len(x)))
    pieces = z.split(check_count(chunk, "chunk"))
    aggregate = [log_aggregate(pairwise_log_prob(piece, q.loc, q.scale), log_w) for piece in pieces]
    joint, marginals = (torch.cat(part) for part in zip(*aggregate, strict=True))
    return KLTerms(*(average(term, "unbiased") for term in kl_integrands(z, own, joint, marginals)))
