"""Which pixels the conditional of one pixel looks at, for a stack of masked convolutions or the gated pair of stacks."""

from __future__ import annotations

from typing import NamedTuple

import torch
import traitlets
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from gmlib import plot
from gmlib.autoregressive import gated_context, plain_context
from gmlib.core import check_count
from gmlib.explore.figure import Explorable, module

SIDE, KERNELS, LAYERS, STACKS = 9, (3, 5, 7), 8, ("one", "two")


class Reached(NamedTuple):
    """Pixels before the chosen one that it looks at and does not, as grids of zeros and ones, shape ``(9, 9)``."""

    seen: Tensor
    unseen: Tensor


def reached(row: int, column: int, kernel: int = 3, layers: int = 4, stacks: str = "one") -> Reached:
    """What the pixel at (row, column) of a 9 x 9 image can depend on.

    All layers have the same kernel; in one stack the first has mask A and the others B.

    Args:
        row, column: from 0.
        kernel: 3, 5 or 7.
        layers: 1 to 8.
        stacks: ``"one"`` for masked convolutions, ``"two"`` for the gated pair.

    Raises:
        ValueError: on a value out of its range.

    Source: in the book eq-autoregressive-reach, eq-autoregressive-gated-reach.

    Example:
        >>> one = reached(4, 2)
        >>> int(one.seen.sum()), int(one.unseen.sum())
        (24, 14)
    """
    for value, name in ((row, "row"), (column, "column")):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < SIDE:
            raise ValueError(f"{name} must be a whole number from 0 to {SIDE - 1}, got {value!r}")
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {KERNELS}, got {kernel!r}")
    if check_count(layers, "layers") > LAYERS:
        raise ValueError(f"layers must be at most {LAYERS}, got {layers}")
    if stacks not in STACKS:
        raise ValueError(f"stacks must be one of {STACKS}, got {stacks!r}")
    context = plain_context if stacks == "one" else gated_context
    seen = context(SIDE, SIDE, [kernel] * layers)[row * SIDE + column]
    before = torch.arange(SIDE * SIDE) < row * SIDE + column
    return Reached(*(grid.long().reshape(SIDE, SIDE) for grid in (seen, before & ~seen)))


class Reach(Explorable):
    """A pixel to move, and a network to change: which earlier pixels can the conditional depend on?

    Args:
        pixel: column and row, from 0 to 8.
        kernel: ``"3"``, ``"5"`` or ``"7"``, of all layers.
        layers: 1 to 8.
        stacks: ``"one"`` or ``"two"``.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Reach(stacks="two", layers=6)
        >>> figure
        Reach(kernel='3', layers=6, pixel=[2, 4], stacks='two')
        >>> int(figure.reached().unseen.sum())
        0
    """

    name = "reach"
    _esm = module(name)
    pixel = traitlets.List(traitlets.Int(min=0, max=SIDE - 1), [2, 4], minlen=2, maxlen=2).tag(sync=True, state=True)
    kernel = traitlets.Enum([str(k) for k in KERNELS], "3").tag(sync=True, state=True)
    layers = traitlets.Int(4, min=1, max=LAYERS).tag(sync=True, state=True)
    stacks = traitlets.Enum(STACKS, "one").tag(sync=True, state=True)

    def reached(self) -> Reached:
        """What the figure shows."""
        column, row = self.pixel
        return reached(row, column, int(self.kernel), self.layers, self.stacks)

    def draw(self, figure: Figure) -> None:
        """The grid: the pixel, what it sees, what it misses, what comes later."""
        ax, told = figure.subplots(), self.reached()
        column, row = self.pixel
        kinds = (told.seen + 2 * told.unseen).numpy()
        ax.imshow(kinds, cmap=ListedColormap(["white", plot.BLUE, plot.ORANGE]), vmin=0, vmax=2)
        for r, c in told.unseen.nonzero().tolist():
            ax.plot(c, r, "x", color=plot.BLACK, ms=9)
        ax.plot(column, row, "s", color=plot.BLACK, ms=15)
        ax.set(xticks=[i - 0.5 for i in range(SIDE + 1)], yticks=[i - 0.5 for i in range(SIDE + 1)], xticklabels=[], yticklabels=[])
        ax.grid(color="0.6", lw=0.8)
        ax.tick_params(length=0)
        ax.spines[:].set(visible=True, color="0.6")
        before = SIDE * row + column
        ax.set_xlabel(f"{before} pixels before: {int(told.seen.sum())} seen, {int(told.unseen.sum())} not (x)")
        ax.set_title(f"{self.kernel} × {self.kernel}, layers: {self.layers}, stacks: {self.stacks}")
