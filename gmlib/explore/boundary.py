"""Two classes on the plane and a point: how likely the point is in either class, and how likely it is at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor
from torch.distributions import Normal

from gmlib import plot
from gmlib.core import check_batch, check_positive
from gmlib.explore.figure import Explorable, module

F64 = torch.float64
SHARE = 0.01  # the draws that are left out: a point below all others is unlike 99% of them
ANGLES = 180


class Reading(NamedTuple):
    """What the figure says of a point: p(y|x) of each class, log p(x), the log p(x) that 99% of the model's own draws
    exceed, and the share of the draws that do not exceed that of this point."""

    posterior: Tensor
    log_prob: Tensor
    lowest: Tensor
    share: Tensor


def _log_joint(x: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """log p(x, y) for each class y, in nats: a Gaussian with independent coordinates, weighed by pi."""
    return pi.log() + Normal(mu, sigma).log_prob(x.unsqueeze(-2)).sum(-1)


def _root(f: Callable[[Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Where f, of another sign at a than at b, is zero between them, elementwise: the Illinois method."""
    fa, fb = f(a), f(b)
    for _ in range(80):
        c = (a * fb - b * fa) / (fb - fa)
        fc = f(c)
        kept = fc.sign() == fb.sign()
        a, fa, b, fb = torch.where(kept, a, b), torch.where(kept, fa / 2, fb), c, fc
        if fc.numel() == 0 or fc.abs().max() < 1e-13:
            break
    return b


