"""Small pictures of one shape each, made from five known factors: a test of what a code has found."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from gmlib.core import check_count

NAMES = ("shape", "scale", "orientation", "x", "y")
KINDS = ("rectangle", "ellipse", "triangle")
SUBPIXELS = 8  # a pixel is the mean over 8 x 8 points


class Shapes(NamedTuple):
    """Every combination of the factors once, in the order of counting, the last factor fastest.

    ``x``: grey levels in [0, 1], the part of each pixel that the shape covers, shape ``(N, size * size)``.
    ``factors``: which value each factor has, as whole numbers from 0, shape ``(N, 5)``.
    ``values``: the values themselves, shape ``(N, 5)``: the kind's number; the square root of the area
    as a part of the picture's side; the angle in radians; the centroid from the left and from the
    top as parts of the side.
    ``names``: what the five are called.
    """

    x: Tensor
    factors: Tensor
    values: Tensor
    names: tuple[str, ...]


def shapes(
    size: int = 16,
    scales: int = 3,
    orientations: int = 4,
    positions: int = 8,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Shapes:
    """Rectangles, ellipses and triangles in all sizes, orientations and places of a full grid.

    All three kinds have the same area and are twice as long as wide (the triangle as high as
    wide). A turn by half a circle leaves two of them as they are, so the angles are in [0, pi).

    Args:
        size: height and width of a picture in pixels.
        scales: how many sizes, from 0.2 to 0.36 of the side.
        orientations: how many angles, equally spaced.
        positions: how many places along each axis, from 0.34 to 0.66 of the side: no shape is cut off.

    Returns:
        ``3 * scales * orientations * positions ** 2`` pictures and their factors.

    Raises:
        ValueError: on a count below one.

    Example:
        >>> data = shapes(size=16)
        >>> data.x.shape, data.names
        (torch.Size([2304, 256]), ('shape', 'scale', 'orientation', 'x', 'y'))
    """
    for name, n in (("size", size), ("scales", scales), ("orientations", orientations), ("positions", positions)):
        check_count(n, name)
    options = {"dtype": dtype, "device": device}
    place = torch.linspace(0.34, 0.66, positions, **options)
    angle = math.pi * torch.arange(orientations, **options) / orientations
    levels = [torch.arange(len(KINDS), **options), torch.linspace(0.2, 0.36, scales, **options), angle, place, place]
    values = torch.cartesian_prod(*levels)
    factors = torch.cartesian_prod(*(torch.arange(len(level), device=device) for level in levels))

    points = (torch.arange(size * SUBPIXELS, **options) + 0.5) / (size * SUBPIXELS)
    right = (points - place[:, None])[:, None, None, :]  # places, 1, 1, columns
    down = (points - place[:, None])[None, :, :, None]  # 1, places, rows, 1
    pictures = []
    for kind, scale, turn in torch.cartesian_prod(*levels[:3]):
        u = (right * turn.cos() + down * turn.sin()) / scale
        v = (down * turn.cos() - right * turn.sin()) / scale
        covered = _inside(KINDS[int(kind)], u, v).to(dtype)
        pictures.append(avg_pool2d(covered, SUBPIXELS).reshape(-1, size * size))
    return Shapes(torch.cat(pictures), factors, values, NAMES)


def _inside(kind: str, u: Tensor, v: Tensor) -> Tensor:
    """Whether a point is in the shape of area one whose centroid is the origin."""
    if kind == "rectangle":  # sqrt(2) by 1 / sqrt(2)
        return (u.abs() <= math.sqrt(1 / 2)) & (v.abs() <= math.sqrt(1 / 8))
    if kind == "ellipse":  # half axes 2 b and b with 2 pi b^2 = 1
        return (u / 2) ** 2 + v**2 <= 1 / (2 * math.pi)
    side = math.sqrt(2)  # base and height; the centroid is a third of the height above the base
    apex = 2 * side / 3
    return (v <= side / 3) & (2 * u.abs() <= v + apex)
