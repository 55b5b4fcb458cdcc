"""Two groups of data that fade into noise: the density of x_t and its score at a time, and paths through (t, x) both ways."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from gmlib import plot
from gmlib.core import check_batch, check_count
from gmlib.diffusion import DiffusedMixture
from gmlib.explore.figure import Explorable, module
from gmlib.targets import GaussianMixture

F64 = torch.float64
PI, MU, SD = (0.35, 0.65), (-1.3, 0.9), (0.3, 0.45)  # the law of x_0, a mixture of two Gaussians
T_MIN, T_MAX, COUNT, SEEDS = 0.01, 0.99, 8, 1000
TIMES = torch.arange(1, 100, dtype=F64) / 100
PATHS = ("forward", "flow", "reverse")
_pi, _mu, _variance = (torch.tensor(part, dtype=F64) for part in (PI, MU, [sd**2 for sd in SD]))
DATA = DiffusedMixture(GaussianMixture(_pi, _mu[:, None], _variance[:, None, None]))


class Faded(NamedTuple):
    """alpha_t, sigma_t, KL(law of x_t || N(0, 1)) in nats, and where the score is zero: the lower mode, the dip, the upper mode.

    ``low`` and ``dip`` are NaN where one mode is left.
    """

    alpha: Tensor
    sigma: Tensor
    kl: Tensor
    low: Tensor
    dip: Tensor
    high: Tensor


def _score(x: Tensor, alpha: Tensor) -> Tensor:
    return DATA.score(x.unsqueeze(-1), alpha.square().expand(x.shape)).squeeze(-1)


def _zero(alpha: Tensor, left: Tensor) -> Tensor:
    """The zero of the score between ``left`` and what comes 0.01 after it, by bisection."""
    right = left + 0.01
    falls = _score(left, alpha) > 0
    for _ in range(50):
        middle = (left + right) / 2
        before = (_score(middle, alpha) > 0) == falls
        left, right = torch.where(before, middle, left), torch.where(before, right, middle)
    return (left + right) / 2


def faded(t: float | Tensor) -> Faded:
    """What the figure says of x_t = alpha x_0 + sigma epsilon, alpha = cos(pi t / 2), sigma = sin(pi t / 2), in float64.

    x_0 follows 0.35 N(-1.3, 0.3^2) + 0.65 N(0.9, 0.45^2). The KL is a sum over a fixed grid, right to rounding for these laws;
    zeros of the score that are nearer to each other than 0.01, as they are just before two modes merge, may be missed.

    Args:
        t: the time, from 0.01 to 0.99, a number or a tensor of any shape.

    Returns:
        Each of the shape of t.

    Raises:
        ValueError: if ``t`` is outside its range, or on a NaN.

    Example:
        >>> [round(number.item(), 4) for number in faded(0.3)]
        [0.891, 0.454, 0.1178, -1.1447, -0.3307, 0.8003]
    """
    t = check_batch(torch.as_tensor(t, dtype=None if isinstance(t, Tensor) else F64), "t").to(F64)
    if (t < T_MIN - 1e-6).any() or (t > T_MAX + 1e-6).any():
        raise ValueError(f"t must be from {T_MIN} to {T_MAX}, got {t.min().item():g} to {t.max().item():g}")
    t = t.cpu()
    alpha, sigma = (torch.pi * t / 2).cos(), (torch.pi * t / 2).sin()
    x = torch.linspace(-9, 9, 1801, dtype=F64).expand(*t.shape, -1)
    log_p = DATA.log_prob(x.unsqueeze(-1), alpha.square().unsqueeze(-1).expand(x.shape))
    kl = 0.01 * (log_p.exp() * (log_p + 0.5 * x.square() + 0.5 * math.log(2 * math.pi))).sum(-1)

    grid = torch.linspace(-4, 4, 801, dtype=F64)
    rises = _score(grid.expand(*t.shape, -1), alpha.unsqueeze(-1)) > 0
    down, up = (rises[..., :-1] & ~rises[..., 1:]).int(), (~rises[..., :-1] & rises[..., 1:]).int()
    cells = (down.argmax(-1), up.argmax(-1), 799 - down.flip(-1).argmax(-1))
    low, dip, high = (_zero(alpha, grid[cell]) for cell in cells)
    two = up.any(-1)
    return Faded(alpha, sigma, kl, low.where(two, math.nan), dip.where(two, math.nan), high)


def _uniform(seed: int, n: np.ndarray) -> np.ndarray:
    """Numbers n of a fixed sequence in (0, 1): the counter-based generator mulberry32, which the page has too."""
    a = np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF) + (n + 1).astype(np.uint32) * np.uint32(0x6D2B79F5)
    b = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
    b ^= b + (b ^ (b >> np.uint32(7))) * (b | np.uint32(61))
    return ((b ^ (b >> np.uint32(14))) + 0.5) / 2.0**32


def _groups(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of x_t for each of the two groups, on a new last axis."""
    a = alpha.unsqueeze(-1)
    return a * _mu, 1 - a.square() * (1 - _variance)


