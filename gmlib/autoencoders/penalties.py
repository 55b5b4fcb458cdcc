"""Penalties that keep an autoencoder from the identity: on what the code says, and on how it moves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gmlib.core import check_batch, check_shape


def kl_sparsity(a: Tensor, rho: float) -> Tensor:
    """sum over units of KL(Bernoulli(rho) || Bernoulli(mean activation of the batch)), in nats.

    The mean is over the batch: activations 0 and 0.2 with rho = 0.1 cost nothing. Where it is 0 or 1 the divergence is
    infinite; it is kept finite by keeping the mean away from both by the type's smallest relative step.

    Args:
        a: activations in [0, 1], shape ``(N, H)``.
        rho: the mean that is asked for, in (0, 1).

    Raises:
        ValueError: on another shape, or values out of range.

    Source: in the book eq-autoencoders-kl-sparsity.

    Example:
        >>> kl_sparsity(torch.tensor([[0.0, 0.2], [0.2, 0.35]]), 0.1)
        tensor(0.0934)
    """
    check_batch(a, "a")
    if a.ndim != 2:
        raise ValueError(f"a must have shape (N, H), got {tuple(a.shape)}")
    if a.min() < 0 or a.max() > 1:
        raise ValueError(f"a must be in [0, 1], got {a.min().item()} to {a.max().item()}")
    if not 0 < rho < 1:
        raise ValueError(f"rho must be in (0, 1), got {rho}")
    eps = torch.finfo(a.dtype).eps
    mean = a.mean(0).clamp(eps, 1 - eps)
    return (rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()).sum()  # eq-autoencoders-kl-sparsity


def sigmoid_contraction(W: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """||J||_F^2 of f(x) = sigmoid(W x + b), in closed form: sum_j (h_j (1 - h_j))^2 ||W_j||^2.

    Args:
        W: shape ``(H, D)``.
        b: shape ``(H,)``.
        x: shape ``(*batch, D)``.

    Returns:
        Shape ``batch``.

    Source: Rifai et al. 2011; in the book eq-autoencoders-contraction.

    Example:
        >>> sigmoid_contraction(torch.tensor([[2.0, 0.0]]), torch.zeros(1), torch.zeros(3, 2))
        tensor([0.2500, 0.2500, 0.2500])
    """
    H, D = W.shape
    check_batch(x, "x", D)
    check_shape(b, "b", H)
    h = (x @ W.T + b).sigmoid()
    return ((h * (1 - h)).square() * W.square().sum(1)).sum(-1)  # eq-autoencoders-contraction


def jacobian_penalty(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """||J_f(x)||_F^2 of each example, exactly, by one backward pass for each output; it can itself be differentiated.

    Args:
        f: shape ``(N, D)`` to ``(N, d)``, each row for itself (no batch normalisation).
        x: shape ``(N, D)``.

    Returns:
        Shape ``(N,)``.

    Source: in the book eq-autoencoders-contractive.

    Example:
        >>> jacobian_penalty(lambda x: 3 * x, torch.zeros(2, 5))
        tensor([45., 45.])
    """
    if check_shape(x, "x").ndim != 2:
        raise ValueError(f"x must have shape (N, D), got {tuple(x.shape)}")
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        outputs = f(x).sum(0)
        rows = [torch.autograd.grad(out, x, create_graph=True)[0] for out in outputs]
    return torch.stack([row.square().sum(-1) for row in rows]).sum(0)
