"""Monte Carlo estimates of lower bounds on log p(x), as functions of the terms they are made of.

The first axis holds the samples z_1, ..., z_S of q(z|x); it is averaged away. Values are in nats.
"""

from __future__ import annotations

import math

from torch import Tensor

from gmlib.core import check_shape


def reparameterise(mu: Tensor, sigma: Tensor, eps: Tensor) -> Tensor:
    """A draw of N(mu, diag sigma^2) as a differentiable function of mu and sigma.

    Args:
        mu, sigma: mean and standard deviation (not variance), shape ``(*batch, k)``.
        eps: draws of N(0, I), shape ``(*samples, *batch, k)``.

    Raises:
        ValueError: on an empty tensor, or shapes that do not fit.

    Source: Kingma and Welling 2014, section 2.4; in the book eq-vae-reparam.
    """
    check_shape(sigma, "sigma", *check_shape(mu, "mu").shape)
    check_shape(eps, "eps", *mu.shape)
    return mu + sigma * eps  # eq-vae-reparam


def sgvb_a(log_joint: Tensor, log_q: Tensor) -> Tensor:
    """The estimator that samples everything: the mean of log p(x, z) - log q(z|x).

    Args:
        log_joint: log p(x, z_s), shape ``(K, *batch)``.
        log_q: log q(z_s | x), same shape.

    Returns:
        An unbiased draw of the ELBO, shape ``batch``.

    Raises:
        ValueError: on an empty tensor, or shapes that differ.

    Source: Kingma and Welling 2014, equation 6; in the book eq-vae-sgvb-a.
    """
    check_shape(log_q, "log_q", *check_shape(log_joint, "log_joint").shape)
    return (log_joint - log_q).mean(0)  # eq-vae-sgvb-a, eq-vae-elbo


def sgvb_b(log_lik: Tensor, kl: Tensor) -> Tensor:
    """The estimator whose divergence is exact: the mean of log p(x|z), minus KL(q(z|x) || p(z)).

    Args:
        log_lik: log p(x | z_s), shape ``(K, *batch)``.
        kl: the divergence in closed form, shape ``batch``.

    Returns:
        An unbiased draw of the ELBO, shape ``batch``.

    Raises:
        ValueError: on an empty tensor, or shapes that do not fit.

    Source: Kingma and Welling 2014, equation 7; in the book eq-vae-sgvb-b.
    """
    check_shape(kl, "kl", *check_shape(log_lik, "log_lik").shape[1:])
    return log_lik.mean(0) - kl  # eq-vae-sgvb-b, eq-vae-elbo-kl


def iwae(log_w: Tensor) -> Tensor:
    """The importance-weighted bound: the logarithm of the mean of K importance weights.

    Args:
        log_w: log p(x, z_s) - log q(z_s | x) for draws z_s of q, shape ``(K, *batch)``.

    Returns:
        A draw of a lower bound that tightens as K grows, shape ``batch``.

    Raises:
        ValueError: on an empty tensor.

    Source: Burda, Grosse and Salakhutdinov 2016, equation 8; in the book eq-vae-iwae.

    Example:
        >>> import torch
        >>> iwae(torch.tensor([[0.0], [math.log(3.0)]]))
        tensor([0.6931])
    """
    check_shape(log_w, "log_w")
    return log_w.logsumexp(0) - math.log(len(log_w))  # eq-vae-iwae