def _quantiles(levels: Tensor, alpha: Tensor) -> Tensor:
    """Where the law of x_t has these shares of its mass below, by bisection."""
    mean, variance = _groups(alpha)
    left, right = torch.full_like(levels, -6.0), torch.full_like(levels, 6.0)
    for _ in range(55):
        middle = (left + right) / 2
        below = (_pi * torch.special.ndtr((middle.unsqueeze(-1) - mean) / variance.sqrt())).sum(-1) < levels
        left, right = torch.where(below, middle, left), torch.where(below, right, middle)
    return (left + right) / 2


def faded_paths(kind: str, seed: int = 0, count: int = COUNT) -> Tensor:
    """Paths of x_t at the times 0.01, 0.02, …, 0.99, in float64.

    ``"flow"`` are those of the probability flow. In one dimension each keeps the share of the mass below it; so they are
    quantiles, equally spaced in mass, and nothing is integrated. ``"forward"`` are paths of the noising process that begin on the
    left where the flow's do, ``"reverse"`` paths of the reverse process that begin on the right where the flow's do. From one time
    to the next both draw from the exact law of x_t given x_s, or of x_s given x_t: the size of the steps costs nothing.

    Args:
        kind: ``"forward"``, ``"flow"`` or ``"reverse"``.
        seed: of the noise, from 0 to 999; the same numbers everywhere, on the page too.
        count: how many paths.

    Returns:
        Shape ``(count, 99)``.

    Raises:
        ValueError: on another kind, a seed out of its range, or a count below one.

    Source: in the book eq-diffusion-flow and eq-diffusion-reverse-sde.

    Example:
        >>> [round(x, 4) for x in faded_paths("reverse", seed=3)[0, [0, 98]].tolist()]
        [-1.1993, -1.5321]
    """
    if kind not in PATHS:
        raise ValueError(f"kind must be one of {', '.join(PATHS)}, got {kind!r}")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed must be from 0 to {SEEDS - 1}, got {seed}")
    alphas, n = (torch.pi * TIMES / 2).cos(), check_count(count, "count")
    levels = (torch.arange(n, dtype=F64) + 0.5) / n
    if kind == "flow":
        return _quantiles(levels.unsqueeze(-1).expand(n, len(TIMES)), alphas)
    back, steps = kind == "reverse", len(TIMES) - 1
    draws = torch.from_numpy(_uniform(seed, np.arange(3 * n * steps))).reshape(n, steps, 3)
    path = [_quantiles(levels, alphas[-1 if back else 0])]
    for j in range(steps):
        early, late = alphas[[-j - 2, -j - 1]] if back else alphas[[j, j + 1]]
        path.append(_step(path[-1], early, late, back, *draws[:, j].T))
    return torch.stack(path[::-1] if back else path, 1)


def _step(x: Tensor, early: Tensor, late: Tensor, back: bool, u: Tensor, v: Tensor, choose: Tensor) -> Tensor:
    """A draw of x at the later time given x at the earlier one, or the other way round."""
    z = (-2 * u.log()).sqrt() * (2 * torch.pi * v).cos()
    a = late / early
    noise = 1 - a.square()  # sigma_t^2 - a^2 sigma_s^2, where sigma^2 = 1 - alpha^2
    if not back:
        return a * x + noise.sqrt() * z
    mean, variance = _groups(late)
    log_joint = _pi.log() - 0.5 * ((x.unsqueeze(-1) - mean).square() / variance + variance.log())
    mean, variance = (part[(choose >= log_joint.softmax(-1)[:, 0]).long()] for part in _groups(early))
    whole = a.square() * variance + noise
    return mean + a * variance / whole * (x - a * mean) + (variance * noise / whole).sqrt() * z