def _crossings(log_p: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where rays from each centre cross the level ``log_p`` of log p(x).

    A ray leaves centre c in one of 180 directions u and stands at mu_c + r sigma_c u. On it log p(x, y) is a quadratic
    of r for each class, so that its crossings are known; the sum over the C classes can cross the level only where one
    of them lies between the level and log C below it.

    Returns:
        for each centre and direction, whether the density at the centre itself is below the level, shape ``(C, 180)``;
        then for each crossing its centre c, its point (relative to mu_c, in units of sigma_c), and +1 where p(x) falls
        below the level there and -1 where it rises.
    """
    angle = torch.arange(ANGLES, dtype=mu.dtype, device=mu.device) * (2 * math.pi / ANGLES)
    u = torch.stack([angle.cos(), angle.sin()], -1)
    step = (sigma.unsqueeze(1) * u).unsqueeze(2) / sigma  # (C, 180, C, 2): in units of each class's sigma
    start = ((mu.unsqueeze(1) - mu) / sigma).unsqueeze(1)
    a, b, c = step.square().sum(-1), (step * start).sum(-1), start.square().sum(-1)
    top = pi.log() - sigma.log().sum(-1) - math.log(2 * math.pi)

    def excess(r: Tensor, at: tuple) -> Tensor:
        r = r.unsqueeze(-1)
        return (top - (r**2 * a[at] + 2 * r * b[at] + c.expand_as(a)[at]) / 2).logsumexp(-1) - log_p

    levels = torch.stack([log_p, log_p - math.log(len(mu))])
    half = (b**2 - a * (c - 2 * (top - levels.view(2, 1, 1, 1)))).clamp(min=0).sqrt()
    ends = (torch.stack([-b - half, -b + half]) / a).clamp(min=0).permute(2, 3, 0, 1, 4).flatten(2)
    last = 1.01 * ends.amax(-1, keepdim=True) + 1e-6
    r = torch.cat([torch.zeros_like(last), ends, last], -1).sort(-1).values
    r = torch.cat([r, (r[..., 1:] + r[..., :-1]) / 2], -1).sort(-1).values
    above = excess(r, (slice(None), slice(None), None)) > 0
    at = (above[..., 1:] != above[..., :-1]).nonzero(as_tuple=True)
    found = _root(lambda r: excess(r, at[:2]), r[..., :-1][at], r[..., 1:][at])
    return ~above[..., 0], at[0], found.unsqueeze(-1) * u[at[1]], above[..., :-1][at] * 2.0 - 1


def _shaped(value: Tensor, name: str, *shape: int) -> Tensor:
    if check_batch(value, name).shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(value.shape)}")
    return value


def _checked(pi: Tensor, mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    C = check_positive(check_batch(pi, "pi"), "pi").numel()
    check_positive(_shaped(sigma, "sigma", C, 2), "sigma")
    if abs(pi.sum() - 1) > 1e-6:
        raise ValueError(f"pi must sum to 1, got {pi.sum().item()}")
    return _shaped(pi, "pi", C), _shaped(mu, "mu", C, 2), sigma


def _share_below(log_p: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    below, c, point, falls = _crossings(log_p, pi, mu, sigma)
    beyond = falls * (-point.square().sum(-1) / 2).exp() / ANGLES
    return (pi * below.to(pi.dtype).mean(-1)).sum() + (pi[c] * beyond).sum()


def share_below(log_p: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """The share of the model's own draws X whose log p(X) is at most ``log_p``: the distribution function of log p(X).

    A Gaussian has the mass exp(-r^2 / 2) beyond r standard deviations in any direction. So along a ray from a centre
    the share is exact once the places are known at which p(x) crosses the level; the mean over directions is a sum over
    180 of them. It is right to 1e-8 where each ray leaves the level set once. Rays that touch the level set cost digits:
    then it is right to 2e-4, and to 2e-5 for shares below a twentieth.

    Args:
        log_p: the level in nats, a tensor without axes.
        pi, mu, sigma: the classes, as in :func:`reading`.

    Raises:
        ValueError: as :func:`reading`, or if ``log_p`` has axes or is NaN.

    Example:
        >>> one = torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2)  # for one Gaussian it is p(x) / max p
        >>> share_below(torch.tensor(0.25 / (2 * math.pi)).log(), *one)
        tensor(0.2500)
    """
    if check_batch(log_p, "log_p").ndim:
        raise ValueError(f"log_p must have no axes, got shape {tuple(log_p.shape)}")
    return _share_below(log_p, *_checked(pi, mu, sigma))


def lowest(pi: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """The log p(x) that 99% of the model's own draws exceed, in nats: where :func:`share_below` is 0.01.

    Args:
        pi, mu, sigma: the classes, as in :func:`reading`.

    Raises:
        ValueError: as :func:`reading`.

    Example:
        >>> lowest(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 2))  # log 0.01 - log 2 pi
        tensor(-6.4430)
    """
    pi, mu, sigma = _checked(pi, mu, sigma)
    top = pi.log() - sigma.log().sum(-1) - math.log(2 * math.pi)
    ends = top.min() + math.log(SHARE) - 1e-6, top.logsumexp(0)
    return _root(lambda log_p: (_share_below(log_p, pi, mu, sigma) / SHARE).log(), *ends)


def reading(x: Tensor, pi: Tensor, mu: Tensor, sigma: Tensor) -> Reading:
    """What a model of Gaussian classes on the plane says of the point x.

    Args:
        x: the point, shape ``(2,)``.
        pi: the prior p(y) of each class, shape ``(C,)``, positive and of sum 1.
        mu, sigma: centre and standard deviations (not variances) of each class along both axes, shape ``(C, 2)``.

    Raises:
        ValueError: on a wrong shape or a NaN, or if ``sigma`` or ``pi`` is not positive or ``pi`` does not sum to 1.

    Example:
        >>> pi, mu = torch.tensor([0.5, 0.5]), torch.tensor([[-2.0, 0.0], [2.0, 0.0]])
        >>> reading(torch.tensor([0.0, 9.0]), pi, mu, torch.ones(2, 2)).posterior
        tensor([0.5000, 0.5000])
    """
    classes = _checked(pi, mu, sigma)
    log_p = _log_joint(_shaped(x, "x", 2), *classes)
    log_prob = log_p.logsumexp(-1)
    return Reading(log_p.softmax(-1), log_prob, lowest(*classes), _share_below(log_prob, *classes))


def _pair(default: tuple[float, float], *limits: tuple[float, float]) -> traitlets.Tuple:
    """Two numbers that move, each between its limits."""
    numbers = (traitlets.Float(min=a, max=b) for a, b in limits)
    return traitlets.Tuple(*numbers, default_value=default).tag(sync=True, state=True)


class Boundary(Explorable):
    """Two Gaussian classes and a point to drag; p(y|x) and log p(x) of the point move as bars.

    The classes are y = 1 (blue) and y = 2 (orange), each with independent coordinates. Where their standard deviations
    are equal the boundary p(y=1|x) = 1/2 is a line, elsewhere a conic. Dashed stands the level of log p(x) that 99% of
    the model's own draws exceed (:func:`lowest`).

    Args:
        pi1: prior of class 1, from 0.05 to 0.95.
        mu1, mu2: centres, at most 5 from 0 along the first axis and 4 along the second.
        sigma1, sigma2: standard deviations along both axes, from 0.3 to 2.5.
        x: the point, at most 6.5 from 0 along the first axis and 5.5 along the second.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Boundary(x=(4.0, -5.0))
        >>> figure.x
        (4.0, -5.0)
        >>> p = figure.reading()
        >>> [round(v, 4) for v in (p.posterior[1].item(), p.log_prob.item(), p.lowest.item())]
        [0.9991, -20.7801, -6.724]
    """

    name = "boundary"
    _esm = module(name)
    pi1 = traitlets.Float(0.5, min=0.05, max=0.95).tag(sync=True, state=True)
    mu1, mu2 = _pair((-1.5, -0.5), (-5.0, 5.0), (-4.0, 4.0)), _pair((1.5, 0.5), (-5.0, 5.0), (-4.0, 4.0))
    sigma1, sigma2 = _pair((1.0, 1.0), (0.3, 2.5), (0.3, 2.5)), _pair((1.0, 1.0), (0.3, 2.5), (0.3, 2.5))
    x = _pair((4.0, -5.0), (-6.5, 6.5), (-5.5, 5.5))

    def classes(self) -> tuple[Tensor, Tensor, Tensor]:
        """pi, mu and sigma of the two classes, as :func:`reading` takes them."""
        values = (self.pi1, 1 - self.pi1), (self.mu1, self.mu2), (self.sigma1, self.sigma2)
        return tuple(torch.tensor(value, dtype=F64) for value in values)

    def reading(self) -> Reading:
        """The numbers that the figure shows."""
        return reading(torch.tensor(self.x, dtype=F64), *self.classes())

    def draw(self, figure: Figure) -> None:
        """The classes, who wins where, and the level of 99% of the draws; beside them the bars."""
        pi, mu, sigma = self.classes()
        posterior, log_prob, least, _ = self.reading()
        places = figure.subplot_mosaic([["x", "y"], ["x", "p"]], width_ratios=(5, 3), height_ratios=(3, 2))
        plane, bars, scale = places["x"], places["y"], places["p"]
        u, v = torch.meshgrid(torch.linspace(-7, 7, 561), torch.linspace(-6, 6, 481), indexing="xy")
        log_p = _log_joint(torch.stack([u, v], -1).to(F64), pi, mu, sigma)
        odds, colours = log_p[..., 0] - log_p[..., 1], (plot.BLUE, plot.ORANGE)
        plane.contourf(u, v, odds, levels=[-math.inf, 0, math.inf], colors=colours[::-1], alpha=0.12)
        dashes = dict(colors=plot.BLACK, linestyles="--", linewidths=1)
        plane.contour(u, v, log_p.logsumexp(-1), levels=[least.item()], **dashes)
        if odds.min() < 0 < odds.max():
            plane.contour(u, v, odds, levels=[0.0], colors=plot.BLACK, linewidths=2)
        for c, colour in enumerate(colours):
            for width in (2, 4):  # one and two standard deviations to either side
                w, h = (width * sigma[c]).tolist()
                plane.add_patch(Ellipse(mu[c].tolist(), w, h, fill=False, color=colour, lw=1.8))
            plane.text(*mu[c].tolist(), c + 1, color=colour, weight="bold", ha="center", va="center")
        plane.plot(*self.x, "x", color=plot.BLACK, ms=9, mew=2.5)
        plane.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-7, 7), ylim=(-6, 6), aspect="equal")
        bars.bar(["$p(y=1\\,|\\,x)$", "$p(y=2\\,|\\,x)$"], posterior.tolist(), color=colours, edgecolor=plot.BLACK)
        bars.set(ylim=(0, 1.12), yticks=(0, 0.5, 1), xlim=(-0.6, 1.6))
        for c, p in enumerate(posterior.tolist()):
            bars.text(c, p + 0.02, f"{p:.3f}", ha="center")
        scale.axvspan(least.item(), 2, color=plot.GREEN, alpha=0.35, lw=0)
        scale.text(least.item() - 1, 0.6, "99% of draws", ha="right")
        scale.plot(max(log_prob.item(), -40), 0, "x", color=plot.BLACK, ms=9, mew=2.5)
        scale.set(xlim=(-41, 2), yticks=[], xlabel="$\\log p(x)$ in nats", ylim=(-0.5, 1))
        scale.spines.left.set_visible(False)
