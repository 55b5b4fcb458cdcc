"""The best discriminator between data and a generator that is dragged away, and what each loss tells the generator."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmlib import plot
from gmlib.divergences import wasserstein1_normals
from gmlib.explore.figure import Explorable, module
from gmlib.explore.shift import F64, FAR, LOG2, SIGMA, S, checked_shift


class Play(NamedTuple):
    """V(D*, G) and JS in nats, W_1 in units of x; and by d the slopes of three losses of the generator."""

    value: Tensor
    js: Tensor
    w1: Tensor
    saturating: Tensor
    nonsaturating: Tensor
    critic: Tensor


def _log_odds(x: Tensor, d: Tensor) -> Tensor:
    """log p_data(x) - log p_theta(x), the logit of D*(x), of the shape to which x and d broadcast."""
    return _log_normal(x, 0.0, SIGMA) - _log_normal(x, d, S)


def _log_normal(x: Tensor, mean: float | Tensor, sd: float) -> Tensor:
    return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi))


def best_play(d: float | Tensor) -> Play:
    """What the best answer of the other player says of p_data = N(0, 0.9^2) and p_theta = N(d, 0.5^2), in float64.

    A slope says by how much a loss of the generator grows with d while D*, or the best critic, is held. Where it is
    positive, a step of descent moves p_theta to the left, towards the data. Integrals are sums over a fixed grid, right
    to rounding for these two laws.

    Args:
        d: the shift, from 0 to 8, a number or a tensor of any shape.

    Returns:
        Each of the shape of d.

    Raises:
        ValueError: if ``d`` is outside its range, or on a NaN.

    Example:
        >>> [round(number.item(), 4) for number in best_play(3.0)]
        [-0.0888, 0.6487, 3.0, 0.1514, 3.5523, 1.0]
    """
    with torch.enable_grad():
        d = checked_shift(d).detach().requires_grad_()
        held = d.detach().unsqueeze(-1)
        x = torch.linspace(-9, 13, 2201, dtype=F64, device=d.device)
        p_data, p_theta = (0.01 * _log_normal(x, *law).exp() for law in ((0.0, SIGMA), (d.unsqueeze(-1), S)))
        o = _log_odds(x, held)
        log_d, log_other = logsigmoid(o), logsigmoid(-o)
        saturating, nonsaturating = (p_theta * log_other).sum(-1), -(p_theta * log_d).sum(-1)
        value = (p_data * log_d).sum(-1) + saturating
        w1 = wasserstein1_normals(torch.zeros_like(d), torch.full_like(d, SIGMA), d, S)
        slopes = (torch.autograd.grad(loss.sum(), d, retain_graph=True)[0] for loss in (saturating, nonsaturating, w1))
        return Play(value.detach(), (LOG2 + value / 2).detach(), w1.detach(), *slopes)


class Duel(Explorable):
    """Data, a generator to drag, and D* between them; what V, JS and W_1 are, and how far each loss moves the generator.

    Args:
        d: the shift of p_theta, from 0 to 8.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Duel(d=5.0)
        >>> figure
        Duel(d=5.0)
        >>> round(figure.play().nonsaturating.item(), 4)
        6.1699
    """

    name = "duel"
    _esm = module(name)
    d = traitlets.Float(3.0, min=0.0, max=FAR).tag(sync=True, state=True)

    def play(self) -> Play:
        """The numbers that the figure shows."""
        return best_play(self.d)

    def draw(self, figure: Figure) -> None:
        """Densities and D*; below them one step of descent on each loss, in units of x; then V, JS and W_1."""
        value, js, w1, *slopes = (number.item() for number in self.play())
        top, steps, low, far = figure.subplots(4, 1, height_ratios=(6, 4, 1, 1))
        x = torch.linspace(-3, 10, 1301, dtype=F64)
        for mean, sd, colour, name in (
            (0.0, SIGMA, plot.BLUE, r"$p_{\mathrm{data}}$"),
            (self.d, S, plot.ORANGE, r"$p_\theta$"),
        ):
            density = _log_normal(x, mean, sd).exp()
            top.plot(x, density, color=colour, label=name)
            top.fill_between(x, density, color=colour, alpha=0.25, lw=0)
        best = torch.sigmoid(_log_odds(x, torch.tensor(self.d, dtype=F64)))
        top.plot(x, best, "--", color=plot.BLACK, lw=1.4, label="$D^*$")
        top.set(xlim=(-3, 10), ylim=(0, 1.05), yticks=[0, 0.5, 1])
        top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))

        steps.axvline(0, color=plot.BLACK, lw=1, ls=":")
        for row, slope in enumerate(slopes):
            tip = self.d - slope
            neck = min(self.d, tip + 0.3)
            half = [(tip, 0), (neck, 0.24), (neck, 0.1), (self.d, 0.1)]
            outline = [(x, row + y) for x, y in half] + [(x, row - y) for x, y in half[::-1]]
            steps.add_patch(Polygon(outline, facecolor=plot.ORANGE, edgecolor=plot.BLACK, lw=0.8))
            steps.text(10.2, row, f"slope {_told(slope)}", va="center")
        steps.set(xlim=(-3, 10), ylim=(2.6, -0.6), yticks=range(3), xlabel="$x$; one step of descent, $\\eta = 1$")
        steps.set_yticklabels(["saturating", "non-saturating", "$W_1$"])

        for ax, of, end, ticks, words in (
            (low, js, LOG2, {"0": 0, "log 2": LOG2}, f"{_told(js)}, $V$ {_told(value)}"),
            (far, w1, FAR, {f"{tick}": tick for tick in range(0, 9, 2)}, _told(w1)),
        ):
            ax.barh([0], [of], color="0.7", edgecolor=plot.BLACK, lw=0.8)
            ax.set(xlim=(0, end), yticks=[0])
            ax.set_xticks(list(ticks.values()), list(ticks))
            ax.text(1.015 * end, 0, words, va="center")
        low.set_yticklabels(["JS"])
        far.set_yticklabels(["$W_1$"])


def _told(number: float) -> str:
    """Three places, a true minus, and no minus before zero."""
    return f"{round(number, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
