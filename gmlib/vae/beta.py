"""Losses that weigh the divergence of a VAE, or one part of it. None of them is an ELBO, and none is called so."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gmlib.core import check_count, check_positive
from gmlib.train import Loss
from gmlib.vae.disentangle import minibatch_kl_terms, stratified_log_weights
from gmlib.vae.gaussian import kl_terms
from gmlib.vae.model import VAE


def beta_vae_loss(beta: float) -> Loss:
    """The loss of a beta-VAE: reconstruction plus ``beta`` times the divergence.

    For ``beta`` of 1 or more, its negative is on average a lower bound on log p(x), no tighter than the ELBO; below 1
    it is no bound.

    Args:
        beta: positive; 1 gives :func:`~gmlib.vae.negative_elbo`.

    Returns:
        A loss with the terms ``reconstruction`` and ``kl``.

    Source: Higgins et al. 2017, equation 4; in the book eq-vae-beta-loss.
    """
    check_positive(beta, "beta")

    def loss(model: VAE, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        q, z = model._encode(x, generator)
        reconstruction = -model.decoder(z).log_prob(x).mean()
        kl = kl_terms(q.base_dist.loc, q.base_dist.scale).sum(-1).mean()
        return reconstruction + beta * kl, {"reconstruction": reconstruction, "kl": kl}  # eq-vae-beta-loss

    return loss


def beta_tcvae_loss(beta: float, num_examples: int, alpha: float = 1.0, gamma: float = 1.0) -> Loss:
    """The loss of a beta-TCVAE: each of the three terms of the divergence has a weight of its own.

    Args:
        beta: weight of the total correlation, at least 0.
        num_examples: N, how many examples the data set has (not the batch).
        alpha, gamma: weights of the index-code mutual information and of the dimension-wise divergence,
            at least 0.

    Returns:
        A loss with the terms ``reconstruction``, ``mi``, ``tc`` and ``dwkl``. The last three are estimated from the
        batch with :func:`~gmlib.vae.stratified_log_weights`; a batch must hold at least two examples. Where all
        weights are 1 the estimates cancel, and the mean of the loss is minus the ELBO.

    Source: Chen et al. 2018, equation 4; in the book eq-vae-tcvae-loss.
    """
    for name, weight in (("beta", beta), ("alpha", alpha), ("gamma", gamma)):
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name} must be a number of at least 0, got {weight!r}")
    check_count(num_examples, "num_examples")

    def loss(model: VAE, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        q, z = model._encode(x, generator)
        log_w = stratified_log_weights(len(x), num_examples, like=z)
        terms = minibatch_kl_terms(z, q.base_dist.loc, q.base_dist.scale, log_w)
        mi, tc, dwkl = (term.mean() for term in terms)
        reconstruction = -model.decoder(z).log_prob(x).mean()
        value = reconstruction + alpha * mi + beta * tc + gamma * dwkl  # eq-vae-tcvae-loss
        return value, {"reconstruction": reconstruction, "mi": mi, "tc": tc, "dwkl": dwkl}

    loss.least = 2  # examples in a batch: `train` sees before the first step that each holds as many
    return loss
