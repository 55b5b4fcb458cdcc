"""A map of the line that is bent at three handles: where it is steep the density is low, and a gap is paid for with slope."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from gmlib import plot
from gmlib.core import check_batch
from gmlib.explore.figure import Explorable, module
from gmlib.flows import least_kl

F64 = torch.float64
END, TAIL = (3.0, 3.391), 0.5  # the curve goes through -END and END, and on with this slope
Z_MAX, X_MAX, STEP = 2.5, 3.0, 0.05  # how far handles go, and the least that parts two of them, either way
A, S = 2.0, 0.5  # the target, half N(-A, S^2) and half N(A, S^2)
SAMPLES = torch.special.ndtri((torch.arange(20, dtype=F64) + 0.5) / 20)
NODES, WEIGHTS = (torch.from_numpy(part) / 2 for part in np.polynomial.legendre.leggauss(5))


class Bent(NamedTuple):
    """The largest slope of g, the mass of x between -1 and 1, KL(target || law of x), and the least KL at that slope."""

    slope: Tensor
    middle: Tensor
    kl: Tensor
    least: Tensor


def _checked(handles: Tensor) -> Tensor:
    if check_batch(handles, "handles").shape != (3, 2):
        raise ValueError(f"handles must have shape (3, 2), got {tuple(handles.shape)}")
    if (handles.abs() > handles.new_tensor([Z_MAX, X_MAX])).any() or (handles.diff(dim=0) < STEP - 1e-6).any():
        raise ValueError(f"handles must rise by at least {STEP} in z and x, within {Z_MAX} and {X_MAX} of 0, got {handles.tolist()}")
    return handles.to(F64)


def _knots(handles: Tensor) -> tuple[Tensor, ...]:
    """z, x and slope at the five knots: at a handle the harmonic mean of the slopes of its two chords."""
    end = torch.tensor([END], dtype=F64, device=handles.device)
    z, x = torch.cat([-end, handles, end]).T.contiguous()
    chord = x.diff() / z.diff()
    slope = 2 / (1 / chord[1:] + 1 / chord[:-1])
    return z, x, torch.nn.functional.pad(slope, (1, 1), value=TAIL)


def _between(t: Tensor, x0: Tensor, w: Tensor, h: Tensor, d0: Tensor, d1: Tensor) -> tuple[Tensor, Tensor]:
    """Value and slope where a share t of a bin of width w and height h is passed, with slopes d0 and d1 at its ends."""
    s, u = h / w, t * (1 - t)
    below = s + (d0 + d1 - 2 * s) * u
    value = x0 + h * (s * t.square() + d0 * u) / below
    return value, s.square() * (d1 * t.square() + 2 * s * u + d0 * (1 - t).square()) / below.square()


def _bins(z: Tensor, x: Tensor, d: Tensor) -> tuple[Tensor, ...]:
    return x[:-1], z.diff(), x.diff(), d[:-1], d[1:]


def bent_map(z: Tensor, handles: Tensor) -> tuple[Tensor, Tensor]:
    """The curve x = g(z) through three handles, monotone and with a continuous slope, and g'(z), in float64.

    Between its five knots, the handles and the ends at -3 and 3, it is a quotient of quadratics, beyond them straight.
    Its slope at a handle is the harmonic mean of the slopes of the chords to either side, and 0.5 at the ends.

    Args:
        z: any shape.
        handles: the points (z, x) through which g goes, from left to right, shape ``(3, 2)``: z within 2.5 of 0 and x within
            3, either rising by at least 0.05 from one to the next.

    Raises:
        ValueError: on handles that do not rise, or are out of their range, on another shape or a NaN.

    Source: Gregory and Delbourgo 1982; in the book eq-flows-spline.

    Example:
        >>> x, slope = bent_map(torch.tensor([0.0, 0.25, 4.0]), torch.tensor([[-0.5, -1.85], [0.0, 0.0], [0.5, 1.85]]))
        >>> [round(v, 4) for v in x.tolist() + slope.tolist()]
        [0.0, 1.1261, 3.891, 3.7, 4.5045, 0.5]
    """
    z, (knots, x, d) = check_batch(z, "z").to(F64).contiguous(), _knots(_checked(handles))
    k = (torch.bucketize(z, knots, right=True) - 1).clamp(0, 3)
    t = ((z - knots[k]) / knots.diff()[k]).clamp(0, 1)
    value, slope = _between(t, *(part[k] for part in _bins(knots, x, d)))
    beyond = z - z.clamp(-END[0], END[0])
    return value + TAIL * beyond, slope


def _share(at: float, knots: Tensor, x: Tensor, d: Tensor) -> Tensor:
    """P(g(z) <= at) for z standard normal and ``at`` between the ends: the root of a quadratic that does not cancel."""
    k = (torch.bucketize(torch.tensor(at, dtype=F64), x, right=True) - 1).clamp(0, 3)
    x0, w, h, d0, d1 = (part[k] for part in _bins(knots, x, d))
    rise, s = at - x0, h / w
    bent = rise * (d0 + d1 - 2 * s)
    a, b, c = h * (s - d0) + bent, h * d0 - bent, -s * rise
    t = 2 * c / (-b - (b.square() - 4 * a * c).sqrt())
    return torch.special.ndtr(knots[k] + t * w)


def _largest(knots: Tensor, x: Tensor, d: Tensor) -> Tensor:
    """The largest slope: on a grid in each bin, then on ever finer ones about its best."""
    bins = tuple(part.unsqueeze(-1) for part in _bins(knots, x, d))
    middle, reach = torch.full((4, 1), 0.5, dtype=F64), 0.5
    for _ in range(4):
        t = (middle + reach * torch.linspace(-1, 1, 401, dtype=F64)).clamp(0, 1)
        slope, at = _between(t, *bins)[1].max(-1, keepdim=True)
        middle, reach = t.gather(-1, at), reach / 100
    return slope.max()


def _kl(knots: Tensor, x: Tensor, d: Tensor) -> Tensor:
    """KL(target || law of x): Gauss's quadrature in z, between the knots and beyond the ends, in 200 pieces each."""
    t, dt = (torch.arange(200, dtype=F64)[:, None] + NODES + 0.5).flatten() / 200, WEIGHTS.repeat(200) / 200
    bins = tuple(each.unsqueeze(-1) for each in _bins(knots, x, d))
    value, slope = _between(t, *bins)
    z, dz = knots[:-1, None] + bins[1] * t, bins[1] * dt
    far, weight = 12 * t, 12 * dt  # beyond the ends
    z = torch.cat([z.flatten(), END[0] + far, -END[0] - far])
    value = torch.cat([value.flatten(), END[1] + TAIL * far, -END[1] - TAIL * far])
    slope = torch.cat([slope.flatten(), torch.full((2 * len(far),), TAIL, dtype=F64)])
    dz = torch.cat([dz.flatten(), weight, weight])
    log_p = _log_target(value)
    log_q = -0.5 * z.square() - 0.5 * math.log(2 * math.pi) - slope.log()
    return (dz * slope * log_p.exp() * (log_p - log_q)).sum()