class Fade(Explorable):
    """A time to slide: the density of x_t and its score, and paths from data to noise, from noise to data, or of the flow.

    Args:
        t: the time, from 0.01 to 0.99.
        paths: ``"forward"``, ``"flow"`` or ``"reverse"``, as in :func:`faded_paths`.
        seed: of the noise, from 0 to 999.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Fade(t=0.6)
        >>> figure
        Fade(paths='reverse', seed=0, t=0.6)
        >>> round(figure.faded().high.item(), 4)
        0.2276
    """

    name = "fade"
    _esm = module(name)
    t = traitlets.Float(0.3, min=T_MIN, max=T_MAX).tag(sync=True, state=True)
    paths = traitlets.Enum(PATHS, "reverse").tag(sync=True, state=True)
    seed = traitlets.Int(0, min=0, max=SEEDS - 1).tag(sync=True, state=True)

    def faded(self) -> Faded:
        """The numbers that the figure shows."""
        return faded(self.t)

    def draw(self, figure: Figure) -> None:
        """Paths through (t, x) with the time marked; over the same x the density and the score, with the zeros of the latter."""
        plane, beside, push = figure.subplots(1, 3, sharey=True, width_ratios=(5, 2.2, 2.2))
        told = self.faded()
        flow, paths = faded_paths("flow"), faded_paths(self.paths, self.seed)
        plane.plot(TIMES, flow.T, color="0.7", lw=0.8)
        low, dip, high = faded(TIMES)[3:]
        for ridge in (low, dip, high):
            plane.plot(TIMES, ridge, ":", color=plot.BLACK, lw=1.4)
        plane.plot(TIMES, paths.T, color=plot.ORANGE, lw=1.2)
        plane.axvline(self.t, color=plot.BLACK, lw=1.6)
        at = [float(np.interp(self.t, TIMES, path)) for path in paths]
        plane.plot([self.t] * len(at), at, "o", color=plot.ORANGE, ms=5, zorder=3)
        plane.set(xlim=(0, 1), ylim=(-4, 4), xticks=[0, 0.5, 1], yticks=[-4, -2, 0, 2, 4], xlabel="$t$", ylabel="$x_t$")
        plane.set_title(f"{self.paths} paths")

        x = torch.linspace(-4, 4, 801, dtype=F64)
        density = DATA.log_prob(x.unsqueeze(-1), told.alpha.item() ** 2).exp()
        beside.fill_betweenx(x, density, color=plot.BLUE, alpha=0.25, lw=0)
        beside.plot(density, x, color=plot.BLUE)
        beside.plot((-0.5 * x.square()).exp() / math.sqrt(2 * math.pi), x, "--", color=plot.BLACK, lw=1.2)
        beside.set(xlim=(0, 0.62), xticks=[0, 0.5], title="$q_t(x)$")
        push.axvline(0, color=plot.BLACK, lw=0.8)
        push.plot(_score(x, told.alpha), x, color=plot.BLACK)
        push.set(xlim=(-5, 5), xticks=[-4, 0, 4], title="$s(x, t)$")
        for name in ("low", "dip", "high"):
            push.plot([0], [getattr(told, name).item()], "o", color="white" if name == "dip" else plot.BLACK, mec=plot.BLACK, ms=6)
        for ax in (beside, push):
            ax.spines["left"].set_visible(False)
            ax.tick_params(left=False)
        zeros = ", ".join(_told(zero) for zero in told[3:] if not zero.isnan())
        figure.supxlabel(
            rf"$\alpha$ = {_told(told.alpha)}, $\sigma$ = {_told(told.sigma)}, KL($q_t$ || N(0, 1)) = {_told(told.kl)};"
            f" $s$ = 0 at $x$ = {zeros}",
            fontsize="medium",
        )


def _told(number: Tensor) -> str:
    """Three places, a true minus, and no minus before zero."""
    return f"{round(number.item(), 3) + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
