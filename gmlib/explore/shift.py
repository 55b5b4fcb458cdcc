"""Two densities of which one is shifted: what five divergences and distances say of it, and how fast each grows."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Normal, Uniform, kl_divergence

from gmlib import plot
from gmlib.core import check_batch
from gmlib.divergences import js, wasserstein1_normals
from gmlib.explore.figure import Explorable, module

F64, LOG2 = torch.float64, math.log(2)
SIGMA, S, FAR = 0.9, 0.5, 8.0  # p = N(0, SIGMA^2), q = N(d, S^2), and the largest d


class Distances(NamedTuple):
    """KL(p || q), KL(q || p) and JS in nats, TV, and W_1 in units of x; or the slope by d of each."""

    kl: Tensor
    reverse_kl: Tensor
    js: Tensor
    tv: Tensor
    w1: Tensor


def shifted_normals(d: float | Tensor) -> tuple[Distances, Distances]:
    """The distances between N(0, 0.9^2) and N(d, 0.5^2), and their slopes by d, in float64.

    JS is a sum over a fixed grid, right to rounding for these two laws; the rest are closed forms.

    Args:
        d: the shift, from 0 to 8, a number or a tensor of any shape.

    Returns:
        Values and slopes, each of the shape of d.

    Raises:
        ValueError: if ``d`` is outside its range, or on a NaN.

    Example:
        >>> values, slopes = shifted_normals(5.0)
        >>> [round(value.item(), 4) for value in values]
        [50.5322, 15.6742, 0.6926, 0.9997, 5.0]
        >>> [round(slope.item(), 4) for slope in slopes]
        [20.0, 6.1728, 0.0015, 0.0009, 1.0]
    """
    with torch.enable_grad():
        d = checked_shift(d).detach().requires_grad_()
        zero, sigma, s = torch.zeros_like(d), torch.full_like(d, SIGMA), torch.full_like(d, S)
        p, q = Normal(zero, sigma), Normal(d, s)
        x = torch.linspace(-9, 13, 2201, dtype=F64, device=d.device)
        cells = [0.01 * Normal(law.mean.unsqueeze(-1), law.stddev.unsqueeze(-1)).log_prob(x).exp() for law in (p, q)]
        # q is above p between the two roots of a quadratic
        a, b, c = 1 / S**2 - 1 / SIGMA**2, d / S**2, (d / S) ** 2 - 2 * math.log(SIGMA / S)
        half = (b**2 - a * c).sqrt()
        left, right = (b - half) / a, (b + half) / a
        tv = (q.cdf(right) - q.cdf(left)) - (p.cdf(right) - p.cdf(left))
        w1 = wasserstein1_normals(zero, sigma, d, s)
        values = Distances(kl_divergence(p, q), kl_divergence(q, p), js(*cells), tv, w1)
        slopes = (torch.autograd.grad(value.sum(), d, retain_graph=True)[0] for value in values)
        return Distances(*(value.detach() for value in values)), Distances(*slopes)


def shifted_uniforms(d: float | Tensor) -> tuple[Distances, Distances]:
    """The distances between the uniform laws on [0, 1] and [d, d + 1], and their slopes as d grows, in float64.

    Where KL is infinite it has no slope: a NaN.

    Args:
        d: the shift, from 0 to 8, a number or a tensor of any shape.

    Returns:
        Values and slopes, each of the shape of d.

    Raises:
        ValueError: if ``d`` is outside its range, or on a NaN.

    Source: in the book eq-divergences-shift.

    Example:
        >>> values, slopes = shifted_uniforms(2.0)
        >>> [value.item() for value in values]
        [inf, inf, 0.6931471805599453, 1.0, 2.0]
    """
    d = checked_shift(d)
    kl, outside = torch.where(d > 0, math.inf, torch.zeros_like(d)), d.clamp(max=1)
    kl_slope, overlap = torch.where(d > 0, math.nan, torch.full_like(d, math.inf)), (d < 1).to(F64)
    values = Distances(kl, kl, outside * LOG2, outside, d)  # eq-divergences-shift
    return values, Distances(kl_slope, kl_slope, overlap * LOG2, overlap, torch.ones_like(d))


def checked_shift(d: float | Tensor) -> Tensor:
    """The shift in float64.

    Raises:
        ValueError: if it is outside its range, or on a NaN.
    """
    d = check_batch(torch.as_tensor(d, dtype=None if isinstance(d, Tensor) else F64), "d").to(F64)
    if ((d < 0) | (d > FAR)).any():
        raise ValueError(f"d must be from 0 to {FAR:g}, got {d.min().item():g} to {d.max().item():g}")
    return d


class Shift(Explorable):
    """Two densities, one of them to drag away from the other; five distances between them and their slopes as bars.

    Args:
        laws: ``"normals"``, N(0, 0.9^2) and N(d, 0.5^2), or ``"uniforms"``, on [0, 1] and [d, d + 1].
        d: the shift, from 0 to 8.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Shift(laws="uniforms", d=2.0)
        >>> figure
        Shift(d=2.0, laws='uniforms')
        >>> figure.distances()[0].w1.item()
        2.0
    """

    name = "shift"
    _esm = module(name)
    laws = traitlets.Enum(("normals", "uniforms"), "normals").tag(sync=True, state=True)
    d = traitlets.Float(1.5, min=0.0, max=FAR).tag(sync=True, state=True)

    def distances(self) -> tuple[Distances, Distances]:
        """The numbers that the figure shows: values and slopes."""
        return {"normals": shifted_normals, "uniforms": shifted_uniforms}[self.laws](self.d)

    def draw(self, figure: Figure) -> None:
        """Both densities; below them the bars, each group of them on its own axis."""
        values, slopes = ([v.item() for v in each] for each in self.distances())
        top, wide, narrow = figure.subplots(3, 1, height_ratios=(5, 4, 3))
        x = torch.linspace(-3, 10, 2601, dtype=F64)
        if self.laws == "normals":
            p, q = Normal(0.0, SIGMA), Normal(self.d, S)
        else:
            p, q = (Uniform(start, start + 1, validate_args=False) for start in (0.0, self.d))
        for law, colour, name in ((p, plot.BLUE, "$p$"), (q, plot.ORANGE, "$q$")):
            density = law.log_prob(x).exp()
            top.plot(x, density, color=colour, label=name)
            top.fill_between(x, density, color=colour, alpha=0.25, lw=0)
        top.set(xlabel="$x$", xlim=(-3, 10), yticks=[], ylim=(0, 1.15))
        top.spines.left.set_visible(False)
        top.legend(loc="upper right")
        kl, reverse_kl, js, tv, w1 = zip(values, slopes, strict=True)
        _bars(wide, 8, {"KL$(p\\,\\|\\,q)$": kl, "KL$(q\\,\\|\\,p)$": reverse_kl, "$W_1$": w1}, (plot.BLUE, plot.ORANGE, "0.7"))
        _bars(narrow, 1, {"JS": js, "TV": tv}, ("0.7", "0.7"))
        narrow.plot([LOG2, LOG2], [-0.5, 0.45], color=plot.BLACK, lw=2, clip_on=False)
        narrow.plot([1, 1], [0.55, 1.45], color=plot.BLACK, lw=2, clip_on=False)
        narrow.set_xticks([0, 0.5, LOG2, 1], ["0", "0.5", "log 2", "1"])


def _bars(ax: Axes, end: float, rows: dict[str, tuple[float, float]], colours: tuple[str, ...]) -> None:
    """Bars that end in an arrow where the value is beyond the axis; value and slope stand at their right."""
    values = [value for value, _ in rows.values()]
    ax.barh(list(rows), [min(value, end) for value in values], color=colours, edgecolor=plot.BLACK, lw=0.8)
    for row, (value, slope) in enumerate(rows.values()):
        if value > end:
            ax.plot(end, row, ">", color=plot.BLACK, ms=9, clip_on=False)
        told = ["none" if math.isnan(v) else "∞" if math.isinf(v) else f"{round(v, 3) + 0.0:.3f}" for v in (value, slope)]
        ax.text(1.03 * end, row, f"{told[0]}, slope {told[1]}", va="center")
    ax.set_xlim(0, end)
    ax.invert_yaxis()
