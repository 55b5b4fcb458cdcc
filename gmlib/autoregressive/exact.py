"""What is known exactly: which pixels a network looks at, which ones it can look at, and what it costs not to see the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gmlib.autoregressive.convolution import kernel_mask
from gmlib.core import check_batch, check_count


def dependence(net: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Which inputs move which outputs at x, by the Jacobian: exact zeros where a network cannot look.

    The outputs at a place (one number, or the channels of a pixel) are read through one random direction. A ReLU that is off
    gives zeros that are none of the network's structure: use smooth activations, or several x.

    Args:
        net: maps ``(N, D)`` to ``(N, D)``, or ``(N, C, H, W)`` to ``(N, any, H, W)``.
        x: one input, without the batch's axis, better in float64.

    Returns:
        Shape ``(places, places)``, the output's place first; the places of an image in raster order. Zero where the network cannot
        look; how large the others are depends on the direction.

    Raises:
        ValueError: on an x of another shape.

    Source: in the book eq-autoregressive-jacobian.

    Example:
        >>> from gmlib.autoregressive import MADE
        >>> (dependence(MADE(3, 16), torch.rand(3)) > 0).triu().any()
        tensor(False)
    """
    check_batch(x, "x")
    if x.ndim not in (1, 3):
        raise ValueError(f"x must have shape (D,) or (C, H, W), got {tuple(x.shape)}")
    places = x.shape[-2:].numel() if x.ndim > 1 else len(x)
    copies = x.detach().expand(places, *x.shape).clone().requires_grad_()
    out = net(copies).flatten(2) if x.ndim > 1 else net(copies).unsqueeze(1)
    readout = torch.randn(out.shape[1], 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(out)
    own = (out * readout).sum(1).diagonal()  # copy i is asked for its output at place i
    (gradient,) = torch.autograd.grad(own.sum(), copies)  # eq-autoregressive-jacobian
    return gradient.abs() if x.ndim == 1 else gradient.abs().flatten(2).sum(1)


def plain_context(H: int, W: int, sizes: Sequence[int]) -> Tensor:
    """Which pixels each output of a stack of masked convolutions can see: the first with mask A, the others with mask B.

    Args:
        H, W: of the image.
        sizes: odd kernel sizes, first layer first.

    Returns:
        True where the input (second axis) is seen from the output (first axis), shape ``(H W, H W)``, raster order.

    Raises:
        ValueError: on a count below one, an even size or no size.

    Source: in the book eq-autoregressive-reach.

    Example:
        >>> plain_context(3, 3, [3]).sum(1)
        tensor([0, 1, 1, 2, 4, 3, 2, 4, 3])
    """
    _check_odd(sizes)
    seen = torch.eye(check_count(H, "H") * check_count(W, "W"), dtype=torch.float32).reshape(-1, 1, H, W)
    for kind, size in reversed(list(zip("A" + "B" * (len(sizes) - 1), sizes, strict=True))):
        seen = F.conv_transpose2d(seen, kernel_mask(size, size, kind)[None, None], padding=size // 2).clamp(max=1)
    return seen.flatten(1) > 0


def gated_context(H: int, W: int, sizes: Sequence[int]) -> Tensor:
    """As :func:`plain_context`, of the gated pair of stacks: all earlier pixels in reach.

    With R the sum of (size // 2): rows up to R + 1 above, one more than the kernels reach since the vertical stack is moved down
    by one, each as far as R to either side; and R pixels to the left in the own row.

    Raises:
        ValueError: on a count below one, an even size or no size.

    Source: in the book eq-autoregressive-gated-reach.

    Example:
        >>> gated_context(3, 3, [5]).sum(1)
        tensor([0, 1, 2, 3, 4, 5, 6, 7, 8])
    """
    R = sum(size // 2 for size in _check_odd(sizes))
    place = torch.arange(check_count(H, "H") * check_count(W, "W"))
    row, column = place // W, place % W
    above, left = row[:, None] - row, column[:, None] - column
    return ((above > 0) & (above <= R + 1) & (left.abs() <= R)) | ((above == 0) & (left > 0) & (left <= R))  # eq-autoregressive-gated-reach


def entropy(p: Tensor, keep: Sequence[int]) -> Tensor:
    """H of the variables ``keep`` in nats, where ``p`` is the table of all variables, one axis each.

    Raises:
        ValueError: on a variable that the table does not have.

    Example:
        >>> entropy(torch.full((2, 2, 2), 0.125), [0, 2])  # 2 log 2
        tensor(1.3863)
    """
    if any(i not in range(p.ndim) for i in keep):
        raise ValueError(f"keep must hold axes of p, from 0 to {p.ndim - 1}, got {list(keep)}")
    rest = [i for i in range(p.ndim) if i not in keep]
    return torch.special.entr(p.sum(rest) if rest else p).sum()


def kl_floor(p: Tensor, contexts: Sequence[Sequence[int]]) -> Tensor:
    """The least KL(p || q) of any q(x) = prod_i q(x_i | x_{C_i}): sum_i H(x_i | x_{C_i}) - H(x), in nats.

    Args:
        p: the table of x, one axis for each variable, summing to one.
        contexts: the variables that the i-th conditional sees, all before i.

    Raises:
        ValueError: on a table that is none, another number of contexts than of variables, or one that looks ahead.

    Source: in the book eq-autoregressive-floor.

    Example:
        >>> p = torch.tensor([[0.4, 0.1], [0.1, 0.4]])
        >>> kl_floor(p, [[], []])  # the mutual information
        tensor(0.1927)
    """
    check_batch(p, "p")
    if (p < 0).any() or abs(p.sum().item() - 1) > 1e-6:
        raise ValueError("p must be non-negative and sum to one")
    if len(contexts) != p.ndim:
        raise ValueError(f"contexts must hold one for each of the {p.ndim} variables, got {len(contexts)}")
    total = -entropy(p, range(p.ndim))
    for i, context in enumerate(contexts):
        if any(j not in range(i) for j in context):
            raise ValueError(f"the context of variable {i} must hold variables before it, got {list(context)}")
        total = total + entropy(p, [*context, i]) - entropy(p, context)  # eq-autoregressive-floor
    return total


def _check_odd(sizes: Sequence[int]) -> Sequence[int]:
    if not sizes or any(check_count(size, "each of sizes") % 2 == 0 for size in sizes):
        raise ValueError(f"sizes must hold odd numbers, got {list(sizes)}")
    return sizes
