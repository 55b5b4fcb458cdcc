"""The gap between the evidence lower bound and log p(x), for a Gaussian q over one latent variable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor
from torch.distributions import Normal

from gmlib import plot
from gmlib.core import check_batch, check_positive
from gmlib.explore.figure import Explorable, module

PRIOR = Normal(0.0, 1.0)


class Bars(NamedTuple):
    """log p(x), the ELBO and the gap between them, in nats, each of the shape of q's parameters."""

    log_evidence: Tensor
    elbo: Tensor
    gap: Tensor


def line(z: Tensor) -> Tensor:
    """log p(x, z) at x = 1.25 in the model x = z + 0.75 eps: the posterior is exactly N(0.8, 0.6^2).

    Example:
        >>> line(torch.tensor([0.0, 0.8]))
        tensor([-2.9391, -2.0502])
    """
    return PRIOR.log_prob(z) + Normal(z, 0.75).log_prob(torch.full_like(z, 1.25))


def curve(z: Tensor) -> Tensor:
    """log p(x, z) at x = (1, 0) in the model x = (z^2 - 1, z / 2) + 0.4 eps: the posterior has two equal modes.

    Example:
        >>> curve(torch.tensor([-1.3, 0.0, 1.3]))
        tensor([ -3.3899, -13.4242,  -3.3899])
    """
    x1, x2 = Normal(z**2 - 1, 0.4), Normal(z / 2, 0.4)
    return PRIOR.log_prob(z) + x1.log_prob(torch.ones_like(z)) + x2.log_prob(torch.zeros_like(z))


def bars(mu: float | Tensor, sigma: float | Tensor, log_joint: Callable[[Tensor], Tensor] = line) -> Bars:
    """log p(x), the ELBO of q = N(mu, sigma^2), and KL(q || p(z|x)), by quadrature.

    The grids are fixed: steps of 0.005 from -8 to 8 for the evidence; for q, steps of a twentieth of its standard
    deviation, 9 of them to both sides. With the two models of this module all three are right to rounding; another
    must be smooth at the scale of these steps, and its joint density must have vanished at 8.

    Args:
        mu, sigma: centre and standard deviation (not variance) of q, numbers or tensors of one shape.
        log_joint: maps values of z, of any shape, to log p(x, z); for instance :func:`line` or :func:`curve`.

    Raises:
        ValueError: if ``sigma`` is not positive or has not the shape of ``mu``, or on a NaN.

    Source: in the book eq-vae-elbo and eq-vae-elbo-gap.

    Example:
        >>> [round(value.item(), 3) for value in bars(0.0, 1.0)]
        [-1.642, -2.909, 1.267]
    """
    mu, sigma = (v if isinstance(v, Tensor) else torch.tensor(v, dtype=torch.float64) for v in (mu, sigma))
    check_positive(check_batch(sigma, "sigma"), "sigma")
    if check_batch(mu, "mu").shape != sigma.shape:
        raise ValueError(f"sigma must have the shape of mu, {tuple(mu.shape)}, got {tuple(sigma.shape)}")

    z = torch.linspace(-8, 8, 3201, dtype=mu.dtype, device=mu.device)
    log_evidence = log_joint(z).logsumexp(0) + math.log(16 / 3200)  # eq-vae-evidence

    t = torch.linspace(-9, 9, 361, dtype=mu.dtype, device=mu.device)
    z = mu.unsqueeze(-1) + sigma.unsqueeze(-1) * t
    log_q = PRIOR.log_prob(t) - sigma.log().unsqueeze(-1)
    weight = PRIOR.log_prob(t).exp() * (18 / 360)
    log_p = log_joint(z)
    elbo = (weight * (log_p - log_q)).sum(-1)  # eq-vae-elbo
    gap = (weight * (log_q - (log_p - log_evidence))).sum(-1)  # eq-vae-elbo-gap
    return Bars(log_evidence.expand_as(elbo), elbo, gap)


class Gap(Explorable):
    """A posterior over one latent variable and a Gaussian q to drag; log p(x), ELBO and gap move as bars.

    Args:
        decoder: ``"line"``, whose posterior is a Gaussian (the gap can be closed), or ``"curve"``, whose posterior has
            two modes (it cannot); see :func:`line` and :func:`curve`.
        mu: centre of q, from -3 to 3.
        sigma: standard deviation of q, from 0.1 to 2.
        language: ``"both"``, ``"en"`` or ``"zh"``, in a notebook; on the site the page decides.

    Example:
        >>> figure = Gap(decoder="curve", mu=1.3, sigma=0.15)
        >>> figure
        Gap(decoder='curve', mu=1.3, sigma=0.15)
        >>> round(figure.bars().gap.item(), 3)
        0.709
    """

    name = "gap"
    _esm = module(name)
    decoder = traitlets.Enum(("line", "curve"), "line").tag(sync=True, state=True)
    mu = traitlets.Float(0.0, min=-3.0, max=3.0).tag(sync=True, state=True)
    sigma = traitlets.Float(1.0, min=0.1, max=2.0).tag(sync=True, state=True)

    def log_joint(self, z: Tensor) -> Tensor:
        """log p(x, z) of the decoder that is chosen."""
        return {"line": line, "curve": curve}[self.decoder](z)

    def bars(self) -> Bars:
        """The numbers that the figure shows."""
        return bars(self.mu, self.sigma, self.log_joint)

    def draw(self, figure: Figure) -> None:
        """The posterior, q and the prior; below them the bars, the gap hatched from the ELBO to log p(x)."""
        log_evidence, elbo, gap = (value.item() for value in self.bars())
        top, bottom = figure.subplots(2, 1, height_ratios=(3, 2))
        z = torch.linspace(-3.5, 3.5, 701, dtype=torch.float64)
        posterior = (self.log_joint(z) - log_evidence).exp()
        q = Normal(self.mu, self.sigma).log_prob(z).exp()
        for density, colour, name in ((posterior, plot.BLUE, "$p(z\\,|\\,x)$"), (q, plot.ORANGE, "$q(z)$")):
            top.plot(z, density, color=colour, label=name)
            top.fill_between(z, density, color=colour, alpha=0.25, lw=0)
        top.plot(z, PRIOR.log_prob(z).exp(), ":", color=plot.BLACK, lw=1, label="$p(z)$")
        top.set(xlabel="$z$", xlim=(-3.5, 3.5), yticks=[], ylim=(0, {"line": 1.4, "curve": 2.8}[self.decoder]))
        top.legend(loc="upper left")
        top.spines.left.set_visible(False)
        floor = -12
        names = ("$\\log p(x)$", "ELBO", "$\\mathrm{KL}(q\\,\\|\\,p(z\\,|\\,x))$")
        left = (floor, floor, max(elbo, floor))
        right = (log_evidence, max(elbo, floor), log_evidence)
        widths = [b - a for a, b in zip(left, right, strict=True)]
        colours = (plot.BLUE, plot.ORANGE, "none")
        rows = bottom.barh(names, widths, left=left, color=colours, edgecolor=plot.BLACK, lw=0.8)
        rows[2].set_hatch("///")
        for row, value in enumerate((log_evidence, elbo, gap)):
            bottom.text(0.3, row, f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), va="center")
        bottom.axvline(log_evidence, color=plot.BLACK, lw=1)
        bottom.set(xlabel="nats", xlim=(floor, 2), xticks=range(floor, 1, 2))
        bottom.invert_yaxis()
