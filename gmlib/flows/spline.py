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
    inside = x.abs() <= bound
    y = torch.where(inside, x, 0.0)
    knots_x, knots_y = _knots(widths, bound), _knots(heights, bound)
    d = torch.nn.functional.pad(LEAST + (1 - LEAST) * softplus(slopes + ONE), (1, 1), value=1.0)
    k = (torch.searchsorted((knots_y if inverse else knots_x).detach(), y.unsqueeze(-1), right=True) - 1).clamp(0, bins - 1)

    def at(knots: Tensor, step: int = 0) -> Tensor:
        return knots.gather(-1, k + step).squeeze(-1)

    x0, w = at(knots_x), at(knots_x, 1) - at(knots_x)
    y0, h = at(knots_y), at(knots_y, 1) - at(knots_y)
    d0, d1 = at(d), at(d, 1)
    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:  # the root of a quadratic, in the form that does not cancel
        rise = y - y0
        a, b, c = h * (s - d0) + rise * bend, h * d0 - rise * bend, -s * rise
        t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
        out = x0 + t * w
    else:
        t = (y - x0) / w
        out = y0 + h * (s * t.square() + d0 * t * (1 - t)) / (s + bend * t * (1 - t))  # eq-flows-spline
    slope = s.square() * (d1 * t.square() + 2 * s * t * (1 - t) + d0 * (1 - t).square()) / (s + bend * t * (1 - t)).square()
    log_slope = slope.log()  # eq-flows-spline-slope
    return torch.where(inside, out, x), torch.where(inside, -log_slope if inverse else log_slope, 0.0)


def _knots(raw: Tensor, bound: float) -> Tensor:
    """From -bound to bound, in steps that are shares of the whole, none of them too small."""
    bins = raw.shape[-1]
    shares = LEAST + (1 - LEAST * bins) * raw.softmax(-1)
    inner = (2 * shares.cumsum(-1)[..., :-1] - 1) * bound
    return torch.cat([torch.full_like(raw[..., :1], -bound), inner, torch.full_like(raw[..., :1], bound)], -1)
