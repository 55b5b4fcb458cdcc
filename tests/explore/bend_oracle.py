"""The numbers of the figure of a bent map by other means: Gregory and Delbourgo's own form of the quotient, slopes by a complex
step, a root search, adaptive quadrature in x, and a convex programme's answer for the least KL where it is known."""

from functools import lru_cache

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm

from gmlib.flows import least_kl

NAMES = ("slope", "middle", "kl", "least")
START = ((-0.5, -1.85), (0.0, 0.0), (0.5, 1.85))
STATES = (
    START,
    ((-0.1, -1.3), (0.0, 0.0), (0.1, 1.3)),
    ((-1.5, -1.7), (0.0, 0.0), (1.5, 1.7)),
    ((-0.9, -2.4), (-0.35, 0.25), (1.25, 1.6)),
    ((0.4, -1.95), (0.55, 0.3), (0.85, 2.2)),
    ((-2.5, -3.0), (-2.45, 2.9), (-2.4, 3.0)),
    ((-0.05, -3.0), (0.0, 0.0), (0.05, 3.0)),
    ((-2.5, -0.05), (0.0, 0.0), (2.5, 0.05)),
)


def knots(handles):
    return np.array([(-3, -3.391), *handles, (3, 3.391)])


def slopes(handles):
    """At the five knots."""
    places = knots(handles)
    rise = np.diff(places[:, 1]) / np.diff(places[:, 0])
    return np.array([0.5, *(2 * a * b / (a + b) for a, b in zip(rise, rise[1:])), 0.5])


def g(z, handles):
    """A complex z gives the slope as the imaginary part of a small step."""
    (places, d), real = (knots(handles), slopes(handles)), np.real(z)
    if abs(real) > 3:
        end = np.sign(real) * 3
        return end / 3 * 3.391 + (z - end) / 2
    k = min(np.searchsorted(places[:, 0], real, side="right") - 1, 3)
    (z0, x0), (z1, x1) = places[k : k + 2]
    s, t = (x1 - x0) / (z1 - z0), (z - z0) / (z1 - z0)
    over = x1 * t**2 + (x1 * d[k] + x0 * d[k + 1]) / s * t * (1 - t) + x0 * (1 - t) ** 2
    return over / (t**2 + (d[k] + d[k + 1]) / s * t * (1 - t) + (1 - t) ** 2)


def slope(z, handles):
    return g(z + 1e-30j, handles).imag / 1e-30


def f(x, handles):
    return brentq(lambda z: g(z, handles) - x, -12, 12, xtol=1e-15, rtol=1e-15)


@lru_cache
def bent(handles):
    """The largest slope, the mass in the middle, KL(target || law of x), and the least KL."""
    most = 0.0
    for a, b in zip(knots(handles)[:-1, 0], knots(handles)[1:, 0]):
        grid = np.linspace(a, b, 60)[:-1]
        best = max(grid, key=lambda z: slope(z, handles))
        step = grid[1] - grid[0]
        found = minimize_scalar(lambda z: -slope(min(max(z, a), b - 1e-12), handles), bounds=(best - step, best + step),
                                method="bounded", options=dict(xatol=1e-12))  # fmt: skip
        most = max(most, slope(best, handles), -found.fun)

    def part(x):
        p = (norm.pdf(x, -2, 0.5) + norm.pdf(x, 2, 0.5)) / 2
        z = f(x, handles)
        return p * (np.log(p) - norm.logpdf(z) + np.log(slope(z, handles)))

    cuts = sorted({*np.arange(-6, 6.5, 0.5), *knots(handles)[:, 1]})
    kl = sum(quad(part, a, b, epsabs=1e-11, epsrel=1e-10, limit=200)[0] for a, b in zip(cuts, cuts[1:]))
    middle = norm.cdf(f(1.0, handles)) - norm.cdf(f(-1.0, handles))
    return np.array([most, middle, kl, least_kl(2.0, 0.5, most).kl])