def _log_target(x: Tensor) -> Tensor:
    modes = torch.stack([-0.5 * ((x - centre) / S) ** 2 for centre in (-A, A)])
    return modes.logsumexp(0) - math.log(2 * S * math.sqrt(2 * math.pi))


def bent(handles: Tensor) -> Bent:
    """What the figure says of the curve: see :class:`Bent`; all without axes, in float64, the KL in nats.

    Args:
        handles: as in :func:`bent_map`.

    Raises:
        ValueError: as :func:`bent_map`.

    Source: the least KL is that of :func:`gmlib.flows.least_kl`.

    Example:
        >>> [round(v.item(), 4) for v in bent(torch.tensor([[-0.5, -1.85], [0.0, 0.0], [0.5, 1.85]]))]
        [4.8144, 0.1761, 0.1925, 0.1251]
    """
    curve = _knots(_checked(handles).cpu())
    slope = _largest(*curve)
    least = torch.tensor(least_kl(A, S, slope.item()).kl, dtype=F64)
    return Bent(slope, _share(1.0, *curve) - _share(-1.0, *curve), _kl(*curve), least)


def _handle(z: float, x: float) -> traitlets.Tuple:
    limits = (traitlets.Float(min=-end, max=end) for end in (Z_MAX, X_MAX))
    return traitlets.Tuple(*limits, default_value=(z, x)).tag(sync=True, state=True)


