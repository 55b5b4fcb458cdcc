"""One quiet style for every figure: arrays in, axes out. Text in figures is English and symbols.

The colours are those of Okabe and Ito, told apart by readers with any colour vision.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib import cycler
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from torch import Tensor

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000",
)  # fmt: skip

STYLE = {
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "figure.dpi": 110,
    "figure.figsize": (6.0, 3.4),
    "font.size": 10,
    "image.cmap": "Greys",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "white",
}


def use_style() -> None:
    """Set the book's style for all figures that follow."""
    plt.rcParams.update(STYLE)


def images(x: Tensor, side: int, columns: int, ax: Axes | None = None) -> Axes:
    """Draw square images as one grid, row by row.

    Args:
        x: grey levels in [0, 1], one image a row, shape ``(N, side * side)``.
        side: height and width of an image.
        columns: images in a row; the last row may be shorter.
        ax: axes to draw on; new ones where it is ``None``.

    Raises:
        ValueError: if ``x`` does not have ``side * side`` columns.

    Example:
        >>> images(torch.rand(10, 64), side=8, columns=5).get_images()[0].get_array().shape
        (17, 44)
    """
    if x.ndim != 2 or x.shape[1] != side * side:
        raise ValueError(f"x must have shape (N, {side * side}), got {tuple(x.shape)}")
    rows = -(-len(x) // columns)
    canvas = torch.zeros(rows * columns, side + 1, side + 1)
    canvas[: len(x), 1:, 1:] = x.detach().float().cpu().reshape(-1, side, side)
    grid = canvas.reshape(rows, columns, side + 1, side + 1).transpose(1, 2).reshape(rows * (side + 1), -1)
    ax = plt.gca() if ax is None else ax
    ax.imshow(grid[1:, 1:].numpy(), vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
    return ax


def density(
    log_prob: Callable[[Tensor], Tensor], extent: tuple[float, float, float, float], ax: Axes, levels: int = 8, **style
) -> Axes:
    """Draw contours of a density on the plane.

    Args:
        log_prob: maps points of shape ``(N, 2)`` to log-densities, up to a constant.
        extent: ``(left, right, bottom, top)``.
        ax: axes to draw on.
        levels: number of contours.
        style: passed to Matplotlib's ``contour``.
    """
    left, right, bottom, top = extent
    u, v = torch.meshgrid(torch.linspace(left, right, 150), torch.linspace(bottom, top, 150), indexing="xy")
    with torch.no_grad():
        logp = log_prob(torch.stack([u, v], -1).reshape(-1, 2)).reshape(u.shape)
    p = (logp - logp.max()).exp()
    ax.contour(u.numpy(), v.numpy(), p.numpy(), levels=levels, **style)
    return ax


def ellipse(mu: Tensor, Sigma: Tensor, ax: Axes, **style) -> Ellipse:
    """Draw the set of points one standard deviation from the mean of a Gaussian on the plane."""
    variance, axes = torch.linalg.eigh(Sigma.detach().cpu().double())
    width, height = (2 * variance.sqrt()).tolist()
    angle = torch.rad2deg(torch.atan2(axes[1, 0], axes[0, 0])).item()
    return ax.add_patch(Ellipse(mu.tolist(), width, height, angle=angle, fill=False, **style))
