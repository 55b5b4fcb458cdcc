"""The monotone rational-quadratic spline, forward and inverse, with its log-slope."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from gmlib.core import check_positive

LEAST = 1e-3  # of a bin's share of the width or height, and of a slope
ONE = math.log(math.e - 1)  # softplus(ONE) = 1: a raw slope of 0 is slope 1


def rational_quadratic(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, bound: float, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """A monotone map of the line: between knots a quotient of quadratics, outside of [-bound, bound] the identity.

    Args:
        x: any shape.
        widths, heights: raw shares of the bins, shape ``(*x.shape, bins)``; a softmax makes shares of them.
        slopes: raw slopes at the inner knots, shape ``(*x.shape, bins - 1)``; at the ends the slope is 1.
        bound: positive.
        inverse: whether to go back.

    Returns:
        The image of x, and the logarithm of the slope of the direction that was taken, both of x's shape.

    Raises:
        ValueError: on shapes that do not fit, or a bound that is not positive.

    Source: Durkan et al. 2019, equations 4 to 8; Gregory and Delbourgo 1982; in the book eq-flows-spline.

    Example:
        >>> flat = torch.zeros(3, 4)
        >>> rational_quadratic(torch.tensor([-5.0, 0.5, 6.0]), flat, flat, torch.zeros(3, 3), bound=4.0)
        (tensor([-5.0000,  0.5000,  6.0000]), tensor([0., 0., 0.]))
    """
    bins = widths.shape[-1]
    if widths.shape != (*x.shape, bins) or heights.shape != widths.shape or slopes.shape != (*x.shape, bins - 1):
        raise ValueError(f"widths, heights and slopes must have shape (*{tuple(x.shape)}, bins) and one less, got "
                         f"{tuple(widths.shape)}, {tuple(heights.shape)}, {tuple(slopes.shape)}")
    check_positive(bound, "bound")
    if LEAST * bins >= 1:
        raise ValueError(f"there must be fewer than {1 / LEAST:.0f} bins, got {bins}")
    inside = x.abs() <= bound
    y = x.clamp(-bound, bound)
    # what stands at knots is one tensor: x, y and slope by knot by point. PyTorch is slow along a short last axis.
    raw = torch.stack([widths.movedim(-1, 0), heights.movedim(-1, 0)])
    shares = LEAST + (1 - LEAST * bins) * raw.softmax(1)
    inner = (2 * shares.cumsum(1)[:, :-1] - 1) * bound
    d = LEAST + (1 - LEAST) * softplus(slopes.movedim(-1, 0) + ONE)
    ends = torch.tensor([[-bound, -bound, 1.0], [bound, bound, 1.0]], dtype=x.dtype, device=x.device)
    left, right = ends.view(2, 3, *[1] * (x.ndim + 1)).expand(2, 3, 1, *x.shape)
    knots = torch.cat([left, torch.cat([inner, d.unsqueeze(0)]), right], 1)
    k = (y >= inner[int(inverse)]).sum(0)  # the bin of each
    (x0, x1), (y0, y1), (d0, d1) = (part.unbind(0) for part in knots.gather(1, torch.stack([k, k + 1]).expand(3, 2, *x.shape)))
    w, h = x1 - x0, y1 - y0
    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:  # the root of a quadratic, in the form that does not cancel for this sign of b
        rise = y - y0
        a, b, c = h * (s - d0) + rise * bend, h * d0 - rise * bend, -s * rise
        root = (b.square() - 4 * a * c).clamp(min=0).sqrt()
        t = torch.where(b >= 0, 2 * c / torch.where(b >= 0, -b - root, 1.0), (root - b) / torch.where(b >= 0, 1.0, 2 * a)).clamp(0, 1)
    else:
        t = (y - x0) / w
    first, second = d0.lerp(s, t), s.lerp(d1, t)  # (1 - t) d0 + t s, and (1 - t) s + t d1
    below = torch.addcmul(s, bend, t * (1 - t))
    out = x0 + t * w if inverse else y0 + h * t * first / below  # eq-flows-spline
    log_slope = (first.lerp(second, t) * (s / below).square()).log()  # eq-flows-spline-slope
    return torch.where(inside, out, x), torch.where(inside, -log_slope if inverse else log_slope, 0.0)
