"""A cloud of data in the plane and the best denoiser at a noise that the reader sets: where it sends each point, and why."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from torch import Tensor

from gmlib import plot
from gmlib.autoencoders import best_denoiser, residual_score, smoothed
from gmlib.core import check_batch
from gmlib.explore.figure import Explorable, module
from gmlib.targets import GaussianMixture

F64 = torch.float64
SIGMA_MIN, SIGMA_MAX, REACH, X_MAX = 0.1, 10.0, 3.0, 2.5
PI, SD = (0.5, 0.2, 0.3), (0.35, 0.5, 0.25)
MU = torch.tensor([[-1.5, 0.3], [1.2, 1.0], [0.4, -1.4]], dtype=F64)
DATA = GaussianMixture(torch.tensor(PI, dtype=F64), MU, torch.tensor(SD, dtype=F64)[:, None, None] ** 2 * torch.eye(2, dtype=F64))
GRID = torch.cartesian_prod(*[torch.linspace(-2.7, 2.7, 10, dtype=F64)] * 2)
SIGMAS = 10 ** torch.linspace(-1, 1, 101, dtype=F64)


class Denoised(NamedTuple):
    """The best denoiser's output r, the share w of each group in it, the score of the smoothed density (the residual over
    sigma^2), and the score of the density of the data themselves, which is another."""

    r: Tensor
    w: Tensor
    smooth: Tensor
    plain: Tensor


def denoised(x: Tensor, sigma: float) -> Denoised:
    """What the figure says of noisy points, in float64, for noise of standard deviation sigma.

    The data are 0.5 N((-1.5, 0.3), 0.35^2) + 0.2 N((1.2, 1), 0.5^2) + 0.3 N((0.4, -1.4), 0.25^2).

    Args:
        x: noisy points, shape ``(*batch, 2)``.
        sigma: from 0.1 to 10.

    Raises:
        ValueError: on another shape or a NaN, or on a sigma out of its range.

    Source: in the book eq-autoencoders-residual.

    Example:
        >>> near, far = (denoised(torch.tensor([1.0, 0.2]), sigma) for sigma in (0.3, 3.0))
        >>> [round(v, 3) for v in near.r.tolist() + far.r.tolist()]
        [1.053, 0.411, -0.236, -0.081]
    """
    x = check_batch(x, "x", 2).to(F64).cpu()
    if not SIGMA_MIN <= sigma <= SIGMA_MAX:
        raise ValueError(f"sigma must be from {SIGMA_MIN:g} to {SIGMA_MAX:g}, got {sigma!r}")
    r = best_denoiser(DATA, sigma**2)(x)
    w = smoothed(DATA, sigma**2).component_log_prob(x).softmax(-1)
    return Denoised(r, w, residual_score(x, r, sigma), DATA.score(x))


def cloud() -> Tensor:
    """The 60 points of data that are drawn: each group a sunflower whose radii have equal shares of its mass, shape ``(60, 2)``."""
    points = []
    for pi, mu, sd in zip(PI, MU, SD):
        n = round(60 * pi)
        i = torch.arange(n, dtype=F64)
        radius, angle = sd * (-2 * (1 - (i + 0.5) / n).log()).sqrt(), i * math.pi * (3 - math.sqrt(5))
        points.append(mu + radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1))
    return torch.cat(points)


class Denoise(Explorable):
    """Three groups of data, arrows from noisy points to what the best denoiser makes of them, and a point to drag.

    Of the point the figure tells what each group has to do with it, and both scores; a dotted line is the way of its arrow's
    tip as sigma goes from 0.1 to 10: from the point to the nearest group, then towards the mean of all data.

    Args:
        sigma: standard deviation of the noise, from 0.1 to 10.
        x: the noisy point, at most 2.5 from 0 along both axes.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Denoise(sigma=3.0, x=(1.0, 0.2))
        >>> figure
        Denoise(sigma=3.0, x=(1.0, 0.2))
        >>> [round(v, 3) for v in figure.denoised().w.tolist()]
        [0.442, 0.237, 0.321]
    """

    name = "denoise"
    _esm = module(name)
    sigma = traitlets.Float(0.3, min=SIGMA_MIN, max=SIGMA_MAX).tag(sync=True, state=True)
    x = traitlets.Tuple(
        *(traitlets.Float(min=-X_MAX, max=X_MAX) for _ in range(2)), default_value=(2.5, -0.2)
    ).tag(sync=True, state=True)  # fmt: skip

    def denoised(self) -> Denoised:
        """The numbers that the figure shows of its point."""
        return denoised(torch.tensor(self.x, dtype=F64), self.sigma)

    def draw(self, figure: Figure) -> None:
        """The data, the arrows, and the point with its own; beside them the shares of the groups and the two scores."""
        places = figure.subplot_mosaic([["plane", "share"], ["plane", "told"]], width_ratios=(7, 3), height_ratios=(5, 4))
        plane, share, told = (places[name] for name in ("plane", "share", "told"))
        whole = dict(angles="xy", scale_units="xy", scale=1)
        plane.plot(*cloud().T, "o", color=plot.BLUE, ms=3)
        plane.quiver(*GRID.T, *(denoised(GRID, self.sigma).r - GRID).T, **whole, color="0.45", width=0.0035, headwidth=4, headlength=5)
        x, of = torch.tensor(self.x, dtype=F64), self.denoised()
        way = torch.stack([denoised(x, sigma.clamp(SIGMA_MIN, SIGMA_MAX).item()).r for sigma in SIGMAS])
        plane.plot(*way.T, ":", color=plot.BLACK, lw=1.8)
        plane.quiver(*x, *(of.r - x), **whole, color=plot.ORANGE, width=0.013, ec=plot.BLACK, lw=0.6, zorder=3)
        plane.add_patch(Circle(self.x, self.sigma, fill=False, ls="--", color=plot.BLACK))
        plane.plot(*x, "o", color=plot.ORANGE, mec=plot.BLACK, mew=1.5, ms=9, zorder=4)
        for k, mu in enumerate(MU.tolist(), 1):
            name = dict(color=plot.BLACK, weight="bold", size="x-large", path_effects=[withStroke(linewidth=3, foreground="white")])
            plane.text(*mu, k, **name, ha="center", va="center", zorder=5)
        ticks = dict(xticks=(-2, 0, 2), yticks=(-2, 0, 2), xlabel="$x_1$", ylabel="$x_2$")
        plane.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal", title=f"$\\sigma$ = {self.sigma:.3g}", **ticks)
        share.bar(["1", "2", "3"], of.w.tolist(), color=plot.BLUE)
        share.set(ylim=(0, 1.15), yticks=(0, 0.5, 1), title="$p(k\\,|\\,\\tilde{x})$")
        for k, w in enumerate(of.w.tolist()):
            share.text(k, w + 0.02, f"{w:.3f}", ha="center", size="small")
        words = (("$r^*(\\tilde{x})$", of.r), ("$\\nabla\\log p_s(\\tilde{x})$", of.smooth), ("$\\nabla\\log p(\\tilde{x})$", of.plain))
        told.text(0, 0.45, "\n".join(f"{name}\n= {_pair(value)}" for name, value in words), va="center", linespacing=1.5)
        told.axis("off")


def _pair(value: Tensor) -> str:
    """Both components with two places, a true minus, and no minus before zero."""
    return f"({', '.join(f'{round(v, 2) + 0.0:.2f}' for v in value.tolist())})".replace("-", "\N{MINUS SIGN}")