class Bend(Explorable):
    """A curve x = g(z) to bend: the densities of z and x, samples on both axes, the slope, and what a gap costs.

    Args:
        left, middle, right: the handles (z, x), as in :func:`bent_map`.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Raises:
        traitlets.TraitError: also on handles that do not rise from left to right.

    Example:
        >>> figure = Bend(right=(0.5, 2.0))
        >>> figure
        Bend(left=(-0.5, -1.85), middle=(0.0, 0.0), right=(0.5, 2.0))
        >>> round(figure.bent().slope.item(), 4)
        5.3115
    """

    name = "bend"
    _esm = module(name)
    left, middle, right = _handle(-0.5, -1.85), _handle(0.0, 0.0), _handle(0.5, 1.85)

    @traitlets.validate("left", "middle", "right")
    def _rising(self, proposal: dict) -> tuple[float, float]:
        places = {name: getattr(self, name) for name in ("left", "middle", "right")} | {proposal["trait"].name: proposal["value"]}
        try:
            _checked(torch.tensor(list(places.values()), dtype=F64))
        except ValueError as error:
            raise traitlets.TraitError(f"{proposal['trait'].name}: {error}") from None
        return proposal["value"]

    def handles(self) -> Tensor:
        """The handles, as :func:`bent_map` takes them."""
        return torch.tensor([self.left, self.middle, self.right], dtype=F64)

    def bent(self) -> Bent:
        """The numbers that the figure shows."""
        return bent(self.handles())

    def draw(self, figure: Figure) -> None:
        """The curve with its slope above, the density of z below and that of x at its left; the numbers at its right."""
        places = figure.subplot_mosaic(
            [[".", "slope", "told"], ["x", "g", "told"], [".", "z", "told"]],
            width_ratios=(2, 5, 2.3),
            height_ratios=(2, 6, 1.6),
        )
        handles = self.handles()
        z = torch.linspace(-3.2, 3.2, 2561, dtype=F64)
        x, slope = bent_map(z, handles)
        bell = (-0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
        g, below, beside, above = (places[name] for name in ("g", "z", "x", "slope"))
        g.axhspan(-1, 1, color="0.9", lw=0)
        beside.axhspan(-1, 1, color="0.9", lw=0)
        for u, v in zip(SAMPLES.tolist(), bent_map(SAMPLES, handles)[0].tolist()):
            g.plot([u, u, -3.2], [-3.6, v, v], color="0.7", lw=0.6)
        for ends, colour in (([SAMPLES, [-3.6] * 20], plot.BLUE), ([[-3.2] * 20, bent_map(SAMPLES, handles)[0]], plot.ORANGE)):
            g.plot(*ends, "o", color=colour, ms=4, clip_on=False, zorder=3)
        g.plot(z, x, color=plot.BLACK)
        g.plot(*handles.T, "o", color=plot.ORANGE, mec=plot.BLACK, mew=1.6, ms=10, zorder=4)
        g.set(xlim=(-3.2, 3.2), ylim=(-3.6, 3.6), xticks=[], yticks=[])
        above.semilogy(z, slope, color=plot.GREEN)
        above.set(xlim=(-3.2, 3.2), ylim=(0.03, 300), xticks=[], yticks=[0.1, 1, 10, 100], title="slope $g'(z)$")
        above.axhline(1, color="0.7", lw=0.8, ls=":")
        below.fill_between(z, bell, color=plot.BLUE, alpha=0.25, lw=0)
        below.plot(z, bell, color=plot.BLUE)
        below.set(xlim=(-3.2, 3.2), ylim=(0.45, 0), yticks=[], xlabel="$z$")
        beside.fill_betweenx(x, bell / slope, color=plot.ORANGE, alpha=0.25, lw=0)
        beside.plot(bell / slope, x, color=plot.ORANGE)
        beside.plot(_log_target(x).exp(), x, "--", color=plot.BLACK, lw=1.2)
        beside.set(xlim=(0.6, 0), ylim=(-3.6, 3.6), xticks=[], ylabel="$x$")
        told = self.bent()
        words = "largest slope\n{:.2f}\n\n$P(|x| < 1)$\n{:.3f}\n\nKL, nats\n{:.3f}\n\nleast KL at\nthis slope\n{:.3f}"
        places["told"].text(0.1, 0.5, words.format(*told), va="center", transform=places["told"].transAxes)
        places["told"].axis("off")
        for ax in (below, beside):
            ax.spines[["left", "bottom"]].set_visible(False)
