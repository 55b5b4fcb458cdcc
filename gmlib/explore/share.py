"""Twelve points and two Gaussians to drag: responsibilities, the bound and the log-likelihood, and the steps of EM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import traitlets
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from gmlib import plot
from gmlib.explore.figure import Explorable, module
from gmlib.mixtures import Parameters, bound, e_step, log_joint, m_step

F64 = torch.float64
POINTS = torch.tensor([-2.9, -2.4, -2.1, -1.7, -1.2, -0.6, 0.4, 1.1, 1.5, 1.9, 2.3, 3.2], dtype=F64)
N, FAR, SD, WEIGHT, ODDS = len(POINTS), 4.0, (0.02, 3.0), (0.01, 0.99), 1e5
Component = tuple[float, float]  # mean and standard deviation


class Shared(NamedTuple):
    """The log-likelihood, the bound at the given responsibilities, and their difference, a sum of KL, all in nats."""

    log_p: Tensor
    bound: Tensor
    kl: Tensor


def _theta(one: Component, two: Component, weight: float) -> Parameters:
    for name, (mean, sd) in (("one", one), ("two", two)):
        if not (-FAR <= mean <= FAR and SD[0] <= sd <= SD[1]):
            raise ValueError(f"{name} must have a mean from -4 to 4 and an sd from 0.02 to 3, got {(mean, sd)}")
    if not WEIGHT[0] <= weight <= WEIGHT[1]:
        raise ValueError(f"weight must be from 0.01 to 0.99, got {weight}")
    (mu, sd), pi = torch.tensor([one, two], dtype=F64).T, torch.tensor([weight, 1 - weight], dtype=F64)
    return Parameters(pi[None], mu[None, :, None], sd.square()[None, :, None, None])


def _log_r(odds: Sequence[float]) -> Tensor:
    """log r_n1 and log r_n2, shape ``(2, 12)``."""
    o = torch.as_tensor(odds, dtype=F64)
    if o.shape != (N,) or not (o.abs() <= ODDS).all():
        raise ValueError(f"odds must be {N} numbers from -100000 to 100000, got {odds}")
    return torch.nn.functional.logsigmoid(torch.stack([o, -o]))


def shared(one: Component, two: Component, weight: float, odds: Sequence[float]) -> Shared:
    """What the twelve points and any responsibilities for them say of a mixture of two Gaussians, in float64.

    Args:
        one, two: mean, from -4 to 4, and standard deviation, from 0.02 to 3, of each component.
        weight: of the first component, from 0.01 to 0.99.
        odds: log r_n1 - log r_n2 for each point; 0 shares it equally.

    Raises:
        ValueError: on a value out of its range.

    Source: in the book eq-mixtures-bound, eq-mixtures-gap.

    Example:
        >>> [round(number.item(), 3) for number in shared((-0.3, 1.0), (0.5, 1.0), 0.5, [0.0] * 12)]
        [-31.885, -35.112, 3.227]
    """
    theta, log_r = _theta(one, two, weight), _log_r(odds)
    joint = log_joint(POINTS[:, None], theta)[0]
    log_p = joint.logsumexp(0)
    kl = (log_r.exp() * (log_r - (joint - log_p))).sum()
    return Shared(log_p.sum(), N * bound(POINTS[:, None], log_r[None], theta)[0], kl)


def odds_of(one: Component, two: Component, weight: float) -> Tensor:
    """The E-step: log-odds of the responsibilities of two components, shape ``(12,)``.

    Args:
        one, two, weight: as in :func:`shared`.

    Raises:
        ValueError: on a value out of its range.

    Source: in the book eq-mixtures-responsibility.

    Example:
        >>> odds_of((-1.0, 1.0), (1.0, 1.0), 0.5)[:2]
        tensor([5.8000, 4.8000], dtype=torch.float64)
    """
    (log_r,), _ = e_step(POINTS[:, None], _theta(one, two, weight))
    return log_r[0] - log_r[1]


def refitted(odds: Sequence[float]) -> tuple[Component, Component, float]:
    """The M-step, within the ranges of the figure: both components and the weight of the first that make the bound largest.

    The bound rises and then falls with each standard deviation, and with the weight; so where the maximum lies out of the
    range, its end is the best within, and EM still never lowers the log-likelihood.

    Args:
        odds: as in :func:`shared`.

    Raises:
        ValueError: on a value out of its range.

    Source: in the book eq-mixtures-m-step.

    Example:
        >>> one, two, weight = refitted([30.0] * 6 + [-30.0] * 6)
        >>> [round(part, 3) for part in (*one, *two, weight)]
        [-1.817, 0.76, 1.733, 0.888, 0.5]
    """
    pi, mu, Sigma = m_step(POINTS[:, None], _log_r(odds).exp()[None])
    sd = Sigma.flatten().clamp(min=0).sqrt().clamp(*SD)  # of one point alone, rounding may leave less than 0
    one, two = torch.stack([mu.flatten(), sd], 1).tolist()
    return tuple(one), tuple(two), pi[0, 0].clamp(*WEIGHT).item()


def _component(mean: float) -> traitlets.Tuple:
    return traitlets.Tuple(traitlets.Float(min=-FAR, max=FAR), traitlets.Float(min=SD[0], max=SD[1]), default_value=(mean, 1.0))


class Share(Explorable):
    """Two Gaussians to drag over twelve points, with E- and M-steps: responsibilities, the bound and the log-likelihood.

    Args:
        one, two: mean, from -4 to 4, and standard deviation, from 0.02 to 3, of each component.
        weight: of the first, from 0.01 to 0.99.
        odds: the responsibilities at hand, as in :func:`shared`; they follow the components only by an E-step.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Share()
        >>> figure
        Share(one=(-0.3, 1.0), two=(0.5, 1.0), weight=0.5)
        >>> figure.e_step()
        >>> figure.m_step()
        >>> round(figure.shared().log_p.item(), 3)
        -24.747
    """

    name = "share"
    _esm = module(name)
    one = _component(-0.3).tag(sync=True, state=True)
    two = _component(0.5).tag(sync=True, state=True)
    weight = traitlets.Float(0.5, min=WEIGHT[0], max=WEIGHT[1]).tag(sync=True, state=True)
    odds = traitlets.List(traitlets.Float(min=-ODDS, max=ODDS), [0.0] * N, minlen=N, maxlen=N).tag(sync=True, state=True)

    def __repr__(self) -> str:
        return f"Share(one={self.one}, two={self.two}, weight={self.weight})"  # twelve odds would be too long a line

    def shared(self) -> Shared:
        """The numbers that the figure shows."""
        return shared(self.one, self.two, self.weight, self.odds)

    def e_step(self) -> None:
        """Let the responsibilities be those of the present components."""
        self.odds = odds_of(self.one, self.two, self.weight).tolist()

    def m_step(self) -> None:
        """Fit components and weight to the present responsibilities."""
        self.one, self.two, self.weight = refitted(self.odds)

    def draw(self, figure: Figure) -> None:
        """The components as places in (mean, sd); their densities and the points; the shares of each point; two bars."""
        plane, top, strip, bars = figure.subplots(4, 1, height_ratios=(4, 5, 2.4, 1.8))
        x = torch.linspace(-4.5, 4.5, 1801, dtype=F64)
        joint = log_joint(x[:, None], _theta(self.one, self.two, self.weight))[0]
        points, r = POINTS.numpy(), _log_r(self.odds)[0].exp().numpy()
        for k, ((mean, sd), colour) in enumerate(((self.one, plot.BLUE), (self.two, plot.ORANGE))):
            plane.plot([mean - sd, mean + sd], [sd, sd], color=colour)
            plane.plot(mean, sd, "o", color="white", mec=plot.BLACK, ms=13)
            plane.text(mean, sd, k + 1, ha="center", va="center_baseline", weight="bold", size=9)
            top.plot(x, joint[k].exp(), color=colour)
            top.fill_between(x, joint[k].exp(), color=colour, alpha=0.25, lw=0)
        plane.set(ylim=(0, 3.3), yticks=[0, 1, 2, 3], ylabel=r"$\sigma$")
        top.plot(x, joint.logsumexp(0).exp(), color=plot.BLACK)
        top.scatter(points, [0] * N, c=[_mixed(share) for share in r], edgecolors=plot.BLACK, zorder=3, clip_on=False)
        top.set(ylim=(0, 0.4), yticks=[0, 0.4], ylabel="$p(x)$")
        strip.bar(points, r, 0.2, color=plot.BLUE, edgecolor=plot.BLACK, lw=0.8)
        strip.bar(points, 1 - r, 0.2, r, color=plot.ORANGE, edgecolor=plot.BLACK, lw=0.8)
        strip.plot(x, joint.softmax(0)[0], "--", color=plot.BLACK)
        strip.set(ylim=(0, 1), yticks=[0, 1], ylabel="$r$", xlabel="$x$; dashed: $p(z = 1 | x)$")
        for ax in (plane, top, strip):
            ax.set(xlim=(-4.5, 4.5), xticks=range(-4, 5, 2))
            ax.tick_params(labelbottom=ax is strip)
        log_p, below, kl = (number.item() for number in self.shared())
        for row, (end, words) in enumerate(((log_p, _told(log_p)), (below, f"{_told(below)}, KL {_told(kl)}"))):
            bars.barh(row, max(0.0, end + 40), left=-40, color="0.7", edgecolor=plot.BLACK, lw=0.8)
            bars.text(-19.8, row, words, va="center")
        bars.barh(1, log_p - max(below, -40.0), left=max(below, -40.0), color="white", edgecolor=plot.BLACK, lw=0.8, hatch="////")
        bars.set(xlim=(-40, -20), ylim=(1.6, -0.6), yticks=[0, 1], xticks=[-40, -35, -30, -25, -20])
        bars.set_xticklabels(["\N{MINUS SIGN}40", "", "\N{MINUS SIGN}30", "", "\N{MINUS SIGN}20"])
        bars.set_yticklabels([r"$\ell(\theta)$", r"$\mathcal{L}(r, \theta)$"])


def _mixed(share: float) -> tuple[float, ...]:
    """The colour between those of the components."""
    return tuple(share * blue + (1 - share) * orange for blue, orange in zip(to_rgb(plot.BLUE), to_rgb(plot.ORANGE)))


def _told(number: float) -> str:
    """Three places, a true minus, and no minus before zero."""
    return f"{round(number, 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
