"""Two unbiased estimators of the gradient of E_q[f(z)] where q = N(mu, sigma^2), by the letter.

Both return one draw of the gradient for each row of ``eps``, so that their variances can be seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.vae.bounds import reparameterise


def reparameterisation_gradient(
    f: Callable[[Tensor], Tensor], mu: Tensor, sigma: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """Draws of the gradient that go through the sample: the chain rule applied to f(mu + sigma eps).

    Args:
        f: a differentiable function of z, applied elementwise on shape ``(K,)``.
        mu, sigma: scalars; ``sigma`` is a standard deviation.
        eps: draws of N(0, 1), shape ``(K,)``.

    Returns:
        The draws for mu and for sigma, each of shape ``(K,)``.

    Source: Kingma and Welling 2014, section 2.4; in the book eq-vae-grad-reparam.

    Example:
        >>> reparameterisation_gradient(torch.square, torch.tensor(2.0), torch.tensor(1.0), torch.zeros(1))
        (tensor([4.]), tensor([0.]))
    """
    z = reparameterise(mu.detach(), sigma.detach(), eps).requires_grad_()
    (df_dz,) = torch.autograd.grad(f(z).sum(), z)
    return df_dz, df_dz * eps  # eq-vae-grad-reparam


def score_function_gradient(
    f: Callable[[Tensor], Tensor], mu: Tensor, sigma: Tensor, eps: Tensor, baseline: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Draws of the gradient that use only values of f: (f(z) - b) times the gradient of log q(z).

    It needs no derivative of f, so f may be discontinuous or a black box.

    Args:
        f: any function of z, applied elementwise on shape ``(K,)``.
        mu, sigma: scalars; ``sigma`` is a standard deviation.
        eps: draws of N(0, 1), shape ``(K,)``.
        baseline: a number that does not depend on the draws; any value keeps the mean.

    Returns:
        The draws for mu and for sigma, each of shape ``(K,)``.

    Source: Williams 1992; in the book eq-vae-grad-score and eq-vae-grad-baseline.

    Example:
        >>> score_function_gradient(torch.square, torch.tensor(2.0), torch.tensor(1.0), torch.ones(1))
        (tensor([9.]), tensor([0.]))
    """
    z = reparameterise(mu, sigma, eps)
    dlogq_dmu = (z - mu) / sigma**2  # eq-vae-grad-score
    dlogq_dsigma = ((z - mu) ** 2 / sigma**2 - 1) / sigma  # eq-vae-grad-score
    advantage = f(z) - baseline  # eq-vae-grad-baseline
    return advantage * dlogq_dmu, advantage * dlogq_dsigma
